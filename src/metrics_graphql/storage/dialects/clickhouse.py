"""ClickHouse through clickhouse-connect. Sessions and roll-ups are rows of one table, `facts`.

The column `scope` has the kind of a row: the code of a roll-up dimension, or `SESSION_SCOPE`.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from itertools import pairwise
from typing import Any, Final, cast

import sqlalchemy as sa
from clickhouse_connect.cc_sqlalchemy.datatypes.sqltypes import Array, Int64, Tuple
from clickhouse_connect.cc_sqlalchemy.dialect import ClickHouseDialect
from sqlalchemy.sql.compiler import SQLCompiler

from metrics_graphql.core.sessions import CATEGORIES
from metrics_graphql.storage.clickhouse.facts import DIMENSIONS, GRAINS, SESSION_SCOPE, facts
from metrics_graphql.storage.dialects.base import (
    CompiledStatement,
    EqualByClass,
    SumsPart,
    SumsSpec,
    TimeRange,
    number_literal,
)
from metrics_graphql.storage.query_planner import OrganizationFilter, QueryPlan
from metrics_graphql.storage.rollups import RollupDimension
from metrics_graphql.storage.session_sql import category_expression, filter_conditions

COMPILER: Final = ClickHouseDialect(server_side_params=True)
"""Writes a placeholder `{name:Type}` for each value. Values are never part of the SQL."""
RANGES: Final = Array(Tuple(Int64, Int64))
GRAIN_STRIDE: Final = 1 << 40
"""The distance between two grains on one number line, on which a bucket is at its grain times this
plus its start. So the ranges of all grains are one sorted list. It exceeds the seconds of the
calendar."""
SPANS: Final = 2
"""The number of spans of each grain: the ranges of buckets that a statement reads. One period has
at most two ranges of a grain. Those of several periods are covered by two spans."""


class ClickHouse(EqualByClass):
    """The dialect of ClickHouse: every sum is a `sum()` over rows of `facts`.

    A statement scans the table once, and so sees each block of a writer as a whole.
    """

    name: Final = "clickhouse"
    rollup_dimensions: tuple[RollupDimension, ...] = DIMENSIONS
    ranks_first: Final = False
    """The granules with the ids of a page also have most other ids: a second scan would read them
    again."""

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

    def sums_parts(self, spec: SumsSpec) -> list[SumsPart]:
        """Return one part: sessions, and the roll-ups of the plan's dimension, in their spans.

        The range key is the start of a disjoint range on the number line of all grains.
        """
        plan, dimension = spec.plan, spec.plan.rollup_dimension
        conditions = [*organization_condition(self, plan)]
        sources = [self._sessions(spec)]
        if dimension is not None:
            sources += [self._rollups(spec, dimension, grain) for grain in dimension.grains]
        conditions.append(sa.or_(*sources))
        range_key = number_literal(0)
        if spec.by_range:
            ranges = sa.bindparam("ranges", type_=RANGES)
            starts, ends = (sa.func.tupleElement(ranges, number_literal(i)) for i in (1, 2))
            instant = facts.c.grain * number_literal(GRAIN_STRIDE) + facts.c.bucket
            range_key = sa.func.roundDown(instant, starts)
            # Spans also have rows between the ranges: they are at or after the end of their range.
            end = sa.func.transform(range_key, starts, ends, number_literal(0))
            conditions.append(instant < end)
        values = tuple(facts.c[each.name].label(each.name) for each in spec.measures)
        row_id: sa.ColumnElement[Any] = sa.null()
        if plan.grouped_by is not None:
            row_id = row_id_of(plan.grouped_by, dimension)
        rows = sa.select(range_key).select_from(facts).where(*conditions)
        return [SumsPart(rows, values, row_id)]

    def _sessions(self, spec: SumsSpec) -> sa.ColumnElement[bool]:
        """Return the condition that a row is a version of a matching session."""
        conditions = filter_conditions(self, spec.plan.filters, facts.c)
        field = spec.plan.grouped_by
        if field is not None and field not in CATEGORIES:
            conditions.append(facts.c[field].is_not(None))
        return sa.and_(*in_spans(SESSION_SCOPE, 0), *conditions)

    def _rollups(
        self, spec: SumsSpec, dimension: RollupDimension, grain: int
    ) -> sa.ColumnElement[bool]:
        """Return the condition that a row is a matching roll-up of a dimension and a grain."""
        conditions = []
        if dimension.id_field is None:
            conditions = filter_conditions(self, spec.plan.filters, facts.c)
        elif spec.plan.filters:
            (name,) = spec.plan.filters
            conditions.append(self.in_ids(facts.c.scope_id, name))
        return sa.and_(*in_spans(dimension.code, grain), *conditions)

    def subtracts_ranges(self, plan: QueryPlan) -> bool:
        """Return True for totals with a filter by ids, of which there are roll-ups.

        Without an index by id, they read the roll-ups of all ids. Reading fewer buckets saves more
        than GROUP BY costs.
        """
        return plan.filters_by_ids and plan.grouped_by is None

    def bind_ranges(self, ranges: Collection[TimeRange]) -> dict[str, object]:
        """Return the bounds of disjoint ranges, in order, and those of the spans of each grain.

        Without ranges, the parameter `ranges` is one empty range: `roundDown` does not accept an
        empty array.
        """
        by_grain: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for each in ranges:
            by_grain[each.grain].append((each.start, each.end))
        parameters: dict[str, object] = {
            "ranges": list(disjoint_ranges(on_number_line(ranges))) or [(0, 0)]
        }
        for grain in GRAINS:
            for names, bounds in zip(span_names(grain), cover(by_grain[grain]), strict=True):
                parameters.update(zip(names, bounds, strict=True))
        return parameters

    def query_lookup(self, ranges: Iterable[TimeRange]) -> Callable[[int], Iterable[int]]:
        """Return a look-up by the start of a disjoint range."""
        disjoint = disjoint_ranges(on_number_line(ranges))
        return {start: indexes for (start, _), indexes in disjoint.items()}.__getitem__

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


def organization_condition(
    dialect: ClickHouse, plan: QueryPlan
) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the condition that a row belongs to the organizations of a plan; none for all."""
    if plan.organizations is OrganizationFilter.ONE:
        return (facts.c.org_id == sa.bindparam("org_id"),)
    if plan.organizations is OrganizationFilter.SOME:
        return (dialect.in_ids(facts.c.org_id, "org_ids"),)
    return ()


def row_id_of(field: str, dimension: RollupDimension | None) -> sa.ColumnElement[Any]:
    """Return the expression for the value of a field, in versions of sessions and in roll-ups."""
    column = facts.c[field]
    if field in CATEGORIES:
        return category_expression(field, column)  # Roll-ups have categories, which stay the same.
    if dimension is None or dimension.id_field != field:
        return column
    is_session = facts.c.grain == number_literal(0)
    return sa.case((is_session, column), else_=facts.c.scope_id)


def in_spans(scope: int, grain: int) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions that a row has a scope and a grain, and is in the grain's spans."""
    # A parameter for each bound: with elements of arrays, planning takes longer (decision 8).
    bounds = (
        sa.and_(
            facts.c.bucket >= sa.bindparam(start, type_=Int64),
            facts.c.bucket < sa.bindparam(end, type_=Int64),
        )
        for start, end in span_names(grain)
    )
    return (
        facts.c.scope == number_literal(scope),
        facts.c.grain == number_literal(grain),
        sa.or_(*bounds),
    )


def span_names(grain: int) -> list[tuple[str, str]]:
    """Return the names of the parameters for the start and the end of each span of a grain."""
    return [(f"start_{grain}_{number}", f"end_{grain}_{number}") for number in range(SPANS)]


def cover(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return two spans that cover the ranges: one before the widest gap, one after it."""
    ordered = sorted(each for each in ranges if each[0] < each[1])
    if not ordered:
        return [(0, 0)] * SPANS
    latest, end = ordered[0][1], max(end for _, end in ordered)
    gap, first, second = 0, (ordered[0][0], end), (0, 0)
    for start, range_end in ordered:
        if start - latest > gap:
            gap = start - latest
            first, second = (ordered[0][0], latest), (start, end)
        latest = max(latest, range_end)
    return [first, second]


def on_number_line(ranges: Iterable[TimeRange]) -> list[TimeRange]:
    """Return ranges with their bounds on the number line of all grains: see `GRAIN_STRIDE`."""
    return [
        each._replace(
            start=each.grain * GRAIN_STRIDE + each.start,
            end=each.grain * GRAIN_STRIDE + each.end,
        )
        for each in ranges
    ]


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
