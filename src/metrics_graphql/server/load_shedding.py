"""Load shedding: a limit on concurrent requests, a queue, and refusals when the queue stays long.

The queue is that of "Fail at Scale" (ACM Queue 13(8), 2015): adaptive LIFO with controlled delay
(CoDel, RFC 8289). docs/decisions/0004 has the measurements.
"""

import asyncio
import math
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from metrics_graphql.core.errors import Overloaded

CODEL_INTERVAL: Final = 1.0
"""Seconds that a request waits for a permit at most, and for which the queue delay has to stay
above the target before requests are shed: a shorter peak is a burst, which the queue absorbs."""
CODEL_TARGET: Final = 0.01
"""Seconds of queue delay. If it stays above for a whole interval, shed the oldest waiters and
serve the newest first."""
MAX_GAP: Final = 0.1
"""Seconds without a long delay after which an overload counts as over."""
CPU_BOUND_LIMIT: Final = 1
"""Permits while the event loop is CPU-bound: two requests at once would only both be late."""
CPU_BOUND_SHARE: Final = 0.6
"""CPU share above which the event loop, or the process on all cores, counts as CPU-bound."""
CPU_SHARE_DECAY: Final = 0.9
"""Factor per sample by which a past share still counts: load comes and goes with each response."""
SAMPLE_INTERVAL: Final = 0.05
"""Seconds between two samples of the CPU times, while there are requests."""


class CpuTimes(NamedTuple):
    """Seconds of CPU time of the event loop's thread, and of the process divided by its cores."""

    loop: float
    process: float


def available_cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LoadShedder:
    """Permits for requests, and a queue for those that have to wait for one.

    Requests that wait for a database on another machine hardly slow each other down; requests
    that compute do. So the limit is `max_concurrency`, one per core while database work in this
    process keeps all cores busy, and one while the event loop is CPU-bound. Throughput and latency
    then stay near their unloaded values under overload; excess requests are refused immediately.
    """

    def __init__(
        self,
        max_concurrency: int,
        max_queue: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        cpu_times: Callable[[], CpuTimes] | None = None,
    ) -> None:
        """Limit the requests that run, and those that wait; tests replace the two clocks."""
        self._cores = available_cores()
        self._clock = clock
        self._cpu_times = cpu_times or self._measure_cpu_times
        self._max_concurrency = max_concurrency
        self._limit = max_concurrency
        """The present limit."""
        self._max_queue = max_queue
        self._running = 0
        self._queue: deque[tuple[float, asyncio.Future[None]]] = deque()
        """When each waiter arrived, and the future that gives it a permit; oldest first."""
        self._above_target_since = self._above_target_until = -math.inf
        """The last span of time in which the queue delay was above the target."""
        self._cpu_share = CpuTimes(0.0, 0.0)
        self._next_sample: asyncio.TimerHandle | None = None

    async def acquire(self) -> None:
        """Take a permit, after waiting for one if necessary.

        Raises:
            Overloaded: the queue is full, or the request was shed from it.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._queue and self._running < self._limit:
            self._start(loop)
            return
        self._shed(now)
        if len(self._queue) >= self._max_queue:
            raise Overloaded
        permit = loop.create_future()
        waiter = (now, permit)
        self._queue.append(waiter)
        expiry = loop.call_later(CODEL_INTERVAL, self._refuse, permit)
        try:
            await permit
        except (asyncio.CancelledError, Overloaded):
            # It must not take a place in the queue any longer.
            with suppress(ValueError):
                self._queue.remove(waiter)
            # Cancelled after it was given the permit, and before it could run.
            if permit.done() and not permit.cancelled() and not permit.exception():
                self.release()
            raise
        finally:
            expiry.cancel()

    def release(self) -> None:
        """Return a permit; the next waiter gets it."""
        self._running -= 1
        self._dispatch(asyncio.get_running_loop())

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._running += 1
        if self._next_sample is None:
            self._schedule_sample(loop)

    def _dispatch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give out free permits: oldest first, or newest first under overload."""
        now = loop.time()
        self._shed(now)
        while self._queue and self._running < self._limit:
            _, permit = self._queue.pop() if self._is_overloaded(now) else self._queue.popleft()
            if not permit.done():
                self._start(loop)
                permit.set_result(None)

    def _schedule_sample(self, loop: asyncio.AbstractEventLoop) -> None:
        """Measure, while there are requests, which share of the time is spent computing."""
        started_at, before = self._clock(), self._cpu_times()

        def sample() -> None:
            elapsed, now = self._clock() - started_at, self._cpu_times()
            self._cpu_share = CpuTimes(
                max((now.loop - before.loop) / elapsed, self._cpu_share.loop * CPU_SHARE_DECAY),
                max(
                    (now.process - before.process) / elapsed,
                    self._cpu_share.process * CPU_SHARE_DECAY,
                ),
            )
            if self._cpu_share.loop > CPU_BOUND_SHARE:
                self._limit = min(self._max_concurrency, CPU_BOUND_LIMIT)
            elif self._cpu_share.process > CPU_BOUND_SHARE:
                self._limit = min(self._max_concurrency, self._cores)
            else:
                self._limit = self._max_concurrency
            self._next_sample = None
            self._dispatch(loop)
            if self._running or self._limit < self._max_concurrency:
                self._schedule_sample(loop)

        self._next_sample = loop.call_later(SAMPLE_INTERVAL, sample)

    def _measure_cpu_times(self) -> CpuTimes:
        return CpuTimes(time.thread_time(), time.process_time() / self._cores)

    def _is_overloaded(self, now: float) -> bool:
        """Return whether the queue delay has been above the target for longer than a burst."""
        if self._queue and now - self._queue[0][0] > CODEL_TARGET:
            above_target_from = self._queue[0][0] + CODEL_TARGET
            if above_target_from - self._above_target_until > MAX_GAP:
                self._above_target_since = above_target_from
            self._above_target_until = now
        return (
            now - self._above_target_until < MAX_GAP
            and now - self._above_target_since > CODEL_INTERVAL
        )

    def _shed(self, now: float) -> None:
        """Refuse those who have waited for longer than the target, under overload."""
        if self._is_overloaded(now):
            while self._queue and now - self._queue[0][0] > CODEL_TARGET:
                self._refuse(self._queue.popleft()[1])

    @staticmethod
    def _refuse(permit: asyncio.Future[None]) -> None:
        if not permit.done():
            permit.set_exception(Overloaded())
