"""The types of metrics of a period: a bucket of a series, and the previous period."""

from typing import Any

import strawberry
from strawberry.utils.str_converters import to_camel_case

from metrics_graphql.core.measures import (
    ACUS_CONSUMED,
    SESSIONS_CREATED,
    SESSIONS_WITH_MERGED_PRS,
    SESSIONS_WITH_PLAYBOOK,
    SESSIONS_WITH_SEARCH,
    Measure,
)
from metrics_graphql.core.periods import TimePeriod as Period
from metrics_graphql.core.results import SessionMetrics as Sums
from metrics_graphql.graphql_api.aggregates import READS, SessionAggregates
from metrics_graphql.graphql_api.scalars import Instant


def change_field(measure: Measure) -> Any:  # noqa: ANN401 - a field, where a class annotates its value
    """Return a field with the relative change of one measure."""

    def resolve(root: strawberry.Parent[Any]) -> float | None:
        current: Sums = root.current
        return current.change_since(root.previous, measure)

    return strawberry.field(
        resolver=resolve,
        description=f"Change of `{to_camel_case(measure.name)}`.",
        metadata={READS: (measure,)},
    )


@strawberry.type(description="A span of time.")
class TimePeriod:
    """A half-open span."""

    starts_at: Instant = strawberry.field(description="The first instant in the span.")
    ends_at: Instant = strawberry.field(description="The first instant after the span.")

    @classmethod
    def of(cls, period: Period) -> "TimePeriod":
        """Return a period of the core as the schema shows it."""
        return cls(starts_at=Instant(period.start), ends_at=Instant(period.end))


@strawberry.type(description="Metrics of one interval of a period.")
class SessionMetricsBucket(SessionAggregates):
    """One bucket of a series."""

    period: TimePeriod = strawberry.field(
        description=(
            "The part of the interval inside the requested period. The first and the last\n"
            "bucket can be shorter than the interval."
        )
    )


@strawberry.type(
    description=(
        "Relative change since the previous period: 0.25 is a quarter more, -1 is down to\n"
        "nothing. Null if the previous value is 0, where no ratio exists."
    )
)
class SessionMetricsChange:
    """Compares a period with the previous one."""

    current: strawberry.Private[Sums]
    previous: strawberry.Private[Sums]

    sessions_created_count = change_field(SESSIONS_CREATED)
    sessions_created_with_playbook_count = change_field(SESSIONS_WITH_PLAYBOOK)
    sessions_created_with_search_count = change_field(SESSIONS_WITH_SEARCH)
    sessions_with_merged_prs_count = change_field(SESSIONS_WITH_MERGED_PRS)

    @strawberry.field(
        description="Change of `avgAcusPerSession`.",
        metadata={READS: (SESSIONS_CREATED, ACUS_CONSUMED)},
    )
    def avg_acus_per_session(self) -> float | None:
        """Compare the exact averages."""
        return self.current.change_of_average_since(self.previous)


@strawberry.type(description="Metrics of the period before the requested one.")
class PreviousPeriodMetrics(SessionAggregates):
    """The same query for the previous period."""

    current: strawberry.Private[Sums]
    period: TimePeriod = strawberry.field(description="The period covered.")

    @strawberry.field(description="How the requested period compares with this one.")
    def change(self) -> SessionMetricsChange:
        """Compare the two."""
        return SessionMetricsChange(current=self.current, previous=self.sums)
