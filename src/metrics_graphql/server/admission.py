"""Admission control: a permit, a deadline, an authenticated caller, and its rate limit."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NamedTuple

from limits import parse
from starlette.requests import Request
from starlette.types import Scope

from metrics_graphql.core.callers import ServiceUser
from metrics_graphql.core.deadline import set_deadline
from metrics_graphql.core.errors import Overloaded, RateLimited
from metrics_graphql.core.service import LAST_USED_RESOLUTION, MetricsService
from metrics_graphql.server.bearer import bearer_token
from metrics_graphql.server.load_shedding import LoadShedder
from metrics_graphql.server.rate_limit import QUOTA_KEY, RateLimiter
from metrics_graphql.settings import Settings
from metrics_graphql.telemetry.request_record import RequestRecord


class AdmittedRequest(NamedTuple):
    """The authenticated caller, and how long its response may be replayed."""

    caller: ServiceUser
    replay_until: float
    """On the monotonic clock."""


class AdmissionController:
    """Admits the requests of both APIs."""

    def __init__(self, service: MetricsService, settings: Settings) -> None:
        self._service = service
        self._timeout = settings.timeout
        # A replay skips authentication, which records the last use.
        self._max_replay = min(settings.cache_stage_ttl, LAST_USED_RESOLUTION)
        self._load_shedder = LoadShedder(settings.max_concurrency, settings.max_queue)
        self._rate_limiter = (
            RateLimiter(parse(settings.rate_limit)) if settings.rate_limit else None
        )

    @asynccontextmanager
    async def admit(self, request: Request) -> AsyncGenerator[AdmittedRequest]:
        """Hold a permit and enforce a deadline during the block.

        Raises:
            Unauthenticated: there is no token, or it is not valid.
            Overloaded: the server is overloaded, or no permit would become free in time.
            ClientDisconnect: the client disconnected while the request waited for a permit.
            RateLimited: the caller exceeded its rate limit.
            TimedOut: the deadline passed.
            Unavailable: the database is unavailable.
        """
        # Before a permit is acquired: a request without a credible token costs nothing more.
        token = bearer_token(request.headers.get("authorization"))
        received_at = time.monotonic()
        with set_deadline(self._timeout):
            try:
                await self._load_shedder.acquire(self._timeout, request.receive)
            except Overloaded:
                RequestRecord.of(request.scope).rejection = "overload"
                raise
            try:
                caller = await self._service.authenticate(token)
                RequestRecord.of(request.scope).caller_id = caller.service_user_id
                self.check_rate_limit(request.scope, caller.service_user_id)
                replay = self._max_replay
                if caller.token_expires_at is not None:
                    replay = min(replay, caller.token_expires_at - time.time())
                yield AdmittedRequest(caller, received_at + replay)
            finally:
                self._load_shedder.release()

    def check_rate_limit(self, scope: Scope, caller_id: str) -> None:
        """Count a request of a caller. The quota that is left goes into the ASGI scope.

        Raises:
            RateLimited: the quota is exhausted.
        """
        if self._rate_limiter is None:
            return
        quota = scope[QUOTA_KEY] = self._rate_limiter.hit(caller_id)
        if quota.exceeded:
            RequestRecord.of(scope).rejection = "rate_limit"
            raise RateLimited(quota.reset_seconds)
