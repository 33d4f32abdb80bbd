"""The rate limit of each caller, in fixed windows, per process."""

import math
import time
from typing import Final, NamedTuple

from limits import RateLimitItem
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

QUOTA_KEY: Final = "metrics_graphql.quota"
"""The key of the caller's `Quota` in the ASGI scope, from which the response headers are made."""
NO_COUNT: Final = (0, 0.0)
SWEEP_SIZE: Final = 10_000
"""Expired counts are removed once there are this many."""


class Quota(NamedTuple):
    """`limit` requests in every `window` seconds, of which `remaining` are left.

    `reset_seconds`, at least 1, is the time until the window ends.
    """

    limit: int
    window: int
    remaining: int
    reset_seconds: int
    exceeded: bool

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the header fields of draft-ietf-httpapi-ratelimit-headers-10."""
        return [
            (b"ratelimit-policy", b'"caller";q=%d;w=%d' % (self.limit, self.window)),
            (b"ratelimit", b'"caller";r=%d;t=%d' % (self.remaining, self.reset_seconds)),
        ]


class RateLimiter:
    """Counts the requests of each caller."""

    def __init__(self, rate: RateLimitItem) -> None:
        self._rate = rate
        self._limiter = FixedWindowRateLimiter(FixedWindowStorage())

    def hit(self, caller_id: str) -> Quota:
        """Count one request and return the quota. Refused requests are counted, too."""
        allowed = self._limiter.hit(self._rate, caller_id)
        reset_at, remaining = self._limiter.get_window_stats(self._rate, caller_id)
        return Quota(
            self._rate.amount,
            self._rate.get_expiry(),
            remaining,
            max(1, math.ceil(reset_at - time.monotonic())),
            exceeded=not allowed,
        )


class FixedWindowStorage(Storage):
    """Counts of one process, on the monotonic clock, for the `limits` library.

    The library's own `MemoryStorage` runs on the wall clock, which can be set, and starts a thread
    for each sweep, a hundred a second under load: docs/decisions/0004.
    """

    base_exceptions = KeyError

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, tuple[int, float]] = {}

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a count, which expires `expiry` seconds after the first of its window."""
        now = time.monotonic()
        count, expires_at = self._counts.get(key, NO_COUNT)
        if expires_at <= now:
            self._sweep(now)
            count, expires_at = 0, now + expiry
        self._counts[key] = (count + amount, expires_at)
        return count + amount

    def get(self, key: str) -> int:
        """Return a count; 0 once it has expired."""
        count, expires_at = self._counts.get(key, NO_COUNT)
        return count if expires_at > time.monotonic() else 0

    def get_expiry(self, key: str) -> float:
        """Return when a count expires, on the monotonic clock."""
        return max(self._counts.get(key, NO_COUNT)[1], time.monotonic())

    def check(self) -> bool:
        """Return True: memory is always available."""
        return True

    def reset(self) -> int | None:
        """Remove every count."""
        self._counts.clear()
        return None

    def clear(self, key: str) -> None:
        """Remove one count."""
        self._counts.pop(key, None)

    def _sweep(self, now: float) -> None:
        if len(self._counts) >= SWEEP_SIZE:
            expired = [key for key, (_, expires_at) in self._counts.items() if expires_at <= now]
            for key in expired:
                del self._counts[key]
