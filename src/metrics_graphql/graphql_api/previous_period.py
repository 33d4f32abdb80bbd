"""`previousPeriod`: the same query for the period before, and how the two compare."""

from typing import Self

import strawberry

from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.core.results import SessionMetrics as Sums
from metrics_graphql.graphql_api.aggregates import SessionAggregates
from metrics_graphql.graphql_api.fetch_spec import Fetched, FetchSpec
from metrics_graphql.graphql_api.lookahead import Lookahead
from metrics_graphql.graphql_api.period_types import SessionMetricsChange, TimePeriod
from metrics_graphql.graphql_api.series import PreviousTimeSeries, time_series_field


@strawberry.type(description="Metrics of the period before the requested one.")
class PreviousPeriodMetrics(SessionAggregates):
    """The same query for the previous period."""

    current: strawberry.Private[Sums]
    query: strawberry.Private[SessionMetricsQuery]
    """The query for the requested period."""
    period: TimePeriod = strawberry.field(description="The period covered.")

    @strawberry.field(description="How the requested period compares with this one.")
    def change(self) -> SessionMetricsChange:
        """Pair the sums of both periods; each field of the result compares one measure."""
        return SessionMetricsChange(current=self.current, previous=self.sums)

    time_series = time_series_field(
        PreviousTimeSeries,
        "The same measures for each bucket of `timeSeries` of the requested period, moved\n"
        "by the length of the period: bucket by bucket, the two can be compared. Where the\n"
        "clocks change between the two periods, buckets begin an hour before or after\n"
        "midnight.",
    )


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
