"""Who gets in: no more requests at once than are answered in time, and each caller at its rate."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NamedTuple

from limits import parse
from starlette.requests import Request

from metrics_graphql.auth import USE_RESOLUTION, bearer_token
from metrics_graphql.counts import REFUSED
from metrics_graphql.deadlines import deadline_in
from metrics_graphql.errors import Overloaded, RateLimited
from metrics_graphql.gate import Gate
from metrics_graphql.rates import CallerRate
from metrics_graphql.service import MetricsService
from metrics_graphql.settings import Settings
from metrics_graphql.store.accounts import ServiceUser


class Admitted(NamedTuple):
    """Who is asking, and until when, on the monotonic clock, that need not be found out again."""

    caller: ServiceUser
    until: float


class Admission:
    """Lets the requests of both doors in."""

    def __init__(self, service: MetricsService, settings: Settings) -> None:
        self._service = service
        self._timeout = settings.timeout
        self._moment = settings.freshness / 2
        self._gate = Gate(settings.max_concurrency, settings.max_queue)
        self._rate = CallerRate(parse(settings.rate_limit)) if settings.rate_limit else None

    @asynccontextmanager
    async def admitted(self, request: Request) -> AsyncGenerator[Admitted]:
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
        asked_at = time.monotonic()
        with deadline_in(self._timeout):
            # Not for strangers who bring nothing that could be a token.
            try:
                await self._gate.enter()
            except Overloaded:
                REFUSED.labels("busy").inc()
                raise
            try:
                stored = await self._service.authenticate(token)
                self.count(request, stored.service_user.service_user_id)
                lasts = min(self._moment, USE_RESOLUTION)
                if stored.expires_at is not None:
                    lasts = min(lasts, stored.expires_at - time.time())
                yield Admitted(stored.service_user, asked_at + lasts)
            finally:
                self._gate.leave()

    def count(self, request: Request, caller_id: str) -> None:
        """Count a request of a caller; `request.state.quota` becomes what it may still ask.

        Raises:
            RateLimited: it has used up its rate.
        """
        if self._rate:
            quota = request.state.quota = self._rate.count(caller_id)
            if quota.exceeded:
                REFUSED.labels("rate").inc()
                raise RateLimited(quota.seconds)
