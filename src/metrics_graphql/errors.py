"""What can go wrong for a caller: each error knows its code, its HTTP status and whose fault it is.

Messages are written for the caller and are safe to show. Anything that is not a `MetricsError`
is a fault of ours: the doors mask it and log it under an id.
"""

from typing import ClassVar


class MetricsError(Exception):
    """An error that its caller may read.

    `code` is the value of `extensions.code` in GraphQL, `status` the HTTP status over REST.
    """

    code: ClassVar[str] = "INTERNAL"
    status: ClassVar[int] = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unauthenticated(MetricsError):
    """No token, or one that opens nothing."""

    code = "UNAUTHENTICATED"
    status = 401


class Forbidden(MetricsError):
    """The caller may not read this organization, or it does not exist: the two look the same."""

    code = "FORBIDDEN"
    status = 403

    def __init__(self) -> None:
        super().__init__("You may not read the metrics of this organization.")


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

    def __init__(self) -> None:
        super().__init__("The database is not available. Try again later.")


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
