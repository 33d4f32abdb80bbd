"""Calendar intervals at the places where calendars are odd, with edges read off a calendar."""

from datetime import datetime

import pytest

from metrics_graphql.domain.intervals import MAX_BUCKETS, TimeInterval, buckets, time_zone
from metrics_graphql.domain.periods import HOUR, TimePeriod
from metrics_graphql.errors import BadUserInput, TooManyBuckets


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
            id="the hour from one to two comes twice",
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
            id="months off the whole hour",
        ),
        pytest.param(
            "UTC",
            TimeInterval.WEEK,
            ["2024-12-30T00:00Z", "2025-01-06T00:00Z"],
            id="a week from Monday across the year",
        ),
    ],
)
def test_buckets_begin_where_the_calendar_says(
    zone: str, interval: TimeInterval, edges: list[str]
) -> None:
    """A period from the first edge to the last is cut at those between, and nowhere else."""
    instants = [instant(edge) for edge in edges]
    cut = buckets(TimePeriod(instants[0], instants[-1]), interval, time_zone(zone))

    assert [bucket.start for bucket in cut] == instants[:-1]
    assert cut[-1].end == instants[-1]


def test_the_first_and_the_last_bucket_are_clipped() -> None:
    """To the period that was asked for."""
    period = TimePeriod(instant("2025-01-01T12:00Z"), instant("2025-01-03T06:00Z"))
    cut = buckets(period, TimeInterval.DAY, time_zone("UTC"))

    assert cut == (
        TimePeriod(period.start, instant("2025-01-02T00:00Z")),
        TimePeriod(instant("2025-01-02T00:00Z"), instant("2025-01-03T00:00Z")),
        TimePeriod(instant("2025-01-03T00:00Z"), period.end),
    )


def test_the_empty_period_has_no_bucket() -> None:
    """Not even an empty one."""
    assert buckets(TimePeriod(5, 5), TimeInterval.DAY, time_zone("UTC")) == ()


def test_a_thousand_buckets_are_the_most() -> None:
    """One second more is one bucket more."""
    utc = time_zone("UTC")
    assert len(buckets(TimePeriod(0, MAX_BUCKETS * HOUR), TimeInterval.HOUR, utc)) == MAX_BUCKETS

    with pytest.raises(TooManyBuckets):
        buckets(TimePeriod(0, MAX_BUCKETS * HOUR + 1), TimeInterval.HOUR, utc)


def test_an_unknown_zone_is_refused() -> None:
    """The argument is named."""
    with pytest.raises(BadUserInput) as refused:
        time_zone("Mars/Olympus")
    assert refused.value.argument == "time_zone"
