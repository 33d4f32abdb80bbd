"""Everything that differs between engines, in one module each."""

from metrics_graphql.storage.dialects.base import (
    CompiledStatement,
    DatabaseDialect,
    Dialect,
    Key,
    OnConflict,
    RangeDialect,
    RangeRead,
    RangeRows,
    Reader,
    Rows,
    SumsPart,
    SumsRead,
    TimeRange,
)

__all__ = [
    "CompiledStatement",
    "DatabaseDialect",
    "Dialect",
    "Key",
    "OnConflict",
    "RangeDialect",
    "RangeRead",
    "RangeRows",
    "Reader",
    "Rows",
    "SumsPart",
    "SumsRead",
    "TimeRange",
]
