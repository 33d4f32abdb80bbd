"""What can go wrong for a caller: each error knows its code, its HTTP status and whose fault it is.

Messages are written for the caller and are safe to show. Anything that is not a `MetricsError`
is a fault of ours: the doors mask it and log it under an id.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final

MAX_ECHO: Final = 100
"""Characters of somebody's input that an error repeats at a stretch."""


def shortened(text: str) -> str:
    """Return as much of a refused value as is enough to recognise it."""
    return text if len(text) <= MAX_ECHO else f"{text[:MAX_ECHO]}…"


class MetricsError(Exception):
    """An error that its caller may read.

    `code` is the value of `extensions.code` in GraphQL, `status` the HTTP status over REST,
    `headers` what an answer with that status carries.
    """

    code: ClassVar[str] = "INTERNAL"
    status: ClassVar[int] = 500
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unauthenticated(MetricsError):
    """No token, or one that opens nothing."""

    code = "UNAUTHENTICATED"
    status = 401
    headers: Mapping[str, str] = MappingProxyType({"WWW-Authenticate": "Bearer"})


class Forbidden(MetricsError):
    """The caller may not read an organization, or there is none: the two look the same.

    Without an organization, it may not read the enterprise.
    """

    code = "FORBIDDEN"
    status = 403

    def __init__(self, org_id: str | None) -> None:
        what = "the enterprise" if org_id is None else "this organization"
        super().__init__(f"You may not read the metrics of {what}.")


class BadUserInput(MetricsError):
    """An argument that can't be taken.

    `argument` is its name as the domain spells it, `reason` completes the sentence
    "<argument> ...". A door puts its own spelling of the name in front.
    """

    code = "BAD_USER_INPUT"
    status = 422

    def __init__(self, argument: str, reason: str) -> None:
        super().__init__(f"{argument} {reason}")
        self.argument = argument
        self.reason = reason


class Unavailable(MetricsError):
    """The database did not answer; asking again later may help."""

    code = "UNAVAILABLE"
    status = 503
    headers: Mapping[str, str] = MappingProxyType({"Retry-After": "1"})

    def __init__(self, message: str = "The database is not available. Try again later.") -> None:
        super().__init__(message)


class Overloaded(MetricsError):
    """More was asked at once than is answered in time; nothing of this request ran."""

    code = "UNAVAILABLE"
    status = 503
    headers: Mapping[str, str] = MappingProxyType({"Retry-After": "1"})

    def __init__(self) -> None:
        super().__init__("The server is busy. Try again later.")


class TimedOut(MetricsError):
    """The answer took longer than a request may; the work on it was stopped."""

    code = "TIMEOUT"
    status = 504

    def __init__(self) -> None:
        super().__init__("The answer took too long. Ask for a shorter period, or for less at once.")


class RateLimited(MetricsError):
    """The caller asked more often than it may. `seconds`, at least 1, tells when to ask again."""

    code = "RATE_LIMITED"
    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many requests. Try again in {seconds} seconds.")
        self.headers = {"Retry-After": str(seconds)}


class QueryTooExpensive(MetricsError):
    """A GraphQL document, or its answer, that is larger than is allowed.

    `limit` is the name of the limit as the settings have it, `value` what was counted and
    `maximum` what is allowed.
    """

    code = "QUERY_TOO_EXPENSIVE"
    status = 400

    def __init__(self, limit: str, value: int, maximum: int) -> None:
        super().__init__(
            f"The query is too expensive: {limit.replace('_', ' ')} {value:,}, at most {maximum:,}."
        )
        self.limit = limit
        self.value = value
        self.maximum = maximum


class TooManyBuckets(BadUserInput):
    """A series that would be cut into more buckets than are answered."""

    code = "TOO_MANY_BUCKETS"

    def __init__(self, interval: str, seconds: int, length: int, maximum: int) -> None:
        super().__init__(
            "interval",
            f"of one {interval} ({length:,} seconds) would cut {seconds:,} seconds into about"
            f" {seconds // length + 1:,} buckets, more than {maximum:,}: take a longer interval or"
            " a shorter period",
        )


class UnknownPersistedQuery(MetricsError):
    """A hash of a document that is not known: the client is to send the document with it.

    The message is the one by which clients of "automatic persisted queries" know this error.
    """

    code = "PERSISTED_QUERY_NOT_FOUND"
    status = 400

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")
