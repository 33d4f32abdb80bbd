"""Writing sessions: a batch is read, merged in Python and written back in one transaction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.domain.sessions import Session, SessionUpdate
from metrics_graphql.errors import BadUserInput
from metrics_graphql.store.dialects import DatabaseDialect, Prepared
from metrics_graphql.store.organizations import name_organizations, raise_data_versions
from metrics_graphql.store.rollups import Change, fold
from metrics_graphql.store.tables import rollups, sessions

Key = tuple[str, str]
"""`(org_id, session_id)`, which identifies a session."""
SESSION_KEY: Final = ("org_id", "session_id")


@dataclass(slots=True)
class Written:
    """What became of a batch of updates. Every update is in exactly one of the four."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[tuple[int, str]] = field(default_factory=list)
    """Position in the batch, and the reason."""


async def write_sessions(
    connection: AsyncConnection, dialect: DatabaseDialect, updates: Sequence[SessionUpdate]
) -> Written:
    """Insert or update sessions by `(org_id, session_id)`, the last update of one winning.

    Runs in the caller's write transaction, which decides what is kept. An update that can't be
    applied is rejected and leaves the others standing.

    Where others write at the same time, all lock rows in the same order, so that none waits for one
    that waits for it: stored sessions by key, then new ones by key, then roll-ups in the order of
    `fold`, then organizations.
    """
    while True:
        attempt = await connection.begin_nested()
        stored = await read_stored(connection, dialect, updates)
        after, written = merge(stored, updates)
        changes = [
            (stored.get(key), session)
            for key, session in sorted(after.items())
            if stored.get(key) != session
        ]
        if not changes or await write_changes(connection, dialect, changes):
            await attempt.commit()
            return written
        # Somebody else has just stored a session that was new here: it is there to be read now.
        await attempt.rollback()


async def write_changes(
    connection: AsyncConnection, dialect: DatabaseDialect, changes: Sequence[Change]
) -> bool:
    """Write changed sessions and what they add to the roll-ups, and raise the data versions.

    Return whether the new ones were still new; else nothing of it is true.
    """
    new = [after for before, after in changes if before is None]
    org_ids = {after.org_id for _, after in changes}
    await name_organizations(connection, dialect, org_ids)
    if await dialect.insert_rows(connection, insert_session(dialect), new) < len(new):
        return False
    changed = [after for before, after in changes if before is not None]
    await dialect.insert_rows(connection, replace_session(dialect), changed)
    await dialect.insert_rows(connection, add_to_rollup(dialect), fold(changes))
    await raise_data_versions(connection, dialect, org_ids)
    return True


@lru_cache
def insert_session(dialect: DatabaseDialect) -> Prepared:
    """Return the statement that stores a new `Session`: its fields, in order, are the columns."""
    return dialect.insert(sessions, SESSION_KEY, "keep")


@lru_cache
def replace_session(dialect: DatabaseDialect) -> Prepared:
    """Return the statement that stores a `Session` in place of the one with its key."""
    return dialect.insert(sessions, SESSION_KEY, "replace")


@lru_cache
def add_to_rollup(dialect: DatabaseDialect) -> Prepared:
    """Return the statement that adds a row of `fold` to the roll-up with its key."""
    return dialect.insert(rollups, rollups.primary_key.columns.keys(), "add")


async def read_stored(
    connection: AsyncConnection, dialect: DatabaseDialect, updates: Iterable[SessionUpdate]
) -> dict[Key, Session]:
    """Return the sessions that these updates are about, as far as they are stored.

    Where others write at the same time, they wait for the caller's transaction to change these.
    """
    session_ids: defaultdict[str, set[str]] = defaultdict(set)
    for update in updates:
        session_ids[update.org_id].add(update.session_id)
    statement = (
        sa.select(sessions)
        .where(
            sessions.c.org_id == sa.bindparam("org_id"),
            dialect.one_of(sessions.c.session_id, "session_ids"),
        )
        .order_by(sessions.c.session_id)
        .with_for_update()
    )
    found = [
        (
            await connection.execute(
                statement, {"org_id": org_id, "session_ids": dialect.bind_ids(ids)}
            )
        ).all()
        for org_id, ids in sorted(session_ids.items())
    ]
    return {(row.org_id, row.session_id): Session._make(row) for row in chain.from_iterable(found)}


def merge(
    stored: Mapping[Key, Session], updates: Sequence[SessionUpdate]
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
