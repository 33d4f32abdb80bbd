"""Finds sessions that ClickHouse counts more than once: a writer was cut off as it moved them."""

from collections.abc import Sequence
from functools import lru_cache

import sqlalchemy as sa

from metrics_graphql.domain.sessions import SessionUpdate
from metrics_graphql.store.dialects import Dialect, Prepared
from metrics_graphql.store.store import Store
from metrics_graphql.store.tables import sessions


async def more_than_once(store: Store, org_id: str) -> list[str]:
    """Return the ids of an organization's sessions that have more than one row that counts.

    Raises:
        Unavailable: ClickHouse can't answer.
    """
    rows = await store.sessions.fetch(repeated(store.sessions.dialect), {"org_id": org_id})
    return [row[0] for row in rows]


async def take_back(store: Store, org_id: str, session_ids: Sequence[str]) -> None:
    """Let only the newest row of each of these sessions count.

    Raises:
        Unavailable: an engine can't be reached or can't be written to.
    """
    async with store.writing() as write:
        # Whoever writes a session takes its other rows back, even if nothing else changes.
        await write([SessionUpdate(org_id, session_id, {}) for session_id in session_ids])


@lru_cache
def repeated(dialect: Dialect) -> Prepared:
    """Return the statement for the sessions of `org_id` that have more than one row."""
    column = sessions.c.session_id
    statement = (
        sa.select(column)
        .where(sessions.c.org_id == sa.bindparam("org_id"))
        .group_by(column)
        .having(sa.func.count() > 1)
        .order_by(column)
    )
    return dialect.prepare(statement)
