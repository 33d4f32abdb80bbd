"""Periods: half-open, in order, and inside what every engine can hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.domain.periods import (
    DAY,
    HOUR,
    MAX_INSTANT,
    MIN_INSTANT,
    THIRTY_DAYS,
    TimePeriod,
)
from metrics_graphql.errors import BadUserInput


@given(st.integers(), st.integers())
def test_bounds_of_any_size_become_bounds_that_fit(one: int, other: int) -> None:
    """Clamping keeps the order, keeps instants that fit, and never leaves the years 1 to 9999."""
    after, before = sorted((one, other))
    period = TimePeriod.between(after, before)

    assert MIN_INSTANT <= period.start <= period.end <= MAX_INSTANT
    if MIN_INSTANT <= after <= MAX_INSTANT:
        assert period.start == after
    if MIN_INSTANT <= before <= MAX_INSTANT:
        assert period.end == before


def test_reversed_bounds_are_refused() -> None:
    """By a second as by an age, and even where both lie outside what is stored."""
    for after, before in ((1, 0), (2**80, 2**79)):
        with pytest.raises(BadUserInput) as refused:
            TimePeriod.between(after, before)
        assert refused.value.argument == "time_before"


def test_equal_bounds_make_the_empty_period() -> None:
    """It is a period like any other."""
    assert TimePeriod.between(7, 7) == TimePeriod(7, 7)


GRAINS = (THIRTY_DAYS, DAY, HOUR)
INSTANTS = st.integers(MIN_INSTANT, MAX_INSTANT) | st.builds(
    lambda bucket, grain, beside: bucket * grain + beside,
    st.integers(-20, 20),
    st.sampled_from(GRAINS),
    st.integers(-1, 1),
)


@given(st.tuples(INSTANTS, INSTANTS), st.sampled_from([GRAINS, GRAINS[:2], ()]))
def test_segments_tile_the_period(bounds: tuple[int, int], grains: tuple[int, ...]) -> None:
    """They come in order, leave no gap, overlap nowhere, and none is empty."""
    period = TimePeriod(min(bounds), max(bounds))
    segments = list(period.segments(grains))

    edges = [period.start, *(segment.end for segment in segments)]
    assert [segment.start for segment in segments] == edges[: len(segments)]
    assert edges[-1] == period.end
    assert all(segment.start < segment.end for segment in segments)


@given(st.tuples(INSTANTS, INSTANTS), st.sampled_from([GRAINS, GRAINS[:2], ()]))
def test_segments_are_whole_buckets_and_few(
    bounds: tuple[int, int], grains: tuple[int, ...]
) -> None:
    """At most two of each grain but the coarsest, and raw ones shorter than the finest bucket."""
    segments = list(TimePeriod(min(bounds), max(bounds)).segments(grains))

    assert len(segments) <= 2 * len(grains) + 1
    for grain, start, end in segments:
        if grain is not None:
            assert start % grain == end % grain == 0
        elif grains:
            assert end - start < 2 * grains[-1]


def test_segments_of_a_year_with_ragged_ends() -> None:
    """Raw seconds, hours, days, months of 30 days, and the same back again."""
    start, end = 100 * THIRTY_DAYS - DAY - HOUR - 1, 112 * THIRTY_DAYS + 2 * DAY + HOUR + 1
    first, last = 100 * THIRTY_DAYS, 112 * THIRTY_DAYS

    assert list(TimePeriod(start, end).segments(GRAINS)) == [
        (None, start, start + 1),
        (HOUR, start + 1, first - DAY),
        (DAY, first - DAY, first),
        (THIRTY_DAYS, first, last),
        (DAY, last, last + 2 * DAY),
        (HOUR, last + 2 * DAY, end - 1),
        (None, end - 1, end),
    ]
