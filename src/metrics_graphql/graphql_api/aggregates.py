"""The measures as the schema shows them: one interface that follows from the table of measures."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import strawberry

from metrics_graphql.domain.measures import (
    MEASURES,
    SESSIONS_CREATED,
    SESSIONS_WITH_MERGED_PRS,
    SESSIONS_WITH_PLAYBOOK,
    SESSIONS_WITH_SEARCH,
    Measure,
)
from metrics_graphql.domain.metrics import SessionMetrics as Sums

T = TypeVar("T", bound=type)


def count_of(measure: Measure) -> Any:  # noqa: ANN401 - a field, where a class annotates its value
    """Return a GraphQL field that shows one measure of the object's `sums`."""

    def resolve(root: strawberry.Parent[Any]) -> int:
        return int(root.sums[measure])

    return strawberry.field(resolver=resolve, description=measure.description)


def counted_by_member_of(field: str) -> Callable[[T], T]:
    """Give a class one GraphQL field for each member of a field of the table of measures."""

    def show(member: str) -> Callable[[Any], int]:
        def resolve(root: strawberry.Parent[Any]) -> int:
            return int(root.counts[member])

        return resolve

    def add_fields(cls: T) -> T:
        for measure in MEASURES:
            if measure.field == field and measure.member:
                shown = strawberry.field(
                    resolver=show(measure.member), description=measure.description
                )
                setattr(cls, measure.member, shown)
        return cls

    return add_fields


@strawberry.type(description="Session counts by size.")
@counted_by_member_of("sessions_created_by_size")
class SessionCountsBySize:
    """One field for each size."""

    counts: strawberry.Private[Mapping[str, int]]


@strawberry.type(
    description=(
        "Session counts by where the session was started. Sessions from the CLI, the VS Code\n"
        "extension and Spaces are in none of these counts, which can therefore add up to less\n"
        "than the total."
    )
)
@counted_by_member_of("sessions_created_by_origin")
class SessionCountsByOrigin:
    """One field for each public origin."""

    counts: strawberry.Private[Mapping[str, int]]


@strawberry.interface(
    description="The measures of a set of sessions. They mean the same wherever they appear."
)
class SessionAggregates:
    """The same measures, wherever sessions are counted."""

    sums: strawberry.Private[Sums]

    sessions_created_count = count_of(SESSIONS_CREATED)

    @strawberry.field(description="Sessions created, by size.")
    def sessions_created_by_size(self) -> SessionCountsBySize:
        """Count the sessions of each size; those with none are in no count."""
        return SessionCountsBySize(counts=self.sums.by_member("sessions_created_by_size"))

    @strawberry.field(description="Sessions created, by where they were started.")
    def sessions_created_by_origin(self) -> SessionCountsByOrigin:
        """Count the sessions of each public origin."""
        return SessionCountsByOrigin(counts=self.sums.by_member("sessions_created_by_origin"))

    sessions_created_with_playbook_count = count_of(SESSIONS_WITH_PLAYBOOK)
    sessions_created_with_search_count = count_of(SESSIONS_WITH_SEARCH)
    sessions_with_merged_prs_count = count_of(SESSIONS_WITH_MERGED_PRS)

    @strawberry.field(description="Sessions with at least one merged pull request, by size.")
    def sessions_with_merged_prs_by_size(self) -> SessionCountsBySize:
        """Count the merged sessions of each size."""
        return SessionCountsBySize(counts=self.sums.by_member("sessions_with_merged_prs_by_size"))

    @strawberry.field(
        description="ACUs consumed per session, on average. 0 if there are no sessions."
    )
    def avg_acus_per_session(self) -> float:
        """Divide the exact sum by the count."""
        return self.sums.avg_acus_per_session
