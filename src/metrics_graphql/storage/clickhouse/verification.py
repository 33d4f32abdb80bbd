"""Finds duplicates: sessions with more than one row after FINAL.

An update of `created_at` inserts a row and a tombstone for the one before, in partitions of their
own. A server that stops between the two leaves both rows: docs/decisions/0008.
"""

from functools import lru_cache

import sqlalchemy as sa

from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.dialects import CompiledStatement, Dialect
from metrics_graphql.storage.tables import sessions


async def find_duplicates(client: ClickHouseClient, org_id: str) -> list[str]:
    """Return the ids of an organization's sessions that are in the table more than once.

    Raises:
        Unavailable: ClickHouse cannot answer.
    """
    rows = await client.fetch(select_duplicates(client.dialect), {"org_id": org_id})
    return [row[0] for row in rows]


@lru_cache
def select_duplicates(dialect: Dialect) -> CompiledStatement:
    """Return the statement for the duplicates of `org_id`."""
    column = sessions.c.session_id
    statement = (
        sa.select(column)
        .where(sessions.c.org_id == sa.bindparam("org_id"))
        .group_by(column)
        .having(sa.func.count() > 1)
        .order_by(column)
    )
    return dialect.compile(statement)
