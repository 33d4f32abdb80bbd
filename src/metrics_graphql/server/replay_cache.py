"""Replays responses to byte-identical requests, without parsing or authentication."""

import time
from operator import attrgetter
from typing import NamedTuple

from cachetools import LRUCache

from metrics_graphql.server.cached_response import CachedResponse
from metrics_graphql.server.request_key import ReplayKey


class ReplayEntry(NamedTuple):
    """A response, the caller that it is for, and until when it may be replayed."""

    response: CachedResponse
    caller_id: str
    expires_at: float
    """On the monotonic clock."""
    size: int


class ReplayCache:
    """Responses by the exact bytes of a request and of its credential, up to `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._entries: LRUCache[ReplayKey, ReplayEntry] = LRUCache(max_bytes, attrgetter("size"))

    def get(self, key: ReplayKey) -> ReplayEntry | None:
        """Return the entry of a request, unless it has expired."""
        entry = self._entries.get(key)
        if entry is not None and time.monotonic() >= entry.expires_at:
            del self._entries[key]
            return None
        return entry

    def store(
        self, key: ReplayKey, response: CachedResponse, caller_id: str, expires_at: float
    ) -> None:
        """Store a response, if it is cacheable and fits."""
        size = key.request.size + response.size
        if response.payload.data_versions is not None and size <= self._entries.maxsize:
            self._entries[key] = ReplayEntry(response, caller_id, expires_at, size)
