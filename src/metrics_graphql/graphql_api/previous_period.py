"""`previousPeriod`: the same query for the period before, and how the two compare."""

from typing import Self

import strawberry

from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.core.results import SessionMetrics as Sums
from metrics_graphql.graphql_api.aggregates import SessionAggregates
from metrics_graphql.graphql_api.context import Info
from metrics_graphql.graphql_api.cost import ONE_STATEMENT
from metrics_graphql.graphql_api.fetch_spec import FETCH_SPEC, Fetched, FetchSpec
from metrics_graphql.graphql_api.lookahead import Lookahead
from metrics_graphql.graphql_api.period_types import (
    SessionMetricsBucket,
    SessionMetricsChange,
    TimePeriod,
)
from metrics_graphql.graphql_api.series import Interval, PreviousTimeSeries, TimeZone


@strawberry.type(description="Metrics of the period before the requested one.")
class PreviousPeriodMetrics(SessionAggregates):
    """The same query for the previous period."""

    current: strawberry.Private[Sums]
    query: strawberry.Private[SessionMetricsQuery]
    """The query for the requested period."""
    period: TimePeriod = strawberry.field(description="The period covered.")

    @strawberry.field(description="How the requested period compares with this one.")
    def change(self) -> SessionMetricsChange:
        """Compare the two."""
        return SessionMetricsChange(current=self.current, previous=self.sums)

    @strawberry.field(
        description=(
            "The same measures for each bucket of `timeSeries` of the requested period, moved\n"
            "by the length of the period: bucket by bucket, the two can be compared. Where the\n"
            "clocks change between the two periods, buckets begin an hour before or after\n"
            "midnight."
        ),
        directives=[ONE_STATEMENT],
        metadata={FETCH_SPEC: PreviousTimeSeries},
    )
    async def time_series(
        self, info: Info, interval: Interval, time_zone: TimeZone = "UTC"
    ) -> list[SessionMetricsBucket] | None:
        """Fetch the query for each bucket."""
        buckets: list[SessionMetricsBucket] = await info.fetch(
            self.query, interval=interval, time_zone=time_zone
        )
        return buckets


class PreviousPeriod(FetchSpec):
    """`previousPeriod`: the query for the previous period, and for its own, to compare."""

    def __init__(self, query: SessionMetricsQuery, lookahead: Lookahead) -> None:
        self._query = query
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
        return PreviousPeriodMetrics(
            sums=previous, current=current, query=self._query, period=period
        )
