"""ISO 8601: the accepted subset, to the second."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.core.iso8601 import parse_iso8601
from metrics_graphql.core.periods import MAX_INSTANT, MIN_INSTANT

NEW_YEAR = 1735689600
"""2025-01-01T00:00:00Z."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01-01T00:00:00Z", (NEW_YEAR, False)),
        ("2025-01-01t00:00:00z", (NEW_YEAR, False)),
        ("2025-01-01 00:00:00Z", (NEW_YEAR, False)),
        ("2025-01-01T00:00Z", (NEW_YEAR, False)),
        ("2025-01-01 00:00+00", (NEW_YEAR, False)),
        ("2025-01-01T00:00:00+0000", (NEW_YEAR, False)),
        ("2025-01-01T05:45:00+05:45", (NEW_YEAR, False)),
        ("2024-12-31T19:00-0500", (NEW_YEAR, False)),
        ("2025-01-01T00:00:00.000Z", (NEW_YEAR, False)),
        ("2025-01-01T00:00:00.000000001Z", (NEW_YEAR, True)),
        ("2025-01-01T00:00:00,5+01:00", (NEW_YEAR - 3600, True)),
        ("1969-12-31T23:59:59.5Z", (-1, True)),
        ("0001-01-01T00:00:00Z", (MIN_INSTANT, False)),
        ("0001-01-01T00:00:00+01:00", (MIN_INSTANT - 3600, False)),
        ("9999-12-31T23:59:59Z", (MAX_INSTANT, False)),
        ("9999-12-31T23:59:59-23:59", (MAX_INSTANT + 86_340, False)),
    ],
)
def test_accepted_texts(text: str, expected: tuple[int, bool]) -> None:
    """Seconds, fraction and minutes of the offset are optional; a blank may replace the `T`."""
    assert parse_iso8601(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2025", "2025-01-01", "1735689600", "20250101T000000Z", "2025-W01-1T00:00Z"),
        *("2025-01-01T00:00:00", "2025-01-01T00Z", "2025-01-01T00:00.5Z", "2025-1-1T00:00:00Z"),
        *(
            "2025-02-29T00:00:00Z",
            "2025-01-01T24:00:00Z",
            "2025-01-01T00:00:60Z",
            "2025-13-01T00:00Z",
        ),
        *("0000-01-01T00:00:00Z", "2025-01-01T00:00:00+24:00", "2025-01-01T00:00:00+1:00"),
        *("2025-01-01T00:00:00 Z", " 2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z\n"),
        *(
            "2025-01-01  00:00:00Z",
            "2025-01-01T00:00:00.Z",
            "٢٠٢٥-01-01T00:00:00Z",
            "2025-01-01_00:00Z",
        ),
        "2025-01-01T00:00:00 UTC",
    ],
    ids=repr,
)
def test_other_texts(text: str) -> None:
    """None of them raises."""
    assert parse_iso8601(text) is None


@given(st.text(st.sampled_from("0123456789-:+., TZtz\n"), max_size=30) | st.text())
def test_any_text(text: str) -> None:
    """No text raises."""
    assert parse_iso8601(text) is None or text.isascii()


@given(
    moment=st.datetimes(
        min_value=datetime(2, 1, 1),  # noqa: DTZ001 - the offset is drawn, too
        max_value=datetime(9998, 1, 1),  # noqa: DTZ001
    ),
    minutes=st.integers(-1439, 1439),
)
def test_written_moments_are_read(moment: datetime, minutes: int) -> None:
    """As Python writes them."""
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    since = aware - datetime(1970, 1, 1, tzinfo=UTC)

    assert parse_iso8601(aware.isoformat()) == (
        since // timedelta(seconds=1),
        bool(moment.microsecond),
    )
