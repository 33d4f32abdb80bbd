"""What the dialects of SQLite and PostgreSQL share: roll-ups, and statements of index ranges."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from metrics_graphql.storage.database_sums import database_sums
from metrics_graphql.storage.dialects.base import (
    EqualByClass,
    RangeDialect,
    RangeRows,
    RangeScan,
    SumsPart,
    SumsSpec,
    TimeRange,
    number_literal,
)
from metrics_graphql.storage.rollups import ROLLUP_DIMENSIONS

if TYPE_CHECKING:
    from metrics_graphql.storage.query_planner import QueryPlan

RANGE_COLUMNS: Final = (*TimeRange._fields, "step")
"""The columns of the bound ranges: see `merge_ranges`."""


class RollupDialect(EqualByClass, ABC):
    """The common base class of `SQLite` and `PostgreSQL`, which complete it to a `RangeDialect`.

    Bound time ranges and ids are tables to join with.
    """

    rollup_dimensions: Final = ROLLUP_DIMENSIONS
    ranks_first: Final = True
    """An index finds the rows of the ids of a page."""

    @abstractmethod
    def range_columns(self, parameter: str) -> Sequence[sa.ColumnElement[int]]:
        """Return `RANGE_COLUMNS` of a relation of the ranges bound to `parameter`."""

    @abstractmethod
    def ids_table(self, parameter: str) -> sa.FromClause:
        """Return the ids bound to `parameter`, as a table with the column `id`."""

    @abstractmethod
    def join_rows(
        self,
        outer: sa.FromClause,
        scan: RangeScan,
        conditions: Sequence[sa.ColumnElement[bool]],
    ) -> RangeRows:
        """Return the rows that meet conditions, looked up for each row of the outer relation.

        The caller replaces what they select.
        """

    @abstractmethod
    def ranges_value(self, ranges: Iterable[TimeRange]) -> object:
        """Return the value for the parameter of `range_columns`."""

    def sums_parts(self: RangeDialect, spec: SumsSpec) -> list[SumsPart]:
        """Sum raw sessions and roll-ups, which are in different tables."""
        return database_sums(self, spec)

    def bind_ranges(self, ranges: Collection[TimeRange]) -> dict[str, object]:
        """Return the ranges of roll-ups and of raw sessions."""
        return {
            "rolled_up": self.ranges_value([each for each in ranges if each.grain]),
            "raw": self.ranges_value([each for each in ranges if not each.grain]),
        }

    def subtracts_ranges(self, plan: "QueryPlan") -> bool:
        """Return True for breakdowns that read roll-ups.

        Totals have many measures and few rows. Multiplying every measure by a sign would take
        longer than reading the rows that it saves.
        """
        return plan.grouped_by is not None and plan.rollup_dimension is not None

    def scan_ranges(self, scan: RangeScan, *, by_range: bool) -> RangeRows:
        """Look up each range. The range key is the index of the query: see `merge_ranges`."""
        ranges = bound_ranges(self, scan.parameter)
        conditions = list(scan.conditions)
        outer: sa.FromClause | None = None
        for key in scan.keys:
            values = key.values
            column = bound_ids(self, values).c.id if isinstance(values, str) else values
            conditions.append(key.column == column)
            relation: sa.FromClause = column.table
            outer = relation if outer is None else CrossJoin(outer, relation)
        outer = ranges if outer is None else CrossJoin(outer, ranges)
        if "grain" in scan.table.c:
            conditions.append(scan.table.c.grain == ranges.c.grain)
        conditions += [scan.instant >= ranges.c.start, scan.instant < ranges.c.end]
        rows = self.join_rows(outer, scan, conditions)
        if not by_range:
            return rows._replace(sign=ranges.c.sign)
        offset = rows.columns[scan.instant.name] - ranges.c.start
        query_index = ranges.c.query_index + self.floor_divide(offset, ranges.c.step)
        return rows._replace(select=rows.select.with_only_columns(query_index))

    def select_by_ids(
        self, column: sa.Column[Any], parameter: str, *conditions: sa.ColumnElement[bool]
    ) -> sa.Select[*tuple[Any, ...]]:
        """Look up each id, in the order in which they are bound."""
        ids = self.ids_table(parameter)
        scan = RangeScan(parameter, column, frozenset(column.table.c.keys()))
        rows = self.join_rows(ids, scan, [*conditions, column == ids.c.id])
        return rows.select.with_only_columns(*(rows.columns[each.name] for each in column.table.c))

    def query_lookup(self, ranges: Iterable[TimeRange]) -> Callable[[int], Iterable[int]]:
        """Return the range key itself, which is the index of a query."""
        del ranges
        return lambda range_key: (range_key,)

    def floor_divide(
        self, dividend: sa.ColumnElement[int], divisor: sa.ColumnElement[int]
    ) -> sa.ColumnElement[int]:
        """Return a quotient, which is an integer in both databases."""
        return dividend // divisor


def merge_ranges(ranges: Iterable[TimeRange]) -> list[list[int]]:
    """Return the rows of the table of bound ranges.

    Adjacent ranges of equal length that belong to successive queries, like the days of a series,
    become one row, whose `step` is their length. So a session or roll-up belongs to the query with
    the index `query_index + (instant - start) / step`, rounded down.
    """
    merged: list[list[int]] = []
    growing: dict[tuple[int, ...], list[int]] = {}
    # The row to extend, by the range that would extend it. Plain tuples are faster to create.
    for time_range in ranges:
        query_index, grain, start, end = time_range
        length = end - start
        row = growing.pop(time_range, None)
        if row is None:
            row = [query_index, grain, start, end, length]
            merged.append(row)
        row[3] = end
        if query_index != -1:  # The index after -1 is 0, which is not subtracted.
            growing[query_index + 1, grain, end, end + length] = row
    return merged


@lru_cache
def bound_ranges(dialect: RollupDialect, parameter: str) -> sa.CTE:
    """Return a table of the ranges bound to a parameter: `RANGE_COLUMNS` and `sign`.

    It is always the same CTE, which is then declared once.
    """
    columns = dialect.range_columns(parameter)
    query_index = columns[RANGE_COLUMNS.index("query_index")]
    is_subtracted = query_index < number_literal(0)
    sign = sa.case((is_subtracted, number_literal(-1)), else_=number_literal(1)).label("sign")
    return sa.select(*columns, sign).cte(parameter).prefix_with("MATERIALIZED")


@lru_cache
def bound_ids(dialect: RollupDialect, parameter: str) -> sa.FromClause:
    """Return the ids bound to a parameter: always the same relation, as `bound_ranges`."""
    return dialect.ids_table(parameter)


class CrossJoin(sa.Join):
    """A CROSS JOIN: SQLite does not reorder its tables.

    `index` names the index through which SQLite must read the right table.
    """

    inherit_cache = False

    def __init__(self, left: sa.FromClause, right: sa.FromClause, index: str | None = None) -> None:
        super().__init__(left, right, sa.true())
        self.index = index


@compiles(CrossJoin)
def compile_cross_join(join: CrossJoin, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    """Write the two relations with CROSS JOIN between them."""
    options["asfrom"] = True
    left, right = (compiler.process(each, **options) for each in (join.left, join.right))
    hint = "" if join.index is None else f" INDEXED BY {join.index}"
    return f"{left} CROSS JOIN {right}{hint}"
