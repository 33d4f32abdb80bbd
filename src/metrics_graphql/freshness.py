"""What was read a moment ago, for as long as it counts as fresh."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from contextvars import Context
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from cachetools import LRUCache

from metrics_graphql.deadlines import deadline_in, within_deadline

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_KEPT: Final = 10_000
"""Values that are kept at most; those not asked for longest go first."""
READ_SECONDS: Final = 5.0
"""How long a read that several requests wait for may take; each has its own deadline beside it."""


@dataclass(frozen=True, slots=True)
class Kept(Generic[V]):
    """A value, and when reading it began, on the monotonic clock."""

    value: V
    read_at: float


@dataclass(frozen=True, slots=True)
class Reading(Generic[K, V]):
    """A read that is under way, and when it began, on the monotonic clock."""

    task: asyncio.Task[Mapping[K, V]]
    began: float


class Fresh(Generic[K, V]):
    """Values by key, each read again after so many seconds; `read` returns those that there are.

    One that is half as old is read again beside the request that asks for it, so that requests
    rarely wait; those that have to, wait for one read together. With 0 seconds each request reads.
    """

    def __init__(
        self, read: Callable[[Collection[K]], Awaitable[Mapping[K, V]]], seconds: float
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._values: LRUCache[K, Kept[V]] = LRUCache(MAX_KEPT)
        self._reading: dict[K, Reading[K, V]] = {}

    async def get(self, keys: Collection[K]) -> Mapping[K, V]:
        """Return the values of those keys that have one.

        Raises:
            Unavailable: they are not fresh, and the database can't answer.
            TimedOut: it does not answer in time.
        """
        if not self._seconds:
            return await self._read(keys)
        now = time.monotonic()
        found: dict[K, V] = {}
        due, missing = [], []
        for key in keys:
            kept = self._values.get(key)
            if kept is None or now - kept.read_at >= self._seconds:
                missing.append(key)
                continue
            found[key] = kept.value
            if now - kept.read_at > self._seconds / 2:
                due.append(key)
        if due:
            self._start(due)
        if missing:
            self._start(missing)
            reads = {self._reading[key].task for key in missing}
            async with within_deadline():
                for values in await asyncio.gather(*map(asyncio.shield, reads)):
                    found.update((key, values[key]) for key in missing if key in values)
        return found

    def _start(self, keys: Collection[K]) -> None:
        """Read those that are not being read, or whose reading takes so long that it is old."""
        now = time.monotonic()
        new = [
            key
            for key in keys
            if key not in self._reading or now - self._reading[key].began >= self._seconds
        ]
        if new:
            # Not in the context of the request: it belongs to all who wait for it.
            task = asyncio.create_task(self._read_and_keep(new, now), context=Context())
            self._reading.update(dict.fromkeys(new, Reading(task, now)))
            task.add_done_callback(lambda _: self._done(new, task))

    async def _read_and_keep(self, keys: Collection[K], now: float) -> Mapping[K, V]:
        with deadline_in(READ_SECONDS):
            values = await self._read(keys)
        for key in keys:
            kept = self._values.get(key)
            if kept is not None and kept.read_at > now:
                continue
            self._values.pop(key, None)
            if key in values:
                self._values[key] = Kept(values[key], now)
        return values

    def _done(self, keys: Collection[K], task: asyncio.Task[Mapping[K, V]]) -> None:
        for key in keys:
            if key in self._reading and self._reading[key].task is task:
                del self._reading[key]
        if not task.cancelled():
            # Whoever waited has it; a value that nobody waited for is asked for again in time.
            task.exception()
