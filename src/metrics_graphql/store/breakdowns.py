"""Breakdowns: sums by user, playbook or organization, ranked by the database in one statement."""

from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from metrics_graphql.domain.breakdowns import (
    Breakdown,
    BreakdownQuery,
    BreakdownRow,
    Dimension,
    OrderField,
)
from metrics_graphql.domain.measures import ACUS_CONSUMED, SESSIONS_CREATED, Measure, in_order
from metrics_graphql.domain.metrics import SessionMetrics
from metrics_graphql.seen import saw_rows
from metrics_graphql.store.dialects import Dialect, Prepared
from metrics_graphql.store.engine import Reader
from metrics_graphql.store.planner import Organizations, Plan, plan_for
from metrics_graphql.store.questions import parameters_of
from metrics_graphql.store.rollups import ORGANIZATION, SCOPES, Scope
from metrics_graphql.store.statements import buckets_in_runs, raw_sessions, total
from metrics_graphql.store.tables import rollups, sessions

FIELD_OF: Final = {scope.code: scope.field or "org_id" for scope in SCOPES}
"""The field of a session that names what a roll-up adds up."""
SCOPES_OF: Final = {
    dimension: tuple(scope for scope in SCOPES if FIELD_OF[scope.code] in dimension.value)
    for dimension in Dimension
}


async def breakdown(database: Reader, query: BreakdownQuery) -> Breakdown:
    """Return the highest ranked rows with these measures, and how many rows there are.

    A session that names a user and a service user is in the rows of both.

    Raises:
        Unavailable: the database can't answer.
    """
    dialect, ranking = database.dialect, query.ranking
    plan = plan_for(query.question)
    # Roll-ups know what names one id, but not which of those sessions a filter matches.
    rolled_up = dialect.rolls_up and not any(plan.filters)
    plan = plan._replace(scope=SCOPES_OF[query.dimension][0] if rolled_up else None)
    saw_rows("rollups" if rolled_up else "raw")
    needed = {SESSIONS_CREATED, *ranking.by.value, *query.measures}
    measures = in_order(needed)
    runs = plan.runs(0, query.question.period)
    parameters = {**parameters_of(query.question, runs, dialect), "first": ranking.first}
    statement = ranked(
        dialect, query.dimension, plan, measures, ranking.by, descending=ranking.descending
    )
    rows = await database.fetch(statement, parameters)
    names = [measure.name for measure in measures]
    return Breakdown(
        tuple(
            BreakdownRow(
                FIELD_OF[scope_code],
                scope_id,
                SessionMetrics(dict(zip(names, map(int, sums), strict=True))),
            )
            for _total, scope_code, scope_id, *sums in rows
        ),
        rows[0][0] if rows else 0,
    )


@lru_cache(maxsize=256)
def ranked(  # noqa: PLR0913 - all that the shape of the statement depends on
    dialect: Dialect,
    dimension: Dimension,
    plan: Plan,
    measures: tuple[Measure, ...],
    by: OrderField,
    *,
    descending: bool,
) -> Prepared:
    """Return the statement for the rows of a breakdown: total, scope, id, and the measures.

    Its parameters are those of `session_sums`, and `first`.
    """
    scopes = SCOPES_OF[dimension]
    raw = raw_sessions(dialect, plan, one_question=True)
    parts = [by_id(dialect, raw, scope, measures) for scope in scopes]
    if plan.scope is not None:
        parts.append(rolled_up_by_id(dialect, plan.organizations, scopes, measures))
    part = sa.union_all(*parts).subquery()
    sums = {measure.name: dialect.sum(part.c[measure.name]) for measure in measures}
    rows = (
        sa.select(part.c.scope, part.c.id, *(sums[name].label(name) for name in sums))
        .group_by(part.c.scope, part.c.id)
        # A session that moved away leaves a roll-up of nothing.
        .having(sums[SESSIONS_CREATED.name] > 0)
        .subquery()
    )
    order = [key.desc() if descending else key for key in order_keys(dialect, rows, by)]
    return dialect.prepare(
        sa.select(sa.func.count().over(), *rows.c)
        .order_by(*order, rows.c.id, rows.c.scope)
        .limit(sa.bindparam("first", type_=sa.Integer))
    )


def by_id(
    dialect: Dialect, raw: sa.Select[*tuple[Any, ...]], scope: Scope, measures: tuple[Measure, ...]
) -> sa.Select[*tuple[Any, ...]]:
    """Return sums of raw sessions for each id that they name in one field."""
    named = sessions.c[FIELD_OF[scope.code]]
    return (
        raw.with_only_columns(
            sa.literal(scope.code).label("scope"),
            named.label("id"),
            *(total(dialect, measure) for measure in measures),
        )
        .where(named.is_not(None))
        .group_by(named)
    )


def rolled_up_by_id(
    dialect: Dialect, of: Organizations, scopes: tuple[Scope, ...], measures: tuple[Measure, ...]
) -> sa.Select[*tuple[Any, ...]]:
    """Return sums of roll-ups for each id of some scopes."""
    in_scope = sa.or_(*(rollups.c.scope == scope.code for scope in scopes))
    named = rollups.c.org_id if scopes == (ORGANIZATION,) else rollups.c.scope_id
    return (
        buckets_in_runs(dialect, of, in_scope)
        .with_only_columns(
            rollups.c.scope,
            named,
            *(dialect.sum(rollups.c[measure.name]) for measure in measures),
        )
        .group_by(rollups.c.scope, named)
    )


def order_keys(dialect: Dialect, rows: sa.Subquery, by: OrderField) -> list[sa.ColumnElement[Any]]:
    """Return what rows are ordered by, exactly.

    An average is compared by its whole part and then by what remains: below 1, quotients of
    different value are different floats for any count that an engine can hold in one database.
    """
    if by is not OrderField.AVG_ACUS_PER_SESSION:
        (measure,) = by.value
        return [rows.c[measure.name]]
    acus, count = rows.c[ACUS_CONSUMED.name], rows.c[SESSIONS_CREATED.name]
    return [dialect.quotient(acus, count), sa.cast(acus % count, sa.Double) / count]
