"""Who gets in: no more requests at once than are answered in time, and each caller at its rate."""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import Request

from metrics_graphql.auth import bearer_token
from metrics_graphql.deadlines import deadline_in
from metrics_graphql.errors import Overloaded, RateLimited
from metrics_graphql.service import MetricsService
from metrics_graphql.settings import Settings
from metrics_graphql.store.accounts import ServiceUser

BURST_SECONDS: Final = 1.0
"""How long a request waits for its turn at most: as long as a burst may take to be worked off."""
PATIENCE_SECONDS: Final = 0.02
"""The same, once there has been no place for everyone for `BURST_SECONDS`: then it is no burst, and
waiting only makes every answer late."""
BUSY_PLACES: Final = 2
"""Places while it is computing that fills the time: one request computes, one asks the database."""
BUSY_SHARE: Final = 0.5
"""The share of its time that the event loop computes, from which on it counts as full."""
LOOK_SECONDS: Final = 0.05
"""How often that is looked at, while there are requests."""


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
        token = bearer_token(request.headers.get("authorization"))
        with deadline_in(self._timeout):
            # Not for strangers who bring nothing that could be a token.
            await self._gate.enter()
            try:
                caller = await self._service.authenticate(token)
                if self._rate:
                    quota = request.state.quota = self._rate.count(caller.service_user_id)
                    if quota.exceeded:
                        raise RateLimited(quota.seconds)
                yield caller
            finally:
                self._gate.leave()


class Gate:
    """A number of places, and a queue for them.

    Requests that wait for the database get in each other's way little, those that compute much:
    while the event loop is busy computing, there are only `BUSY_PLACES`. A burst waits its turn.
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
        computed: Callable[[], float] = time.thread_time,
    ) -> None:
        """Have so many places; `clock` and `computed` tell the time, and how much was work."""
        self._clock = clock
        self._computed = computed
        self._places = places
        self._max_queue = max_queue
        self._taken = 0
        self._queue: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._waited_for_since: float | None = None
        """When somebody first had to wait, since there was last a place for everyone."""
        self._computing = 0.0
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
        if self._waited_for_since is None:
            self._waited_for_since = now
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
        return min(BUSY_PLACES, self._places) if self._computing > BUSY_SHARE else self._places

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
        if not self._queue and self._taken < self._open_places():
            self._waited_for_since = None

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Find out, while there are requests, how much of its time the event loop computes."""
        started, computed = self._clock(), self._computed()

        def look() -> None:
            share = (self._computed() - computed) / (self._clock() - started)
            # Remembered for a while: it comes and goes with each answer.
            self._computing = max(share, self._computing * 0.9)
            self._next_look = None
            self._let_in(loop)
            if self._taken or self._computing > BUSY_SHARE:
                self._watch(loop)

        self._next_look = loop.call_later(LOOK_SECONDS, look)

    def _is_overloaded(self, now: float) -> bool:
        since = self._waited_for_since
        return since is not None and now - since > BURST_SECONDS

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
