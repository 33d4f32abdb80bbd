"""ClickHouse through clickhouse-connect. Sessions and roll-ups are rows of one table."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from itertools import pairwise
from typing import Any, Final, cast

import sqlalchemy as sa
from clickhouse_connect.cc_sqlalchemy.datatypes.sqltypes import Array, Int64, Tuple
from clickhouse_connect.cc_sqlalchemy.dialect import ClickHouseDialect
from sqlalchemy.sql.compiler import SQLCompiler

from metrics_graphql.core.measures import Measure, whole_and_parts
from metrics_graphql.core.sessions import CATEGORIES
from metrics_graphql.storage.clickhouse.facts import DIMENSIONS, GRAINS, SESSION_SCOPE, facts
from metrics_graphql.storage.dialects.base import CompiledStatement, SumsPart, SumsRead, TimeRange
from metrics_graphql.storage.query_planner import OrganizationFilter, QueryPlan
from metrics_graphql.storage.rollups import RollupDimension
from metrics_graphql.storage.session_sql import category_expression, filter_conditions

COMPILER: Final = ClickHouseDialect(server_side_params=True)
"""Writes a placeholder `{name:Type}` for each value. Values are never part of the SQL."""
RANGES: Final = Array(Tuple(Int64, Int64))
GRAIN_STRETCH: Final = 1 << 40
"""The offset between the grains on one number line: a bucket is at its grain times this plus its
start, so that ranges of all grains are one sorted list. More than the seconds of the calendar."""
SPANS: Final = 2
"""Ranges of the primary key that a statement reads for each grain. A period has no more."""


class ClickHouse:
    """One SELECT with `sum()` over one table: one scan, which sees blocks of a writer as a whole.

    Two reads of the table in one statement would see different parts of it on a cluster.
    """

    name: Final = "clickhouse"
    rollup_dimensions: tuple[RollupDimension, ...] = DIMENSIONS

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

    def sums_parts(self, read: SumsRead) -> list[SumsPart]:
        """Return one part: the rows of the scopes, grains and spans of the plan.

        The group key is the start of a range on the number line of all grains.
        """
        plan, dimension = read.plan, read.plan.rollup_dimension
        conditions = [*organization_condition(self, plan)]
        sources = [self._sessions(read)]
        if dimension is not None:
            sources += [self._rollups(read, dimension, grain) for grain in dimension.grains]
        conditions.append(sa.or_(*sources))
        group: sa.ColumnElement[int] = number_literal(0)
        if not read.single_query:
            ranges = sa.bindparam("ranges", type_=RANGES)
            starts, ends = (sa.func.tupleElement(ranges, number_literal(i)) for i in (1, 2))
            instant = facts.c.grain * number_literal(GRAIN_STRETCH) + facts.c.bucket
            group = sa.func.roundDown(instant, starts)
            # Spans include rows between the ranges.
            conditions.append(instant < sa.func.transform(group, starts, ends, number_literal(0)))
        sums = tuple(self._measure_sum(each).label(each.name) for each in read.measures)
        row_id: sa.ColumnElement[Any] = sa.null()
        if read.grouped_by is not None:
            row_id = row_id_of(read.grouped_by, dimension)
        if read.ranked is not None:
            conditions.append(row_id.in_(sa.select(read.ranked.c.id)))
        return [SumsPart(sa.select(group).select_from(facts).where(*conditions), sums, row_id)]

    def _sessions(self, read: SumsRead) -> sa.ColumnElement[bool]:
        """Return the condition of matching versions of sessions."""
        conditions = filter_conditions(self, read.plan.filters, facts.c)
        field = read.grouped_by
        if field is not None and field not in CATEGORIES:
            conditions.append(facts.c[field].is_not(None))
        return sa.and_(*in_spans(SESSION_SCOPE, 0), *conditions)

    def _rollups(
        self, read: SumsRead, dimension: RollupDimension, grain: int
    ) -> sa.ColumnElement[bool]:
        """Return the condition of matching roll-ups of a grain."""
        conditions = []
        if dimension.id_field is None:
            conditions = filter_conditions(self, read.plan.filters, facts.c)
        elif read.plan.filters:
            (name,) = read.plan.filters
            conditions.append(self.in_ids(facts.c.scope_id, name))
        return sa.and_(*in_spans(dimension.code, grain), *conditions)

    def _measure_sum(self, measure: Measure) -> sa.ColumnElement[int]:
        """Return the sum of a measure; a remainder is the difference of other sums."""
        if not measure.is_remainder:
            return self.sum(facts.c[measure.name])
        whole, parts = whole_and_parts(measure)
        total = self.sum(facts.c[whole.name])
        for part in parts:
            total = total - self.sum(facts.c[part.name])
        return total

    def bind_ranges(self, ranges: Collection[TimeRange]) -> dict[str, object]:
        """Return the bounds of disjoint ranges in order, and the spans of each grain.

        Without any, one empty range: `roundDown` does not accept an empty array.
        """
        by_grain: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for each in ranges:
            by_grain[each.grain].append((each.start, each.end))
        spans = {span_name(grain): cover(by_grain[grain]) for grain in GRAINS}
        return {"ranges": list(disjoint_ranges(on_number_line(ranges))) or [(0, 0)], **spans}

    def group_queries(self, ranges: Iterable[TimeRange]) -> Callable[[int], Iterable[int]]:
        """Return a look-up of the queries of a disjoint range; the key of a single query is 0."""
        disjoint = disjoint_ranges(on_number_line(ranges))
        queries = {start: indexes for (start, _), indexes in disjoint.items()}
        return lambda group: queries.get(group, (0,))

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
    """Return the conditions that a row belongs to the organizations of a plan: one, or none."""
    if plan.organizations is OrganizationFilter.ONE:
        return (facts.c.org_id == sa.bindparam("org_id"),)
    if plan.organizations is OrganizationFilter.SOME:
        return (dialect.in_ids(facts.c.org_id, "org_ids"),)
    return ()


def row_id_of(field: str, dimension: RollupDimension | None) -> sa.ColumnElement[Any]:
    """Return the value of a field in versions of sessions and in roll-ups."""
    column = facts.c[field]
    if field in CATEGORIES:
        return category_expression(field, column)  # Public values have themselves as category.
    if dimension is None or dimension.id_field != field:
        return column
    is_session = facts.c.grain == number_literal(0)
    return sa.case((is_session, column), else_=facts.c.scope_id)


def in_spans(scope: int, grain: int) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions of the primary key for a scope, a grain and its spans."""
    spans = sa.bindparam(span_name(grain), type_=RANGES)
    starts, ends = (sa.func.tupleElement(spans, number_literal(index)) for index in (1, 2))
    bounds = (
        sa.and_(
            facts.c.bucket >= sa.func.arrayElement(starts, number_literal(number)),
            facts.c.bucket < sa.func.arrayElement(ends, number_literal(number)),
        )
        for number in range(1, SPANS + 1)
    )
    return (
        facts.c.scope == number_literal(scope),
        facts.c.grain == number_literal(grain),
        sa.or_(*bounds),
    )


def span_name(grain: int) -> str:
    """Return the parameter of the spans of a grain."""
    return f"span_{grain}"


def cover(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return two spans that cover ranges: one up to the widest gap between them, one after it."""
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


def number_literal(number: int) -> sa.ColumnElement[int]:
    """Return a number as part of the SQL, where ClickHouse takes no parameter."""
    return sa.literal_column(str(number), sa.BigInteger)


def on_number_line(ranges: Iterable[TimeRange]) -> list[TimeRange]:
    """Return ranges moved to the part of the number line that is their grain's: `GRAIN_STRETCH`."""
    return [
        each._replace(
            start=each.grain * GRAIN_STRETCH + each.start,
            end=each.grain * GRAIN_STRETCH + each.end,
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
