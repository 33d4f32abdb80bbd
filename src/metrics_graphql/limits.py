"""Who gets in: no more requests at once than are answered in time, and each caller at its rate."""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import Request

from metrics_graphql.deadlines import deadline_in
from metrics_graphql.errors import Overloaded, RateLimited
from metrics_graphql.service import MetricsService
from metrics_graphql.settings import Settings
from metrics_graphql.store.accounts import ServiceUser

BURST_SECONDS: Final = 1.0
"""How long a request waits for its turn at most: as long as a burst may take to be worked off."""
PATIENCE_SECONDS: Final = 0.02
"""The same, once the queue has not been empty for `BURST_SECONDS`: then it is no burst, and waiting
only makes every answer late."""


class Admission:
    """Lets the requests of both doors in."""

    def __init__(self, service: MetricsService, settings: Settings) -> None:
        self._service = service
        self._timeout = settings.timeout
        self._gate = Gate(settings.max_concurrency, settings.max_queue)
        self._rate = CallerRate(parse(settings.rate_limit)) if settings.rate_limit else None

    @asynccontextmanager
    async def admitted(self, request: Request) -> AsyncGenerator[ServiceUser]:
        """Lend a request its place, and say who is asking; what the block does has a deadline.

        `request.state.quota` becomes what the caller may still ask.

        Raises:
            Overloaded: no place became free in time.
            RateLimited: the caller has used up its rate.
            TimedOut: the deadline passed.
            Unauthenticated: there is no bearer token, or it opens nothing.
            Unavailable: the database can't answer.
        """
        with deadline_in(self._timeout):
            await self._gate.enter()
            try:
                caller = await self._service.authenticate(request.headers.get("authorization"))
                if self._rate:
                    quota = request.state.quota = self._rate.count(caller.service_user_id)
                    if quota.exceeded:
                        raise RateLimited(quota.seconds)
                yield caller
            finally:
                self._gate.leave()


class Gate:
    """A number of places, and a short queue for them.

    A burst waits its turn. When the queue does not empty, the newest waits least and what has
    waited for `PATIENCE_SECONDS` is refused: "adaptive LIFO" and "controlled delay", as described
    in "Fail at Scale" (ACM Queue 13(8), 2015). Those who are served are then served about as fast
    as ever, and the others know at once.
    """

    def __init__(self, places: int, max_queue: int) -> None:
        self._free = places
        self._max_queue = max_queue
        self._queue: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._last_empty = 0.0

    async def enter(self) -> None:
        """Take a place, perhaps after waiting for it.

        Raises:
            Overloaded: there is none to be had in time.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._refuse_late(now)
        if not self._queue:
            self._last_empty = now
            if self._free:
                self._free -= 1
                return
        if len(self._queue) >= self._max_queue:
            raise Overloaded
        turn = loop.create_future()
        waiting = (now, turn)
        self._queue.append(waiting)
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
        now = asyncio.get_running_loop().time()
        self._refuse_late(now)
        while self._queue:
            _, turn = self._queue.pop() if self._is_overloaded(now) else self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._last_empty = now
        self._free += 1

    def _is_overloaded(self, now: float) -> bool:
        return now - self._last_empty > BURST_SECONDS

    def _refuse_late(self, now: float) -> None:
        """Refuse those who have waited longer than it makes sense to."""
        if self._is_overloaded(now):
            while self._queue and now - self._queue[0][0] > PATIENCE_SECONDS:
                self._refuse(self._queue.popleft()[1])

    @staticmethod
    def _refuse(turn: asyncio.Future[None]) -> None:
        if not turn.done():
            turn.set_exception(Overloaded())


class Quota(NamedTuple):
    """What a caller may ask: `limit` in every `window`, of which `remaining` are left for now.

    `seconds` tells when that is renewed, or when to ask again if it is exceeded; at least 1.
    """

    limit: int
    window: int
    remaining: int
    seconds: int
    exceeded: bool

    def headers(self) -> dict[str, str]:
        """Return it as draft-ietf-httpapi-ratelimit-headers-10 spells it."""
        return {
            "RateLimit-Policy": f'"caller";q={self.limit};w={self.window}',
            "RateLimit": f'"caller";r={self.remaining};t={self.seconds}',
        }


class CallerRate:
    """Counts the requests of each caller to this process."""

    def __init__(self, rate: RateLimitItem) -> None:
        self._rate = rate
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, caller_id: str) -> Quota:
        """Count one request, if it is still allowed; return what is left."""
        allowed = self._limiter.hit(self._rate, caller_id)
        reset_at, remaining = self._limiter.get_window_stats(self._rate, caller_id)
        seconds = max(1, math.ceil(reset_at - time.time()))
        return Quota(
            self._rate.amount, self._rate.get_expiry(), remaining, seconds, exceeded=not allowed
        )
