"""The measures in the schema: one interface, derived from the table of measures.

The metadata of a field names the measures that it reads. The lookahead and the fast path go by it,
so a measure becomes a field of every type, in both ways of execution, by one line in
`SessionAggregates`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import strawberry

from metrics_graphql.core.measures import (
    ACUS_CONSUMED,
    MEASURES,
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
from metrics_graphql.core.results import SessionMetrics as Sums

T = TypeVar("T", bound=type)

MEASURE: Final = "measure"
"""The metadata key of the measure whose sum a field is."""
MEMBER_MEASURES: Final = "member_measures"
"""The metadata key of the measures of a field that counts by category, by member."""
READS: Final = "reads"
"""The metadata key of the measures that a field is derived from."""


def measure_field(measure: Measure) -> Any:  # noqa: ANN401 - a field, where a class annotates its value
    """Return a field with the sum of one measure."""
    name = measure.name

    def resolve(root: strawberry.Parent[Any]) -> int:
        count: int = root.sums.sums[name]
        return count

    return strawberry.field(
        resolver=resolve, description=measure.description, metadata={MEASURE: measure}
    )


def members_of(field: str) -> dict[str, Measure]:
    """Return the measures of a field that counts by category, by member."""
    return {
        measure.member: measure
        for measure in MEASURES
        if measure.response_key == field and measure.member is not None
    }


def category_fields(field: str) -> Callable[[T], T]:
    """Give a type of `SessionCounts` a field for each member of a field of the table."""

    def resolver(member: str) -> Callable[[Any], int]:
        def resolve(root: strawberry.Parent[Any]) -> int:
            count: int = root.sums.sums[root.measures[member].name]
            return count

        return resolve

    def add_fields(cls: T) -> T:
        for member, measure in members_of(field).items():
            description = measure.description
            setattr(
                cls, member, strawberry.field(resolver=resolver(member), description=description)
            )
        return cls

    return add_fields


def category_counts(cls: type, field: str, description: str) -> Any:  # noqa: ANN401 - a field
    """Return a field of a type of counts by category."""
    measures = members_of(field)

    def resolve(root: strawberry.Parent[Any]) -> Any:  # noqa: ANN401 - a `cls`
        return cls(sums=root.sums, measures=measures)

    resolve.__annotations__["return"] = cls
    return strawberry.field(
        resolver=resolve,
        description=description,
        metadata={MEMBER_MEASURES: measures},
    )


@strawberry.type(description="Session counts by size. They add up to the total.")
@category_fields("sessions_created_by_size")
class SessionCountsBySize:
    """One field for each size."""

    sums: strawberry.Private[Sums]
    measures: strawberry.Private[Mapping[str, Measure]]


@strawberry.type(
    description=(
        "Session counts by where the session was started. They add up to the total: origins\n"
        "without a field of their own, like `cli`, are in `other`."
    )
)
@category_fields("sessions_created_by_origin")
class SessionCountsByOrigin:
    """One field for each public origin."""

    sums: strawberry.Private[Sums]
    measures: strawberry.Private[Mapping[str, Measure]]


@strawberry.interface(
    description="The measures of a set of sessions. They mean the same wherever they appear."
)
class SessionAggregates:
    """The measures of a set of sessions, derived from its sums."""

    sums: strawberry.Private[Sums]

    sessions_created_count = measure_field(SESSIONS_CREATED)
    sessions_created_by_size = category_counts(
        SessionCountsBySize, "sessions_created_by_size", "Sessions created, by size."
    )
    sessions_created_by_origin = category_counts(
        SessionCountsByOrigin,
        "sessions_created_by_origin",
        "Sessions created, by where they were started.",
    )
    sessions_created_with_playbook_count = measure_field(SESSIONS_WITH_PLAYBOOK)
    sessions_created_with_search_count = measure_field(SESSIONS_WITH_SEARCH)
    sessions_with_merged_prs_count = measure_field(SESSIONS_WITH_MERGED_PRS)
    sessions_with_merged_prs_by_size = category_counts(
        SessionCountsBySize,
        "sessions_with_merged_prs_by_size",
        "Sessions with at least one merged pull request, by size.",
    )

    prs_created_count = measure_field(PRS_CREATED)
    prs_opened_count = measure_field(PRS_OPENED)
    prs_merged_count = measure_field(PRS_MERGED)
    prs_closed_count = measure_field(PRS_CLOSED)

    @strawberry.field(description=ACUS_CONSUMED.description, metadata={READS: (ACUS_CONSUMED,)})
    def acus_consumed(self) -> float:
        """Convert the exact sum."""
        return self.sums.acus_consumed

    @strawberry.field(
        description="ACUs consumed per session, on average. 0 if there are no sessions.",
        metadata={READS: (SESSIONS_CREATED, ACUS_CONSUMED)},
    )
    def avg_acus_per_session(self) -> float:
        """Divide the exact sum by the count."""
        return self.sums.avg_acus_per_session
