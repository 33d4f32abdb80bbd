"""Breakdowns: the same measures for each user, playbook or organization, ranked by one of them."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from metrics_graphql.core.errors import BadUserInput
from metrics_graphql.core.measures import (
    ACUS_CONSUMED,
    AVERAGE_ACUS,
    SESSIONS_CREATED,
    SESSIONS_WITH_MERGED_PRS,
    Measure,
)
from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.core.results import SessionMetrics

MAX_ROWS: Final = 100
"""Rows that one breakdown may return."""


class Dimension(Enum):
    """What sessions are grouped by. `USER` has a row for each user and each service user."""

    USER = "user"
    PLAYBOOK = "playbook"
    ORGANIZATION = "organization"


class CreatorKind(Enum):
    """The kinds of users that create sessions."""

    USER = "user"
    SERVICE_USER = "service_user"


class OrderField(Enum):
    """The fields that rows can be ranked by, as the REST API names them."""

    SESSIONS_CREATED_COUNT = SESSIONS_CREATED.name
    SESSIONS_WITH_MERGED_PRS_COUNT = SESSIONS_WITH_MERGED_PRS.name
    AVG_ACUS_PER_SESSION = AVERAGE_ACUS

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measures that the ranking reads."""
        return ORDER_MEASURES[self]


ORDER_MEASURES: Final = {
    OrderField.SESSIONS_CREATED_COUNT: (SESSIONS_CREATED,),
    OrderField.SESSIONS_WITH_MERGED_PRS_COUNT: (SESSIONS_WITH_MERGED_PRS,),
    OrderField.AVG_ACUS_PER_SESSION: (ACUS_CONSUMED, SESSIONS_CREATED),
}


class OrderDirection(Enum):
    """The two directions of a ranking."""

    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True)
class Ranking:
    """The order of rows, and how many to return. Ties are ranked by id, users first.

    Raises:
        BadUserInput: `first` is not from 1 to `MAX_ROWS`.
    """

    field: OrderField
    direction: OrderDirection
    first: int

    def __post_init__(self) -> None:
        if not 1 <= self.first <= MAX_ROWS:
            raise BadUserInput(("first",), f"must be from 1 to {MAX_ROWS}, not {self.first}")


class BreakdownQuery(NamedTuple):
    """A query, the dimension to group its sessions by, and the measures of each row."""

    query: SessionMetricsQuery
    dimension: Dimension
    ranking: Ranking
    measures: tuple[Measure, ...]


class BreakdownRow(NamedTuple):
    """The sessions of one user, service user, playbook or organization."""

    id: str
    creator_kind: CreatorKind | None
    """Whether the id is a user's or a service user's; None in other dimensions."""
    metrics: SessionMetrics


class Breakdown(NamedTuple):
    """The highest ranked rows, and the number of all rows."""

    rows: tuple[BreakdownRow, ...]
    total_count: int
