"""Spans of time: half-open, in whole Unix seconds, UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from metrics_graphql.errors import BadUserInput

MIN_INSTANT: Final = -62_135_596_800
"""0001-01-01T00:00:00Z, the first instant that ISO 8601 can write in four digits of year."""
MAX_INSTANT: Final = 253_402_300_799
"""9999-12-31T23:59:59Z, the last one. Every stored session was created before it."""

QUARTER_HOUR: Final = 900
HOUR: Final = 3_600
DAY: Final = 86_400
THIRTY_DAYS: Final = 30 * DAY
"""Grains of roll-ups: lengths in seconds, counted from the epoch, each a multiple of the finer."""


class Segment(NamedTuple):
    """A run of whole buckets of one grain; `grain` None is a run of raw sessions."""

    grain: int | None
    start: int
    end: int


def clamp_instant(instant: int) -> int:
    """Return the nearest instant between `MIN_INSTANT` and `MAX_INSTANT`.

    No session lies outside, so a bound that is moved here counts the same sessions; and no bound,
    however large, overflows an engine's integers.
    """
    return max(MIN_INSTANT, min(instant, MAX_INSTANT))


@dataclass(frozen=True, slots=True)
class TimePeriod:
    """The span `[start, end)`: its start is in, its end is out, so adjacent spans share nothing.

    Make one with `between`; both bounds lie between `MIN_INSTANT` and `MAX_INSTANT`.
    """

    start: int
    end: int

    @classmethod
    def between(cls, time_after: int, time_before: int) -> Self:
        """Return the period between two instants, of any size, in Unix seconds.

        Equal instants make the empty period.

        Raises:
            BadUserInput: `time_before` is earlier than `time_after`.
        """
        if time_before < time_after:
            raise BadUserInput("time_before", "must not be earlier than the start of the period")
        return cls(clamp_instant(time_after), clamp_instant(time_before))

    def previous(self) -> Self:
        """Return the period of equal length that ends where this one starts."""
        return type(self)(clamp_instant(2 * self.start - self.end), self.start)

    def segments(self, grains: Sequence[int]) -> list[Segment]:
        """Cut the period into runs of the coarsest buckets that fit, and raw runs at its ends.

        `grains` are lengths in seconds, coarsest first. The runs tile the period: they come in
        order, none is empty, and there are at most two of each grain but the coarsest, two raw
        ones included.
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
