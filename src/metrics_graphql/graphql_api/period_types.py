"""The types of metrics of a period: a bucket of a series, and how periods compare."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import strawberry
from strawberry.utils.str_converters import to_camel_case

from metrics_graphql.core.measures import (
    ACUS_CONSUMED,
    PRS_CLOSED,
    PRS_CREATED,
    PRS_MERGED,
    PRS_OPENED,
    SESSIONS_CREATED,
    SESSIONS_WITH_MERGED_PRS,
    SESSIONS_WITH_PLAYBOOK,
    SESSIONS_WITH_SEARCH,
    Measure,
)
from metrics_graphql.core.periods import TimePeriod as Period
from metrics_graphql.core.results import SessionMetrics as Sums
from metrics_graphql.graphql_api.aggregates import READS, SessionAggregates, members_of
from metrics_graphql.graphql_api.scalars import Instant

T = TypeVar("T", bound=type)


def change_resolver(measure: Measure) -> Callable[..., float | None]:
    """Return a resolver of the relative change of a measure."""

    def resolve(root: strawberry.Parent[Any]) -> float | None:
        current: Sums = root.current
        return current.change_since(root.previous, measure)

    return resolve


def change_field(measure: Measure) -> Any:  # noqa: ANN401 - a field, where a class annotates its value
    """Return a field with the relative change of one measure."""
    return strawberry.field(
        resolver=change_resolver(measure),
        description=f"Change of `{to_camel_case(measure.name)}`.",
        metadata={READS: (measure,)},
    )


def member_changes(field: str) -> Callable[[T], T]:
    """Give a type the change of each member of a field that counts by category."""

    def add_fields(cls: T) -> T:
        for member, measure in members_of(field).items():
            change = strawberry.field(
                resolver=member_change_resolver(member), description=measure.description
            )
            setattr(cls, member, change)
        return cls

    return add_fields


def member_change_resolver(member: str) -> Callable[..., float | None]:
    """Return a resolver of the relative change of a member of a category."""

    def resolve(root: strawberry.Parent[Any]) -> float | None:
        current: Sums = root.current
        return current.change_since(root.previous, root.measures[member])

    return resolve


def category_changes(cls: type, field: str) -> Any:  # noqa: ANN401 - a field
    """Return a field with the changes of a field that counts by category."""
    measures = members_of(field)

    def resolve(root: strawberry.Parent[Any]) -> Any:  # noqa: ANN401 - a `cls`
        return cls(current=root.current, previous=root.previous, measures=measures)

    resolve.__annotations__["return"] = cls
    return strawberry.field(
        resolver=resolve,
        description=f"Changes of `{to_camel_case(field)}`.",
        metadata={READS: tuple(measures.values())},
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


@strawberry.type(description="Relative changes of session counts by size.")
@member_changes("sessions_created_by_size")
class SessionCountsBySizeChange:
    """One field for each size."""

    current: strawberry.Private[Sums]
    previous: strawberry.Private[Sums]
    measures: strawberry.Private[Mapping[str, Measure]]


@strawberry.type(description="Relative changes of session counts by origin.")
@member_changes("sessions_created_by_origin")
class SessionCountsByOriginChange:
    """One field for each public origin."""

    current: strawberry.Private[Sums]
    previous: strawberry.Private[Sums]
    measures: strawberry.Private[Mapping[str, Measure]]


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
    sessions_created_by_size = category_changes(
        SessionCountsBySizeChange, "sessions_created_by_size"
    )
    sessions_created_by_origin = category_changes(
        SessionCountsByOriginChange, "sessions_created_by_origin"
    )
    sessions_created_with_playbook_count = change_field(SESSIONS_WITH_PLAYBOOK)
    sessions_created_with_search_count = change_field(SESSIONS_WITH_SEARCH)
    sessions_with_merged_prs_count = change_field(SESSIONS_WITH_MERGED_PRS)
    sessions_with_merged_prs_by_size = category_changes(
        SessionCountsBySizeChange, "sessions_with_merged_prs_by_size"
    )
    prs_created_count = change_field(PRS_CREATED)
    prs_opened_count = change_field(PRS_OPENED)
    prs_merged_count = change_field(PRS_MERGED)
    prs_closed_count = change_field(PRS_CLOSED)
    acus_consumed = change_field(ACUS_CONSUMED)

    @strawberry.field(
        description="Change of `avgAcusPerSession`.",
        metadata={READS: (SESSIONS_CREATED, ACUS_CONSUMED)},
    )
    def avg_acus_per_session(self) -> float | None:
        """Compare the exact averages."""
        return self.current.change_of_average_since(self.previous)
