"""Upserts of sessions: a batch is read, merged in Python and written in one transaction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.core.errors import BadUserInput
from metrics_graphql.core.sessions import Session, SessionUpdate
from metrics_graphql.storage.dialects import CompiledStatement, DatabaseDialect
from metrics_graphql.storage.organizations import bump_data_versions, ensure_organizations
from metrics_graphql.storage.rollups import SessionChange, rollup_deltas
from metrics_graphql.storage.tables import category_rollups, rollups, sessions

SessionKey = tuple[str, str]
"""`(org_id, session_id)`, which identifies a session."""
SESSION_KEY_COLUMNS: Final = ("org_id", "session_id")


@dataclass(slots=True)
class IngestResult:
    """The outcome of a batch. Every update is counted in exactly one of the fields."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[tuple[int, str]] = field(default_factory=list)
    """The position in the batch of each rejected update, and the reason."""


async def upsert_sessions(
    connection: AsyncConnection, dialect: DatabaseDialect, updates: Sequence[SessionUpdate]
) -> IngestResult:
    """Insert or update sessions in the caller's write transaction: see `Upsert`.

    To avoid deadlocks, all writers lock rows in the same order: stored sessions by key, new ones
    by key, roll-ups in the order of `RollupDeltas`, organizations (docs/decisions/0007).
    """
    while True:
        savepoint = await connection.begin_nested()
        stored = await read_stored(connection, dialect, updates)
        merged, result = apply_updates(stored, updates)
        changes = [
            (stored.get(key), session)
            for key, session in sorted(merged.items())
            if stored.get(key) != session
        ]
        if not changes or await write_changes(connection, dialect, changes):
            await savepoint.commit()
            return result
        # A concurrent transaction has just inserted a session that was new here. The retry reads
        # it; without one, its fields and its share of the roll-ups would be lost.
        await savepoint.rollback()


async def write_changes(
    connection: AsyncConnection, dialect: DatabaseDialect, changes: Sequence[SessionChange]
) -> bool:
    """Write sessions and roll-up deltas, and bump the data versions.

    Returns whether the new sessions were still new; if not, the caller must roll back.
    """
    inserted = [after for before, after in changes if before is None]
    replaced = [after for before, after in changes if before is not None]
    org_ids = {after.org_id for _, after in changes}
    await ensure_organizations(connection, dialect, org_ids)
    if await dialect.insert_rows(connection, insert_session(dialect), inserted) < len(inserted):
        return False
    await dialect.insert_rows(connection, insert_or_replace_session(dialect), replaced)
    deltas = rollup_deltas(changes)
    await dialect.insert_rows(connection, insert_or_add_rollup(dialect, rollups), deltas.by_id)
    await dialect.insert_rows(
        connection, insert_or_add_rollup(dialect, category_rollups), deltas.by_category
    )
    await bump_data_versions(connection, dialect, org_ids)
    return True


@lru_cache
def insert_session(dialect: DatabaseDialect) -> CompiledStatement:
    """Return the statement that inserts a `Session`, whose fields are the columns in order."""
    return dialect.compile_insert(sessions, SESSION_KEY_COLUMNS, "keep")


@lru_cache
def insert_or_replace_session(dialect: DatabaseDialect) -> CompiledStatement:
    """Return the statement that replaces the stored `Session` with the same key."""
    return dialect.compile_insert(sessions, SESSION_KEY_COLUMNS, "replace")


@lru_cache
def insert_or_add_rollup(dialect: DatabaseDialect, table: sa.Table) -> CompiledStatement:
    """Return the statement that adds a row of `rollup_deltas` to the roll-up with its key."""
    return dialect.compile_insert(table, table.primary_key.columns.keys(), "add")


async def read_stored(
    connection: AsyncConnection, dialect: DatabaseDialect, updates: Iterable[SessionUpdate]
) -> dict[SessionKey, Session]:
    """Return the stored sessions that updates refer to, locked until the transaction ends."""
    same_organization = sessions.c.org_id == sa.bindparam("org_id")
    statement = dialect.select_by_ids(sessions.c.session_id, "session_ids", same_organization)
    statement = statement.with_for_update()
    rows = [
        (
            await connection.execute(
                statement, {"org_id": org_id, "session_ids": dialect.bind_ids(ids)}
            )
        ).all()
        for org_id, ids in sorted(ids_by_organization(updates).items())
    ]
    return {(row.org_id, row.session_id): Session._make(row) for row in chain.from_iterable(rows)}


def ids_by_organization(updates: Iterable[SessionUpdate]) -> dict[str, set[str]]:
    """Return the ids of the sessions that updates refer to, by organization."""
    session_ids: defaultdict[str, set[str]] = defaultdict(set)
    for update in updates:
        session_ids[update.org_id].add(update.session_id)
    return session_ids


def apply_updates(
    stored: Mapping[SessionKey, Session], updates: Sequence[SessionUpdate]
) -> tuple[dict[SessionKey, Session], IngestResult]:
    """Apply updates in order; return the sessions they result in, and the outcome of each."""
    merged: dict[SessionKey, Session] = {}
    result = IngestResult()
    for position, update in enumerate(updates):
        key = (update.org_id, update.session_id)
        before = merged.get(key) or stored.get(key)
        try:
            session = update.applied_to(before)
        except BadUserInput as error:
            result.rejected.append((position, error.message))
            continue
        merged[key] = session
        if before is None:
            result.inserted += 1
        elif before == session:
            result.unchanged += 1
        else:
            result.updated += 1
    return merged, result
