"""The arguments of the schema, and the questions they ask."""

from typing import TypeVar

import strawberry

from metrics_graphql.domain.metrics import SessionMetricsQuery
from metrics_graphql.graphql_api.scalars import Instant

T = TypeVar("T")


@strawberry.input(
    description=(
        "Which sessions to count: those that every filter given matches. A filter left out\n"
        "or null matches every session; an empty list matches none."
    )
)
class SessionMetricsFilters:
    """The filters of a question, named as the REST parameters are, in camelCase."""

    time_after: Instant = strawberry.field(description="Created at this instant or later.")
    time_before: Instant = strawberry.field(
        description=(
            "Created before this instant, and not at it, so that adjacent ranges never count\n"
            "a session twice. Not earlier than `timeAfter`; if equal to it, nothing matches."
        )
    )
    user_ids: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "Created by any of these users or, if `serviceUserIds` is given too, any of those\n"
            "service users. At most 1,000."
        ),
    )
    service_user_ids: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "Created by any of these service users or, if `userIds` is given too, any of those\n"
            "users. At most 1,000."
        ),
    )
    playbook_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Created from this playbook."
    )

    def query(self, org_id: str) -> SessionMetricsQuery:
        """Return the question that these filters ask of an organization.

        Raises:
            BadUserInput: naming the filter that can't be taken.
        """
        return SessionMetricsQuery.asked(
            org_id=org_id,
            time_after=self.time_after,
            time_before=self.time_before,
            user_ids=given(self.user_ids),
            service_user_ids=given(self.service_user_ids),
            playbook_id=given(self.playbook_id),
        )


def given(value: T | None) -> T | None:
    """Return an optional input's value, with None for one left out as for one that is null."""
    return None if value is strawberry.UNSET else value
