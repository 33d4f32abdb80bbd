"""The request pipeline of both APIs: replay, admission, response cache, execution.

The rate limit is checked for a replay, and for an admitted request once its caller is known.
"""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final

from starlette.requests import Request
from starlette.types import Scope

from metrics_graphql.core.callers import ServiceUser
from metrics_graphql.core.service import MetricsService
from metrics_graphql.server.admission import AdmissionController
from metrics_graphql.server.cached_response import CachedPayload, CachedResponse
from metrics_graphql.server.replay_cache import ReplayCache
from metrics_graphql.server.request_key import CacheKey, ReplayKey, RequestKey
from metrics_graphql.server.response_cache import ResponseCache
from metrics_graphql.settings import Settings
from metrics_graphql.telemetry.request_record import RequestRecord

MAX_REPLAY_BYTES: Final = 4_000_000
"""Bytes of requests and responses that can be replayed; less if the response cache is smaller."""


def credential_hash(scope: Scope) -> bytes:
    """Return the SHA-256 of the `Authorization` header, of nothing if there is none."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return sha256(value).digest()
    return sha256(b"").digest()


class RequestPipeline:
    """Responds to requests of either API, which supplies a key and a function."""

    def __init__(self, service: MetricsService, settings: Settings) -> None:
        self.admission = AdmissionController(service, settings)
        self._replays = ReplayCache(min(MAX_REPLAY_BYTES, settings.cache_bytes))
        self._responses = ResponseCache(
            service.data_versions,
            max_bytes=settings.cache_bytes,
            max_flight_age=settings.cache_stage_ttl,
        )

    async def respond(
        self,
        request: Request,
        key: RequestKey,
        execute: Callable[[ServiceUser], Awaitable[CachedPayload]],
    ) -> CachedResponse:
        """Return the response to a request; `execute` computes its payload for a caller.

        Raises:
            MetricsError: the request is refused by admission control or the rate limit, its token
                is not valid, or what `execute` raises.
        """
        record = RequestRecord.of(request.scope)
        replay_key = ReplayKey(credential_hash(request.scope), key)
        if replay := self._replays.get(replay_key):
            record.caller_id = replay.caller_id
            self.admission.check_rate_limit(request.scope, replay.caller_id)
            replay.response.record_reuse(record)
            return replay.response

        async with self.admission.admit(request) as admitted:

            async def compute() -> CachedResponse:
                return CachedResponse(await execute(admitted.caller), key.response_type, record)

            lookup = await self._responses.get_or_compute(
                CacheKey(admitted.caller.cache_scope, key), compute
            )
        response = lookup.response
        if lookup.is_reused:
            response.record_reuse(record)
        self._replays.store(
            replay_key, response, admitted.caller.service_user_id, admitted.replay_until
        )
        return response
