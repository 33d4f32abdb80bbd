"""The arguments of the schema, and the questions they ask."""

from enum import Enum
from typing import Final, TypeVar

import strawberry

from metrics_graphql.domain.breakdowns import OrderField, Ranking
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

    def query(
        self, org_id: str | None, org_ids: list[strawberry.ID] | None = None
    ) -> SessionMetricsQuery:
        """Return the question that these filters ask of an organization, or of the enterprise.

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
            org_ids=given(org_ids),
        )


@strawberry.enum(description="A calendar interval, in the time zone asked for.")
class TimeInterval(Enum):
    """Named as the domain's own."""

    HOUR = strawberry.enum_value("HOUR", description="On the hour.")
    DAY = strawberry.enum_value("DAY", description="From midnight.")
    WEEK = strawberry.enum_value("WEEK", description="From Monday.")
    MONTH = strawberry.enum_value("MONTH", description="From the first of the month.")


@strawberry.enum(description="The measures a breakdown can be ranked by.")
class SessionMetricsOrderField(Enum):
    """Named as the domain's own."""

    SESSIONS_CREATED_COUNT = strawberry.enum_value(
        "SESSIONS_CREATED_COUNT", description="By `sessionsCreatedCount`."
    )
    SESSIONS_WITH_MERGED_PRS_COUNT = strawberry.enum_value(
        "SESSIONS_WITH_MERGED_PRS_COUNT", description="By `sessionsWithMergedPrsCount`."
    )
    AVG_ACUS_PER_SESSION = strawberry.enum_value(
        "AVG_ACUS_PER_SESSION", description="By `avgAcusPerSession`."
    )


@strawberry.enum(description="The two directions of a ranking.")
class OrderDirection(Enum):
    """Which end comes first."""

    ASC = strawberry.enum_value("ASC", description="The smallest first.")
    DESC = strawberry.enum_value("DESC", description="The largest first.")


@strawberry.input(description="How the rows of a breakdown are ranked.")
class SessionMetricsOrder:
    """A ranking."""

    field: SessionMetricsOrderField = strawberry.field(description="The measure to rank by.")
    direction: OrderDirection = strawberry.field(description="Which end comes first.")

    def ranking(self, first: int) -> Ranking:
        """Return the ranking that this asks for.

        Raises:
            BadUserInput: `first` is out of bounds.
        """
        return Ranking(OrderField[self.field.name], self.direction is OrderDirection.DESC, first)


MOST_SESSIONS: Final = SessionMetricsOrder(
    field=SessionMetricsOrderField.SESSIONS_CREATED_COUNT, direction=OrderDirection.DESC
)


def given(value: T | None) -> T | None:
    """Return an optional input's value, with None for one left out as for one that is null."""
    return None if value is strawberry.UNSET else value
