"""Refresh-ahead cache: a value is reloaded in the background before it expires.

The term is Oracle Coherence's: a value older than half its time to live is reloaded while requests
still get the present one. So a key in steady use never makes a request wait.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from contextvars import Context
from typing import Final, Generic, NamedTuple, TypeVar

from cachetools import LRUCache

from metrics_graphql.core.deadline import enforce_deadline, set_deadline
from metrics_graphql.core.single_flight import SingleFlight

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_ENTRIES: Final = 10_000
"""Cached values; the least recently used are evicted."""
LOAD_TIMEOUT: Final = 5.0
"""Seconds that a load may take. Each request that waits for it has its own deadline, too."""


class CacheEntry(NamedTuple, Generic[V]):
    """A value, and when its load started, on the monotonic clock."""

    value: V
    loaded_at: float


class RefreshAheadCache(Generic[K, V]):
    """A loading cache of values by key.

    A request never gets a value whose load started more than `ttl` seconds before it.

    `load` returns the values of the keys that have one; a key without a value is loaded each time.
    Requests that miss wait for one load together. With a `ttl` of 0 every request loads.
    """

    def __init__(
        self, load: Callable[[Collection[K]], Awaitable[Mapping[K, V]]], ttl: float
    ) -> None:
        self._load = load
        self._ttl = ttl
        self._entries: LRUCache[K, CacheEntry[V]] = LRUCache(MAX_ENTRIES)
        self._flights: SingleFlight[K, asyncio.Task[Mapping[K, V]]] = SingleFlight(ttl)

    async def get(self, keys: Collection[K]) -> Mapping[K, V]:
        """Return the values of those keys that have one.

        Raises:
            Unavailable: a value is missing or expired, and the database is unavailable.
            TimedOut: the request passed its deadline.
        """
        if not self._ttl:
            return await self._load(keys)
        now = time.monotonic()
        found: dict[K, V] = {}
        due, missing = [], []
        for key in keys:
            entry = self._entries.get(key)
            if entry is None or now - entry.loaded_at >= self._ttl:
                missing.append(key)
                continue
            found[key] = entry.value
            if now - entry.loaded_at > self._ttl / 2:
                due.append(key)
        if due:
            self._join_or_start(due)
        if missing:
            loads = self._join_or_start(missing)
            async with enforce_deadline():
                for values in await asyncio.gather(*map(asyncio.shield, loads)):
                    found.update((key, values[key]) for key in missing if key in values)
        return found

    def _join_or_start(self, keys: Collection[K]) -> set[asyncio.Task[Mapping[K, V]]]:
        """Return the loads of these keys: those in flight, and a new one for the other keys."""
        flights = {key: self._flights.find(key) for key in keys}
        new = [key for key, flight in flights.items() if flight is None]
        tasks = {flight for flight in flights.values() if flight is not None}
        if new:
            # An empty context: the load belongs to no request, neither its deadline nor its log.
            task = asyncio.create_task(self._load_and_store(new), context=Context())
            self._flights.start(new, task)
            tasks.add(task)
        return tasks

    async def _load_and_store(self, keys: Collection[K]) -> Mapping[K, V]:
        started_at = time.monotonic()
        with set_deadline(LOAD_TIMEOUT):
            values = await self._load(keys)
        for key in keys:
            entry = self._entries.get(key)
            if entry is not None and entry.loaded_at > started_at:
                continue  # A younger load has finished first.
            self._entries.pop(key, None)
            if key in values:
                self._entries[key] = CacheEntry(values[key], started_at)
        return values
