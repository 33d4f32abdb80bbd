"""Breakdowns: the same measures for each user, playbook, origin..., ranked by one of them."""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Final, NamedTuple

from metrics_graphql.core.errors import BadUserInput
from metrics_graphql.core.measures import (
    ACUS_CONSUMED,
    AVERAGE_ACUS,
    MEASURES,
    SESSIONS_CREATED,
    Measure,
)
from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.core.results import SessionMetrics

MAX_ROWS: Final = 100
"""Rows that one page of a breakdown may have."""

ORDER_MEASURES: Final = {
    **{measure.name: (measure,) for measure in MEASURES},
    AVERAGE_ACUS: (ACUS_CONSUMED, SESSIONS_CREATED),
}
"""The fields that rows can be ranked by, and the measures that each reads."""


class Dimension(Enum):
    """The field of a session to group by. Origins and sizes are grouped by their public values."""

    USER = "user_id"
    SERVICE_USER = "service_user_id"
    PLAYBOOK = "playbook_id"
    ORGANIZATION = "org_id"
    ORIGIN = "origin"
    SIZE = "size"


class OrderDirection(Enum):
    """Smallest or largest value first."""

    ASC = "asc"
    DESC = "desc"


class Position(NamedTuple):
    """The sort key of a row: its value, then its id. Keyset pagination continues after it."""

    value: Fraction
    """A sum, or ACUs in millionths per session."""
    id: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """The order of rows, how many to return, and after which.

    Raises:
        BadUserInput: `first` is not from 1 to `MAX_ROWS`.
    """

    field: str
    """A key of `ORDER_MEASURES`. Rows with equal values are ranked by id."""
    direction: OrderDirection
    first: int
    after: Position | None = None
    """Return the rows after this position; None: from the first one on."""

    def __post_init__(self) -> None:
        if not 1 <= self.first <= MAX_ROWS:
            raise BadUserInput(("first",), f"must be from 1 to {MAX_ROWS}, not {self.first}")

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measures that the ranking reads."""
        return ORDER_MEASURES[self.field]


class BreakdownQuery(NamedTuple):
    """A query, the dimension to group its sessions by, and the measures of each row."""

    query: SessionMetricsQuery
    dimension: Dimension
    ranking: Ranking
    measures: tuple[Measure, ...]
    with_total_count: bool = True
    with_names: bool = False


class BreakdownRow(NamedTuple):
    """The sessions of one user, service user, playbook, organization, origin or size."""

    id: str
    metrics: SessionMetrics
    name: str | None = None
    """None if it has none, or names were not requested."""

    def position(self, ranking: Ranking) -> Position:
        """Return the position of the row in a ranking."""
        value, *count = (self.metrics[measure] for measure in ranking.measures)
        return Position(Fraction(value, *count), self.id)


class Breakdown(NamedTuple):
    """A page of ranked rows."""

    rows: tuple[BreakdownRow, ...]
    has_next_page: bool
    total_count: int | None
    """The number of all rows; None if it was not requested."""
    data_version: int = 0
    """The rows are at least as new as this data version of the tenant."""
