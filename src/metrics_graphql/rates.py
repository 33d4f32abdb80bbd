"""How often each caller may ask this process, and what it has left."""

import math
import time
from typing import Final, NamedTuple

from limits import RateLimitItem
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from metrics_graphql.freshness import MAX_KEPT


class Quota(NamedTuple):
    """What a caller may ask: `limit` in every `window`, of which `remaining` are left for now.

    `seconds` tells when that is renewed, or when to ask again if it is exceeded; at least 1.
    """

    limit: int
    window: int
    remaining: int
    seconds: int
    exceeded: bool

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return it as draft-ietf-httpapi-ratelimit-headers-10 spells it."""
        return [
            (b"ratelimit-policy", b'"caller";q=%d;w=%d' % (self.limit, self.window)),
            (b"ratelimit", b'"caller";r=%d;t=%d' % (self.remaining, self.seconds)),
        ]


NO_COUNT: Final = (0, 0.0)


class CallerRate:
    """Counts the requests of each caller to this process, in windows of time."""

    def __init__(self, rate: RateLimitItem) -> None:
        self._rate = rate
        self._limiter = FixedWindowRateLimiter(Counts())

    def count(self, caller_id: str) -> Quota:
        """Count one request, if it is still allowed; return what is left."""
        allowed = self._limiter.hit(self._rate, caller_id)
        reset_at, remaining = self._limiter.get_window_stats(self._rate, caller_id)
        seconds = max(1, math.ceil(reset_at - time.monotonic()))
        return Quota(
            self._rate.amount, self._rate.get_expiry(), remaining, seconds, exceeded=not allowed
        )


class Counts(Storage):
    """The counts of one process, for the library that knows what they mean.

    Its own storage in memory starts a thread to forget old counts, a hundred a second under load.
    """

    base_exceptions = KeyError

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, tuple[int, float]] = {}

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, for `expiry` seconds from the first."""
        now = time.monotonic()
        count, until = self._counts.get(key, NO_COUNT)
        if until <= now:
            self._forget(now)
            count, until = 0, now + expiry
        self._counts[key] = (count + amount, until)
        return count + amount

    def get(self, key: str) -> int:
        """Return a count."""
        count, until = self._counts.get(key, NO_COUNT)
        return count if until > time.monotonic() else 0

    def get_expiry(self, key: str) -> float:
        """Return when a count ends, on the clock that counts, which nobody sets."""
        return max(self._counts.get(key, NO_COUNT)[1], time.monotonic())

    def check(self) -> bool:
        """Return whether counting works."""
        return True

    def reset(self) -> int | None:
        """Forget every count."""
        self._counts.clear()
        return None

    def clear(self, key: str) -> None:
        """Forget one count."""
        self._counts.pop(key, None)

    def _forget(self, now: float) -> None:
        """Forget what has ended, once there is much of it."""
        if len(self._counts) >= MAX_KEPT:
            ended = [key for key, (_, until) in self._counts.items() if until <= now]
            for key in ended:
                del self._counts[key]
