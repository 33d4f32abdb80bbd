"""Blocks of changes: each is one part of `facts`, and the blocks of a lane form a chain.

Organizations are spread over lanes. Block `s + 1` of a lane cancels the marker of block `s` and
adds its own. Its deduplication token is the lane and `s + 1`, which makes the insert a
compare-and-swap: of all inserts with this token, whether late, repeated or concurrent, ClickHouse
stores one. It refuses the others without an error, so the marker is read back: docs/decisions/0008.
"""

import asyncio
import uuid
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple, Self

from clickhouse_connect.driver.binding import format_bind_value, format_str

from metrics_graphql.core.sessions import Session
from metrics_graphql.storage.clickhouse.client import INSERT_SETTINGS, ClickHouseClient
from metrics_graphql.storage.clickhouse.facts import facts
from metrics_graphql.storage.clickhouse.snapshot import (
    START,
    Marker,
    Snapshot,
    StoredVersion,
    parse_versions,
    select_markers,
)
from metrics_graphql.storage.clickhouse.tables import CHANGE_TYPES, CHANGES
from metrics_graphql.storage.dialects import CompiledStatement, Rows
from metrics_graphql.storage.ingest import SessionKey

LANES: Final = 16
"""Lanes on each shard. With one for each organization, a batch would make a part for each of its
organizations."""
SHARD_LANES: Final = 1_000
"""Lane numbers that each shard has: those of the second shard begin at 1,000."""
PROBE_LANE: Final = SHARD_LANES - 1
"""The last lane number of a shard, which `deduplicates` uses. No session is in this lane."""
READ_BACK_DELAY: Final = 0.2
"""Seconds until a marker is read again if no block has replaced it."""


class Change(NamedTuple):
    """A stored version of a session to cancel, and the session that replaces it."""

    before: StoredVersion | None
    """None: the session is new."""
    after: Session | None
    """None: the session is deleted."""


class Chain:
    """Appends blocks to the chains of all lanes."""

    def __init__(self, client: ClickHouseClient, shards: int) -> None:
        self._client = client
        self.shards = shards
        """The number of shards of a cluster; 0 on one server without distributed tables."""
        self._lost_tokens: dict[tuple[int, Marker], int] = {}
        """How many tokens after a lane's marker are used, although no block with them is stored."""

    @classmethod
    async def open(cls, client: ClickHouseClient) -> Self:
        """Return the chains of a server, or of a cluster with all its shards.

        Raises:
            Unavailable: ClickHouse is unavailable.
        """
        return cls(client, await count_shards(client))

    def lanes_of(self, org_id: str) -> list[int]:
        """Return the lanes of an organization: one on each shard."""
        lane = lane_in_shard(org_id)
        return [shard * SHARD_LANES + lane for shard in range(max(self.shards, 1))]

    def lane_of(self, key: SessionKey) -> int:
        """Return the lane of a session: on the shard that its `session_id` determines."""
        org_id, session_id = key
        shard = zlib.crc32(session_id.encode()) % self.shards if self.shards else 0
        return shard * SHARD_LANES + lane_in_shard(org_id)

    async def read(
        self, statement: CompiledStatement, values: dict[str, Any], org_id: str
    ) -> Snapshot:
        """Return the snapshot that a statement of `select_versions` reads of an organization.

        Raises:
            ForkedChain: a version or a marker in it is a duplicate.
            Unavailable: ClickHouse is unavailable.
            TimedOut: the request passed its deadline.
        """
        lanes = self.lanes_of(org_id)
        rows = await self._client.fetch(statement, {**values, "org_id": org_id, "lanes": lanes})
        return Snapshot.of(rows, lanes)

    async def append(self, snapshot: Snapshot, changes: Collection[Change]) -> bool:
        """Append a block to the lane of each change.

        Returns whether all blocks were stored. Otherwise some may be stored: the caller must read
        again, and append the remaining changes.

        Raises:
            ForkedChain: a lane has several markers.
            Unavailable: ClickHouse is unavailable. Blocks may nevertheless be stored, also later.
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
        rows = block_rows(changes, new.version)
        await self.insert_block(lane, [(marker, -1)] if marker != START else [], new, rows)
        return await self._is_stored(lane, marker, new)

    async def append_select(self, lane: int, marker: Marker, select: str, count: int) -> bool:
        """Append a block of new sessions that a statement selects; return whether it was stored.

        `count` is the number of sessions. If the statement selects another number, ClickHouse
        refuses the block.

        Raises:
            ForkedChain: the lane has several markers.
            Unavailable: ClickHouse is unavailable, or refused the block.
        """
        new = self._next(lane, marker)
        markers = [] if marker == START else [marker_row(lane, marker, -1)]
        markers.append(marker_row(lane, new, 1, count + len(markers) + 1))
        rows = ", ".join(map(format_bind_value, markers))
        structure = ", ".join(f"{name} {type_}" for name, type_ in CHANGE_TYPES.items())
        await self._client.execute(
            f"INSERT INTO {CHANGES} SELECT *, {new.version} AS version, 1 AS n FROM ({select})"
            f" UNION ALL SELECT * FROM values({format_str(structure)}, {rows})",
            self._block_settings(lane, new),
        )
        return await self._is_stored(lane, marker, new)

    def _next(self, lane: int, marker: Marker) -> Marker:
        """Return a marker for the block after the one with this marker."""
        skipped = self._lost_tokens.get((lane, marker), 0)
        return Marker(marker.block + 1 + skipped, uuid.uuid4().hex)

    async def _is_stored(self, lane: int, marker: Marker, new: Marker) -> bool:
        """Return whether the new marker has replaced the old one, whose block was the last."""
        current = await self.read_marker(lane)
        if current == marker:
            # The block was refused, but none is stored with its token. Either another writer's is
            # about to be, or a server crashed after it stored the token and before the block. Then
            # no block will ever be stored with this token, and the next attempt skips it.
            await asyncio.sleep(READ_BACK_DELAY)
            current = await self.read_marker(lane)
            if current == marker:
                self._lost_tokens[lane, marker] = new.block - marker.block
        return current == new

    async def insert_block(
        self, lane: int, cancelled: Iterable[tuple[Marker, int]], new: Marker, rows: list[Any]
    ) -> None:
        """Insert rows and markers as one block, whose token has the number of the new marker.

        `cancelled` has the old markers, and what to add to the count of each, usually -1.

        Raises:
            Unavailable: ClickHouse is unavailable. The block may nevertheless be stored, also
                later.
        """
        old = [marker_row(lane, marker, n) for marker, n in cancelled]
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
        """Return whether every shard stores only one of two blocks with the same token.

        Inserts a marker twice, and cancels it. One marker remains, in a lane without sessions.

        Raises:
            Unavailable: ClickHouse is unavailable, or cannot be written to.
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
            cancelled = [(each, -n) for _, each, n in markers]
            await self.insert_block(lane, cancelled, marker._replace(block=marker.block ^ 1), [])
        return refuses

    async def read_marker(self, lane: int) -> Marker:
        """Return the marker of a lane.

        Raises:
            ForkedChain: the lane has several markers.
            Unavailable: ClickHouse is unavailable.
        """
        return Snapshot.of(await self._read_markers(lane), [lane]).markers[lane]

    async def _read_markers(self, lane: int) -> Rows:
        """Return the rows of a lane's markers."""
        return await self._client.fetch(select_markers(self._client.dialect), {"lanes": [lane]})


def lane_in_shard(org_id: str) -> int:
    """Return the number of an organization's lane within each shard."""
    return zlib.crc32(org_id.encode()) % LANES


def block_rows(changes: Iterable[Change], version: int) -> list[Any]:
    """Return the rows of `changes` in a block: each cancels an old version, or adds a new one."""
    rows: list[Any] = []
    for before, after in changes:
        if before is not None:
            rows.append((*before.session, before.version, -before.times))
        if after is not None:
            rows.append((*after, version, 1))
    return rows


def marker_row(lane: int, marker: Marker, n: int, size: int = 0) -> tuple[Any, ...]:
    """Return the row of `changes` that adds a marker (`n` is 1), or cancels it (-1).

    A marker that is added has the number of rows in its block, `size`.
    """
    key = Session("", marker.nonce, lane, acus=size)
    return (*key, marker.block, n)


async def cluster_of(client: ClickHouseClient, table: str) -> str:
    """Return the name of the cluster of a distributed table; empty for any other table.

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
    """Return the number of shards that `facts` is distributed over; 0 if it is not distributed.

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
