"""Blocks of changes: each is one part of `facts`, and they form a chain.

Organizations are spread over lanes. Block `s + 1` of a lane takes the marker of block `s` back and
adds its own, and its deduplication token is the lane and `s + 1`. The token is a compare-and-swap:
of all blocks that try to be block `s + 1`, late, twice or at the same time, ClickHouse stores one.
A refusal is silent, so the marker is read back: docs/decisions/0008.
"""

import asyncio
import uuid
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple, Self

import sqlalchemy as sa
from clickhouse_connect.driver.binding import format_bind_value, format_str

from metrics_graphql.core.errors import Unavailable
from metrics_graphql.core.sessions import Session
from metrics_graphql.storage.clickhouse.client import INSERT_SETTINGS, ClickHouseClient
from metrics_graphql.storage.clickhouse.facts import ATTRIBUTES, MARKER_SCOPE, SESSION_SCOPE, facts
from metrics_graphql.storage.clickhouse.tables import CHANGE_TYPES, CHANGES
from metrics_graphql.storage.dialects import CompiledStatement, Dialect, Rows
from metrics_graphql.storage.dialects.clickhouse import number_literal
from metrics_graphql.storage.ingest import SessionKey
from metrics_graphql.storage.session_sql import Select
from metrics_graphql.storage.tables import STORED_MEASURES

LANES: Final = 16
"""Lanes on each shard. With one for each organization, a batch of many would make many parts."""
SHARD_LANES: Final = 1_000
"""The numbers that the lanes of each shard have: those of the second one begin at 1,000."""
PROBE_LANE: Final = SHARD_LANES - 1
READ_BACK_DELAY: Final = 0.2
"""Seconds after which a marker is read again that a stored block should have replaced."""
AMOUNTS: Final = {
    measure.adds: measure.name for measure in STORED_MEASURES if measure.adds is not None
}
"""The column of `facts` that has each amount of a session."""


class ForkedChain(Unavailable):
    """A block was stored twice, or after another one than it was made for."""

    def __init__(self) -> None:
        super().__init__(
            "ClickHouse stored a block of sessions twice. Run: metrics-graphql verify --repair"
        )


class Marker(NamedTuple):
    """The last block of a lane."""

    block: int
    nonce: str


START: Final = Marker(0, "")
"""Of a lane without blocks."""


class StoredVersion(NamedTuple):
    """The version of a session that counts."""

    session: Session
    version: int
    times: int = 1
    """How often it counts; not 1 only in a forked chain."""


class Change(NamedTuple):
    """A version to take back, and what replaces it."""

    before: StoredVersion | None
    after: Session | None


@dataclass(slots=True)
class Snapshot:
    """What one or several statements read: versions of sessions, and the markers of their lanes."""

    markers: dict[int, Marker] = field(default_factory=dict)
    stored: dict[SessionKey, StoredVersion] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Rows, lanes: Iterable[int]) -> Self:
        """Return the snapshot that a statement of `select_versions` read.

        Raises:
            ForkedChain: something in it counts twice.
        """
        versions, markers = parse_versions(rows)
        snapshot = cls(markers=dict.fromkeys(lanes, START))
        if any(version.times != 1 for version in versions) or any(
            count != 1 for _, _, count in markers
        ):
            raise ForkedChain
        snapshot.markers |= {lane: marker for lane, marker, _ in markers}
        snapshot.stored = {each.session[:2]: each for each in versions}
        if len(snapshot.stored) < len(versions) or len({lane for lane, *_ in markers}) < len(
            markers
        ):
            raise ForkedChain
        return snapshot

    def add(self, other: "Snapshot") -> bool:
        """Add what a later statement read; return whether no lane got a block in between."""
        is_same = all(
            self.markers.get(lane, marker) == marker for lane, marker in other.markers.items()
        )
        self.markers |= other.markers
        self.stored |= other.stored
        return is_same


class Chain:
    """Appends blocks to the chains of all lanes."""

    def __init__(self, client: ClickHouseClient, shards: int) -> None:
        self._client = client
        self.shards = shards
        """0 on one server without distributed tables."""
        self._lost: dict[tuple[int, Marker], int] = {}
        """Tokens after a marker that ClickHouse knows, although it stored no block with them."""

    @classmethod
    async def open(cls, client: ClickHouseClient) -> Self:
        """Return the chains of a server or a cluster.

        Raises:
            Unavailable: ClickHouse is unavailable.
        """
        return cls(client, await count_shards(client))

    def lanes_of(self, org_id: str) -> list[int]:
        """Return the lanes of an organization: one on each shard."""
        lane = zlib.crc32(org_id.encode()) % LANES
        return [shard * SHARD_LANES + lane for shard in range(max(self.shards, 1))]

    def lane_of(self, key: SessionKey) -> int:
        """Return the lane of a session. Its shard depends on the session only."""
        lanes = self.lanes_of(key[0])
        return lanes[zlib.crc32(key[1].encode()) % len(lanes)]

    async def read(
        self, statement: CompiledStatement, values: dict[str, Any], org_id: str
    ) -> Snapshot:
        """Return the snapshot of a statement for sessions of an organization.

        Raises:
            ForkedChain: something in it counts twice.
            Unavailable: ClickHouse is unavailable.
        """
        lanes = self.lanes_of(org_id)
        rows = await self._client.fetch(statement, {**values, "org_id": org_id, "lanes": lanes})
        return Snapshot.of(rows, lanes)

    async def append(self, snapshot: Snapshot, changes: Collection[Change]) -> bool:
        """Append a block to the lane of each change.

        Returns whether all were stored. If not, some may be; the caller reads again, and appends
        what is left to change.

        Raises:
            Unavailable: ClickHouse is unavailable. A block may be stored all the same, also later.
        """
        by_lane: defaultdict[int, list[Change]] = defaultdict(list)
        for change in changes:
            session = change.after or (change.before and change.before.session)
            if session is not None:
                by_lane[self.lane_of((session.org_id, session.session_id))].append(change)
        stored = [
            await self._append_block(lane, snapshot.markers[lane], block)
            for lane, block in sorted(by_lane.items())
        ]
        return all(stored)

    async def _append_block(self, lane: int, marker: Marker, changes: Sequence[Change]) -> bool:
        new = self._next(lane, marker)
        rows = block_rows(changes, new.block)
        await self.insert_block(lane, [(marker, -1)] if marker != START else [], new, rows)
        return await self._is_stored(lane, marker, new)

    async def append_select(self, lane: int, marker: Marker, select: str, count: int) -> bool:
        """Append a block of new sessions that a statement selects; return whether it was stored.

        Raises:
            Unavailable: ClickHouse is unavailable, or the statement has another number of sessions.
        """
        new = self._next(lane, marker)
        markers = [] if marker == START else [marker_row(lane, marker, -1)]
        markers.append(marker_row(lane, new, 1, count + len(markers) + 1))
        rows = ", ".join(map(format_bind_value, markers))
        structure = ", ".join(f"{name} {type_}" for name, type_ in CHANGE_TYPES.items())
        await self._client.execute(
            f"INSERT INTO {CHANGES} SELECT *, {new.block} AS version, 1 AS n FROM ({select})"
            f" UNION ALL SELECT * FROM values({format_str(structure)}, {rows})",
            self._block_settings(lane, new),
        )
        return await self._is_stored(lane, marker, new)

    def _next(self, lane: int, marker: Marker) -> Marker:
        """Return the marker of the block after another one."""
        return Marker(marker.block + 1 + self._lost.get((lane, marker), 0), uuid.uuid4().hex)

    async def _is_stored(self, lane: int, marker: Marker, new: Marker) -> bool:
        """Return whether the block after a marker is the new one."""
        current = await self.read_marker(lane)
        if current == marker:
            # Either another writer's block has the token and is about to be stored, or a server
            # lost it in a crash after it noted the token, and nothing will have this token.
            await asyncio.sleep(READ_BACK_DELAY)
            current = await self.read_marker(lane)
            if current == marker:
                self._lost[lane, marker] = new.block - marker.block
        return current == new

    async def insert_block(
        self, lane: int, taken_back: Iterable[tuple[Marker, int]], new: Marker, rows: list[Any]
    ) -> None:
        """Insert rows and markers as one block, whose token is that of the new marker.

        Raises:
            Unavailable: ClickHouse is unavailable. The block may be stored all the same.
        """
        old = [marker_row(lane, marker, n) for marker, n in taken_back]
        size = len(rows) + len(old) + 1
        rows = [*rows, *old, marker_row(lane, new, 1, size)]
        await self._client.insert(CHANGES, CHANGE_TYPES, rows, self._block_settings(lane, new))

    def _block_settings(self, lane: int, marker: Marker) -> dict[str, Any]:
        settings: dict[str, Any] = {
            **INSERT_SETTINGS,
            "insert_deduplication_token": f"{lane}:{marker.block}",
        }
        if self.shards:
            settings["insert_shard_id"] = lane // SHARD_LANES + 1
        return settings

    async def deduplicates(self) -> bool:
        """Return whether every shard refuses a block whose token it knows.

        Inserts a marker twice, and takes it back.

        Raises:
            Unavailable: ClickHouse is unavailable, or may not be written to.
        """
        refuses = True
        for shard in range(max(self.shards, 1)):
            lane = shard * SHARD_LANES + PROBE_LANE
            marker = Marker(uuid.uuid4().int >> 64, "probe")
            for _ in range(2):
                await self.insert_block(lane, [], marker, [])
            _, markers = parse_versions(await self._read_markers(lane))
            count = sum(n for _, each, n in markers if each == marker)
            refuses &= count == 1
            await self.insert_block(lane, [(marker, -count)], marker._replace(nonce="end"), [])
        return refuses

    async def read_marker(self, lane: int) -> Marker:
        """Return the marker of a lane.

        Raises:
            ForkedChain: it has several.
            Unavailable: ClickHouse is unavailable.
        """
        return Snapshot.of(await self._read_markers(lane), [lane]).markers[lane]

    async def _read_markers(self, lane: int) -> Rows:
        """Return the rows of a lane's markers."""
        return await self._client.fetch(select_markers(self._client.dialect), {"lanes": [lane]})


def block_rows(changes: Iterable[Change], version: int) -> list[Any]:
    """Return the rows of `changes` for changes."""
    rows: list[Any] = []
    for before, after in changes:
        if before is not None:
            rows.append((*before.session, before.version, -before.times))
        if after is not None:
            rows.append((*after, version, 1))
    return rows


def marker_row(lane: int, marker: Marker, n: int, size: int = 0) -> tuple[Any, ...]:
    """Return a row of `changes` that adds a marker, or takes it back."""
    place = Session("", marker.nonce, lane, acus=size)
    return (*place, marker.block, n)


def select_versions(condition: sa.ColumnElement[bool]) -> Select:
    """Return the statement for versions of sessions that meet a condition, and for markers.

    Markers of the bound `lanes` come first. One statement reads both, so that the markers are
    those of the blocks that the versions are of, whichever replica answers.
    """
    scope = facts.c.scope
    is_session = sa.and_(
        scope == number_literal(SESSION_SCOPE), facts.c.grain == number_literal(0), condition
    )
    is_marker = sa.and_(
        facts.c.org_id == sa.literal_column("''", sa.Text),
        scope == number_literal(MARKER_SCOPE),
        facts.c.bucket.in_(sa.bindparam("lanes", type_=sa.BigInteger, expanding=True)),
    )
    key = (scope, facts.c.org_id, facts.c.bucket, facts.c.session_id, facts.c.version)
    count = sa.func.sum(facts.c.n)
    return (
        sa.select(
            *key,
            count.label("count"),
            *(sa.func.any(facts.c[name]) for name in ATTRIBUTES),
            *(sa.func.sum(facts.c[name]) for name in AMOUNTS.values()),
        )
        .where(sa.or_(is_session, is_marker))
        .group_by(*key)
        .having(count != 0)
        .order_by(scope, facts.c.bucket, facts.c.session_id, facts.c.version)
    )


@lru_cache
def select_markers(dialect: Dialect) -> CompiledStatement:
    """Return the statement for the markers of the bound `lanes`."""
    return dialect.compile(select_versions(sa.false()))


def parse_versions(rows: Rows) -> tuple[list[StoredVersion], list[tuple[int, Marker, int]]]:
    """Return the versions of sessions, and the markers with their lanes and counts."""
    versions, markers = [], []
    for scope, org_id, bucket, session_id, version, count, *values in rows:
        if scope == MARKER_SCOPE:
            markers.append((bucket, Marker(version, session_id), count))
            continue
        attributes, amounts = values[: len(ATTRIBUTES)], values[len(ATTRIBUTES) :]
        named = dict(zip(ATTRIBUTES, attributes, strict=True))
        named |= {name: amount // count for name, amount in zip(AMOUNTS, amounts, strict=True)}
        versions.append(StoredVersion(Session(org_id, session_id, bucket, **named), version, count))
    return versions, markers


async def cluster_of(client: ClickHouseClient, table: str) -> str:
    """Return the cluster that a distributed table is on; empty for other tables.

    Raises:
        Unavailable: ClickHouse is unavailable.
    """
    rows = await client.execute(
        "SELECT extract(engine_full, '^Distributed\\\\(\\'?([^\\',]+)') FROM system.tables"
        f" WHERE database = currentDatabase() AND name = {format_str(table)}"
        " AND engine = 'Distributed'"
    )
    return str(rows[0][0]) if rows else ""


async def count_shards(client: ClickHouseClient) -> int:
    """Return the number of shards that `facts` is distributed over; 0 on one server.

    Raises:
        Unavailable: ClickHouse is unavailable.
    """
    cluster = await cluster_of(client, facts.name)
    if not cluster:
        return 0
    rows = await client.execute(
        "SELECT count(DISTINCT shard_num) FROM system.clusters"
        f" WHERE cluster = {format_str(cluster)}"
    )
    return int(rows[0][0])
