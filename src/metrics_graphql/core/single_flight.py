"""Single-flight: concurrent callers of one key share one computation.

The name and the idea are those of Go's `golang.org/x/sync/singleflight`. A flight is joined only
while it is younger than `max_age`, which bounds the staleness of its result.
"""

import asyncio
import time
from collections.abc import Hashable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
F = TypeVar("F", bound="asyncio.Future[Any]")


class Flight(NamedTuple, Generic[F]):
    """A computation, and when it started, on the monotonic clock."""

    future: F
    started_at: float


class SingleFlight(Generic[K, F]):
    """The computations in flight, by key. A computation may serve several keys."""

    def __init__(self, max_age: float) -> None:
        """Set for how many seconds from its start a flight can be joined; 0 for none."""
        self._max_age = max_age
        self._in_flight: dict[K, Flight[F]] = {}

    def find(self, key: K) -> F | None:
        """Return the computation to join; None if there is none, or it is too old."""
        flight = self._in_flight.get(key)
        if flight is None or time.monotonic() - flight.started_at >= self._max_age:
            return None
        return flight.future

    def start(self, keys: Iterable[K], future: F) -> None:
        """Register a computation under these keys, so that callers join it until it is done."""
        keys = tuple(keys)
        self._in_flight.update(dict.fromkeys(keys, Flight(future, time.monotonic())))
        future.add_done_callback(lambda done: self._finish(keys, done))

    def _finish(self, keys: tuple[K, ...], done: "asyncio.Future[Any]") -> None:
        for key in keys:
            # A younger flight may have taken the place of one that was too old to join.
            if key in self._in_flight and self._in_flight[key].future is done:
                del self._in_flight[key]
        if not done.cancelled():
            # Retrieves the error: without a caller that joined, asyncio would log it.
            done.exception()
