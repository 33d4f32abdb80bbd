"""Deletes sessions from ClickHouse: tombstones hide rows at once, and merges remove them."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from metrics_graphql.core.sessions import Session
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.ingest import all_columns
from metrics_graphql.storage.clickhouse.tables import next_version
from metrics_graphql.storage.dialects import CompiledStatement, Dialect
from metrics_graphql.storage.session_store import Deletion
from metrics_graphql.storage.tables import sessions

BATCH_SIZE: Final = 100_000
"""Sessions that are read and replaced together."""

Replacement = Callable[[Session, int], tuple[Any, ...]]
"""Makes the row that replaces a session, with a new version."""


async def delete_sessions(client: ClickHouseClient, deletion: Deletion) -> int:
    """Insert a tombstone for each session to delete; return how many."""
    given = frozenset(
        name for name in ("session_id", "before") if getattr(deletion, name) is not None
    )
    return await replace_rows(
        client,
        select_rows(client.dialect, given),
        deletion._asdict(),
        lambda session, version: (*session, version, 1),
    )


async def erase_user(client: ClickHouseClient, org_id: str, user_id: str) -> int:
    """Insert a row without the id for each session of a user; return how many."""
    return await replace_rows(
        client,
        select_rows(client.dialect, frozenset(["user_id"])),
        {"org_id": org_id, "user_id": user_id},
        lambda session, version: (*session._replace(user_id=None), version, 0),
    )


async def replace_rows(
    client: ClickHouseClient,
    statement: CompiledStatement,
    values: dict[str, Any],
    replacement: Replacement,
) -> int:
    """Replace the rows of a statement, batch by batch, until it has none; return how many."""
    replaced = 0
    while rows := await client.fetch(statement, {**values, "limit": BATCH_SIZE}):
        version = next_version(max(row[-2] for row in rows))
        fields = len(Session._fields)
        await client.insert([replacement(Session._make(row[:fields]), version) for row in rows])
        replaced += len(rows)
    return replaced


@lru_cache
def select_rows(dialect: Dialect, given: frozenset[str]) -> CompiledStatement:
    """Return the statement for up to `limit` rows of `org_id` that match the given values."""
    conditions = [sessions.c.org_id == sa.bindparam("org_id")]
    for name in sorted(given):
        if name == "before":
            conditions.append(sessions.c.created_at < sa.bindparam(name))
        else:
            conditions.append(sessions.c[name] == sa.bindparam(name))
    return dialect.compile(
        sa.select(*all_columns()).where(*conditions).limit(sa.bindparam("limit", type_=sa.Integer))
    )
