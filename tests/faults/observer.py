"""Clients that query servers while sessions are stored, and a check of every response."""

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

from metrics_graphql.core.errors import Unavailable
from metrics_graphql.storage.repository import Storage, open_storage
from metrics_graphql.storage.service_users import create_service_user
from tests.faults.numbered_sessions import (
    BATCH_SIZE,
    END,
    ORG,
    Result,
    expected_result,
    session_update,
)
from tests.serving import Server, served

CACHE_TTL: Final = 1.0
"""The default of `METRICS_CACHE_TTL`: a response has all sessions acknowledged before that."""
ALLOWED: Final = {"200", "503", "504", "200 UNAVAILABLE", "200 TIMEOUT"}
"""Outcomes that a fault may have. GraphQL reports errors of a field with status 200."""
PAUSE: Final = 0.01
"""Seconds between the requests of a client: this looks for faults, not for speed."""
RECOVERED: Final = 50
"""Successful requests in a row after which a server counts as recovered."""
RECOVERY_TIMEOUT: Final = 60.0
QUERY: Final = """
    query ($org: ID!, $filters: SessionMetricsFilters!) {
      sessionMetrics(orgId: $org, filters: $filters) {
        sessionsCreatedCount sessionsWithMergedPrsCount avgAcusPerSession
      }
    }
"""


@dataclass(frozen=True, slots=True)
class ObservedRequest:
    """When a request was sent, when it ended, and its outcome: a status or an error."""

    sent_at: float
    ended_at: float
    outcome: str


class Observer:
    """Servers under load, every request that was observed, and every violation."""

    def __init__(self, servers: Sequence[Server], token: str, storage: Storage) -> None:
        self.servers = servers
        self.token = token
        self.storage = storage
        self.requests: list[ObservedRequest] = []
        self.violations: list[str] = []
        """Lost sessions, wrong results, and outcomes that no fault may have."""
        self.injected = ""
        """A description of the fault."""
        self.max_stored = 0
        """The highest number of sessions that may be stored."""
        self.has_sessions = asyncio.Event()
        """Set after the first batch is stored."""
        self._injection_ended_at = 0.0
        self._acknowledged_at = [0.0]
        self._acknowledged = [0]
        self._numbers = count()
        self._is_stopped = False

    @property
    def acknowledged(self) -> int:
        """The number of sessions whose transactions were acknowledged."""
        return self._acknowledged[-1]

    def acknowledge(self, number: int) -> None:
        """Record that the first `number` sessions are stored."""
        if number > self.acknowledged:
            self._acknowledged_at.append(time.monotonic())
            self._acknowledged.append(number)
            self.has_sessions.set()

    @contextmanager
    def injecting(self, description: str) -> Generator[None]:
        """Record the fault that the block injects, and when it ends."""
        self.injected = description
        yield
        self._injection_ended_at = time.monotonic()

    async def store_batch(self, first: int) -> None:
        """Store the batch that starts with a session, and acknowledge it.

        Raises:
            Unavailable: it was not stored.
        """
        self.max_stored = first + BATCH_SIZE
        batch = [session_update(number) for number in range(first, first + BATCH_SIZE)]
        async with self.storage.sessions.transaction() as upsert:
            await upsert(batch)
        self.acknowledge(first + BATCH_SIZE)

    async def store_batches(self, pause: float) -> None:
        """Store batches until the observer stops, each again while the database fails."""
        while not self._is_stopped:
            try:
                await self.store_batch(self.acknowledged)
            except Unavailable:
                await asyncio.sleep(0.05)
                continue
            except Exception as error:  # noqa: BLE001 - a finding of the test
                self.violations.append(repr(error))
                return
            await asyncio.sleep(pause)

    async def send_requests(self, client: httpx.AsyncClient) -> None:
        """Send queries to both APIs until the observer stops, each query twice."""
        while not self._is_stopped:
            number = next(self._numbers)
            url = self.servers[number % len(self.servers)].url
            sent_at = time.monotonic()
            try:
                outcome = await self._send(client, url, number // 2, sent_at)
            except httpx.TransportError as error:
                outcome = type(error).__name__
            self.requests.append(ObservedRequest(sent_at, time.monotonic(), outcome))
            if outcome not in ALLOWED:
                self.violations.append(f"outcome {outcome}")
            await asyncio.sleep(PAUSE)

    async def _send(self, client: httpx.AsyncClient, url: str, number: int, sent_at: float) -> str:
        """Send a query, check its result, and return the outcome."""
        after, before = number % BATCH_SIZE, END + number
        if number % 3:
            path = f"{url}/v3/organizations/{ORG}/metrics/sessions"
            parameters = {"time_after": after, "time_before": before}
            response = await client.get(path, params=parameters)
            if response.is_success:
                self._check_result(response.json(), after, sent_at)
            return str(response.status_code)
        filters = {"timeAfter": after, "timeBefore": before}
        body = {"query": QUERY, "variables": {"org": ORG, "filters": filters}}
        response = await client.post(f"{url}/graphql", json=body)
        if not response.is_success:
            return str(response.status_code)
        content = response.json()
        if "errors" in content:
            return f"{response.status_code} {content['errors'][0]['extensions']['code']}"
        metrics = content["data"]["sessionMetrics"]
        result = {
            "sessions_created_count": metrics["sessionsCreatedCount"],
            "sessions_with_merged_prs_count": metrics["sessionsWithMergedPrsCount"],
            "avg_acus_per_session": metrics["avgAcusPerSession"],
        }
        self._check_result(result, after, sent_at)
        return "200"

    def _check_result(self, result: Result, after: int, sent_at: float) -> None:
        """Check that a result has whole batches, all that it must have, and the right sums."""
        stored = result["sessions_created_count"] + after
        index = bisect_right(self._acknowledged_at, sent_at - CACHE_TTL) - 1
        minimum = self._acknowledged[index]
        if stored % BATCH_SIZE or not minimum <= stored <= self.max_stored:
            self.violations.append(
                f"{stored} sessions in a result, {minimum} to {self.max_stored} stored"
            )
            return
        expected = expected_result(after, stored)
        if result != {name: expected[name] for name in result}:
            self.violations.append(f"{result} instead of {expected}")

    async def check_storage(self) -> None:
        """Check that all acknowledged sessions are stored, and that verification finds nothing."""
        async with self.storage.database.connect() as connection:
            counted = await connection.exec_driver_sql("SELECT count(*) FROM sessions")
            stored = int(counted.scalar_one())
        if stored < self.acknowledged or stored % BATCH_SIZE:
            self.violations.append(f"{self.acknowledged} sessions acknowledged, {stored} stored")
        for unit in await self.storage.sessions.verification_units():
            self.violations += await self.storage.sessions.verify(unit)

    async def wait_for_recovery(self) -> None:
        """Wait until enough requests in a row succeed after the fault."""
        give_up_at = time.monotonic() + RECOVERY_TIMEOUT
        while time.monotonic() < give_up_at:
            await asyncio.sleep(0.1)
            if len(self._successful_since_fault()) >= RECOVERED:
                return
        self.violations.append("no recovery")

    def _successful_since_fault(self) -> list[ObservedRequest]:
        """Return the latest requests after the fault, back to one that failed."""
        successful: list[ObservedRequest] = []
        for request in reversed(self.requests):
            if request.outcome != "200" or request.ended_at < self._injection_ended_at:
                break
            successful.append(request)
        return successful

    def stop(self) -> None:
        """Stop clients and writers."""
        self._is_stopped = True

    def row(self, fault: str) -> dict[str, Any]:
        """Return the row of the report."""
        outcomes = Counter(request.outcome for request in self.requests)
        violations = Counter(self.violations)
        slowest = max(request.ended_at - request.sent_at for request in self.requests)
        successful = self._successful_since_fault()
        recovery = f"{successful[-1].ended_at - self._injection_ended_at:.2f}" if successful else ""
        return {
            "fault": fault,
            "injected": self.injected,
            "responses": ", ".join(f"{n:,} x {each}" for each, n in sorted(outcomes.items())),
            "slowest s": f"{slowest:.2f}",
            "acknowledged sessions": f"{self.acknowledged:,}",
            "violations": "; ".join(f"{n} x {each}" for each, n in violations.items()) or "none",
            "recovery s": recovery or "never",
        }


@asynccontextmanager
async def observe(  # noqa: PLR0913 - what faults vary
    url: str,
    folder: Path,
    *,
    servers: int = 1,
    clients: int = 4,
    calm: float = 0.3,
    stores_batches: bool = True,
    pause: float = 0.02,
    served_url: str = "",
    **settings: Any,  # noqa: ANN401 - any setting
) -> AsyncGenerator[Observer]:
    """Run servers of a database under load for a block that injects a fault.

    The load begins and ends `calm` seconds before and after the fault. After the block, the
    servers must recover; then everything is checked. Servers may connect to another URL of the
    database, `served_url`.
    """
    async with open_storage(url) as storage, AsyncExitStack() as stack:
        await storage.migrate()
        token = (await create_service_user(storage.database, "faults", tenant=ORG)).token
        processes = [
            served(
                served_url or url,
                folder / f"server-{number}.log",
                **{"rate_limit": "none", **settings},
            )
            for number in range(servers)
        ]
        started = [await stack.enter_async_context(in_thread(each)) for each in processes]
        observer = Observer(started, token, storage)
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                headers={"Authorization": f"Bearer {token}"},
                timeout=60,
                limits=httpx.Limits(max_connections=None),
            )
        )
        async with asyncio.TaskGroup() as tasks:
            if stores_batches:
                tasks.create_task(observer.store_batches(pause))
            else:
                await observer.store_batch(0)
            await observer.has_sessions.wait()
            try:
                for _ in range(clients):
                    tasks.create_task(observer.send_requests(client))
                await asyncio.sleep(calm)
                yield observer
                await observer.wait_for_recovery()
                await asyncio.sleep(calm)
            finally:
                observer.stop()
        await observer.check_storage()


@asynccontextmanager
async def in_thread(server: AbstractContextManager[Server]) -> AsyncGenerator[Server]:
    """Start and stop a server in a thread, so that a proxy on the event loop can run meanwhile."""
    started = await asyncio.to_thread(server.__enter__)
    try:
        yield started
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)
