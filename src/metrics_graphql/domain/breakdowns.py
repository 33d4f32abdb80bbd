"""The same measures for each user, playbook or organization: question and answer, as values."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from metrics_graphql.domain.measures import (
    ACUS_CONSUMED,
    SESSIONS_CREATED,
    SESSIONS_WITH_MERGED_PRS,
    Measure,
)
from metrics_graphql.domain.metrics import SessionMetrics, SessionMetricsQuery
from metrics_graphql.errors import BadUserInput

MAX_ROWS: Final = 100
"""How many rows one breakdown may return."""


class Dimension(Enum):
    """What the rows of a breakdown are; the value is the fields of a session that name them."""

    USER = ("user_id", "service_user_id")
    PLAYBOOK = ("playbook_id",)
    ORGANIZATION = ("org_id",)


class OrderField(Enum):
    """What rows are ranked by: the measures that it takes."""

    SESSIONS_CREATED_COUNT = (SESSIONS_CREATED,)
    SESSIONS_WITH_MERGED_PRS_COUNT = (SESSIONS_WITH_MERGED_PRS,)
    AVG_ACUS_PER_SESSION = (ACUS_CONSUMED, SESSIONS_CREATED)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Which rows come first. Equal rows are ranked by id, users before service users."""

    by: OrderField
    descending: bool
    first: int
    """How many rows to return, from 1 to `MAX_ROWS`."""

    def __post_init__(self) -> None:
        """Raise `BadUserInput` for a number of rows that is out of bounds."""
        if not 1 <= self.first <= MAX_ROWS:
            raise BadUserInput("first", f"must be from 1 to {MAX_ROWS}, not {self.first}")


class BreakdownQuery(NamedTuple):
    """Whose sessions are counted, by what, in which order, and which measures are wanted."""

    question: SessionMetricsQuery
    dimension: Dimension
    ranking: Ranking
    measures: tuple[Measure, ...]


class BreakdownRow(NamedTuple):
    """The sessions that name one id."""

    field: str
    """The field of a session that names it."""
    id: str
    metrics: SessionMetrics


class Breakdown(NamedTuple):
    """The highest ranked rows, and how many rows there are in all."""

    rows: tuple[BreakdownRow, ...]
    total: int
