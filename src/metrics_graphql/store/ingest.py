"""Writing sessions: a batch is read, merged in Python and written back in one transaction."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.domain.sessions import Session, SessionUpdate
from metrics_graphql.errors import BadUserInput
from metrics_graphql.store.dialects import Dialect
from metrics_graphql.store.organizations import name_organizations, raise_data_versions
from metrics_graphql.store.rollups import Change, fold
from metrics_graphql.store.tables import rollups, sessions

Key = tuple[str, str]
"""`(org_id, session_id)`, which identifies a session."""


@dataclass(slots=True)
class Written:
    """What became of a batch of updates. Every update is in exactly one of the four."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[tuple[int, str]] = field(default_factory=list)
    """Position in the batch, and the reason."""


async def write_sessions(
    connection: AsyncConnection, dialect: Dialect, updates: Sequence[SessionUpdate]
) -> Written:
    """Insert or update sessions by `(org_id, session_id)`, the last update of one winning.

    Runs in the caller's write transaction, which decides what is kept. An update that can't be
    applied is rejected and leaves the others standing.
    """
    stored = await read_stored(connection, dialect, updates)
    after, written = merge(stored, updates)
    changes = [
        (stored.get(key), session) for key, session in after.items() if stored.get(key) != session
    ]
    if changes:
        await write_changes(connection, dialect, changes)
    return written


async def write_changes(
    connection: AsyncConnection, dialect: Dialect, changes: Sequence[Change]
) -> None:
    """Write changed sessions and what they add to the roll-ups, and raise the data versions."""
    org_ids = {after.org_id for _, after in changes}
    await name_organizations(connection, dialect, org_ids)
    # As plain tuples: SQLAlchemy would spend longer on naming each value than SQLite does on
    # storing the row.
    await connection.exec_driver_sql(upsert_session(dialect), [after for _, after in changes])
    differences = fold(changes)
    if differences:
        await connection.exec_driver_sql(add_to_rollup(dialect), differences)
    await raise_data_versions(connection, dialect, org_ids)


@lru_cache
def upsert_session(dialect: Dialect) -> str:
    """Return the statement that writes a `Session`: its fields, in order, are the columns."""
    return dialect.prepare(dialect.upsert(sessions, ("org_id", "session_id"))).sql


@lru_cache
def add_to_rollup(dialect: Dialect) -> str:
    """Return the statement that adds a row of `fold` to the roll-up with its key."""
    return dialect.prepare(
        dialect.upsert(rollups, rollups.primary_key.columns.keys(), add=True)
    ).sql


async def read_stored(
    connection: AsyncConnection, dialect: Dialect, updates: Iterable[SessionUpdate]
) -> dict[Key, Session]:
    """Return the sessions that these updates are about, as far as they are stored."""
    session_ids: defaultdict[str, set[str]] = defaultdict(set)
    for update in updates:
        session_ids[update.org_id].add(update.session_id)
    statement = sa.select(sessions).where(
        sessions.c.org_id == sa.bindparam("org_id"),
        dialect.one_of(sessions.c.session_id, "session_ids"),
    )
    found = [
        (
            await connection.execute(
                statement, {"org_id": org_id, "session_ids": dialect.bind_ids(ids)}
            )
        ).all()
        for org_id, ids in session_ids.items()
    ]
    return {(row.org_id, row.session_id): Session._make(row) for row in chain.from_iterable(found)}


def merge(
    stored: dict[Key, Session], updates: Sequence[SessionUpdate]
) -> tuple[dict[Key, Session], Written]:
    """Apply updates in their order; return the sessions after them, and what became of each."""
    after: dict[Key, Session] = {}
    written = Written()
    for position, update in enumerate(updates):
        key = (update.org_id, update.session_id)
        before = after.get(key) or stored.get(key)
        try:
            session = update.applied_to(before)
        except BadUserInput as error:
            written.rejected.append((position, f"{error.argument}: {error.reason}"))
            continue
        after[key] = session
        if before is None:
            written.inserted += 1
        elif before == session:
            written.unchanged += 1
        else:
            written.updated += 1
    return after, written
