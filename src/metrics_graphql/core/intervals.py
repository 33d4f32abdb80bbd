"""Calendar intervals: buckets of a period by hour, day, week or month in a time zone."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache, partial
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from metrics_graphql.core.errors import BadUserInput, TooManyBuckets
from metrics_graphql.core.periods import DAY, HOUR, TimePeriod

MAX_BUCKETS: Final = 1_000
"""Buckets that a series may have."""


class TimeInterval(Enum):
    """A calendar interval. The value is its nominal length in seconds."""

    HOUR = HOUR
    DAY = DAY
    WEEK = 7 * DAY
    MONTH = 30 * DAY


@lru_cache(maxsize=1)
def time_zone_names() -> frozenset[str]:
    """Return the names in the IANA time zone database."""
    # The system's own files, and the placeholder `Factory`, name no place.
    return frozenset(available_timezones()) - {"localtime", "posixrules", "Factory"}


def time_zone(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database.

    Raises:
        BadUserInput: the name is unknown.
    """
    if name not in time_zone_names():
        expected = "must be the exact name of an IANA time zone, like Europe/Berlin"
        raise BadUserInput(("time_zone",), expected)
    return ZoneInfo(name)


@lru_cache(maxsize=256)
def buckets(period: TimePeriod, interval: TimeInterval, zone: ZoneInfo) -> tuple[TimePeriod, ...]:
    """Return the buckets of a period, oldest first, cut where intervals begin in a time zone.

    The buckets partition the period; the first and the last may be shorter than the interval. A
    day has 23 or 25 hours when the clocks change, and a day that the calendar skips has no bucket.

    Raises:
        TooManyBuckets: the period has more than `MAX_BUCKETS` buckets.
        BadUserInput: the period is outside the years of Python's calendar.
    """
    if period.start == period.end:
        return ()
    edges = [period.start]
    try:
        edges += islice(interval_starts(period, interval, zone), MAX_BUCKETS)
    except (OverflowError, ValueError):
        raise BadUserInput(
            ("filters", "time_after"), "must be within the years 1 to 9999"
        ) from None
    if len(edges) > MAX_BUCKETS:
        raise TooManyBuckets(interval.name, period.end - period.start, interval.value, MAX_BUCKETS)
    ends = [*edges[1:], period.end]
    return tuple(TimePeriod(*bounds) for bounds in zip(edges, ends, strict=True))


def interval_starts(period: TimePeriod, interval: TimeInterval, zone: ZoneInfo) -> Iterator[int]:
    """Yield the instants in a period at which an interval begins, without the period's start."""
    if interval is TimeInterval.HOUR:
        starts = hour_starts(period.start, zone)
    else:
        starts = day_starts(period.start, interval, zone)
    for instant in starts:
        if instant >= period.end:
            return
        if instant > period.start:
            yield instant


def hour_starts(start: int, zone: ZoneInfo) -> Iterator[int]:
    """Yield the instants after a start at which the local clock shows a full hour or changes."""
    instant = start
    while True:
        offset = utc_offset(instant, zone)
        following = instant + HOUR - (instant + offset) % HOUR
        if utc_offset(following - 1, zone) != offset:
            following = first_instant(instant, following, partial(has_other_offset, offset, zone))
        yield following
        instant = following


def day_starts(start: int, interval: TimeInterval, zone: ZoneInfo) -> Iterator[int]:
    """Yield the instants after a start at which a day, week or month begins."""
    before = start
    for year in range(datetime.fromtimestamp(start, zone).year, MAXYEAR + 1):
        for instant in starts_of_year(year, interval, zone):
            if instant > before:
                yield instant
                before = instant


@lru_cache(maxsize=256)
def starts_of_year(year: int, interval: TimeInterval, zone: ZoneInfo) -> tuple[int, ...]:
    """Return the instants at which the days, weeks or months of a year begin.

    The first week may begin in the year before. Finding midnight takes longer than everything else
    about a bucket. Therefore the instants are cached, at most 366 in each entry.
    """
    day = first_day(date(year, 1, 1), interval)
    instants = []
    with suppress(OverflowError):  # The calendar ends with the year 9999.
        while day.year <= year:
            instants.append(midnight(day, zone))
            day = next_day(day, interval)
    return tuple(instants)


def first_day(day: date, interval: TimeInterval) -> date:
    """Return the first day of the interval that contains a day."""
    if interval is TimeInterval.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval is TimeInterval.MONTH else day


def next_day(day: date, interval: TimeInterval) -> date:
    """Return the first day of the interval after the one that begins on a day."""
    if interval is TimeInterval.MONTH:
        return (day + timedelta(days=31)).replace(day=1)
    return day + timedelta(days=7 if interval is TimeInterval.WEEK else 1)


def midnight(day: date, zone: ZoneInfo) -> int:
    """Return the first instant of a day in local time; of a later day if the calendar skips it.

    Where the clock is set back across midnight, the day begins at the first of two midnights.
    """
    local = datetime.combine(day, time())
    first = int(local.replace(tzinfo=zone, fold=0).timestamp())
    second = int(local.replace(tzinfo=zone, fold=1).timestamp())
    if first <= second:
        return first
    # Midnight is in a gap: the two readings lie on either side of the clock change.
    return first_instant(
        second, first, lambda at: datetime.fromtimestamp(at, zone).replace(tzinfo=None) >= local
    )


def first_instant(start: int, end: int, is_reached: Callable[[int], bool]) -> int:
    """Return the first instant in `[start, end)` for which `is_reached` is true; else the end.

    A binary search: once it is true, it must remain so.
    """
    offsets = range(end - start)
    return start + bisect_left(offsets, 1, key=lambda offset: is_reached(start + offset))


def has_other_offset(offset: int, zone: ZoneInfo, instant: int) -> bool:
    """Return whether the UTC offset at an instant differs from another one."""
    return utc_offset(instant, zone) != offset


def utc_offset(instant: int, zone: ZoneInfo) -> int:
    """Return the UTC offset at an instant, in seconds."""
    local = datetime.fromtimestamp(instant, zone).replace(tzinfo=UTC)
    return int(local.timestamp()) - instant
