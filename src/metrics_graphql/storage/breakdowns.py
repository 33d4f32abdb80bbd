"""Breakdowns: sums by user, playbook, origin..., ranked in one statement."""

import dataclasses
from functools import lru_cache

import sqlalchemy as sa

from metrics_graphql.core.breakdowns import (
    ORDER_MEASURES,
    Breakdown,
    BreakdownQuery,
    BreakdownRow,
    OrderDirection,
)
from metrics_graphql.core.measures import SESSIONS_CREATED, Measure, summed_measures
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.storage.dialects import (
    CompiledStatement,
    Dialect,
    SumsSpec,
    number_literal,
)
from metrics_graphql.storage.keyset import comes_after, order_keys, ordering, page_parameters
from metrics_graphql.storage.query_planner import QueryPlan, plan_query
from metrics_graphql.storage.session_store import StatementReader
from metrics_graphql.storage.totals import statement_parameters


async def fetch_breakdown(reader: StatementReader, query: BreakdownQuery) -> Breakdown:
    """Return a page of ranked rows, and the number of all rows if it is requested.

    Raises:
        Unavailable: the engine is unavailable.
        TimedOut: the request passed its deadline.
    """
    dialect, ranking = reader.dialect, query.ranking
    plan = plan_query(query.query, dialect.rollup_dimensions, grouped_by=query.dimension.value)
    measures = {SESSIONS_CREATED, *ranking.measures, *query.measures}
    summed = summed_measures(measures)
    ranges = plan.ranges(dialect, [query.query.period])
    statement = select_ranked_sums(
        dialect,
        plan,
        summed,
        order=(ranking.field, ranking.direction),
        is_later_page=ranking.after is not None,
        with_total_count=query.with_total_count,
    )
    rows = await reader.fetch(
        statement,
        statement_parameters(query.query, ranges, dialect) | page_parameters(ranking),
    )
    total_count = None
    if query.with_total_count:
        total_count = rows[0][0] if rows else await count_rows(reader, query)
    names = [measure.name for measure in summed]
    remainders = [measure for measure in measures if measure.is_remainder]
    return Breakdown(
        tuple(
            BreakdownRow(row_id, SessionMetrics.from_sums(names, map(int, sums), remainders))
            for _total_count, row_id, *sums in rows[: ranking.first]
        ),
        has_next_page=len(rows) > ranking.first,
        total_count=total_count,
    )


async def count_rows(reader: StatementReader, query: BreakdownQuery) -> int:
    """Return the number of all rows, for a page without rows, which does not have it."""
    if query.ranking.after is None:
        return 0
    ranking = dataclasses.replace(query.ranking, first=1, after=None)
    breakdown = await fetch_breakdown(reader, query._replace(ranking=ranking))
    return breakdown.total_count or 0


@lru_cache(maxsize=1024)
def select_ranked_sums(  # noqa: PLR0913 - everything that the statement depends on
    dialect: Dialect,
    plan: QueryPlan,
    measures: tuple[Measure, ...],
    *,
    order: tuple[str, OrderDirection],
    is_later_page: bool,
    with_total_count: bool,
) -> CompiledStatement:
    """Return the statement for a page of a breakdown.

    A row is the number of all rows (0 if it is not requested), an id, and a sum for each measure.
    The parameters are those of `select_totals`, and those of `page_parameters`. A later page begins
    after the position that is bound.

    If the dialect ranks first and there are roll-ups for each id, ids are first ranked by the
    measures that the order needs. The other measures are read for the ids of the page only.
    """
    field, direction = order
    is_descending = direction is OrderDirection.DESC
    rollup_dimension = plan.rollup_dimension
    ranked_by = measures
    if dialect.ranks_first and rollup_dimension and rollup_dimension.id_field == plan.grouped_by:
        ranked_by = summed_measures({SESSIONS_CREATED, *ORDER_MEASURES[field]})
    counted = sums_by_id(dialect, plan, ranked_by, with_total_count=with_total_count)
    keys = order_keys(dialect, counted.c, field)
    page = (
        sa.select(*counted.c)
        .order_by(*ordering(keys, counted.c.id, is_descending=is_descending))
        .limit(sa.bindparam("first", type_=sa.Integer))
    )
    if is_later_page:
        page = page.where(comes_after(keys, counted.c.id, is_descending=is_descending))
    if not set(measures) <= set(ranked_by):
        ranked = page.cte("ranked").prefix_with("MATERIALIZED")
        sums = add_up(dialect, SumsSpec(plan, measures, ranked=ranked))
        page = (
            sa.select(ranked.c.total_count, *sums.c)
            .select_from(ranked.join(sums, sums.c.id == ranked.c.id))
            .order_by(
                *ordering(
                    order_keys(dialect, ranked.c, field), ranked.c.id, is_descending=is_descending
                )
            )
        )
    return dialect.compile(page)._replace(data_source=plan.data_source)


def sums_by_id(
    dialect: Dialect, plan: QueryPlan, measures: tuple[Measure, ...], *, with_total_count: bool
) -> sa.Subquery:
    """Return the sums for each id, and the number of ids."""
    rows = add_up(dialect, SumsSpec(plan, measures))
    count = sa.func.count().over() if with_total_count else number_literal(0)
    return sa.select(count.label("total_count"), *rows.c).subquery()


def add_up(dialect: Dialect, spec: SumsSpec) -> sa.Subquery:
    """Return the sums of all parts by id: an id and a sum for each measure."""
    parts = (
        each.select.with_only_columns(each.row_id.label("id"), *each.values)
        for each in dialect.sums_parts(spec)
    )
    rows = sa.union_all(*parts).subquery()
    sums = {measure.name: dialect.sum(rows.c[measure.name]) for measure in spec.measures}
    return (
        sa.select(rows.c.id, *(sums[name].label(name) for name in sums))
        .group_by(rows.c.id)
        # Roll-ups whose sessions moved or were deleted remain, with zeros.
        .having(sums[SESSIONS_CREATED.name] > 0)
        .subquery()
    )
