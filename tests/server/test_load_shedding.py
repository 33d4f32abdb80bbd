"""The load shedder in simulated time: the order of permits, and which requests are refused."""

import asyncio
import selectors
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from metrics_graphql.core.errors import Overloaded
from metrics_graphql.server.load_shedding import (
    MAX_QUEUE_SHARE,
    MAX_WAITING_CLIENTS,
    OVERLOAD_DELAY,
    TARGET_DELAY,
    LoadShedder,
)

PERMITS = 16
DEADLINE = 10.0


class SimulatedTime(selectors.SelectSelector):
    """Advances the time to the next event of the loop instead of waiting for it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Advance the time by the timeout, which is None if the scenario can never continue."""
        assert timeout is not None
        self.now += timeout
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop with simulated time."""

    def __init__(self) -> None:
        self._simulated = SimulatedTime()
        super().__init__(self._simulated)

    def time(self) -> float:
        """Return the simulated time."""
        return self._simulated.now


def simulate(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario to its end on a loop with simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(scenario)


async def stay_connected() -> NoReturn:
    """Receive from a client that never disconnects."""
    await asyncio.Event().wait()
    raise AssertionError


@dataclass
class Request:
    """The outcome of a request."""

    sent_at: float
    served: bool = False
    waited: float = 0.0
    """Seconds until it got its permit, or was refused."""


class Load:
    """Sends requests that each take `service` seconds with a permit, and records them."""

    def __init__(self, service: float, shedder: LoadShedder) -> None:
        self.requests: list[Request] = []
        self._service = service
        self._shedder = shedder
        self._loop = asyncio.get_running_loop()

    @property
    def refused(self) -> Sequence[Request]:
        """The refused requests."""
        return [each for each in self.requests if not each.served]

    def served_since(self, start: float) -> Sequence[Request]:
        """Return the requests with a permit that were sent since a time."""
        return [each for each in self.requests if each.served and each.sent_at >= start]

    async def send(self) -> bool:
        """Send one request, and return whether it was served."""
        request = Request(self._loop.time())
        self.requests.append(request)
        try:
            await self._shedder.acquire(DEADLINE, stay_connected)
        except Overloaded:
            request.waited = self._loop.time() - request.sent_at
            return False
        request.served = True
        request.waited = self._loop.time() - request.sent_at
        await asyncio.sleep(self._service)
        self._shedder.release()
        return True

    async def closed_loop(self, clients: int, seconds: float) -> None:
        """Send requests from clients that each wait for their last response."""
        end = self._loop.time() + seconds

        async def run_client() -> None:
            while self._loop.time() < end:
                if not await self.send():
                    await asyncio.sleep(1)  # As `Retry-After` requests.

        await asyncio.gather(*(run_client() for _ in range(clients)))

    async def open_loop(self, per_second: float, seconds: float) -> None:
        """Send requests at a rate, whether responses arrive or not."""
        tasks = []
        for _ in range(int(per_second * seconds)):
            tasks.append(asyncio.create_task(self.send()))
            await asyncio.sleep(1 / per_second)
        await asyncio.gather(*tasks)


async def settle() -> None:
    """Run every task until it waits for something."""
    for _ in range(5):
        await asyncio.sleep(0)


async def acquiring(shedder: LoadShedder, count: int) -> list[asyncio.Task[None]]:
    """Return tasks that acquire a permit, in the order in which they started."""
    tasks = [asyncio.create_task(shedder.acquire(DEADLINE, stay_connected)) for _ in range(count)]
    await settle()
    return tasks


async def take_turns(shedder: LoadShedder, turns: int, seconds: float) -> None:
    """Hold the one permit for so long in each turn, while the next request waits; end with it."""
    tasks = await acquiring(shedder, turns)
    for task in tasks[:-1]:
        await task
        await asyncio.sleep(seconds)
        shedder.release()
    await tasks[-1]


def are_done(tasks: Sequence[asyncio.Task[None]]) -> list[bool]:
    """Return which tasks have a permit."""
    return [task.done() for task in tasks]


@pytest.mark.parametrize("clients", [16, 17, 200])
@pytest.mark.parametrize("service", [0.01, 0.5])
def test_clients_that_wait_for_their_responses_are_never_refused(
    clients: int, service: float
) -> None:
    """They queue: 200 clients for six seconds each if sixteen are served in half a second."""

    async def scenario() -> None:
        load = Load(service, LoadShedder(PERMITS, max_queue=1_000))
        await load.closed_loop(clients, seconds=800 * service / PERMITS)
        assert not load.refused
        assert len(load.requests) >= 800

    simulate(scenario())


def test_clients_that_arrive_one_by_one_are_not_an_overload() -> None:
    """As little as those that arrive at once, although their queue grows for seconds."""

    async def scenario() -> None:
        load = Load(0.32, LoadShedder(PERMITS, max_queue=1_000))
        async with asyncio.TaskGroup() as clients:
            for _ in range(200):
                clients.create_task(load.closed_loop(1, seconds=20))
                await asyncio.sleep(0.05)
        assert not load.refused

    simulate(scenario())


def test_a_burst_is_queued() -> None:
    """Far more requests than clients may wait, if they get their permits soon."""

    async def scenario() -> None:
        load = Load(0.016, LoadShedder(PERMITS, max_queue=2_000))
        await load.closed_loop(1_400, seconds=0.1)
        assert not load.refused

    simulate(scenario())


def test_one_permit_is_granted_per_iteration_of_the_event_loop() -> None:
    """Between two, the loop accepts connections and reads requests."""

    async def scenario() -> None:
        shedder = LoadShedder(PERMITS, max_queue=1_000)
        served = 0

        async def send() -> None:
            nonlocal served
            await shedder.acquire(DEADLINE, stay_connected)
            served += 1
            shedder.release()

        async with asyncio.TaskGroup() as clients:
            for _ in range(5):
                clients.create_task(send())
            served_before = 0
            while served < 5:
                await asyncio.sleep(0)
                assert served - served_before <= 1
                served_before = served

    simulate(scenario())


@pytest.mark.parametrize("overload", [1.5, 2, 5])
def test_in_an_overload_permits_stay_in_use_and_waits_short(overload: float) -> None:
    """Refusals begin when the oldest has waited too long. Then they are immediate."""
    capacity = 200.0

    async def scenario() -> None:
        shedder = LoadShedder(PERMITS, max_queue=2_000)
        load = Load(PERMITS / capacity, shedder)
        await load.open_loop(overload * capacity, seconds=9)

        served, refused = load.served_since(0), load.refused
        assert len(served) > 0.99 * capacity * 9
        assert max(each.waited for each in served) < OVERLOAD_DELAY + 0.1
        began_at = min(each.sent_at + each.waited for each in refused)
        assert began_at == pytest.approx(OVERLOAD_DELAY * overload / (overload - 1), rel=0.1)
        for each in refused:
            assert each.waited == 0 or each.sent_at + each.waited == pytest.approx(began_at)
        steady = load.served_since(began_at)
        assert max(each.waited for each in steady) == pytest.approx(TARGET_DELAY, abs=0.1)

    simulate(scenario())


def test_after_a_light_load_an_overload_is_detected() -> None:
    """Requests that arrived together, while permits were free, did not wait for permits."""
    capacity = 20.0

    async def scenario() -> None:
        shedder = LoadShedder(PERMITS, max_queue=1_000)
        for _ in range(2_000):
            await asyncio.gather(*(Load(0.001, shedder).send() for _ in range(4)))
        load = Load(PERMITS / capacity, shedder)
        await load.open_loop(5 * capacity, seconds=10)
        assert max(each.waited for each in load.served_since(4)) < 2 * TARGET_DELAY

    simulate(scenario())


def test_slow_requests_do_not_wait_until_their_deadline_in_an_overload() -> None:
    """Also if fewer wait than clients may: at twenty per second, 200 would take ten seconds."""

    async def scenario() -> None:
        load = Load(0.8, LoadShedder(PERMITS, max_queue=1_000))
        await load.open_loop(40, seconds=30)
        steady = load.served_since(15)
        assert len(steady) > 0.95 * 20 * 15
        assert max(each.waited for each in steady) < 2 * TARGET_DELAY

    simulate(scenario())


def test_an_overload_sheds_the_oldest_and_serves_the_others_in_order() -> None:
    """As many stay in the queue as get their permits within the target delay."""

    async def scenario() -> None:
        shedder = LoadShedder(1, max_queue=1_000)
        await take_turns(shedder, 100, 0.01)
        waiting = await acquiring(shedder, 1 + MAX_WAITING_CLIENTS)
        await asyncio.sleep(OVERLOAD_DELAY + 0.01)
        assert not any(are_done(waiting))
        waiting += await acquiring(shedder, 1)
        shed = [task for task in waiting if task.done() and task.exception()]
        assert shed == waiting[: len(shed)]
        remaining = waiting[len(shed) :]
        assert len(remaining) == pytest.approx(TARGET_DELAY / 0.01, rel=0.05)
        for served in range(len(remaining)):
            assert are_done(remaining) == [True] * served + [False] * (len(remaining) - served)
            shedder.release()
            await settle()

    simulate(scenario())


def test_after_an_overload_requests_queue_again() -> None:
    """It has ended when no request waits."""

    async def scenario() -> None:
        shedder = LoadShedder(PERMITS, max_queue=1_000)
        load = Load(0.32, shedder)
        await load.open_loop(200, seconds=5)
        assert load.refused
        afterwards = Load(0.32, shedder)
        await afterwards.closed_loop(200, seconds=10)
        assert not afterwards.refused

    simulate(scenario())


def test_a_request_that_would_miss_its_deadline_is_refused_on_arrival() -> None:
    """Those that arrived before it stay in the queue, and get their permits."""

    async def scenario() -> None:
        shedder = LoadShedder(1, max_queue=1_000)
        await take_turns(shedder, 15, 0.5)
        arriving = await acquiring(shedder, 30)
        waiting = [task for task in arriving if not task.done()]
        assert waiting == arriving[: len(waiting)]
        assert len(waiting) == pytest.approx(DEADLINE * MAX_QUEUE_SHARE / 0.5, abs=2)
        assert {type(task.exception()) for task in arriving[len(waiting) :]} == {Overloaded}
        for task in waiting:
            await asyncio.sleep(0.4)
            shedder.release()
            await task

    simulate(scenario())


def test_no_request_waits_until_its_deadline() -> None:
    """It is refused earlier, also while no other request arrives or ends."""

    async def scenario() -> None:
        shedder = LoadShedder(1, max_queue=10)
        await shedder.acquire(DEADLINE, stay_connected)
        waiting = await acquiring(shedder, 2)
        await asyncio.sleep(DEADLINE * MAX_QUEUE_SHARE - 0.01)
        assert not any(are_done(waiting))
        await asyncio.sleep(0.02)
        assert [type(task.exception()) for task in waiting] == [Overloaded, Overloaded]
        shedder.release()
        await shedder.acquire(DEADLINE, stay_connected)

    simulate(scenario())


def test_a_stall_refuses_no_client_afterwards() -> None:
    """One permit that took seconds does not make the others look as slow."""

    async def scenario() -> None:
        shedder = LoadShedder(1, max_queue=1_000)
        for _ in range(3):
            await take_turns(shedder, 150, 0.01)
            shedder.release()
        await shedder.acquire(DEADLINE, stay_connected)
        waiting = await acquiring(shedder, 199)
        await asyncio.sleep(3)
        shedder.release()
        await waiting[0]
        assert not any(are_done(await acquiring(shedder, 1)))

    simulate(scenario())


def test_a_full_queue_refuses_on_arrival() -> None:
    """The requests in the queue stay there."""

    async def scenario() -> None:
        shedder = LoadShedder(1, max_queue=2)
        tasks = await acquiring(shedder, 3)
        with pytest.raises(Overloaded):
            await shedder.acquire(DEADLINE, stay_connected)
        for task in tasks:
            await task
            shedder.release()

    simulate(scenario())


def test_a_client_that_disconnects_leaves_the_queue() -> None:
    """Another can wait at once, also if the client sends something before."""

    async def scenario() -> None:
        shedder = LoadShedder(1, max_queue=1)
        await shedder.acquire(DEADLINE, stay_connected)
        messages = [{"type": "http.request"}, {"type": "http.disconnect"}]

        async def receive() -> Message:
            await asyncio.sleep(1)
            return messages.pop(0)

        with pytest.raises(ClientDisconnect):
            await shedder.acquire(DEADLINE, receive)
        assert asyncio.get_running_loop().time() == 2
        (next_client,) = await acquiring(shedder, 1)
        assert not next_client.done()
        shedder.release()
        await next_client

    simulate(scenario())


def test_a_cancelled_request_takes_no_permit() -> None:
    """Also if it is cancelled in the same iteration of the loop in which it was given one."""

    async def scenario() -> None:
        shedder = LoadShedder(1, max_queue=10)
        await shedder.acquire(DEADLINE, stay_connected)
        cancelled, cancelled_late, last = await acquiring(shedder, 3)
        cancelled.cancel()
        await settle()
        shedder.release()
        cancelled_late.cancel()
        await settle()
        await last
        shedder.release()
        await shedder.acquire(DEADLINE, stay_connected)

    simulate(scenario())
