"""In-process response cache. An entry is valid while its data versions are current.

Concurrent equal requests share one computation (single-flight).
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from operator import attrgetter
from typing import NamedTuple

from cachetools import LRUCache

from metrics_graphql.core.deadline import enforce_deadline, time_remaining
from metrics_graphql.core.errors import TimedOut
from metrics_graphql.core.single_flight import SingleFlight
from metrics_graphql.core.tenants import Tenant
from metrics_graphql.server.cached_response import CachedResponse, DataVersions
from metrics_graphql.server.request_key import CacheKey


class CacheEntry(NamedTuple):
    """A response, and the bytes that it takes with its key."""

    response: CachedResponse
    size: int


class FlightAbandonedError(Exception):
    """The request that computed a response was cancelled."""


class Lookup(NamedTuple):
    """A response, and whether another call computed it."""

    response: CachedResponse
    is_reused: bool


class ResponseCache:
    """Caches responses up to `max_bytes`; the least recently used are evicted."""

    def __init__(
        self,
        data_versions: Callable[[Collection[Tenant]], Awaitable[DataVersions]],
        *,
        max_bytes: int,
        max_flight_age: float,
    ) -> None:
        """Validate entries by `data_versions`, which returns the current ones of some tenants.

        A computation can be joined while it is younger than `max_flight_age` seconds.
        """
        self._data_versions = data_versions
        self._entries: LRUCache[CacheKey, CacheEntry] = LRUCache(max_bytes, attrgetter("size"))
        self._flights: SingleFlight[CacheKey, asyncio.Future[CachedResponse]] = SingleFlight(
            max_flight_age
        )

    async def get_or_compute(
        self, key: CacheKey, compute: Callable[[], Awaitable[CachedResponse]]
    ) -> Lookup:
        """Return the cached response, join an in-flight computation, or compute it.

        Raises:
            TimedOut: the joined computation did not end before this request's deadline.
            Exception: what `compute` raises, here or in the joined computation.
        """
        entry = self._entries.get(key)
        if entry is not None:
            versions = entry.response.payload.data_versions
            if versions is not None and await self._data_versions(versions.keys()) == versions:
                return Lookup(entry.response, is_reused=True)
        while (flight := self._flights.find(key)) is not None:
            try:
                async with enforce_deadline():
                    return Lookup(await asyncio.shield(flight), is_reused=True)
            except (FlightAbandonedError, TimedOut):
                # The request that computed was cancelled, or had less time: that must not fail
                # this one. The first of those that joined computes, and the others join it.
                remaining = time_remaining()
                if remaining is not None and remaining <= 0:
                    raise TimedOut from None
        return Lookup(await self._compute(key, compute), is_reused=False)

    async def _compute(
        self, key: CacheKey, compute: Callable[[], Awaitable[CachedResponse]]
    ) -> CachedResponse:
        flight: asyncio.Future[CachedResponse] = asyncio.get_running_loop().create_future()
        self._flights.start([key], flight)
        try:
            response = await compute()
        except BaseException as error:
            # Requests that joined were not cancelled themselves.
            flight.set_exception(error if isinstance(error, Exception) else FlightAbandonedError())
            raise
        flight.set_result(response)
        size = key.request.size + len(key.cache_scope) + response.size
        if response.payload.data_versions is not None and size <= self._entries.maxsize:
            self._entries[key] = CacheEntry(response, size)
        return response
