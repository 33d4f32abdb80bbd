"""Clients that ask servers while sessions arrive: what they saw, and whether it was true."""

import asyncio
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
import sqlalchemy as sa

from metrics_graphql.auth import create_service_user
from metrics_graphql.errors import Unavailable
from metrics_graphql.store.engine import Database
from metrics_graphql.store.ingest import write_sessions
from metrics_graphql.store.migrate import migrate
from metrics_graphql.store.tables import sessions
from metrics_graphql.store.verification import chunks, verify
from scripts.benchmarks.faults.numbered import BATCH, END, ORG, expected, update
from tests.serving import Server, served

FRESHNESS: Final = 1.0
"""The default of `METRICS_FRESHNESS`: how long an answer may not know of a new session."""
ALLOWED: Final = {"200", "503", "504", "200 UNAVAILABLE", "200 TIMEOUT"}
"""What a client may see of a fault; GraphQL may tell of it in an answer that is 200."""
PAUSE_SECONDS: Final = 0.01
"""How long a client thinks before its next question: faults are looked for, not speed."""
AGAIN: Final = 50
"""So many good answers, one after the other, tell that a fault is over."""
PATIENCE_SECONDS: Final = 60.0
"""How long that may take before it counts as never."""
GRAPHQL: Final = """
    query ($org: ID!, $filters: SessionMetricsFilters!) {
      sessionMetrics(orgId: $org, filters: $filters) {
        sessionsCreatedCount sessionsWithMergedPrsCount avgAcusPerSession
      }
    }
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A question: when it was asked and answered, and what with."""

    asked: float
    answered: float
    what: str


class Watch:
    """Some servers under load, and everything that was seen of them."""

    def __init__(self, servers: Sequence[Server], token: str, database: Database) -> None:
        self.servers = servers
        self.token = token
        self.database = database
        self.done = ""
        """What the fault was."""
        self.seen: list[Seen] = []
        self.wrong: list[str] = []
        """What must not be: losses, wrong numbers, other answers than a fault may have."""
        self.over = 0.0
        """When the fault was over."""
        self.begun = 0
        """How many sessions there may be, at most."""
        self._times = [0.0]
        self._acknowledged = [0]
        self.first = asyncio.Event()
        """Whether there is something to ask about."""
        self._numbers = count()
        self._ended = False

    @property
    def acknowledged(self) -> int:
        """Return how many sessions are stored, as far as their writer was told."""
        return self._acknowledged[-1]

    def acknowledge(self, number: int) -> None:
        """Note that the first `number` sessions are stored."""
        if number > self.acknowledged:
            self._times.append(time.monotonic())
            self._acknowledged.append(number)
            self.first.set()

    @contextmanager
    def fault(self, done: str) -> Generator[None]:
        """Note what is done in the block, and when it is over."""
        self.done = done
        yield
        self.over = time.monotonic()

    async def write(self, pause: float) -> None:
        """Write new sessions, batch by batch; they are acknowledged once they are committed."""
        number = 0
        while not self._ended:
            self.begun = number + BATCH
            batch = [update(at) for at in range(number, number + BATCH)]
            try:
                async with self.database.writing() as connection:
                    await write_sessions(connection, self.database.dialect, batch)
            except Unavailable:
                await asyncio.sleep(0.05)
                continue
            except Exception as error:  # noqa: BLE001 - it is what is looked for
                self.wrong.append(repr(error))
                return
            number += BATCH
            self.acknowledge(number)
            await asyncio.sleep(pause)

    async def ask(self, client: httpx.AsyncClient) -> None:
        """Ask questions, each twice and at both doors, one after the other."""
        while not self._ended:
            number = next(self._numbers)
            url = self.servers[number % len(self.servers)].url
            asked = time.monotonic()
            try:
                what = await self._ask(client, url, number // 2, asked)
            except httpx.TransportError as error:
                what = type(error).__name__
            self.seen.append(Seen(asked, time.monotonic(), what))
            if what not in ALLOWED:
                self.wrong.append(f"a client saw {what}")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _ask(self, client: httpx.AsyncClient, url: str, number: int, asked: float) -> str:
        """Ask a question, check the numbers, and return what the answer is."""
        after, before = number % BATCH, END + number
        if number % 3:
            path = f"{url}/v3/organizations/{ORG}/metrics/sessions"
            parameters = {"time_after": after, "time_before": before}
            answer = await client.get(path, params=parameters)
            if answer.is_success:
                self._check(answer.json(), after, asked)
            return str(answer.status_code)
        filters = {"timeAfter": after, "timeBefore": before}
        body = {"query": GRAPHQL, "variables": {"org": ORG, "filters": filters}}
        answer = await client.post(f"{url}/graphql", json=body)
        found = answer.json()
        if not answer.is_success:
            return str(answer.status_code)
        if "errors" in found:
            return f"{answer.status_code} {found['errors'][0]['extensions']['code']}"
        metrics = found["data"]["sessionMetrics"]
        named = {
            "sessions_created_count": metrics["sessionsCreatedCount"],
            "sessions_with_merged_prs_count": metrics["sessionsWithMergedPrsCount"],
            "avg_acus_per_session": metrics["avgAcusPerSession"],
        }
        self._check(named, after, asked)
        return "200"

    def _check(self, answer: dict[str, Any], after: int, asked: float) -> None:
        """Check an answer: of whole batches, of all that was to be known, and as the oracle's."""
        stored = answer["sessions_created_count"] + after
        least = self._acknowledged[bisect_right(self._times, asked - FRESHNESS) - 1]
        if stored % BATCH or not least <= stored <= self.begun:
            self.wrong.append(f"{stored} sessions, where {least} to {self.begun} were stored")
            return
        right = expected(after, stored)
        if answer != {name: right[name] for name in answer}:
            self.wrong.append(f"{answer} is not {right}")

    async def check(self) -> None:
        """Check that everything acknowledged is stored, and that a recount finds nothing."""
        async with self.database.reading() as connection:
            counted = sa.select(sa.func.count()).select_from(sessions)
            stored = (await connection.execute(counted)).scalar_one()
        if stored < self.acknowledged or stored % BATCH:
            self.wrong.append(f"{self.acknowledged} sessions acknowledged, {stored} stored")
        for chunk in await chunks(self.database):
            self.wrong += map(str, await verify(self.database, chunk))

    async def until_good(self) -> None:
        """Wait for answers that are good again, many of them."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up:
            await asyncio.sleep(0.1)
            if len(self._good_again()) >= AGAIN:
                return
        self.wrong.append("it does not answer again")

    def _good_again(self) -> list[Seen]:
        """Return the latest answers, as far back as all are good and the fault was over."""
        good: list[Seen] = []
        for seen in reversed(self.seen):
            if seen.what != "200" or seen.answered < self.over:
                break
            good.append(seen)
        return good

    def end(self) -> None:
        """Let clients and writers stop."""
        self._ended = True

    def row(self, fault: str) -> dict[str, Any]:
        """Return the row of the table."""
        statuses = Counter(seen.what for seen in self.seen)
        good = self._good_again()
        wrong = Counter(self.wrong)
        return {
            "fault": fault,
            "what was done": self.done,
            "clients saw": ", ".join(f"{n:,} x {what}" for what, n in sorted(statuses.items())),
            "slowest s": f"{max(seen.answered - seen.asked for seen in self.seen):.2f}",
            "acknowledged sessions": f"{self.acknowledged:,}",
            "lost or wrong": "; ".join(f"{n} x {what}" for what, n in wrong.items()) or "nothing",
            "good again after s": f"{good[-1].answered - self.over:.2f}" if good else "never",
        }


@asynccontextmanager
async def watching(  # noqa: PLR0913 - what a fault needs
    url: str,
    folder: Path,
    *,
    servers: int = 1,
    clients: int = 4,
    calm: float = 0.3,
    writes: bool = True,
    pause: float = 0.02,
    served_url: str = "",
    **settings: Any,  # noqa: ANN401 - any setting
) -> AsyncGenerator[Watch]:
    """Load servers of a database for a block in which a fault happens, and some `calm` seconds.

    After the block answers have to be good again; then everything is checked. The servers may
    have another way to the database, `served_url`.
    """
    async with Database(url) as database:
        await migrate(database)
        token = (await create_service_user(database, "faults", org_id=ORG)).token
        async with AsyncExitStack() as stack:
            gateways = [
                await stack.enter_async_context(
                    aside(
                        served(
                            served_url or url,
                            folder / f"server-{number}.log",
                            **{"rate_limit": "", **settings},
                        )
                    )
                )
                for number in range(servers)
            ]
            watch = Watch(gateways, token, database)
            client = await stack.enter_async_context(
                httpx.AsyncClient(
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=60,
                    limits=httpx.Limits(max_connections=None),
                )
            )
            async with asyncio.TaskGroup() as tasks:
                if writes:
                    tasks.create_task(watch.write(pause))
                else:
                    await write_first(watch)
                await watch.first.wait()
                try:
                    for _ in range(clients):
                        tasks.create_task(watch.ask(client))
                    await asyncio.sleep(calm)
                    yield watch
                    await watch.until_good()
                    await asyncio.sleep(calm)
                finally:
                    watch.end()
            await watch.check()


@asynccontextmanager
async def aside(server: AbstractContextManager[Server]) -> AsyncGenerator[Server]:
    """Start and end a server in a thread: others go on meanwhile, its way to the database, too."""
    started = await asyncio.to_thread(server.__enter__)
    try:
        yield started
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


async def write_first(watch: Watch) -> None:
    """Store the first batch, for there to be something to ask about."""
    watch.begun = BATCH
    async with watch.database.writing() as connection:
        batch = [update(number) for number in range(BATCH)]
        await write_sessions(connection, watch.database.dialect, batch)
    watch.acknowledge(BATCH)
