"""The errors that a caller may read. Each has a code; which HTTP status it gets is up to `server`.

Messages are written for callers and are safe to show. Anything that is not a `MetricsError` is a
bug: the APIs mask it and log it under an id.
"""

from typing import ClassVar, Final, TypeVar

T = TypeVar("T")

MAX_ECHO: Final = 100
"""Characters of a refused value that an error message repeats."""

FieldPath = tuple[str, ...]
"""The argument at fault, outermost name first, in snake case: `("filters", "time_after")`."""


def shorten(text: str) -> str:
    """Return the first `MAX_ECHO` characters of a refused value, enough to recognize it."""
    return text if len(text) <= MAX_ECHO else f"{text[:MAX_ECHO]}…"


class MetricsError(Exception):
    """An error that its caller may read. `code` is `extensions.code` in GraphQL."""

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unauthenticated(MetricsError):
    """There is no token, or it is not valid."""

    code = "UNAUTHENTICATED"


class Forbidden(MetricsError):
    """The caller may not read an organization, or it does not exist. The message is the same."""

    code = "FORBIDDEN"

    def __init__(self, what: str = "this organization") -> None:
        super().__init__(f"You may not read the metrics of {what}.")


class BadUserInput(MetricsError):
    """An argument was refused.

    `path` names the argument, `reason` completes the sentence "<argument> ...". Each API and the
    command line spell the path in their own way.
    """

    code = "BAD_USER_INPUT"

    def __init__(self, path: FieldPath, reason: str) -> None:
        super().__init__(f"{'.'.join(path)} {reason}")
        self.path = path
        self.reason = reason


class TooManyBuckets(BadUserInput):
    """The interval would cut the period into more buckets than a series may have."""

    code = "TOO_MANY_BUCKETS"

    def __init__(self, interval: str, seconds: int, length: int, maximum: int) -> None:
        super().__init__(
            ("interval",),
            f"of one {interval} ({length:,} seconds) would cut {seconds:,} seconds into about"
            f" {seconds // length + 1:,} buckets, more than {maximum:,}: take a longer interval or"
            " a shorter period",
        )


class Unavailable(MetricsError):
    """The database is unavailable now. The cause has the engine's own error."""

    code = "UNAVAILABLE"

    def __init__(self, message: str = "The database is not available. Try again later.") -> None:
        super().__init__(message)


class Overloaded(MetricsError):
    """The request was shed because the server is overloaded. Nothing of it ran."""

    code = "UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("The server is busy. Try again later.")


class TimedOut(MetricsError):
    """The request passed its deadline. Its statements were cancelled."""

    code = "TIMEOUT"

    def __init__(self) -> None:
        super().__init__(
            "The request took too long. Query a shorter period, or fewer fields at once."
        )


class RateLimited(MetricsError):
    """The caller exceeded its rate limit. `retry_after` is in seconds, at least 1."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after: int) -> None:
        unit = "second" if retry_after == 1 else "seconds"
        super().__init__(f"Too many requests. Try again in {retry_after} {unit}.")
        self.retry_after = retry_after


def value_or_raise(result: T | MetricsError) -> T:
    """Return a result of a batch, or raise it if it is an error."""
    if isinstance(result, MetricsError):
        raise result
    return result
