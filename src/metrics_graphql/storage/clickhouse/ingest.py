"""Upserts into ClickHouse: updates are merged in Python, and the changes appended to the chains."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import sqlalchemy as sa
from clickhouse_connect.cc_sqlalchemy.datatypes.sqltypes import Array, String
from clickhouse_connect.driver.binding import must_escape
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.core.errors import Unavailable
from metrics_graphql.core.sessions import Session, SessionUpdate
from metrics_graphql.storage.clickhouse.chain import Chain, Change
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.facts import facts
from metrics_graphql.storage.clickhouse.snapshot import Snapshot, select_versions
from metrics_graphql.storage.dialects import CompiledStatement, DatabaseDialect, Dialect
from metrics_graphql.storage.ingest import (
    IngestResult,
    SessionKey,
    apply_updates,
    ids_by_organization,
)
from metrics_graphql.storage.organizations import bump_data_versions
from metrics_graphql.storage.tables import organizations

MAX_PARAMETER_BYTES: Final = 100_000
"""Bytes of the literal of one parameter. It is sent as a field of a form, of which servers accept
at most 128 KiB (`http_max_field_value_size`)."""
ESCAPES: Final = str.maketrans({each: f"\\{each}" for each in must_escape})
"""A translation table that escapes what the driver escapes."""


@dataclass(slots=True)
class UpsertBuffer:
    """Upserts that are appended together by `flush`."""

    chain: Chain
    client: ClickHouseClient
    connection: AsyncConnection
    """A connection in a write transaction of the database, which must commit after `flush`."""
    dialect: DatabaseDialect
    snapshot: Snapshot = field(default_factory=Snapshot)
    is_consistent: bool = True
    """Whether no lane got another block between the statements that read the snapshot."""
    sessions: dict[SessionKey, Session] = field(default_factory=dict)
    """The sessions of the snapshot and of the updates, as they will be stored."""
    updates: list[SessionUpdate] = field(default_factory=list)
    """All updates that were not rejected, in order."""

    async def upsert(self, updates: Sequence[SessionUpdate]) -> IngestResult:
        """Apply updates to the stored and the buffered sessions: see `Upsert`.

        The data versions are bumped first. This locks the organizations until the transaction
        ends, so writers of one organization take turns. Versions are bumped for unchanged sessions,
        too: an interrupted writer may have stored these without bumping them.
        """
        org_ids = await self._known_organizations(updates)
        await bump_data_versions(self.connection, self.dialect, org_ids)
        await self._read([each for each in updates if key_of(each) not in self.sessions])
        merged, result = apply_updates(self.sessions, updates)
        self.sessions |= merged
        rejected = {position for position, _ in result.rejected}
        self.updates += [each for at, each in enumerate(updates) if at not in rejected]
        return result

    async def flush(self) -> None:
        """Append what the updates change to the chains of their organizations.

        If another writer appended a block meanwhile, reads the sessions again, and applies the
        updates to them.

        Raises:
            ForkedChain: a lane has several markers.
            Unavailable: ClickHouse is unavailable, or another writer deleted a session of the
                updates. Blocks may nevertheless be stored.
        """
        while not (self.is_consistent and await self.chain.append(self.snapshot, self._changes())):
            self.snapshot, self.sessions = Snapshot(), {}
            self.is_consistent = True
            await self._read(self.updates)
            merged, result = apply_updates(self.sessions, self.updates)
            self.sessions |= merged
            if result.rejected:
                raise Unavailable("Sessions of this batch were deleted meanwhile. Load it again.")

    def _changes(self) -> list[Change]:
        """Return the changes: those of the sessions that differ from the stored ones."""
        stored = self.snapshot.stored
        return [
            Change(stored.get(key), session)
            for key, session in self.sessions.items()
            if key not in stored or stored[key].session != session
        ]

    async def _known_organizations(self, updates: Iterable[SessionUpdate]) -> set[str]:
        """Return the organizations that are known, or become known with a new session."""
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

    async def _read(self, updates: Iterable[SessionUpdate]) -> None:
        """Read the stored sessions of updates, with one statement for each organization.

        None of them may be buffered: `snapshot` and `sessions` get the stored ones.
        """
        dialect = self.client.dialect
        for org_id, ids in sorted(ids_by_organization(updates).items()):
            id_parameters = split_ids(dialect.bind_ids(ids))
            statement = select_stored(dialect, len(id_parameters))
            snapshot = await self.chain.read(statement, id_parameters, org_id)
            self.is_consistent &= self.snapshot.add(snapshot)
            self.sessions |= {key: version.session for key, version in snapshot.stored.items()}


def key_of(update: SessionUpdate) -> SessionKey:
    """Return the key of the session that an update refers to."""
    return update.org_id, update.session_id


@dataclass(frozen=True, slots=True)
class ArrayLiteral:
    """An array of texts, as the driver writes it in a parameter.

    The driver sends `str()` of an object of an unknown class (a test checks this). It would escape
    the texts of a list character by character, which took a tenth of the time of ingest.
    """

    elements: tuple[str, ...]
    """Texts in quotes, with escapes."""

    def __str__(self) -> str:
        """Return the literal."""
        return f"[{', '.join(self.elements)}]"


def split_ids(ids: Iterable[str]) -> dict[str, ArrayLiteral]:
    """Split ids into parameters of at most `MAX_PARAMETER_BYTES` each; return them by name."""
    parameters: list[list[str]] = []
    available = 0
    for session_id in ids:
        element = f"'{session_id.translate(ESCAPES)}'"
        size = len(element.encode()) + len(", ")
        if size > available:
            parameters.append([])
            available = MAX_PARAMETER_BYTES
        parameters[-1].append(element)
        available -= size
    return {
        f"session_ids_{number}": ArrayLiteral(tuple(elements))
        for number, elements in enumerate(parameters)
    }


@lru_cache
def select_stored(dialect: Dialect, parameter_count: int) -> CompiledStatement:
    """Return the statement for the sessions with the ids of `split_ids`: see `Chain.read`.

    The table is not ordered by id. Therefore it reads the ids of the whole organization:
    docs/decisions/0008.
    """
    return dialect.compile(
        select_versions(
            sa.and_(facts.c.org_id == sa.bindparam("org_id"), has_bound_id(parameter_count))
        )
    )


def has_bound_id(parameter_count: int) -> sa.ColumnElement[bool]:
    """Return the condition that a session has one of the ids of `split_ids`.

    `parameter_count` is the number of its parameters. A SELECT turns them into a set: ClickHouse
    would compare every row with every id in an array of more than 1 MiB.
    """
    ids = [
        sa.bindparam(f"session_ids_{number}", type_=Array(String))
        for number in range(parameter_count)
    ]
    return facts.c.session_id.in_(sa.select(sa.func.arrayJoin(sa.func.arrayConcat(*ids))))
