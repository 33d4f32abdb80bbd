"""Random histories of writers that interleave, crash, retry and arrive late, against an oracle.

No lock orders the writers: the chain of blocks has to. Each history ends with queries and `verify`.
`METRICS_TEST_EXAMPLES` sets the number of histories.
"""

import asyncio
import json
import os
import zlib
from collections import Counter
from collections.abc import Generator, Mapping
from random import Random
from typing import Any

import pytest

from metrics_graphql.core.errors import Unavailable, value_or_raise
from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.core.sessions import Session, SessionUpdate
from metrics_graphql.rest_api.response_body import sessions_body
from metrics_graphql.storage.clickhouse import chain as chains
from metrics_graphql.storage.clickhouse import deletion, migration, verification
from metrics_graphql.storage.clickhouse.chain import Chain
from metrics_graphql.storage.clickhouse.client import INSERT_SETTINGS, ClickHouseClient
from metrics_graphql.storage.clickhouse.ingest import UpsertBuffer
from metrics_graphql.storage.clickhouse.snapshot import ForkedChain, Marker
from metrics_graphql.storage.clickhouse.tables import CHANGE_TYPES, CHANGES
from metrics_graphql.storage.dialects import CompiledStatement, Rows
from metrics_graphql.storage.session_store import Deletion, VerificationUnit
from metrics_graphql.storage.totals import fetch_metrics
from tests import oracle, strategies
from tests.conftest import new_organization, only_clickhouse
from tests.engines import ClickHouseDatabases

pytestmark = only_clickhouse

HISTORIES = int(os.environ.get("METRICS_TEST_EXAMPLES", "8"))
FIRST = int(os.environ.get("METRICS_TEST_SEED", "0"))
WRITERS = 3
CREATED = [strategies.BASE + each for each in (0, 899, 900, 86_400, 40 * 86_400, -40 * 86_400)]
QUERIES: list[dict[str, Any]] = [
    {"time_after": 0, "time_before": 2**40},
    {"time_after": strategies.BASE - 86_400 + 7, "time_before": strategies.BASE + 31 * 86_400 + 7},
    {"time_after": 0, "time_before": strategies.BASE + 901, "user_ids": ["email|aa"]},
    {"time_after": strategies.BASE, "time_before": 2**40, "playbook_ids": ["playbook-1"]},
    {"time_after": 1, "time_before": 2**40, "origins": ["slack", "other"], "has_merged_pr": True},
]


FAULTS = {
    "none": 20,
    "twice": 3,
    "stored, then crash": 3,
    "crash": 2,
    "late": 3,
    "token lost": 2,
    "stored, then timeout": 1,
    "timeout, then late": 1,
}
"""What happens to inserts, and to how many of each 35."""


class Crash(Exception):
    """The end of a writer."""


class World(ClickHouseClient):
    """A client whose statements take turns, in random order, and whose inserts meet with faults."""

    def __init__(self, url: str, random: Random) -> None:
        super().__init__(url)
        self.random = random
        self.waiting: list[asyncio.Future[None]] = []
        self.late: list[tuple[Any, ...]] = []
        self.tokens: set[str] = set()
        self.stored: dict[tuple[str, str], Session] = {}
        self.events: Counter[str] = Counter()
        self.faults: list[str] = []
        self.is_checking = True
        self.token_lock = asyncio.Lock()

    async def fetch(self, statement: CompiledStatement, values: dict[str, Any]) -> Rows:
        """Wait for a turn, except at the end of the history."""
        if not self.is_checking:
            self.waiting.append(turn := asyncio.get_running_loop().create_future())
            await turn
            self.crash(0.03)
        return await super().fetch(statement, values)

    def crash(self, probability: float) -> None:
        """End the writer, sometimes."""
        if self.random.random() < probability:
            self.events["crashed"] += 1
            raise Crash

    async def insert(
        self, table: str, types: Mapping[str, str], rows: Rows, settings: dict[str, Any]
    ) -> None:
        """Insert a block once, twice, later or never, and respond or not."""
        block = (table, types, rows, settings)
        fault = "none"
        if not self.is_checking:
            fault = self.next_fault()
        self.events[fault] += 1
        if "late" in fault:
            self.late.append(block)
        elif fault == "token lost":
            await self.lose_token(settings["insert_deduplication_token"])
            await self.deliver(block)
        elif fault != "crash":
            await self.deliver(block)
        if fault == "twice":
            await self.deliver(block)
        if "timeout" in fault:
            raise Unavailable
        if fault in {"stored, then crash", "crash", "late"}:
            raise Crash

    def next_fault(self) -> str:
        """Draw from a shuffled deck, so that each fault happens in a short run, too."""
        if not self.faults:
            self.faults = list(Counter(FAULTS).elements())
            self.random.shuffle(self.faults)
        return self.faults.pop()

    async def deliver(self, block: tuple[Any, ...]) -> None:
        """Insert a block, and apply it to the expected state if its token is new.

        Inserts with tokens run one at a time. Otherwise, of two concurrent blocks with the same
        token, ClickHouse could store one, and the expected state could have the other.
        """
        async with self.token_lock:
            await self._deliver(block)

    async def _deliver(self, block: tuple[Any, ...]) -> None:
        *_, rows, settings = block
        await super().insert(*block)
        token = settings["insert_deduplication_token"]
        if token in self.tokens:
            self.events["refused"] += 1
            return
        self.tokens.add(token)
        for *fields, _version, n in rows:
            session = Session._make(fields)
            key = session.org_id, session.session_id
            if session.org_id and n > 0:
                self.stored[key] = session
            elif session.org_id and self.stored.get(key) == session:
                del self.stored[key]

    async def lose_token(self, token: str) -> None:
        """Store a token without its block, as a crash may, unless it is already stored."""
        async with self.token_lock:
            if token not in self.tokens:
                self.tokens.add(token)
                row = chains.marker_row(chains.PROBE_LANE, Marker(1, "lost"), 1, 1)
                settings = {**INSERT_SETTINGS, "insert_deduplication_token": token}
                await super().insert(CHANGES, CHANGE_TYPES, [row], settings)


class History:
    """A random history of writers of three organizations."""

    def __init__(self, world: World, chain: Chain) -> None:
        self.world = world
        self.chain = chain
        self.random = world.random
        # Two of one lane, which share their chain.
        self.org_ids = [next(new_organization)]
        while len(self.org_ids) < 3:
            org_id = next(new_organization)
            if len(self.org_ids) == 2 or lane(org_id) == lane(self.org_ids[0]):
                self.org_ids.append(org_id)
        self.batches: list[list[SessionUpdate]] = []

    def batch(self) -> list[SessionUpdate]:
        """Return updates of a few sessions, or those of an earlier batch again."""
        random = self.random
        if self.batches and random.random() < 0.2:
            return random.choice(self.batches)
        updates = []
        for _ in range(random.randrange(1, 6)):
            values: dict[str, Any] = {
                "created_at": random.choice(CREATED),
                "origin": random.choice(strategies.ORIGINS),
                "size": random.choice(strategies.SIZES),
                "user_id": random.choice(strategies.USERS),
                "playbook_id": random.choice(strategies.PLAYBOOKS),
                "has_merged_pr": random.random() < 0.5,
                "acus": random.randrange(10**9),
                "pr_count": random.randrange(9),
            }
            given = {name: each for name, each in values.items() if random.random() < 0.6}
            given["created_at"] = values["created_at"]
            org_id = random.choice(self.org_ids)
            updates.append(SessionUpdate(org_id, f"s{random.randrange(9)}", given))
        self.batches.append(updates)
        return updates

    async def write(self) -> None:
        """Upsert a batch, or delete a session; crashes and errors end it."""
        try:
            if self.random.random() < 0.1:
                org_id, session_id = (
                    self.random.choice(self.org_ids),
                    f"s{self.random.randrange(9)}",
                )
                await deletion.delete_sessions(self.chain, Deletion(org_id, session_id))
                return
            buffer = UpsertBuffer(self.chain, self.world, NO_CONNECTION, NO_CONNECTION)
            buffer.updates, buffer.is_consistent = self.batch(), False
            await buffer.flush()
        except (Crash, Unavailable) as error:
            if isinstance(error, ForkedChain):
                raise

    async def run(self, batches: int) -> None:
        """Let writers take turns in random order, until all have ended."""
        world, random = self.world, self.random
        writers: set[asyncio.Task[None]] = set()
        world.is_checking = False
        while batches or writers:
            if batches and len(writers) < WRITERS and random.random() < 0.4:
                # Another process has a chain of its own, and knows no lost tokens.
                self.chain = Chain(world, 0) if random.random() < 0.5 else self.chain
                writers.add(asyncio.create_task(self.write()))
                batches -= 1
            if world.late and random.random() < 0.1:
                world.events["arrived late"] += 1
                await world.deliver(world.late.pop(random.randrange(len(world.late))))
            while len(world.waiting) < len(writers):
                await asyncio.wait(writers, timeout=0.005, return_when=asyncio.FIRST_COMPLETED)
                for ended in {each for each in writers if each.done()}:
                    writers.remove(ended)
                    ended.result()
            if world.waiting:
                world.waiting.pop(random.randrange(len(world.waiting))).set_result(None)
        world.is_checking = True
        for block in world.late:
            await world.deliver(block)
        world.late.clear()
        if random.random() < 0.3:
            await world.execute("OPTIMIZE TABLE facts FINAL")

    async def check(self) -> None:
        """Compare queries with the oracle, and verify."""
        for org_id in self.org_ids:
            rows = [each._asdict() for each in self.world.stored.values() if each.org_id == org_id]
            requests = [
                MetricsRequest(SessionMetricsQuery.from_params(tenant=org_id, **parameters))
                for parameters in QUERIES
            ]
            results = await fetch_metrics(self.world, requests)
            for parameters, result in zip(QUERIES, results, strict=True):
                expected = oracle.rest(rows, org_id, **parameters)
                assert json.loads(sessions_body(value_or_raise(result))) == expected
            assert await verification.find_damage(self.chain, self.world, org_id) == {}
            unit = VerificationUnit(org_id, 0, 2**40)
            assert await verification.find_mismatches(self.world, unit) == []


NO_CONNECTION: Any = None
"""`flush` needs no database."""


def lane(org_id: str) -> int:
    """Return the lane of an organization."""
    return zlib.crc32(org_id.encode()) % chains.LANES


@pytest.fixture
def runner() -> Generator[asyncio.Runner]:
    """Return an event loop."""
    with asyncio.Runner() as runner:
        yield runner


def test_histories_end_as_the_oracle_expects(
    clickhouse: ClickHouseDatabases, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every kind of fault, at least one has happened."""
    monkeypatch.setattr(chains, "READ_BACK_DELAY", 0)

    async def run() -> Counter[str]:
        async with World(clickhouse.new_sessions(), Random(FIRST)) as world:  # noqa: S311 - test data
            await migration.migrate(world)
            for seed in range(FIRST, FIRST + HISTORIES):
                world.random.seed(seed)
                history = History(world, await Chain.open(world))
                try:
                    await history.run(batches=10)
                    await history.check()
                except BaseException as error:
                    error.add_note(f"METRICS_TEST_SEED={seed}")
                    raise
            return world.events

    events = runner.run(run())

    assert events.keys() >= FAULTS.keys()
