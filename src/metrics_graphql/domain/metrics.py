"""The question and the answer, as frozen values."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from metrics_graphql.domain.measures import ACUS_CONSUMED, MEASURES, SESSIONS_CREATED, Measure
from metrics_graphql.domain.periods import TimePeriod
from metrics_graphql.domain.sessions import MICROS_PER_ACU
from metrics_graphql.errors import BadUserInput

MAX_FILTER_IDS: Final = 1_000
"""How many ids one filter may name."""
MAX_ID_LENGTH: Final = 256
"""Characters of an id that is stored."""


def check_id(argument: str, value: str) -> str:
    """Return an id that every engine can store and compare.

    Raises:
        BadUserInput: it has a NUL or an unpaired surrogate, which PostgreSQL and UTF-8 have no
            place for. The argument is named.
    """
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise BadUserInput(argument, "must not contain NUL or unpaired surrogates")
    return value


def check_new_id(argument: str, value: str) -> str:
    """Return an id that may be stored, and asked for through either door.

    Raises:
        BadUserInput: as `check_id`; or it is empty, longer than `MAX_ID_LENGTH`, or has a comma or
            a control character.
    """
    if not value.strip():
        raise BadUserInput(argument, "must not be empty")
    if len(value) > MAX_ID_LENGTH:
        raise BadUserInput(argument, f"must have at most {MAX_ID_LENGTH} characters")
    if "," in value:
        # The REST door takes ids joined by commas.
        raise BadUserInput(argument, "must not contain a comma")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise BadUserInput(argument, "must not contain control characters")
    return check_id(argument, value)


def check_ids(argument: str, values: Iterable[str] | None) -> frozenset[str] | None:
    """Return the ids of a filter, each once; None stays None.

    Raises:
        BadUserInput: one can't be stored, or there are more than `MAX_FILTER_IDS` as given.
    """
    if values is None:
        return None
    given = list(values)
    if len(given) > MAX_FILTER_IDS:
        raise BadUserInput(argument, f"must have at most {MAX_FILTER_IDS} ids, not {len(given)}")
    return frozenset(check_id(argument, value) for value in given)


@dataclass(frozen=True, slots=True)
class Creators:
    """Sessions created by any of these users or any of these service users.

    None means that kind is not named at all. With both kinds named, either may match; a session
    that both name counts once. With only empty sets named, nothing matches.
    """

    user_ids: frozenset[str] | None = None
    service_user_ids: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class SessionMetricsQuery:
    """Which sessions are counted. Valid once made by `asked`."""

    org_id: str | None
    """None: the enterprise, which is all organizations."""
    period: TimePeriod
    creators: Creators = Creators()
    playbook_id: str | None = None
    org_ids: frozenset[str] | None = None
    """Which organizations of the enterprise; None is all. One that is not known has no sessions."""

    @classmethod
    def asked(  # noqa: PLR0913 - the seven arguments of both public APIs, all by name
        cls,
        *,
        org_id: str | None,
        time_after: int,
        time_before: int,
        user_ids: Iterable[str] | None = None,
        service_user_ids: Iterable[str] | None = None,
        playbook_id: str | None = None,
        org_ids: Iterable[str] | None = None,
    ) -> "SessionMetricsQuery":
        """Return the question that these arguments ask; each has its name from the REST API.

        An absent (None) filter restricts nothing, an empty list matches nothing.

        Raises:
            BadUserInput: naming the argument that can't be taken.
        """
        return cls(
            org_id=None if org_id is None else check_id("org_id", org_id),
            period=TimePeriod.between(time_after, time_before),
            creators=Creators(
                check_ids("user_ids", user_ids),
                check_ids("service_user_ids", service_user_ids),
            ),
            playbook_id=None if playbook_id is None else check_id("playbook_id", playbook_id),
            org_ids=check_ids("org_ids", org_ids),
        )

    def moved(self, period: TimePeriod) -> "SessionMetricsQuery":
        """Return the same question of another period."""
        return replace(self, period=period)


@dataclass(frozen=True, slots=True)
class SessionMetrics:
    """The answer: one sum for each measure that was asked for, by the measure's name."""

    sums: Mapping[str, int]

    def __getitem__(self, measure: Measure) -> int:
        """Return a measure's sum; a `KeyError` says that it was not asked for."""
        return self.sums[measure.name]

    def by_member(self, field: str) -> dict[str, int]:
        """Return the sums of a field that counts by category, as far as they were asked for."""
        return {
            measure.member: self.sums[measure.name]
            for measure in MEASURES
            if measure.field == field and measure.member and measure.name in self.sums
        }

    @property
    def avg_acus_per_session(self) -> float:
        """ACUs per session: the exact quotient, rounded once to a float; 0.0 for no sessions."""
        sessions = self[SESSIONS_CREATED]
        return self[ACUS_CONSUMED] / (sessions * MICROS_PER_ACU) if sessions else 0.0

    def change_since(self, previous: "SessionMetrics", measure: Measure) -> float | None:
        """Return the relative change of a measure: 0.25 is a quarter more; None from nothing."""
        before = previous[measure]
        return (self[measure] - before) / before if before else None

    def change_of_average_since(self, previous: "SessionMetrics") -> float | None:
        """Return the relative change of the average, the exact quotient rounded once."""
        acus, sessions = self[ACUS_CONSUMED], self[SESSIONS_CREATED]
        acus_before, sessions_before = previous[ACUS_CONSUMED], previous[SESSIONS_CREATED]
        if not acus_before:
            return None
        if not sessions:
            return -1.0
        before = acus_before * sessions
        return (acus * sessions_before - before) / before
