"""Everything that differs between engines: a class for each, which implements `Dialect`.

The modules of an engine have its name; `rollup_dialect` and `pooled_reader` are shared by several.
"""

from metrics_graphql.storage.dialects.base import (
    CompiledStatement,
    DatabaseDialect,
    Dialect,
    Key,
    OnConflict,
    RangeDialect,
    RangeRows,
    RangeScan,
    Reader,
    Rows,
    SumsPart,
    SumsSpec,
    TimeRange,
    number_literal,
)

__all__ = [
    "CompiledStatement",
    "DatabaseDialect",
    "Dialect",
    "Key",
    "OnConflict",
    "RangeDialect",
    "RangeRows",
    "RangeScan",
    "Reader",
    "Rows",
    "SumsPart",
    "SumsSpec",
    "TimeRange",
    "number_literal",
]
