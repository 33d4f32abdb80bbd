"""The fields below a query that fetch on their own: series, previous period, breakdowns.

Each is a `FetchSpec`: `bind` takes its arguments, `render` makes its value of what was fetched.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, Self

import strawberry

from metrics_graphql.core import intervals
from metrics_graphql.core.breakdowns import BreakdownQuery, BreakdownRow, CreatorKind, Dimension
from metrics_graphql.core.periods import TimePeriod as Period
from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.graphql_api.breakdown_types import (
    Organization,
    OrganizationBreakdown,
    OrganizationSessionMetrics,
    Playbook,
    PlaybookBreakdown,
    PlaybookSessionMetrics,
    SessionUser,
    UserBreakdown,
    UserSessionMetrics,
)
from metrics_graphql.graphql_api.fetch_spec import Fetched, FetchSpec
from metrics_graphql.graphql_api.inputs import SessionMetricsOrder
from metrics_graphql.graphql_api.lookahead import Lookahead
from metrics_graphql.graphql_api.period_types import (
    PreviousPeriodMetrics,
    SessionMetricsBucket,
    TimePeriod,
)


class TimeSeries(FetchSpec):
    """`timeSeries`: the query for each bucket of its period."""

    def __init__(self, requests: Sequence[MetricsRequest], periods: Sequence[Period]) -> None:
        self.requests = requests
        self._periods = periods

    @classmethod
    def bind(
        cls,
        query: SessionMetricsQuery,
        lookahead: Lookahead,
        *,
        interval: intervals.TimeInterval,
        time_zone: str,
    ) -> Self:
        """Cut the period into buckets.

        Raises:
            BadUserInput: the time zone is unknown, or there would be too many buckets.
        """
        periods = intervals.buckets(query.period, interval, intervals.time_zone(time_zone))
        measures = lookahead.measures
        requests = [MetricsRequest(query.with_period(period), measures) for period in periods]
        spec = cls(requests, periods)
        spec.response_fields = lookahead.fields * len(periods)
        return spec

    def render(self, fetched: Fetched) -> list[SessionMetricsBucket]:
        """Return the buckets, oldest first."""
        return [
            SessionMetricsBucket(sums=sums, period=TimePeriod.of(period))
            for sums, period in zip(fetched, self._periods, strict=True)
        ]


class PreviousPeriod(FetchSpec):
    """`previousPeriod`: the query for the previous period, and for its own, to compare."""

    def __init__(self, query: SessionMetricsQuery, lookahead: Lookahead) -> None:
        self._period = query.period.previous()
        self.requests = [
            MetricsRequest(each, lookahead.measures)
            for each in (query, query.with_period(self._period))
        ]

    @classmethod
    def bind(cls, query: SessionMetricsQuery, lookahead: Lookahead) -> Self:
        """Move the query to the previous period."""
        return cls(query, lookahead)

    def render(self, fetched: Fetched) -> PreviousPeriodMetrics:
        """Return the previous period's metrics."""
        current, previous = fetched
        period = TimePeriod.of(self._period)
        return PreviousPeriodMetrics(sums=previous, current=current, period=period)


class BreakdownField(FetchSpec):
    """A breakdown by one dimension."""

    dimension: ClassVar[Dimension]
    breakdown_type: ClassVar[Callable[..., object]]
    row: ClassVar[Callable[[BreakdownRow], object]]
    """Makes a row of the schema from one of the core's."""

    def __init__(self, query: BreakdownQuery, row_fields: int) -> None:
        self.breakdowns = (query,)
        self._row_fields = row_fields

    @classmethod
    def bind(
        cls,
        query: SessionMetricsQuery,
        lookahead: Lookahead,
        *,
        first: int,
        order_by: SessionMetricsOrder,
    ) -> Self:
        """Rank the rows.

        Raises:
            BadUserInput: `first` is out of bounds.
        """
        ranking = order_by.to_ranking(first)
        breakdown = BreakdownQuery(query, cls.dimension, ranking, lookahead.measures)
        return cls(breakdown, lookahead.fields)

    def fetched_fields(self, fetched: Fetched) -> int:
        """Return the fields of all rows."""
        (breakdown,) = fetched
        return self._row_fields * len(breakdown.rows)

    def render(self, fetched: Fetched) -> object:
        """Return the breakdown, its rows ranked."""
        (breakdown,) = fetched
        nodes = [type(self).row(row) for row in breakdown.rows]
        return type(self).breakdown_type(nodes=nodes, total_count=breakdown.total_count)


def user_row(row: BreakdownRow) -> UserSessionMetrics:
    """Return the row of a user or a service user."""
    kind = row.creator_kind or CreatorKind.USER
    return UserSessionMetrics(
        sums=row.metrics, user=SessionUser(id=strawberry.ID(row.id), kind=kind)
    )


def playbook_row(row: BreakdownRow) -> PlaybookSessionMetrics:
    """Return the row of a playbook."""
    return PlaybookSessionMetrics(sums=row.metrics, playbook=Playbook(id=strawberry.ID(row.id)))


def organization_row(row: BreakdownRow) -> OrganizationSessionMetrics:
    """Return the row of an organization."""
    return OrganizationSessionMetrics(
        sums=row.metrics, organization=Organization(id=strawberry.ID(row.id))
    )


class ByUser(BreakdownField):
    """`byUser`."""

    dimension = Dimension.USER
    breakdown_type = UserBreakdown
    row = user_row


class ByPlaybook(BreakdownField):
    """`byPlaybook`."""

    dimension = Dimension.PLAYBOOK
    breakdown_type = PlaybookBreakdown
    row = playbook_row


class ByOrganization(BreakdownField):
    """`byOrganization`."""

    dimension = Dimension.ORGANIZATION
    breakdown_type = OrganizationBreakdown
    row = organization_row
