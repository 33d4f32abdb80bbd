"""Breakdowns: sums by user, playbook or organization, ranked in one statement."""

from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from metrics_graphql.core.breakdowns import (
    Breakdown,
    BreakdownQuery,
    BreakdownRow,
    CreatorKind,
    Dimension,
    OrderDirection,
    OrderField,
)
from metrics_graphql.core.measures import ACUS_CONSUMED, SESSIONS_CREATED, Measure, in_order
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.storage.dialects import CompiledStatement, Dialect
from metrics_graphql.storage.query_planner import OrganizationFilter, QueryPlan, plan_query
from metrics_graphql.storage.rollups import (
    ORGANIZATION,
    PLAYBOOK,
    SERVICE_USER,
    USER,
    RollupDimension,
)
from metrics_graphql.storage.session_store import StatementReader
from metrics_graphql.storage.sql import Select, measure_sum, raw_sessions, rollups_in_ranges
from metrics_graphql.storage.tables import rollups, sessions
from metrics_graphql.storage.totals import statement_parameters

ROW_DIMENSIONS: Final = {
    Dimension.USER: (USER, SERVICE_USER),
    Dimension.PLAYBOOK: (PLAYBOOK,),
    Dimension.ORGANIZATION: (ORGANIZATION,),
}
"""The roll-up dimensions whose ids are the rows of a breakdown."""
CREATOR_KINDS: Final = {USER.code: CreatorKind.USER, SERVICE_USER.code: CreatorKind.SERVICE_USER}


async def fetch_breakdown(reader: StatementReader, query: BreakdownQuery) -> Breakdown:
    """Return the highest ranked rows, and the number of all rows.

    A session with both a user and a service user counts in the rows of both.

    Raises:
        Unavailable: the engine is unavailable.
        TimedOut: the request passed its deadline.
    """
    dialect, ranking = reader.dialect, query.ranking
    plan = plan_query(query.query, has_rollups=dialect.has_rollups)
    # A roll-up has the sessions of one id, but not which of those a filter matches.
    use_rollups = dialect.has_rollups and not any(plan.filters)
    plan = plan._replace(
        rollup_dimension=ROW_DIMENSIONS[query.dimension][0] if use_rollups else None
    )
    measures = in_order({SESSIONS_CREATED, *ranking.field.measures, *query.measures})
    ranges = plan.ranges(0, query.query.period)
    parameters = statement_parameters(query.query, ranges, dialect)
    statement = ranked_sums(
        dialect,
        query.dimension,
        plan,
        measures,
        field=ranking.field,
        direction=ranking.direction,
    )
    rows = await reader.fetch(statement, {**parameters, "first": ranking.first})
    names = [measure.name for measure in measures]
    return Breakdown(
        tuple(
            BreakdownRow(
                row_id,
                CREATOR_KINDS.get(code),
                SessionMetrics(dict(zip(names, map(int, sums), strict=True))),
            )
            for _total_count, code, row_id, *sums in rows
        ),
        rows[0][0] if rows else 0,
    )


@lru_cache(maxsize=256)
def ranked_sums(  # noqa: PLR0913 - everything that the statement depends on
    dialect: Dialect,
    dimension: Dimension,
    plan: QueryPlan,
    measures: tuple[Measure, ...],
    *,
    field: OrderField,
    direction: OrderDirection,
) -> CompiledStatement:
    """Return the statement for the rows of a breakdown.

    A row is the number of all rows, the code of a roll-up dimension, an id, and a sum for each
    measure. The parameters are those of `session_sums`, and `first`.
    """
    dimensions = ROW_DIMENSIONS[dimension]
    raw = raw_sessions(dialect, plan, single_query=True)
    parts = [raw_sums_by_id(dialect, raw, each, measures) for each in dimensions]
    if plan.rollup_dimension is not None:
        parts.append(rollup_sums_by_id(dialect, plan.organizations, dimensions, measures))
    part = sa.union_all(*parts).subquery()
    sums = {measure.name: dialect.sum(part.c[measure.name]) for measure in measures}
    rows = (
        sa.select(part.c.scope, part.c.id, *(sums[name].label(name) for name in sums))
        .group_by(part.c.scope, part.c.id)
        # A session that moved to another bucket may leave a roll-up of zeros behind.
        .having(sums[SESSIONS_CREATED.name] > 0)
        .subquery()
    )
    keys = order_keys(dialect, rows, field)
    order = [key.desc() for key in keys] if direction is OrderDirection.DESC else keys
    statement = dialect.compile(
        sa.select(sa.func.count().over(), *rows.c)
        .order_by(*order, rows.c.id, rows.c.scope)
        .limit(sa.bindparam("first", type_=sa.Integer))
    )
    return statement._replace(data_source=plan.data_source)


def raw_sums_by_id(
    dialect: Dialect, raw: Select, dimension: RollupDimension, measures: tuple[Measure, ...]
) -> Select:
    """Return the sums of raw sessions for each id of a dimension."""
    row_id = sessions.c[dimension.field or "org_id"]
    return (
        raw.with_only_columns(
            sa.literal(dimension.code).label("scope"),
            row_id.label("id"),
            *(measure_sum(dialect, measure) for measure in measures),
        )
        .where(row_id.is_not(None))
        .group_by(row_id)
    )


def rollup_sums_by_id(
    dialect: Dialect,
    organization_filter: OrganizationFilter,
    dimensions: tuple[RollupDimension, ...],
    measures: tuple[Measure, ...],
) -> Select:
    """Return the sums of roll-ups for each id of some dimensions."""
    in_dimensions = sa.or_(*(rollups.c.scope == dimension.code for dimension in dimensions))
    row_id = rollups.c.org_id if dimensions == (ORGANIZATION,) else rollups.c.scope_id
    return (
        rollups_in_ranges(dialect, organization_filter, in_dimensions)
        .with_only_columns(
            rollups.c.scope,
            row_id,
            *(dialect.sum(rollups.c[measure.name]) for measure in measures),
        )
        .group_by(rollups.c.scope, row_id)
    )


def order_keys(
    dialect: Dialect, rows: sa.Subquery, field: OrderField
) -> list[sa.ColumnElement[Any]]:
    """Return the sort keys of a ranking, which compare exactly.

    An average is compared by its integer quotient, then by the remainder's share: as floats below
    1, different quotients differ for any count that an engine can hold.
    """
    if field is not OrderField.AVG_ACUS_PER_SESSION:
        (measure,) = field.measures
        return [rows.c[measure.name]]
    acus, count = rows.c[ACUS_CONSUMED.name], rows.c[SESSIONS_CREATED.name]
    return [dialect.floor_divide(acus, count), sa.cast(acus % count, sa.Double) / count]
