"""Questions to the database: each takes a connection of its own and makes one trip."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from metrics_graphql.domain.measures import MEASURES, Measure
from metrics_graphql.domain.metrics import SessionMetrics, SessionMetricsQuery
from metrics_graphql.store.dialects import Dialect
from metrics_graphql.store.engine import Database
from metrics_graphql.store.statements import Shape, session_sums
from metrics_graphql.store.tables import organizations


async def session_metrics(
    database: Database, query: SessionMetricsQuery, measures: Iterable[Measure] = MEASURES
) -> SessionMetrics:
    """Return the sums of these measures over the sessions that the question counts.

    Raises:
        Unavailable: the database can't answer.
    """
    columns = tuple(measures)
    if not columns:
        return SessionMetrics({})
    statement = session_sums(database.dialect, shape_of(query), columns)
    async with database.reading() as connection:
        row = (await connection.execute(statement, parameters_of(query, database.dialect))).one()
    return SessionMetrics(
        {measure.name: int(value) for measure, value in zip(columns, row, strict=True)}
    )


def shape_of(query: SessionMetricsQuery) -> Shape:
    """Return which filters the question has."""
    return Shape(
        users=query.creators.user_ids is not None,
        service_users=query.creators.service_user_ids is not None,
        playbook=query.playbook_id is not None,
    )


def parameters_of(query: SessionMetricsQuery, dialect: Dialect) -> dict[str, Any]:
    """Return what to bind to a statement of the question's shape."""
    parameters: dict[str, Any] = {
        "org_id": query.org_id,
        "start": query.period.start,
        "end": query.period.end,
    }
    if query.creators.user_ids is not None:
        parameters["user_ids"] = dialect.bind_ids(query.creators.user_ids)
    if query.creators.service_user_ids is not None:
        parameters["service_user_ids"] = dialect.bind_ids(query.creators.service_user_ids)
    if query.playbook_id is not None:
        parameters["playbook_id"] = query.playbook_id
    return parameters


async def organization_exists(database: Database, org_id: str) -> bool:
    """Return whether the organization is known: sessions or a service user named it once.

    Raises:
        Unavailable: the database can't answer.
    """
    statement = sa.select(organizations.c.org_id).where(organizations.c.org_id == org_id)
    async with database.reading() as connection:
        return (await connection.execute(statement)).first() is not None
