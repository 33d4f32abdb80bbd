"""Periods: half-open, ordered, and within the range of every engine."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.core.errors import BadUserInput
from metrics_graphql.core.periods import (
    DAY,
    HOUR,
    MAX_INSTANT,
    MIN_INSTANT,
    THIRTY_DAYS,
    Segment,
    TimePeriod,
)


@given(st.integers(max_value=MAX_INSTANT), st.integers())
def test_bounds_of_any_size_are_clamped(one: int, other: int) -> None:
    """Clamping preserves the order and instants in range, and yields the years 1 to 9999."""
    after, before = sorted((one, other))
    period = TimePeriod.between(after, before)

    assert MIN_INSTANT <= period.start <= period.end <= MAX_INSTANT
    if MIN_INSTANT <= after <= MAX_INSTANT:
        assert period.start == after
    if MIN_INSTANT <= before <= MAX_INSTANT:
        assert period.end == before


def test_reversed_bounds_are_refused() -> None:
    """By one second as by ages, also if both bounds lie outside the supported range."""
    for after, before in ((1, 0), (-(2**79), -(2**80))):
        with pytest.raises(BadUserInput) as refused:
            TimePeriod.between(after, before)
        assert refused.value.path == ("filters", "time_before")


@pytest.mark.parametrize("before", [0, MAX_INSTANT + 1, 10**30])
@pytest.mark.parametrize("after", [MAX_INSTANT + 1, 1_763_600_000_000, 10**30])
def test_a_start_after_the_year_9999_is_refused(after: int, before: int) -> None:
    """Whatever the end: it is most likely in milliseconds, microseconds or nanoseconds."""
    with pytest.raises(BadUserInput, match="seconds are expected, not milliseconds") as refused:
        TimePeriod.between(after, before)

    assert refused.value.path == ("filters", "time_after")


def test_the_last_instant_of_the_year_9999_is_a_start() -> None:
    """And an end after it means no end."""
    assert TimePeriod.between(MAX_INSTANT, 10**30) == TimePeriod(MAX_INSTANT, MAX_INSTANT)
    assert TimePeriod.between(7, 1_763_600_000_000) == TimePeriod(7, MAX_INSTANT)


def test_equal_bounds_make_the_empty_period() -> None:
    """It is a valid period."""
    assert TimePeriod.between(7, 7) == TimePeriod(7, 7)


GRAINS = (THIRTY_DAYS, DAY, HOUR)
INSTANTS = st.integers(MIN_INSTANT, MAX_INSTANT) | st.builds(
    lambda bucket, grain, offset: bucket * grain + offset,
    st.integers(-20, 20),
    st.sampled_from(GRAINS),
    st.integers(-1, 1),
)


@given(st.tuples(INSTANTS, INSTANTS), st.sampled_from([GRAINS, GRAINS[:2], ()]))
def test_segments_tile_the_period(bounds: tuple[int, int], grains: tuple[int, ...]) -> None:
    """They are in order, without gaps or overlaps, and none is empty."""
    period = TimePeriod(min(bounds), max(bounds))
    segments = list(period.segments(grains))

    edges = [period.start, *(segment.end for segment in segments)]
    assert [segment.start for segment in segments] == edges[: len(segments)]
    assert edges[-1] == period.end
    assert all(segment.start < segment.end for segment in segments)


@given(st.tuples(INSTANTS, INSTANTS), st.sampled_from([GRAINS, GRAINS[:2], ()]))
def test_segments_are_few_and_of_whole_buckets(
    bounds: tuple[int, int], grains: tuple[int, ...]
) -> None:
    """At most two of each grain but the coarsest; raw ones are shorter than two fine buckets."""
    segments = list(TimePeriod(min(bounds), max(bounds)).segments(grains))

    assert len(segments) <= 2 * len(grains) + 1
    for grain, start, end, _ in segments:
        if grain is not None:
            assert start % grain == end % grain == 0
        elif grains:
            assert end - start < 2 * grains[-1]


def test_segments_of_an_unaligned_year() -> None:
    """Raw seconds, hours, days, months of 30 days, then days, hours and raw seconds again."""
    start, end = 100 * THIRTY_DAYS - DAY - HOUR - 1, 112 * THIRTY_DAYS + 2 * DAY + HOUR + 1
    first, last = 100 * THIRTY_DAYS, 112 * THIRTY_DAYS

    segments = TimePeriod(start, end).segments(GRAINS)
    assert [(each.grain, each.start, each.end) for each in segments] == [
        (None, start, start + 1),
        (HOUR, start + 1, first - DAY),
        (DAY, first - DAY, first),
        (THIRTY_DAYS, first, last),
        (DAY, last, last + 2 * DAY),
        (HOUR, last + 2 * DAY, end - 1),
        (None, end - 1, end),
    ]


@given(
    bounds=st.tuples(INSTANTS, INSTANTS),
    grains=st.sampled_from([GRAINS, GRAINS[:2], ()]),
    subtracts_raw=st.booleans(),
)
def test_signed_segments_add_up_to_the_period(
    bounds: tuple[int, int], grains: tuple[int, ...], *, subtracts_raw: bool
) -> None:
    """Each instant of it is in one segment more than is subtracted; others are in as many."""
    period = TimePeriod(min(bounds), max(bounds))
    segments = period.signed_segments(grains, subtracts_raw=subtracts_raw)

    edges = Counter[int]()
    for _, start, end, is_subtracted in segments:
        assert start < end
        sign = -1 if is_subtracted else 1
        edges.update({start: sign})
        edges.update({end: -sign})
    expected = {period.start: 1, period.end: -1} if period.start < period.end else {}
    assert {instant: sign for instant, sign in edges.items() if sign} == expected


@given(st.tuples(INSTANTS, INSTANTS), st.sampled_from([GRAINS, GRAINS[:2]]))
def test_signed_segments_read_less(bounds: tuple[int, int], grains: tuple[int, ...]) -> None:
    """They have no more raw seconds than those of `segments`, and at most two more buckets."""
    period = TimePeriod(min(bounds), max(bounds))
    signed, unsigned = period.signed_segments(grains, subtracts_raw=True), period.segments(grains)

    for grain, start, end, _ in signed:
        assert grain is None or start % grain == end % grain == 0
    assert bucket_count(signed) <= bucket_count(unsigned) + 2
    assert raw_seconds(signed) <= raw_seconds(unsigned)
    if bucket_count(signed):
        assert raw_seconds(signed) <= grains[-1]


def bucket_count(segments: Sequence[Segment]) -> int:
    """Return the number of buckets in some segments."""
    return sum((each.end - each.start) // each.grain for each in segments if each.grain)


def raw_seconds(segments: Sequence[Segment]) -> int:
    """Return the length of the raw segments."""
    return sum(each.end - each.start for each in segments if each.grain is None)


def test_two_hours_less_than_two_days_are_two_days_minus_two_hours() -> None:
    """Raw sessions of two hours are read, instead of those of 22."""
    assert TimePeriod(2 * HOUR, 2 * DAY).signed_segments([DAY], subtracts_raw=True) == [
        Segment(None, 0, 2 * HOUR, is_subtracted=True),
        Segment(DAY, 0, 2 * DAY),
    ]


def test_a_day_of_berlin_is_a_day_of_utc_with_an_hour_more_and_one_less() -> None:
    """It begins an hour before that of UTC."""
    assert TimePeriod(-HOUR, DAY - HOUR).signed_segments(GRAINS, subtracts_raw=True) == [
        Segment(HOUR, -HOUR, 0),
        Segment(HOUR, DAY - HOUR, DAY, is_subtracted=True),
        Segment(DAY, 0, DAY),
    ]
