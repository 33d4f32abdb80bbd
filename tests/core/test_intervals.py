"""Calendar intervals at clock changes and other irregularities, with edges from a calendar."""

from datetime import datetime

import pytest

from metrics_graphql.core.errors import BadUserInput, TooManyBuckets
from metrics_graphql.core.intervals import MAX_BUCKETS, TimeInterval, buckets, time_zone
from metrics_graphql.core.periods import HOUR, TimePeriod


def instant(text: str) -> int:
    """Return an instant in Unix seconds."""
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("zone", "interval", "edges"),
    [
        pytest.param(
            "America/Los_Angeles",
            TimeInterval.DAY,
            ["2025-03-09T08:00Z", "2025-03-10T07:00Z"],
            id="a day of 23 hours",
        ),
        pytest.param(
            "America/Los_Angeles",
            TimeInterval.DAY,
            ["2025-11-02T07:00Z", "2025-11-03T08:00Z"],
            id="a day of 25 hours",
        ),
        pytest.param(
            "America/Los_Angeles",
            TimeInterval.HOUR,
            ["2025-11-02T08:00Z", "2025-11-02T09:00Z", "2025-11-02T10:00Z"],
            id="an hour that is repeated",
        ),
        pytest.param(
            "Australia/Lord_Howe",
            TimeInterval.HOUR,
            ["2025-04-05T14:00Z", "2025-04-05T15:00Z", "2025-04-05T15:30Z", "2025-04-05T16:30Z"],
            id="a clock set back by half an hour",
        ),
        pytest.param(
            "Pacific/Apia",
            TimeInterval.DAY,
            ["2011-12-29T10:00Z", "2011-12-30T10:00Z", "2011-12-31T10:00Z"],
            id="a day that the calendar skips has no bucket",
        ),
        pytest.param(
            "America/Sao_Paulo",
            TimeInterval.DAY,
            ["2018-11-03T03:00Z", "2018-11-04T03:00Z", "2018-11-05T02:00Z"],
            id="a day without a midnight begins at one",
        ),
        pytest.param(
            "Asia/Kathmandu",
            TimeInterval.MONTH,
            ["2025-01-31T18:15Z", "2025-02-28T18:15Z", "2025-03-31T18:15Z"],
            id="months that begin off the whole hour",
        ),
        pytest.param(
            "UTC",
            TimeInterval.WEEK,
            ["2024-12-30T00:00Z", "2025-01-06T00:00Z"],
            id="a week from Monday across the end of a year",
        ),
    ],
)
def test_buckets_follow_the_calendar_of_the_time_zone(
    zone: str, interval: TimeInterval, edges: list[str]
) -> None:
    """A period from the first edge to the last is cut at the edges between, and nowhere else."""
    instants = [instant(edge) for edge in edges]
    cut = buckets(TimePeriod(instants[0], instants[-1]), interval, time_zone(zone))

    assert [bucket.start for bucket in cut] == instants[:-1]
    assert cut[-1].end == instants[-1]


def test_the_first_and_last_buckets_are_clipped_to_the_period() -> None:
    """The period starts and ends in the middle of a day."""
    period = TimePeriod(instant("2025-01-01T12:00Z"), instant("2025-01-03T06:00Z"))
    cut = buckets(period, TimeInterval.DAY, time_zone("UTC"))

    assert cut == (
        TimePeriod(period.start, instant("2025-01-02T00:00Z")),
        TimePeriod(instant("2025-01-02T00:00Z"), instant("2025-01-03T00:00Z")),
        TimePeriod(instant("2025-01-03T00:00Z"), period.end),
    )


def test_the_empty_period_has_no_buckets() -> None:
    """There is no bucket of zero length either."""
    assert buckets(TimePeriod(5, 5), TimeInterval.DAY, time_zone("UTC")) == ()


def test_more_than_a_thousand_buckets_are_refused() -> None:
    """A thousand are allowed; one more second makes one more bucket."""
    utc = time_zone("UTC")
    assert len(buckets(TimePeriod(0, MAX_BUCKETS * HOUR), TimeInterval.HOUR, utc)) == MAX_BUCKETS

    with pytest.raises(TooManyBuckets):
        buckets(TimePeriod(0, MAX_BUCKETS * HOUR + 1), TimeInterval.HOUR, utc)


def test_the_last_interval_of_the_calendar_is_a_bucket() -> None:
    """No year follows the year 9999."""
    period = TimePeriod(instant("9999-11-01T00:00Z"), instant("9999-12-31T23:59:59Z"))
    december = instant("9999-12-01T00:00Z")

    assert buckets(period, TimeInterval.MONTH, time_zone("UTC")) == (
        TimePeriod(period.start, december),
        TimePeriod(december, period.end),
    )


def test_an_unknown_time_zone_is_refused() -> None:
    """The error names the argument."""
    with pytest.raises(BadUserInput) as refused:
        time_zone("Mars/Olympus")
    assert refused.value.path == ("time_zone",)
