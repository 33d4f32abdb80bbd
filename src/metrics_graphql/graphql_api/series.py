"""`timeSeries`: the same measures for each interval of a period."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

import strawberry

from metrics_graphql.core import intervals
from metrics_graphql.core.periods import TimePeriod as Period
from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.graphql_api.context import Info
from metrics_graphql.graphql_api.cost import ONE_STATEMENT
from metrics_graphql.graphql_api.enums import TimeInterval
from metrics_graphql.graphql_api.fetch_spec import FETCH_SPEC, Fetched, FetchSpec
from metrics_graphql.graphql_api.lookahead import Lookahead
from metrics_graphql.graphql_api.period_types import SessionMetricsBucket, TimePeriod

Interval = Annotated[TimeInterval, strawberry.argument(description="The length of a bucket.")]
TimeZone = Annotated[
    str,
    strawberry.argument(
        description=(
            "The IANA time zone in which days, weeks and months begin, like `Europe/Berlin`."
        )
    ),
]


def time_series_field(spec: type["TimeSeries"], description: str) -> Any:  # noqa: ANN401 - a field
    """Return a field that fetches the buckets of a period."""

    async def resolve(
        root: strawberry.Parent[Any],
        info: Info,
        interval: Interval,
        time_zone: TimeZone = "UTC",
    ) -> list[SessionMetricsBucket] | None:
        buckets: list[SessionMetricsBucket] = await info.fetch(
            root.query, interval=interval, time_zone=time_zone
        )
        return buckets

    return strawberry.field(
        resolver=resolve,
        description=description,
        directives=[ONE_STATEMENT],
        metadata={FETCH_SPEC: spec},
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
        periods = cls.periods(query.period, interval, time_zone)
        measures = lookahead.measures
        requests = [MetricsRequest(query.with_period(period), measures) for period in periods]
        spec = cls(requests, periods)
        spec.response_fields = lookahead.field_count * len(periods)
        return spec

    @classmethod
    def periods(
        cls, period: Period, interval: intervals.TimeInterval, time_zone: str
    ) -> Sequence[Period]:
        """Return the buckets of a period."""
        return intervals.buckets(period, interval, intervals.time_zone(time_zone))

    def render(self, fetched: Fetched) -> list[SessionMetricsBucket]:
        """Return the buckets, oldest first."""
        return [
            SessionMetricsBucket(sums=sums, period=TimePeriod.of(period))
            for sums, period in zip(fetched, self._periods, strict=True)
        ]


class PreviousTimeSeries(TimeSeries):
    """`timeSeries` of `previousPeriod`: each bucket of the requested period, one period earlier."""

    @classmethod
    def periods(
        cls, period: Period, interval: intervals.TimeInterval, time_zone: str
    ) -> Sequence[Period]:
        """Move the buckets of the requested period."""
        length = period.end - period.start
        return [
            Period(bucket.start - length, bucket.end - length)
            for bucket in super().periods(period, interval, time_zone)
        ]
