"""ClickHouse through clickhouse-connect. It has the sessions only, without roll-ups."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, Final, cast

import sqlalchemy as sa
from clickhouse_connect.cc_sqlalchemy.datatypes.sqltypes import Array, Int64, Tuple
from clickhouse_connect.cc_sqlalchemy.dialect import ClickHouseDialect
from sqlalchemy.sql.compiler import SQLCompiler

from metrics_graphql.storage.dialects.base import (
    CompiledStatement,
    RangeRead,
    RangeRows,
    TimeRange,
)

COMPILER: Final = ClickHouseDialect(server_side_params=True)
"""Writes a placeholder `{name:Type}` for each value. Values are never part of the SQL."""
RANGES: Final = Array(Tuple(Int64, Int64))


class ClickHouse:
    """Statements do not contain FINAL: the client sets it, for each table they read."""

    name: Final = "clickhouse"
    has_rollups: Final = False

    def compile(self, statement: sa.ClauseElement) -> CompiledStatement:
        """Return a statement with `{name:Type}` for each parameter."""
        compiled = cast("SQLCompiler", statement.compile(dialect=COMPILER))
        binds = {name: compiled.binds[name] for name in compiled.params}
        constants = {name: bind.value for name, bind in binds.items() if not bind.required}
        return CompiledStatement(compiled.string, tuple(binds), constants)

    def in_ids(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        """Compare with an array."""
        return column.in_(sa.bindparam(parameter, type_=sa.Text, expanding=True))

    def bind_ids(self, ids: Iterable[str]) -> list[str]:
        """Return the ids, sorted so that equal sets bind equal values."""
        return sorted(ids)

    def read_ranges(self, read: RangeRead, *, single_query: bool) -> RangeRows:
        """Read from the first range to the last in one pass. The group key is a range's start.

        The bound ranges are disjoint, so a row is in one of them or between two.
        """
        instant = read.instant
        # A key that names another relation stands for all of its values.
        keys = [
            self.in_ids(key.column, key.values) for key in read.keys if isinstance(key.values, str)
        ]
        ranges = sa.bindparam(read.parameter, type_=RANGES)
        starts, ends = (sa.func.tupleElement(ranges, number_literal(index)) for index in (1, 2))
        start = sa.func.roundDown(instant, starts)
        rows = sa.select(sa.literal(0) if single_query else start).where(
            *read.conditions,
            *keys,
            instant >= sa.func.arrayElement(starts, number_literal(1)),
            instant < sa.func.arrayElement(ends, number_literal(-1)),
        )
        if not single_query:
            rows = rows.where(instant < sa.func.transform(start, starts, ends, number_literal(0)))
        return RangeRows(rows.select_from(instant.table), read.table.c)

    def bind_ranges(self, ranges: Iterable[TimeRange]) -> list[tuple[int, int]]:
        """Return the bounds of disjoint ranges, in order.

        Without any, one empty range: `roundDown` does not accept an empty array.
        """
        return list(disjoint_ranges(ranges)) or [(0, 0)]

    def group_queries(self, ranges: Iterable[TimeRange]) -> Callable[[int | None], Iterable[int]]:
        """Return a look-up of the queries of a disjoint range; the key of a single query is 0."""
        queries = {start: indexes for (start, _), indexes in disjoint_ranges(ranges).items()}
        return lambda group: queries.get(group or 0, (0,))

    def sum(self, column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """Return the sum, which is an integer."""
        return sa.func.sum(column)

    def floor_divide(
        self, dividend: sa.ColumnElement[int], divisor: sa.ColumnElement[int]
    ) -> sa.ColumnElement[int]:
        """Use `intDiv`: `/` returns a float."""
        return sa.func.intDiv(dividend, divisor)

    def current_time(self) -> sa.ColumnElement[int]:
        """Return the time of the server."""
        return sa.func.toUnixTimestamp(sa.func.now())


def number_literal(number: int) -> sa.ColumnElement[int]:
    """Return a number as part of the SQL, where ClickHouse takes no parameter."""
    return sa.literal_column(str(number), sa.Integer)


def disjoint_ranges(ranges: Iterable[TimeRange]) -> dict[tuple[int, int], tuple[int, ...]]:
    """Cut overlapping ranges at each other's bounds.

    Returns the bounds of each resulting range, in order, with the indexes of its queries.
    """
    starting: defaultdict[int, list[int]] = defaultdict(list)
    ending: defaultdict[int, list[int]] = defaultdict(list)
    for time_range in ranges:
        if time_range.start < time_range.end:
            starting[time_range.start].append(time_range.query_index)
            ending[time_range.end].append(time_range.query_index)
    disjoint = {}
    active: set[int] = set()
    for start, end in pairwise(sorted(starting.keys() | ending.keys())):
        active.difference_update(ending[start])
        active.update(starting[start])
        if active:
            disjoint[start, end] = tuple(active)
    return disjoint
