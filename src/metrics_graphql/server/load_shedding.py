"""Load shedding: permits, a queue in the order of arrival, and refusals under overload.

Clients that each wait for their response (a closed loop) form a queue of limited length, and are
served. An overload is a queue whose oldest request has waited for long, and that is itself too
long. docs/decisions/0004 has the reasons and the measurements.
"""

import asyncio
import math
from collections import deque
from typing import Final, NamedTuple

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from metrics_graphql.core.errors import Overloaded

MAX_WAITING_CLIENTS: Final = 200
"""Length of the queue up to which there is no overload, if requests meet their deadlines."""
OVERLOAD_DELAY: Final = 1.5
"""Seconds that the oldest request must have waited for an overload to start."""
TARGET_DELAY: Final = 1.0
"""Seconds that an accepted request waits during an overload, as expected on its arrival."""
MAX_QUEUE_SHARE: Final = 0.9
"""Share of the time until its deadline that a request may wait. The rest is for executing it."""
AVERAGING_WINDOW: Final = 10.0
"""Seconds of queueing that the mean interval covers, so that one stall hardly changes it."""


class Waiter(NamedTuple):
    """A request in the queue: its arrival, and the future that becomes its permit."""

    arrived_at: float
    permit: asyncio.Future[None]


class LoadShedder:
    """Gives out at most `max_concurrency` permits at once, in the order of arrival.

    A request is refused on arrival if it would wait until too close to its deadline, or if
    `max_queue` requests wait already. An overload starts when the oldest has waited for
    `OVERLOAD_DELAY`, and either more than `MAX_WAITING_CLIENTS` wait or a new request would be too
    late. It ends when the queue is empty. Until then, a request is refused unless its expected
    wait is at most `TARGET_DELAY`.

    At most one permit is granted per iteration of the event loop. Requests that SQLite serves on
    the loop do not suspend. Several of them in one iteration would delay the reading of others.
    """

    def __init__(self, max_concurrency: int, max_queue: int) -> None:
        self._max_concurrency = max_concurrency
        self._max_queue = max_queue
        self._running = 0
        self._has_granted = False
        """Whether a permit was granted in this iteration of the event loop."""
        self._queue: deque[Waiter] = deque()
        """Oldest first."""
        self._was_full = False
        """Whether all permits have been in use since the queue was last empty."""
        self._intervals = {was_full: MeanInterval(max_concurrency) for was_full in (False, True)}
        """Two, by `_was_full`: while permits are free, requests wait for the event loop only, most
        of them for less than a millisecond. These waits say nothing about those for permits."""
        self._is_overloaded = False

    async def acquire(self, time_remaining: float, receive: Receive) -> None:
        """Take a permit, after waiting for one if necessary.

        `time_remaining` is in seconds until the deadline; `receive` reports a disconnect.

        Raises:
            Overloaded: the request is refused.
            ClientDisconnect: the client disconnected while the request waited.
        """
        if not self._queue and self._can_grant():
            self._grant()
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        max_wait = time_remaining * MAX_QUEUE_SHARE
        self._update_overload(now, max_wait)
        if self._must_refuse(max_wait):
            raise Overloaded
        if not self._queue:
            self._was_full = self._running == self._max_concurrency
            self._interval.restart(now)
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
        """Return a permit, which the request that has waited longest gets.

        If this iteration has granted one already, the next iteration does.
        """
        self._running -= 1
        self._grant_next()

    def _can_grant(self) -> bool:
        return self._running < self._max_concurrency and not self._has_granted

    def _grant(self) -> None:
        """Take a permit. No other is granted in this iteration of the event loop."""
        self._running += 1
        if self._running == self._max_concurrency and not self._was_full:
            self._was_full = True
            self._interval.restart(asyncio.get_running_loop().time())
        self._has_granted = True
        asyncio.get_running_loop().call_soon(self._start_iteration)

    def _start_iteration(self) -> None:
        self._has_granted = False
        self._grant_next()

    def _grant_next(self) -> None:
        """Grant a permit, if possible, to the request that has waited longest and still waits."""
        while self._queue and self._can_grant():
            permit = self._queue.popleft().permit
            if not permit.done():
                self._interval.record_permit(asyncio.get_running_loop().time())
                self._grant()
                permit.set_result(None)

    @property
    def _interval(self) -> "MeanInterval":
        return self._intervals[self._was_full]

    def _expected_wait(self) -> float:
        """Return the seconds that a request arriving now would wait."""
        return len(self._queue) * self._interval.seconds

    def _must_refuse(self, max_wait: float) -> bool:
        if self._is_overloaded:
            max_wait = min(max_wait, TARGET_DELAY)
        return len(self._queue) >= self._max_queue or self._expected_wait() > max_wait

    def _is_too_long(self, max_wait: float) -> bool:
        """Return whether the queue exceeds `MAX_WAITING_CLIENTS`, or its end would be too late."""
        return len(self._queue) > MAX_WAITING_CLIENTS or self._expected_wait() > max_wait

    def _update_overload(self, now: float, max_wait: float) -> None:
        """Start or end an overload. At its start, shed the requests that have waited longest.

        Otherwise the newest would get their permits only after their clients have given up.
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


class MeanInterval:
    """The exponentially weighted mean of the time between two permits of the queue."""

    def __init__(self, max_concurrency: int) -> None:
        """Start as if `max_concurrency` permits had been given at once.

        The running requests may all end together, after one interval that is long.
        """
        self._last_at = 0.0
        self._elapsed = 0.0
        self._permits = float(max_concurrency)

    @property
    def seconds(self) -> float:
        """The mean; 0 before the first permit."""
        return self._elapsed / self._permits

    def restart(self, now: float) -> None:
        """Begin a queue. The time in which no request waited does not count."""
        self._last_at = now

    def record_permit(self, now: float) -> None:
        """Count a permit that a queued request gets now."""
        elapsed, self._last_at = now - self._last_at, now
        decay = math.exp(-elapsed / AVERAGING_WINDOW)
        self._elapsed = self._elapsed * decay + elapsed
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
