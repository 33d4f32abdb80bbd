"""Blocks in ClickHouse: each is one part, whole and once, also where settings differ."""

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from metrics_graphql.core.errors import Unavailable
from metrics_graphql.core.sessions import Session
from metrics_graphql.storage.clickhouse import chain as chains
from metrics_graphql.storage.clickhouse import migration
from metrics_graphql.storage.clickhouse.chain import Chain, Change
from metrics_graphql.storage.clickhouse.client import INSERT_SETTINGS, ClickHouseClient
from metrics_graphql.storage.clickhouse.facts import MARKER_SCOPE
from metrics_graphql.storage.clickhouse.session_store import ClickHouseSessionStore
from metrics_graphql.storage.clickhouse.snapshot import START, ForkedChain, Marker, Snapshot
from metrics_graphql.storage.clickhouse.tables import CHANGE_TYPES, CHANGES
from tests.clickhouse_http import over_http
from tests.conftest import Gateway, inconsistencies, only_clickhouse
from tests.engines import ClickHouseDatabases

pytestmark = only_clickhouse

LARGE = 70_000
"""Sessions whose insert the driver sends as several blocks."""


@pytest.fixture
def runner() -> Generator[asyncio.Runner]:
    """Return an event loop."""
    with asyncio.Runner() as runner:
        yield runner


async def stored(client: ClickHouseClient) -> tuple[int, int, int]:
    """Return the numbers of parts, of versions of sessions, and of sessions in roll-ups."""
    ((parts,),) = await client.execute(
        "SELECT count() FROM system.parts"
        " WHERE active AND table = 'facts' AND database = currentDatabase()"
    )
    ((versions, rolled_up),) = await client.execute(
        "SELECT sum(n) - countIf(scope = -2), sumIf(sessions_created_count, scope = 0) FROM facts"
    )
    return parts, versions, rolled_up


def new_sessions(count: int, org_id: str = "o") -> list[Change]:
    """Return the changes that add so many sessions, each at a second of its own."""
    return [
        Change(None, Session(org_id, f"s{n:07}", n, user_id=f"u{n % 50}")) for n in range(count)
    ]


async def append(client: ClickHouseClient, changes: list[Change]) -> bool:
    """Append a block to the chain of the organization."""
    chain = await Chain.open(client)
    snapshot = Snapshot({lane: await chain.read_marker(lane) for lane in chain.lanes_of("o")})
    return await chain.append(snapshot, changes)


@pytest.mark.parametrize("over", ["chdb", "http"])
def test_a_large_insert_is_one_part(
    clickhouse: ClickHouseDatabases, runner: asyncio.Runner, over: str
) -> None:
    """Sessions and all of their roll-ups, although the driver sends several blocks."""
    url = clickhouse.new_sessions()

    async def insert(url: str) -> tuple[int, int, int]:
        async with ClickHouseClient(url) as client:
            await migration.migrate(client)
            await client.execute("SYSTEM STOP MERGES facts")
            assert await append(client, new_sessions(LARGE))
            return await stored(client)

    if over == "chdb":
        found = runner.run(insert(url))
    else:
        with over_http(url) as server:
            found = runner.run(insert(server.url))

    assert found == (1, LARGE, 4 * LARGE)


def test_an_insert_that_a_server_splits_is_refused(
    clickhouse: ClickHouseDatabases, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The marker has the number of rows, and no part of the block is stored."""
    monkeypatch.setitem(INSERT_SETTINGS, "min_insert_block_size_rows", 1_000)
    monkeypatch.setitem(INSERT_SETTINGS, "max_insert_block_size", 1_000)

    async def insert() -> tuple[int, int, int]:
        async with ClickHouseClient(clickhouse.new_sessions()) as client:
            await migration.migrate(client)
            with pytest.raises(Unavailable):
                await append(client, new_sessions(LARGE))
            return await stored(client)

    assert runner.run(insert()) == (0, 0, 0)


def test_a_view_that_fails_fails_the_insert(
    clickhouse: ClickHouseDatabases, runner: asyncio.Runner
) -> None:
    """Here the roll-ups, because a column of their table is missing."""

    async def insert() -> tuple[int, int, int]:
        async with ClickHouseClient(clickhouse.new_sessions()) as client:
            await migration.migrate(client)
            await client.execute(
                "ALTER TABLE facts ADD CONSTRAINT few CHECK sessions_created_count < 3"
            )
            assert await append(client, new_sessions(2))
            with pytest.raises(Unavailable):
                await append(client, new_sessions(9))
            return await stored(client)

    assert runner.run(insert()) == (1, 2, 8)


def test_sessions_are_stored_after_the_view_was_detached(
    clickhouse: ClickHouseDatabases, runner: asyncio.Runner
) -> None:
    """ClickHouse attaches views again when it restarts, and when it restores a backup."""

    async def insert() -> tuple[int, int, int]:
        async with ClickHouseClient(clickhouse.new_sessions()) as client:
            await migration.migrate(client)
            await client.execute("DETACH TABLE changes_to_facts")
            await client.execute("ATTACH TABLE changes_to_facts")
            assert await append(client, new_sessions(2))
            return await stored(client)

    assert runner.run(insert()) == (1, 2, 8)


def test_a_token_without_a_block_is_skipped(
    clickhouse: ClickHouseDatabases, runner: asyncio.Runner
) -> None:
    """As after a server that crashed when it had noted the token: the next one is used."""

    async def insert() -> tuple[int, int, int]:
        async with ClickHouseClient(clickhouse.new_sessions()) as client:
            await migration.migrate(client)
            chain = await Chain.open(client)
            (lane,) = chain.lanes_of("o")
            await burn(chain, client, lane, 1)
            snapshot = Snapshot({lane: START})
            assert not await chain.append(snapshot, new_sessions(1))
            assert await chain.append(snapshot, new_sessions(1))
            assert (await chain.read_marker(lane)).block == 2
            _, *found = await stored(client)
            return (0, found[0], found[1])

    assert runner.run(insert())[2] == 4


async def burn(chain: Chain, client: ClickHouseClient, lane: int, block: int) -> None:
    """Let ClickHouse note the token of a block that it has not."""
    row = chains.marker_row(chains.PROBE_LANE, Marker(block, "burnt"), 1, 1)
    settings = {**INSERT_SETTINGS, "insert_deduplication_token": f"{lane}:{block}"}
    await client.insert(CHANGES, CHANGE_TYPES, [row], settings)


def sessions_of(gateway: Gateway) -> ClickHouseSessionStore:
    """Return the session store of a gateway."""
    assert isinstance(gateway.storage.sessions, ClickHouseSessionStore)
    return gateway.storage.sessions


@pytest.mark.parametrize("changed", [0, 1], ids=["the same block", "another block"])
def test_a_block_that_is_stored_twice_is_found_and_repaired(gateway: Gateway, changed: int) -> None:
    """Deduplication was switched off meanwhile: writers are refused until the repair."""
    store = sessions_of(gateway)
    gateway.load([{"org_id": "o", "session_id": "a", "created_at": 10, "acus": 1}])
    gateway.load([{"org_id": "o", "session_id": "b", "created_at": 10, "acus": 1}])
    gateway.run(
        store.client.execute(
            "ALTER TABLE facts MODIFY SETTING non_replicated_deduplication_window = 0"
        )
    )
    assert [problem for problem, _ in gateway.run(store.warnings())] == [
        "ClickHouse does not deduplicate inserts"
    ]

    async def insert_twice() -> None:
        chain = await store.chain()
        (lane,) = chain.lanes_of("o")
        marker = await chain.read_marker(lane)
        for number in (0, changed):
            session = Session("o", "c", 10, acus=number, has_merged_pr=bool(number))
            new = Marker(3, f"{number:04x}")
            rows = chains.block_rows([Change(None, session)], new.version)
            await chain.insert_block(lane, [(marker, -1)], new, rows)

    gateway.run(insert_twice())
    found = inconsistencies(gateway)
    assert found[0] == "o, c: is a duplicate, or was cancelled twice"
    assert "does not have exactly one marker" in found[1]
    with pytest.raises(ForkedChain, match=r"Run: metrics-graphql verify --repair$"):
        gateway.load([{"org_id": "o", "session_id": "c", "size": "xl"}])

    for unit in gateway.run(store.verification_units()):
        gateway.run(store.repair(unit))

    assert inconsistencies(gateway) == []
    gateway.load([{"org_id": "o", "session_id": "c", "size": "xl", "acus": 4}])
    period = {"time_after": 0, "time_before": 2**62}
    metrics = gateway.rest("o", gateway.token("o"), **period).json()
    assert metrics["sessions_created_count"] == 3
    assert metrics["sessions_created_by_size"]["xl"] == 1
    assert metrics["sessions_with_merged_prs_count"] == changed
    assert metrics["avg_acus_per_session"] == pytest.approx(2e-6)


def test_checks_of_deduplication_leave_one_marker(gateway: Gateway) -> None:
    """In a lane that no session is in. Nothing else changes."""
    store = sessions_of(gateway)

    for _ in range(3):
        assert gateway.run(store.warnings()) == []

    sums = "SELECT scope, sum(n) FROM facts GROUP BY scope HAVING sum(n) != 0"
    assert [tuple(row) for row in gateway.run(store.client.execute(sums))] == [(MARKER_SCOPE, 1)]


@pytest.mark.parametrize("scope", [0, 1, 4])
def test_a_roll_up_that_differs_is_found_and_repaired(gateway: Gateway, scope: int) -> None:
    """Of an organization, a user, and a category: one row is missing for each grain."""
    store = sessions_of(gateway)
    session = {"user_id": "u", "service_user_id": "v", "playbook_id": "p", "origin": "scheduled"}
    gateway.load([{"org_id": "o", "session_id": "a", "created_at": 10, "acus": 7, **session}])
    gateway.run(
        store.client.execute(
            f"ALTER TABLE facts DELETE WHERE scope = {scope} SETTINGS mutations_sync = 2"
        )
    )
    grains = next(each.grains for each in store.dialect.rollup_dimensions if each.code == scope)

    found = inconsistencies(gateway)
    assert len(found) == len(grains)
    assert all("sessions_created_count is 1 less than counted" in each for each in found)
    for unit in gateway.run(store.verification_units()):
        gateway.run(store.repair(unit))

    assert inconsistencies(gateway) == []
    assert gateway.run(store.warnings()) == []
    filtered: dict[str, Any] = {"time_after": 0, "time_before": 2**62, "origins": "automation"}
    metrics = gateway.rest("o", gateway.token("o"), **filtered).json()
    assert metrics["sessions_created_count"] == 1


@pytest.mark.parametrize("session_id", ["", "a", "devin-0123456789abcdef", "ü" * 99])
def test_clickhouse_finds_the_shard_of_a_session(
    clickhouse: ClickHouseDatabases, runner: asyncio.Runner, session_id: str
) -> None:
    """The writer and the migration, which selects in SQL, agree."""

    async def crc() -> int:
        async with ClickHouseClient(clickhouse.new_sessions()) as client:
            rows = await client.execute(f"SELECT CRC32('{session_id}')")
            return int(rows[0][0])

    chain = Chain(ClickHouseClient("clickhousedb://localhost/x"), shards=7)
    lanes = chain.lanes_of("o")

    assert chain.lane_of(("o", session_id)) == lanes[runner.run(crc()) % 7]
