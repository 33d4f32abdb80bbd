"""Which rows answer a query: roll-ups where they are exact, raw sessions elsewhere."""

from enum import Enum
from typing import Final, NamedTuple

from metrics_graphql.core.periods import TimePeriod
from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.core.tenants import ENTERPRISE
from metrics_graphql.storage.dialects import TimeRange
from metrics_graphql.storage.rollups import (
    ORGANIZATION,
    PLAYBOOK,
    SERVICE_USER,
    USER,
    RollupDimension,
)
from metrics_graphql.telemetry.request_record import DataSource


class FilterShape(NamedTuple):
    """Which filters a query has; their values are bound to the statement."""

    users: bool
    service_users: bool
    playbook: bool


class OrganizationFilter(Enum):
    """How a statement selects organizations: by an id, by a list of ids, or all."""

    ONE = "one"
    SOME = "some"
    ALL = "all"


DIMENSION_BY_FILTERS: Final = {
    FilterShape(users=False, service_users=False, playbook=False): ORGANIZATION,
    FilterShape(users=True, service_users=False, playbook=False): USER,
    FilterShape(users=False, service_users=True, playbook=False): SERVICE_USER,
    FilterShape(users=False, service_users=False, playbook=True): PLAYBOOK,
}
"""The dimension whose roll-ups have the sessions that the filters match.

A roll-up sums the sessions with one id. With filters of two kinds, none knows which sessions match
both. With users and service users, a session created by one of each would count twice. Such
queries read raw sessions, through the filters' indexes.
"""


class QueryPlan(NamedTuple):
    """How to answer queries that differ in their period only, with one statement."""

    filters: FilterShape
    organizations: OrganizationFilter
    rollup_dimension: RollupDimension | None
    """The roll-ups to read between the raw ends of a period; None to read raw sessions only."""

    @property
    def data_source(self) -> DataSource:
        """The source to record for the statement."""
        return "rollups" if self.rollup_dimension else "raw"

    def ranges(self, query_index: int, period: TimePeriod) -> list[TimeRange]:
        """Cut the period of a query into ranges of buckets and of raw sessions."""
        grains = self.rollup_dimension.grains if self.rollup_dimension else ()
        return [
            TimeRange(query_index, segment.grain or 0, segment.start, segment.end)
            for segment in period.segments(grains)
        ]


def plan_query(query: SessionMetricsQuery, *, has_rollups: bool) -> QueryPlan:
    """Return the plan with the fewest rows to read that answers a query exactly."""
    filters = FilterShape(
        users=query.filters.user_ids is not None,
        service_users=query.filters.service_user_ids is not None,
        playbook=query.filters.playbook_id is not None,
    )
    dimension = DIMENSION_BY_FILTERS.get(filters) if has_rollups else None
    return QueryPlan(filters, organization_filter(query), dimension)


def organization_filter(query: SessionMetricsQuery) -> OrganizationFilter:
    """Return how the statement of a query selects organizations."""
    if query.tenant is not ENTERPRISE:
        return OrganizationFilter.ONE
    if query.filters.org_ids is None:
        return OrganizationFilter.ALL
    return OrganizationFilter.SOME
