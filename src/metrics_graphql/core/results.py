"""The result of a query: sums of measures, and what is derived from them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from metrics_graphql.core.measures import ACUS_CONSUMED, SESSIONS_CREATED, Measure
from metrics_graphql.core.sessions import MICROS_PER_ACU


@dataclass(frozen=True, slots=True)
class SessionMetrics:
    """A sum for each requested measure, and for those it is computed from, by name."""

    sums: Mapping[str, int]

    @classmethod
    def from_sums(
        cls, names: Iterable[str], values: Iterable[int], remainders: Iterable[Measure]
    ) -> "SessionMetrics":
        """Return the metrics with these sums, and with the remainders computed from them."""
        sums = dict(zip(names, values, strict=True))
        for each in remainders:
            sums[each.name] = each.value_from(sums)
        return cls(sums)

    def __getitem__(self, measure: Measure) -> int:
        """Return a measure's sum; `KeyError` if it was not requested."""
        return self.sums[measure.name]

    @property
    def avg_acus_per_session(self) -> float:
        """ACUs per session: the exact quotient, rounded once to a float. 0.0 for no sessions."""
        sessions = self[SESSIONS_CREATED]
        return self[ACUS_CONSUMED] / (sessions * MICROS_PER_ACU) if sessions else 0.0

    @property
    def acus_consumed(self) -> float:
        """ACUs in total: the exact sum, rounded once to a float."""
        return self[ACUS_CONSUMED] / MICROS_PER_ACU

    def change_since(self, previous: "SessionMetrics", measure: Measure) -> float | None:
        """Return the relative change of a measure; 0.25 means 25 % more.

        None if the previous value is 0.
        """
        before = previous[measure]
        return (self[measure] - before) / before if before else None

    def change_of_average_since(self, previous: "SessionMetrics") -> float | None:
        """Return the relative change of the average: the exact quotient, rounded once.

        None if the previous average is 0.
        """
        acus, sessions = self[ACUS_CONSUMED], self[SESSIONS_CREATED]
        acus_before, sessions_before = previous[ACUS_CONSUMED], previous[SESSIONS_CREATED]
        if not acus_before:
            return None
        if not sessions:
            return -1.0
        before = acus_before * sessions
        return (acus * sessions_before - before) / before
