"""The `DateTime` scalar: whole Unix seconds inside, ISO 8601 in UTC outside."""

import json
from datetime import timedelta
from functools import lru_cache
from typing import Final, NewType

import strawberry
from graphql import GraphQLError, IntValueNode, ValueNode, value_from_ast_untyped

from metrics_graphql.core.errors import shorten
from metrics_graphql.core.iso8601 import EPOCH, ISO_8601, parse_iso8601
from metrics_graphql.core.periods import MAX_INSTANT, MIN_INSTANT, clamp_instant

Instant = NewType("Instant", int)
"""Unix seconds."""

EXPECTED: Final = (
    "expected ISO 8601 with an offset, like 2025-01-31T00:00:00Z, or integer Unix seconds"
)
MAX_DIGITS: Final = 20
"""A longer number lies far outside the instants that are stored."""


@lru_cache(maxsize=4096)
def serialize_instant(instant: int) -> str:
    """Return an instant as ISO 8601 in UTC, to the second.

    Cached, because series of a year have the same days.
    """
    moment = EPOCH + timedelta(seconds=clamp_instant(instant))
    # strftime would write the year 1 without its leading zeros on some systems.
    return f"{moment.replace(tzinfo=None).isoformat()}Z"


def parse_instant(value: object) -> Instant:
    """Return the instant that a variable or an argument gives.

    A fraction of a second rounds up: sessions are created on whole seconds, so "at 0.5 or later"
    and "before 0.5" both mean what they would mean at 1.

    Raises:
        GraphQLError: it is neither an integer nor ISO 8601 with an offset.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return Instant(value)
    text = value if isinstance(value, str) else ""
    if instant := parse_iso8601(text):
        seconds, has_fraction = instant
        # A four-digit year is not milliseconds, even if its offset or a fraction leads beyond 9999.
        return Instant(clamp_instant(seconds + has_fraction))
    parts = ISO_8601.fullmatch(text)
    if parts and parts["offset"] is None:
        raise GraphQLError(f"DateTime {_short(value)} has no offset: {EXPECTED}.")
    raise GraphQLError(f"DateTime cannot represent {_short(value)}: {EXPECTED}.")


def parse_instant_literal(node: ValueNode, _variables: object = None) -> Instant:
    """Return the instant of a literal in a document; an error has its location.

    Raises:
        GraphQLError: as `parse_instant`.
    """
    if isinstance(node, IntValueNode) and len(node.value) > MAX_DIGITS:
        # `int` refuses thousands of digits.
        return Instant(MIN_INSTANT if node.value.startswith("-") else MAX_INSTANT + 1)
    try:
        return parse_instant(value_from_ast_untyped(node))
    except GraphQLError as error:
        raise GraphQLError(error.message, node) from None


def _short(value: object) -> str:
    """Return a value as JSON, shortened."""
    return shorten(json.dumps(value, default=str))


DATE_TIME: Final = strawberry.scalar(
    name="DateTime",
    description=(
        "An instant in time. Returned as ISO 8601 in UTC, like `2025-01-31T00:00:00Z`.\n"
        "Given as ISO 8601 with an offset, or as integer Unix seconds (not milliseconds), the\n"
        "form the REST API takes. Seconds may be left out, and a blank may replace the `T`.\n"
        "Fractions of a second round up. Instants outside the years 1 to 9999, in which no\n"
        "session was created, are moved to the nearest instant inside."
    ),
    serialize=serialize_instant,
    parse_value=parse_instant,
    parse_literal=parse_instant_literal,
)
