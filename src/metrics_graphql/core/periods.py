"""Periods: half-open spans of time, in whole Unix seconds, UTC."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Self

from metrics_graphql.core.errors import BadUserInput

MIN_INSTANT: Final = -62_135_596_800
"""0001-01-01T00:00:00Z, the first instant of ISO 8601 with a four-digit year."""
MAX_INSTANT: Final = 253_402_300_799
"""9999-12-31T23:59:59Z, the last one. Every stored session was created earlier."""

# Grains of roll-ups, in seconds. Buckets are aligned to the epoch, and each grain is a multiple of
# the finer one.
QUARTER_HOUR: Final = 900
HOUR: Final = 3_600
DAY: Final = 86_400
FIVE_DAYS: Final = 5 * DAY
FIFTEEN_DAYS: Final = 15 * DAY
THIRTY_DAYS: Final = 30 * DAY


class Segment(NamedTuple):
    """A part of a period: whole buckets of one grain, or raw sessions if `grain` is None."""

    grain: int | None
    start: int
    end: int
    is_subtracted: bool = False
    """Whether the segment is outside of the period, and is subtracted because a bucket that reaches
    beyond the period includes it."""


def clamp_instant(instant: int) -> int:
    """Return the nearest instant from `MIN_INSTANT` to `MAX_INSTANT`.

    No session was created outside, so a clamped bound selects the same sessions, and a bound of any
    size fits into an engine's integers.
    """
    return max(MIN_INSTANT, min(instant, MAX_INSTANT))


class TimePeriod(NamedTuple):
    """The span `[start, end)`. Adjacent periods have no session in common.

    `between` creates one. Both bounds are from `MIN_INSTANT` to `MAX_INSTANT`.
    """

    start: int
    end: int

    @classmethod
    def between(cls, time_after: int, time_before: int) -> Self:
        """Return the period between two instants in Unix seconds.

        Equal instants give the empty period. A `time_before` after the year 9999 means no end.

        Raises:
            BadUserInput: `time_after` is after the year 9999, or `time_before` is earlier than it.
        """
        if time_after > MAX_INSTANT:
            # Unix milliseconds of 1978 and later are beyond the year 9999 if read as seconds.
            raise BadUserInput(
                ("filters", "time_after"),
                "must not be after the year 9999: Unix seconds are expected, not milliseconds",
            )
        if time_before < time_after:
            raise BadUserInput(
                ("filters", "time_before"), "must not be earlier than the start of the period"
            )
        return cls(clamp_instant(time_after), clamp_instant(time_before))

    def previous(self) -> Self:
        """Return the period of equal length that ends where this one starts.

        It is shorter if it would start before the year 1.
        """
        return type(self)(clamp_instant(2 * self.start - self.end), self.start)

    def segments(self, grains: Sequence[int]) -> list[Segment]:
        """Cut the period into the coarsest buckets that fit, and raw sessions at its ends.

        `grains` are in seconds, coarsest first. The segments partition the period, in order. None
        is empty; there is at most one of the coarsest grain and two of every other, raw included.
        """
        before: list[Segment] = []
        after: list[Segment] = []
        start, end, finer = self.start, self.end, None
        for grain in reversed(grains):
            first, last = -(-start // grain) * grain, end // grain * grain
            if first >= last:
                break
            if start < first:
                before.append(Segment(finer, start, first))
            if last < end:
                after.append(Segment(finer, last, end))
            start, end, finer = first, last, grain
        if start < end:
            before.append(Segment(finer, start, end))
        return before + after[::-1]

    def signed_segments(self, grains: Sequence[int], *, subtracts_raw: bool) -> list[Segment]:
        """Cut the period like `segments`, but with buckets that extend beyond it if less is read.

        Segments outside of the period, which such buckets include, are subtracted. The sums of all
        segments then add up to that of the period: a day in Berlin is a day in UTC, plus one hour,
        minus another, instead of 24 hours. Raw sessions are only subtracted with `subtracts_raw`.
        """
        segments: list[Segment] = []
        start, end, finer = self.start, self.end, None
        for grain in reversed(grains):
            if finer is None and not subtracts_raw:
                first, last = -(-start // grain) * grain, end // grain * grain
            else:
                first, last = round_half_up(start, grain), -round_half_up(-end, grain)
            difference = abs(start - first) + abs(end - last)
            if finer is None:
                reads_less = difference < end - start
            else:
                # Coarser buckets, and finer ones for the difference, must be fewer than finer
                # ones alone.
                reads_less = difference // finer + (last - first) // grain < (end - start) // finer
            if first >= last or not reads_less:
                break
            segments += (signed_segment(finer, start, first), signed_segment(finer, last, end))
            start, end, finer = first, last, grain
        segments.append(Segment(finer, start, end))
        return [each for each in segments if each.start < each.end]


def round_half_up(instant: int, grain: int) -> int:
    """Return the multiple of a grain that is nearest to an instant; the later one in a tie."""
    return (instant + grain // 2) // grain * grain


def signed_segment(grain: int | None, start: int, end: int) -> Segment:
    """Return the segment between two instants, subtracted if the second one is earlier."""
    return (
        Segment(grain, start, end)
        if start <= end
        else Segment(grain, end, start, is_subtracted=True)
    )
