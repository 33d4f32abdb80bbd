"""Upserts into ClickHouse: updates are merged in Python, then inserted under one version."""

from collections import ChainMap, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from clickhouse_connect.cc_sqlalchemy.datatypes.sqltypes import Array, String
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.core.sessions import Session, SessionUpdate
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.tables import IS_DELETED, VERSION, next_version
from metrics_graphql.storage.dialects import CompiledStatement, DatabaseDialect, Dialect
from metrics_graphql.storage.ingest import (
    IngestResult,
    SessionKey,
    apply_updates,
    ids_by_organization,
)
from metrics_graphql.storage.organizations import bump_data_versions
from metrics_graphql.storage.tables import organizations, sessions

MAX_PARAMETER_BYTES: Final = 100_000
"""Bytes of ids in one parameter. A parameter is a field of a form, which servers accept up to
128 KiB (`http_max_field_value_size`)."""


class StoredSession(NamedTuple):
    """A row of the table, without a tombstone."""

    session: Session
    version: int


def table_key(session: Session) -> tuple[str, str, int]:
    """Return the values of the table's key, which contains the time."""
    return session.org_id, session.session_id, session.created_at


@dataclass(slots=True)
class UpsertBuffer:
    """Upserts that are inserted together by `flush`."""

    client: ClickHouseClient
    connection: AsyncConnection
    """In a write transaction of the database, which must commit after `flush`."""
    dialect: DatabaseDialect
    stored: dict[SessionKey, Session] = field(default_factory=dict)
    merged: dict[SessionKey, Session] = field(default_factory=dict)
    duplicates: list[Session] = field(default_factory=list)
    """Older rows of stored sessions, which an interrupted writer left."""
    newest_version: int = 0
    """The highest version that was read."""

    async def upsert(self, updates: Sequence[SessionUpdate]) -> IngestResult:
        """Apply updates to the stored and the buffered sessions: see `Upsert`.

        Bumping the data versions first locks the organizations until the transaction ends, so
        that writers of one organization take turns. They are bumped for unchanged sessions, too:
        an interrupted writer may have stored these without bumping them.
        """
        org_ids = await self._known_organizations(updates)
        await bump_data_versions(self.connection, self.dialect, org_ids)
        for key, rows in (await self._read_stored(updates)).items():
            if key in self.stored:
                continue
            current, *older = sorted(rows, key=lambda row: row.version, reverse=True)
            self.stored[key] = current.session
            self.duplicates += [row.session for row in older]
        merged, result = apply_updates(ChainMap(self.merged, self.stored), updates)
        self.merged |= merged
        return result

    async def flush(self) -> None:
        """Insert changed sessions, and tombstones for the rows they replace, in one insert."""
        version = next_version(self.newest_version)
        replaced = list(self.duplicates)
        changed = []
        for key, session in self.merged.items():
            before = self.stored.get(key)
            if session != before:
                changed.append(session)
                if before is not None and before.created_at != session.created_at:
                    replaced.append(before)
        # A session may have moved back to the time of a row that needs a tombstone no more.
        inserted = {table_key(session) for session in changed}
        rows = [(*session, version, 0) for session in changed]
        rows += [
            (*session, version, 1) for session in replaced if table_key(session) not in inserted
        ]
        await self.client.insert(rows)

    async def _known_organizations(self, updates: Iterable[SessionUpdate]) -> set[str]:
        """Return the organizations that are known, or will be because of a new session."""
        creating = {update.org_id for update in updates if "created_at" in update.values}
        others = {update.org_id for update in updates} - creating
        if not others:
            return creating
        known = await self.connection.execute(
            sa.select(organizations.c.org_id).where(
                self.dialect.in_ids(organizations.c.org_id, "org_ids")
            ),
            {"org_ids": self.dialect.bind_ids(others)},
        )
        return creating | set(known.scalars())

    async def _read_stored(
        self, updates: Iterable[SessionUpdate]
    ) -> dict[SessionKey, list[StoredSession]]:
        """Return the rows of the sessions that updates refer to; duplicates have several."""
        newest: dict[tuple[str, str, int], tuple[Session, int, int]] = {}
        dialect = self.client.dialect
        for org_id, ids in sorted(ids_by_organization(updates).items()):
            id_parameters = split_ids(dialect.bind_ids(ids))
            for *values, version, is_deleted in await self.client.fetch(
                select_stored(dialect, len(id_parameters)),
                {"org_id": org_id, **id_parameters},
                final=False,
            ):
                session = Session._make(values)
                key = table_key(session)
                if key not in newest or newest[key][1] < version:
                    newest[key] = (session, version, is_deleted)
                self.newest_version = max(self.newest_version, version)
        stored: defaultdict[SessionKey, list[StoredSession]] = defaultdict(list)
        for session, version, is_deleted in newest.values():
            if not is_deleted:
                row = StoredSession(session, version)
                stored[session.org_id, session.session_id].append(row)
        return stored


def split_ids(ids: Iterable[str]) -> dict[str, list[str]]:
    """Split ids into parameters of at most `MAX_PARAMETER_BYTES` each."""
    parameters: list[list[str]] = []
    available = 0
    for session_id in ids:
        size = 2 * len(session_id.encode()) + len("'',")  # Each byte may be escaped.
        if size > available:
            parameters.append([])
            available = MAX_PARAMETER_BYTES
        parameters[-1].append(session_id)
        available -= size
    return {f"session_ids_{number}": each for number, each in enumerate(parameters)}


@lru_cache
def select_stored(dialect: Dialect, parameter_count: int) -> CompiledStatement:
    """Return the statement for all rows with ids in so many parameters, tombstones included.

    The ids are selected from the arrays, because ClickHouse builds a set from a SELECT. It compares
    every row with every id of an array of more than 1 MiB. The table is not ordered by id, so that
    the statement reads the ids of a whole organization once: docs/decisions/0008.
    """
    ids = [
        sa.bindparam(f"session_ids_{number}", type_=Array(String))
        for number in range(parameter_count)
    ]
    return dialect.compile(
        sa.select(*all_columns()).where(
            sessions.c.org_id == sa.bindparam("org_id"),
            sessions.c.session_id.in_(sa.select(sa.func.arrayJoin(sa.func.arrayConcat(*ids)))),
        )
    )


def all_columns() -> Iterator[sa.ColumnElement[Any]]:
    """Yield the columns of the table in ClickHouse."""
    yield from sessions.c
    yield from (sa.column(name) for name in (VERSION, IS_DELETED))
