"""Periods: half-open, in order, and inside what every engine can hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.domain.periods import MAX_INSTANT, MIN_INSTANT, TimePeriod
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
