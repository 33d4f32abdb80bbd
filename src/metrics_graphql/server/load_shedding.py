"""Load shedding: permits, a queue in the order of arrival, and refusals under overload.

Clients that each wait for their response form a queue that ends by itself, and get one. Only a
queue that is both long and old is an overload. docs/decisions/0004 has reasons and measurements.
"""

import asyncio
import math
from collections import deque
from typing import Final, NamedTuple

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from metrics_graphql.core.errors import Overloaded

MAX_WAITING_CLIENTS: Final = 200
"""Requests in the queue that are no overload, if they meet their deadlines."""
OVERLOAD_DELAY: Final = 1.5
"""Seconds for which the oldest request has waited when an overload starts."""
TARGET_DELAY: Final = 1.0
"""Seconds for which requests wait during an overload."""
MAX_QUEUE_SHARE: Final = 0.9
"""Share of the time until its deadline for which a request waits at most; then it executes."""
PACE_WINDOW: Final = 10.0
"""Seconds of queueing over which the pace is averaged, so that one stall hardly changes it."""


class Waiter(NamedTuple):
    """A request in the queue: its arrival, and the future that becomes its permit."""

    arrived_at: float
    permit: asyncio.Future[None]


class LoadShedder:
    """Gives out at most `max_concurrency` permits at once, in the order of arrival.

    A request is refused on arrival if it would wait until too close to its deadline, or if
    `max_queue` requests wait already. An overload starts when the oldest has waited for
    `OVERLOAD_DELAY`, and more than `MAX_WAITING_CLIENTS` wait or a new request would be too late.
    It ends when the queue is empty. Meanwhile, a request is refused unless it gets its permit
    within about `TARGET_DELAY`.
    """

    def __init__(self, max_concurrency: int, max_queue: int) -> None:
        self._max_concurrency = max_concurrency
        self._max_queue = max_queue
        self._running = 0
        self._queue: deque[Waiter] = deque()
        """Oldest first."""
        self._pace = Pace(max_concurrency)
        self._is_overloaded = False

    async def acquire(self, time_remaining: float, receive: Receive) -> None:
        """Take a permit, after waiting for one if necessary.

        The request has so many seconds until its deadline; `receive` reports a disconnect.

        Raises:
            Overloaded: the request is refused.
            ClientDisconnect: the client disconnected while the request waited.
        """
        if not self._queue and self._running < self._max_concurrency:
            self._running += 1
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        max_wait = time_remaining * MAX_QUEUE_SHARE
        self._update_overload(now, max_wait)
        if self._must_refuse(max_wait):
            raise Overloaded
        if not self._queue:
            self._pace.restart(now)
        waiter = Waiter(now, loop.create_future())
        self._queue.append(waiter)
        expiry = loop.call_later(max_wait, fail, waiter.permit, Overloaded())
        disconnect = loop.create_task(fail_on_disconnect(waiter.permit, receive))
        try:
            await waiter.permit
        except BaseException:
            if waiter in self._queue:
                self._queue.remove(waiter)
            elif not waiter.permit.cancelled() and not waiter.permit.exception():
                # The task was cancelled after it had been given the permit.
                self.release()
            raise
        finally:
            expiry.cancel()
            disconnect.cancel()

    def release(self) -> None:
        """Return a permit; the request that has waited longest gets it."""
        self._running -= 1
        now = asyncio.get_running_loop().time()
        while self._queue and self._running < self._max_concurrency:
            permit = self._queue.popleft().permit
            if not permit.done():
                self._running += 1
                self._pace.record_permit(now)
                permit.set_result(None)

    def _expected_wait(self) -> float:
        """Return the seconds that a request would wait which arrives now."""
        return len(self._queue) * self._pace.seconds_per_permit

    def _must_refuse(self, max_wait: float) -> bool:
        if self._is_overloaded:
            max_wait = min(max_wait, TARGET_DELAY)
        return len(self._queue) >= self._max_queue or self._expected_wait() > max_wait

    def _is_too_long(self, max_wait: float) -> bool:
        """Return whether more wait than clients that wait for responses, or one would be late."""
        return len(self._queue) > MAX_WAITING_CLIENTS or self._expected_wait() > max_wait

    def _update_overload(self, now: float, max_wait: float) -> None:
        """Start or end an overload. At its start, the requests that have waited longest are shed.

        The newest would otherwise get their permits only when their clients have given up.
        """
        if not self._queue:
            self._is_overloaded = False
        elif (
            not self._is_overloaded
            and now - self._queue[0].arrived_at > OVERLOAD_DELAY
            and self._is_too_long(max_wait)
        ):
            self._is_overloaded = True
            while self._expected_wait() > TARGET_DELAY:
                fail(self._queue.popleft().permit, Overloaded())


class Pace:
    """The mean time between two permits of the queue, in which the past decays."""

    def __init__(self, max_concurrency: int) -> None:
        """Start fast. Requests that run at once may end at once, after a time for all of them."""
        self._last_at = 0.0
        self._seconds = 0.0
        self._permits = float(max_concurrency)

    @property
    def seconds_per_permit(self) -> float:
        """The mean; 0 before the first permit."""
        return self._seconds / self._permits

    def restart(self, now: float) -> None:
        """Begin a queue. The time in which no request waited does not count."""
        self._last_at = now

    def record_permit(self, now: float) -> None:
        """Count a permit that a request of the queue gets now."""
        elapsed, self._last_at = now - self._last_at, now
        decay = math.exp(-elapsed / PACE_WINDOW)
        self._seconds = self._seconds * decay + elapsed
        self._permits = self._permits * decay + 1


def fail(permit: asyncio.Future[None], error: Exception) -> None:
    """End the wait of a request with an error, unless it has ended."""
    if not permit.done():
        permit.set_exception(error)


async def fail_on_disconnect(permit: asyncio.Future[None], receive: Receive) -> None:
    """End the wait of a request when its client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass
    fail(permit, ClientDisconnect())
