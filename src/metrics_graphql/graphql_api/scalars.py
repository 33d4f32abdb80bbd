"""The `DateTime` scalar: whole Unix seconds inside, ISO 8601 in UTC outside."""

import math
from datetime import UTC, datetime, timedelta
from typing import Final, NewType

import strawberry
from graphql import GraphQLError

from metrics_graphql.domain.periods import clamp_instant

Instant = NewType("Instant", int)
"""Unix seconds."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
EXPECTED: Final = (
    "expected ISO 8601 with an offset, like 2025-01-31T00:00:00Z, or integer Unix seconds"
)


def serialize_instant(instant: int) -> str:
    """Return an instant as ISO 8601 in UTC, to the second."""
    moment = EPOCH + timedelta(seconds=clamp_instant(instant))
    # strftime would write the year 1 without its leading zeros on some systems.
    return f"{moment.replace(tzinfo=None).isoformat()}Z"


def parse_instant(value: object) -> Instant:
    """Return the instant that a client gave.

    A fraction of a second rounds up: sessions are created on whole seconds, so "at 0.5 or later"
    and "before 0.5" both mean what they would mean at 1.

    Raises:
        GraphQLError: it is neither an integer nor ISO 8601 with an offset.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return Instant(value)
    if not isinstance(value, str):
        raise GraphQLError(f"DateTime cannot represent {_short(value)}: {EXPECTED}.")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise GraphQLError(f"DateTime cannot represent {_short(value)}: {EXPECTED}.") from None
    if moment.tzinfo is None:
        raise GraphQLError(f"DateTime {_short(value)} has no offset: {EXPECTED}.")
    # Not timestamp(), whose float has no room for microseconds in far years.
    return Instant(
        math.ceil((moment - EPOCH) / SECOND) if moment.microsecond else (moment - EPOCH) // SECOND
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"  # noqa: PLR2004 - enough to recognise it


DATE_TIME: Final = strawberry.scalar(
    name="DateTime",
    description=(
        "An instant in time. Returned as ISO 8601 in UTC, like `2025-01-31T00:00:00Z`.\n"
        "Given as ISO 8601 with an offset, or as integer Unix seconds, the form the REST\n"
        "API takes. Fractions of a second round up. Instants outside the years 1 to 9999,\n"
        "where no session lies, count as the nearest inside."
    ),
    serialize=serialize_instant,
    parse_value=parse_instant,
)
