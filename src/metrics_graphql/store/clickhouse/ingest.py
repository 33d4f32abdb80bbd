"""Writing sessions to ClickHouse: a block is merged in Python, and stored under one version."""

from collections import ChainMap, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from clickhouse_connect.cc_sqlalchemy.datatypes.sqltypes import Array, String
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.domain.sessions import Session, SessionUpdate
from metrics_graphql.store.clickhouse.connection import ClickHouseSessions
from metrics_graphql.store.clickhouse.tables import IS_DELETED, VERSION, next_version
from metrics_graphql.store.dialects import DatabaseDialect, Dialect, Prepared
from metrics_graphql.store.ingest import Key, Written, merge
from metrics_graphql.store.organizations import raise_data_versions
from metrics_graphql.store.tables import organizations, sessions

PART_BYTES: Final = 100_000
"""Of ids that one parameter has at most: it is a field of a form, of which servers take no longer
one than 128 KiB (`http_max_field_value_size`)."""


class Stored(NamedTuple):
    """A session as it is stored, and the version of that."""

    session: Session
    version: int


@dataclass(slots=True)
class Block:
    """Sessions that are written together: what becomes of them, and which rows to take back."""

    clickhouse: ClickHouseSessions
    connection: AsyncConnection
    """In a write transaction of the database of organizations, which ends after `store`."""
    dialect: DatabaseDialect
    before: dict[Key, Session] = field(default_factory=dict)
    after: dict[Key, Session] = field(default_factory=dict)
    stale: list[Session] = field(default_factory=list)
    """Rows whose session has another `created_at` in a newer one."""
    newest: int = 0
    """The highest version that was read."""

    async def add(self, updates: Sequence[SessionUpdate]) -> Written:
        """Apply updates to what is stored, and to those that were added before.

        The organizations' data versions go up first: until the transaction ends, nobody else
        writes sessions of the same organizations. They go up for unchanged sessions, too: an
        attempt that broke off may have stored these without a word to the readers.
        """
        await raise_data_versions(self.connection, self.dialect, await self._known(updates))
        for key, rows in (await self._read(updates)).items():
            if key in self.before:
                continue
            current, *others = sorted(rows, key=lambda row: row.version, reverse=True)
            self.before[key] = current.session
            self.stale += [other.session for other in others]
        after, written = merge(ChainMap(self.after, self.before), updates)
        self.after |= after
        return written

    async def store(self) -> None:
        """Store what changed, in one insert, under one version."""
        version = next_version(self.newest)
        gone = list(self.stale)
        changed = []
        for key, session in self.after.items():
            before = self.before.get(key)
            if session != before:
                changed.append(session)
                if before is not None and before.created_at != session.created_at:
                    gone.append(before)
        # A session that moved to where a row of it was taken back from is there again.
        there = {(session.org_id, session.session_id, session.created_at) for session in changed}
        rows = [(*session, version, 0) for session in changed]
        rows += [
            (*session, version, 1)
            for session in gone
            if (session.org_id, session.session_id, session.created_at) not in there
        ]
        await self.clickhouse.insert(rows)

    async def _known(self, updates: Iterable[SessionUpdate]) -> set[str]:
        """Return the organizations that are known, or will be: those with a session to store."""
        named = {update.org_id for update in updates if "created_at" in update.values}
        others = {update.org_id for update in updates} - named
        if not others:
            return named
        found = await self.connection.execute(
            sa.select(organizations.c.org_id).where(
                self.dialect.one_of(organizations.c.org_id, "org_ids")
            ),
            {"org_ids": self.dialect.bind_ids(others)},
        )
        return named | set(found.scalars())

    async def _read(self, updates: Iterable[SessionUpdate]) -> dict[Key, list[Stored]]:
        """Return the rows of these sessions that count: more than one is left of a moved one."""
        session_ids: defaultdict[str, set[str]] = defaultdict(set)
        for update in updates:
            session_ids[update.org_id].add(update.session_id)
        newest: dict[tuple[str, str, int], tuple[Session, int, int]] = {}
        dialect = self.clickhouse.dialect
        for org_id, ids in sorted(session_ids.items()):
            parts = in_parts(dialect.bind_ids(ids))
            for *values, version, is_deleted in await self.clickhouse.fetch(
                stored_rows(dialect, len(parts)), {"org_id": org_id, **parts}, every_version=True
            ):
                session = Session._make(values)
                key = (session.org_id, session.session_id, session.created_at)
                if key not in newest or newest[key][1] < version:
                    newest[key] = (session, version, is_deleted)
                self.newest = max(self.newest, version)
        found: defaultdict[Key, list[Stored]] = defaultdict(list)
        for session, version, is_deleted in newest.values():
            if not is_deleted:
                found[session.org_id, session.session_id].append(Stored(session, version))
        return found


def in_parts(ids: Iterable[str]) -> dict[str, list[str]]:
    """Return parameters for ids, each with as many as a server takes of one."""
    parts: list[list[str]] = []
    room = 0
    for session_id in ids:
        taken = 2 * len(session_id.encode()) + len("'',")  # Each byte may be escaped.
        if taken > room:
            parts.append([])
            room = PART_BYTES
        parts[-1].append(session_id)
        room -= taken
    return {f"session_ids_{number}": part for number, part in enumerate(parts)}


@lru_cache
def stored_rows(dialect: Dialect, parts: int) -> Prepared:
    """Return the statement for all rows of ids in so many parts, those that no longer count too.

    Their ids are not in the order of the table: it reads those of the whole organization, once. It
    looks them up in a set, which ClickHouse makes of a SELECT; of an array that takes more than a
    MiB it makes none, and compares every row with every id.
    """
    ids = [sa.bindparam(f"session_ids_{number}", type_=Array(String)) for number in range(parts)]
    return dialect.prepare(
        sa.select(*all_columns()).where(
            sessions.c.org_id == sa.bindparam("org_id"),
            sessions.c.session_id.in_(sa.select(sa.func.arrayJoin(sa.func.arrayConcat(*ids)))),
        )
    )


def all_columns() -> Iterator[sa.ColumnElement[Any]]:
    """Yield the columns of the table in ClickHouse."""
    yield from sessions.c
    yield from (sa.column(name) for name in (VERSION, IS_DELETED))
