"""Places for requests: no more at once than are answered in time, and a short queue for them."""

import asyncio
import math
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from metrics_graphql.errors import Overloaded

BURST_SECONDS: Final = 1.0
"""How long a request waits for its turn at most: as long as a burst may take to be worked off."""
PATIENCE_SECONDS: Final = 0.01
"""The same, once somebody has waited that long at every moment of `BURST_SECONDS`: then it is no
burst, and waiting only makes every answer late."""
GAP_SECONDS: Final = 0.1
"""How long nobody may have waited that long for it to be the same moment still."""
CORES: Final = (
    len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
)
"""What this process may compute on."""
BUSY_PLACES: Final = 1
"""Places while the event loop is busy computing: a second request would only make both late. While
it is the database's work in this process that takes all cores, there is one for each of them."""
BUSY_SHARE: Final = 0.6
"""The share of its time that the event loop, or all cores, compute from which on they are busy."""
LOOK_SECONDS: Final = 0.05
"""How often that is looked at, while there are requests."""


class Used(NamedTuple):
    """Seconds of computing: of the thread of the event loop, and of the process for each core."""

    loop: float
    cores: float


def used() -> Used:
    """Return how much this process has computed."""
    return Used(time.thread_time(), time.process_time() / CORES)


class Gate:
    """A number of places, and a queue for them.

    Requests that wait for a database elsewhere get in each other's way little, those that compute
    much: while no more can be computed at once, there are few places. A burst waits its turn.
    When it does not end, the newest waits least and what has waited for `PATIENCE_SECONDS` is
    refused: "adaptive LIFO" and "controlled delay", as described in "Fail at Scale" (ACM Queue
    13(8), 2015). Those who are served are then served about as fast as ever, and the others know at
    once.
    """

    def __init__(
        self,
        places: int,
        max_queue: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], Used] = used,
    ) -> None:
        """Have so many places; `clock` and `used` tell the time, and how much was computing."""
        self._clock = clock
        self._used = used
        self._places = places
        self._max_queue = max_queue
        self._taken = 0
        self._queue: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._late_since = self._late_until = -math.inf
        """When, of late, somebody has waited for longer than `PATIENCE_SECONDS`."""
        self._busy = Used(0.0, 0.0)
        self._places_now = places
        self._next_look: asyncio.TimerHandle | None = None

    async def enter(self) -> None:
        """Take a place, perhaps after waiting for it.

        Raises:
            Overloaded: there is none to be had in time.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._queue and self._taken < self._open_places():
            self._take(loop)
            return
        self._refuse_late(now)
        if len(self._queue) >= self._max_queue:
            raise Overloaded
        turn = loop.create_future()
        self._queue.append((now, turn))
        expiry = loop.call_later(BURST_SECONDS, self._refuse, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and not turn.exception():
                self.leave()
            raise
        finally:
            expiry.cancel()

    def leave(self) -> None:
        """Give a place back, to whoever is next."""
        self._taken -= 1
        self._let_in(asyncio.get_running_loop())

    def _open_places(self) -> int:
        return min(self._places, self._places_now)

    def _take(self, loop: asyncio.AbstractEventLoop) -> None:
        self._taken += 1
        if self._next_look is None:
            self._watch(loop)

    def _let_in(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        self._refuse_late(now)
        while self._queue and self._taken < self._open_places():
            _, turn = self._queue.pop() if self._is_overloaded(now) else self._queue.popleft()
            if not turn.done():
                self._take(loop)
                turn.set_result(None)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Find out, while there are requests, how much of the time is spent computing."""
        started, before = self._clock(), self._used()

        def look() -> None:
            passed, now = self._clock() - started, self._used()
            # Remembered for a while: it comes and goes with each answer.
            self._busy = Used(
                max((now.loop - before.loop) / passed, self._busy.loop * 0.9),
                max((now.cores - before.cores) / passed, self._busy.cores * 0.9),
            )
            if self._busy.loop > BUSY_SHARE:
                self._places_now = BUSY_PLACES
            elif self._busy.cores > BUSY_SHARE:
                self._places_now = CORES
            else:
                self._places_now = self._places
            self._next_look = None
            self._let_in(loop)
            if self._taken or self._places_now < self._places:
                self._watch(loop)

        self._next_look = loop.call_later(LOOK_SECONDS, look)

    def _is_overloaded(self, now: float) -> bool:
        """Return whether waiting has been long for so long that it is no burst any more."""
        if self._queue and now - self._queue[0][0] > PATIENCE_SECONDS:
            late_from = self._queue[0][0] + PATIENCE_SECONDS
            if late_from - self._late_until > GAP_SECONDS:
                self._late_since = late_from
            self._late_until = now
        return now - self._late_until < GAP_SECONDS and now - self._late_since > BURST_SECONDS

    def _refuse_late(self, now: float) -> None:
        """Refuse those who have waited longer than it makes sense to."""
        if self._is_overloaded(now):
            while self._queue and now - self._queue[0][0] > PATIENCE_SECONDS:
                self._refuse(self._queue.popleft()[1])

    @staticmethod
    def _refuse(turn: asyncio.Future[None]) -> None:
        if not turn.done():
            turn.set_exception(Overloaded())
