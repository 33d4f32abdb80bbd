"""The load shedder on a clock of its own: permits, the queue, and what is refused."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from metrics_graphql.core.errors import Overloaded
from metrics_graphql.server.load_shedding import (
    CODEL_INTERVAL,
    CODEL_TARGET,
    MAX_GAP,
    SAMPLE_INTERVAL,
    CpuTimes,
    LoadShedder,
)


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when a test sets it."""

    now = 0.0

    def time(self) -> float:
        """Return the time that the test has set."""
        return self.now


def run_on_clock(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end on such a loop."""
    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(scenario)


def clock() -> Clock:
    """Return the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Clock)
    return loop


def idle_shedder(max_concurrency: int, max_queue: int) -> LoadShedder:
    """Return the load shedder of a process that uses no CPU time."""
    return LoadShedder(
        max_concurrency, max_queue, clock=clock().time, cpu_times=lambda: CpuTimes(0.0, 0.0)
    )


async def settle() -> None:
    """Run every task until it waits for something."""
    for _ in range(5):
        await asyncio.sleep(0)


async def acquiring(shedder: LoadShedder, count: int) -> list[asyncio.Task[None]]:
    """Return tasks that acquire a permit, in the order in which they started."""
    tasks = []
    for _ in range(count):
        tasks.append(asyncio.create_task(shedder.acquire()))
        await settle()
    return tasks


def test_a_burst_is_queued() -> None:
    """First in, first out; as many run at once as there are permits."""

    async def scenario() -> None:
        shedder = idle_shedder(2, 10)
        tasks = await acquiring(shedder, 5)
        assert [task.done() for task in tasks] == [True, True, False, False, False]
        clock().now += CODEL_INTERVAL / 2
        shedder.release()
        await settle()
        assert [task.done() for task in tasks] == [True, True, True, False, False]
        shedder.release()
        shedder.release()
        await asyncio.gather(*tasks)

    run_on_clock(scenario())


def test_a_full_queue_refuses_immediately() -> None:
    """The requests in the queue stay there."""

    async def scenario() -> None:
        shedder = idle_shedder(1, 2)
        tasks = await acquiring(shedder, 3)
        with pytest.raises(Overloaded):
            await shedder.acquire()
        for task in tasks:
            await task
            shedder.release()

    run_on_clock(scenario())


def test_under_overload_the_newest_are_served_and_the_oldest_are_shed() -> None:
    """After a gap without a long queue delay, the next peak counts as a burst again."""

    async def scenario() -> None:
        shedder = idle_shedder(1, 10)
        await shedder.acquire()
        clock().now += 10
        old, _ = await acquiring(shedder, 2)
        clock().now += CODEL_INTERVAL * 0.9
        (recent,) = await acquiring(shedder, 1)
        clock().now += CODEL_INTERVAL * 0.2
        (newest,) = await acquiring(shedder, 1)
        for late in (old, recent):
            assert isinstance(late.exception(), Overloaded)
        clock().now += CODEL_TARGET / 2
        (later,) = await acquiring(shedder, 1)
        shedder.release()
        await later
        assert not newest.done()
        shedder.release()
        await newest
        shedder.release()
        clock().now += 2 * MAX_GAP

        first, second, third = await acquiring(shedder, 3)
        await first
        shedder.release()
        await settle()
        assert second.done()
        assert not third.done()
        shedder.release()
        await third

    run_on_clock(scenario())


def test_a_cancelled_waiter_takes_no_permit() -> None:
    """Also if it is cancelled in the same iteration of the loop in which it was given one."""

    async def scenario() -> None:
        shedder = idle_shedder(1, 10)
        await shedder.acquire()
        cancelled, cancelled_late, last = await acquiring(shedder, 3)
        cancelled.cancel()
        await settle()
        shedder.release()
        cancelled_late.cancel()
        await settle()
        await last
        shedder.release()
        await shedder.acquire()

    run_on_clock(scenario())


def test_while_the_event_loop_is_cpu_bound_there_is_one_permit() -> None:
    """The limit returns to the maximum afterwards."""

    async def next_sample() -> None:
        clock().now += SAMPLE_INTERVAL
        await settle()

    async def scenario() -> None:
        used = CpuTimes(0.0, 0.0)
        shedder = LoadShedder(
            max_concurrency=4, max_queue=10, clock=clock().time, cpu_times=lambda: used
        )
        await shedder.acquire()
        used = CpuTimes(SAMPLE_INTERVAL, 0.0)
        await next_sample()
        tasks = await acquiring(shedder, 4)
        assert [task.done() for task in tasks] == [False, False, False, False]
        for _ in range(10):
            await next_sample()
        assert [task.done() for task in tasks] == [True, True, True, False]
        shedder.release()
        await tasks[-1]

    run_on_clock(scenario())


def test_no_request_waits_longer_than_the_interval() -> None:
    """Waiters expire also while no request arrives or ends."""

    async def scenario() -> None:
        shedder = idle_shedder(1, 10)
        tasks = await acquiring(shedder, 3)
        clock().now += CODEL_INTERVAL
        await settle()
        assert [isinstance(task.exception(), Overloaded) for task in tasks[1:]] == [True, True]

    run_on_clock(scenario())
