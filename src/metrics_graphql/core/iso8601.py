"""Parses ISO 8601 instants, for files and for GraphQL alike."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
ISO_8601: Final = re.compile(
    r"(?P<whole>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?P<seconds>:\d\d)?)"
    r"(?(seconds)([.,](?P<fraction>\d+))?)"
    r"(?P<offset>Z|[+-]\d\d(:?\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)
"""`2025-01-31T00:00:00Z`. Seconds, their fraction and the minutes of the offset are optional. A
blank may replace the `T`. Without an offset the text matches, but is no instant."""


def parse_iso8601(text: str) -> tuple[int, bool] | None:
    """Return an instant in Unix seconds, rounded down, and whether rounding changed it.

    Returns None for every other text, also if the date does not exist or the offset is missing.
    """
    parts = ISO_8601.fullmatch(text)
    if parts is None or parts["offset"] is None:
        return None
    try:
        moment = datetime.fromisoformat((parts["whole"] + parts["offset"]).upper())
    except ValueError:
        return None
    return (moment - EPOCH) // SECOND, bool((parts["fraction"] or "").strip("0"))
