"""The input types of the schema, and the queries that they stand for."""

from collections.abc import Iterable
from enum import Enum
from typing import Any, Final, TypeVar

import strawberry

from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.core.tenants import Tenant
from metrics_graphql.graphql_api.enums import OrderDirection, OrderField, SessionOrigin, SessionSize
from metrics_graphql.graphql_api.scalars import Instant

T = TypeVar("T")


@strawberry.input(
    description=(
        "Which sessions to count: those that every filter given matches. A filter left out\n"
        "or null matches every session; an empty list matches none."
    )
)
class SessionMetricsFilters:
    """The filters of a query, named as the REST parameters are, in camel case."""

    time_after: Instant = strawberry.field(
        description="Created at this instant or later. Not after the year 9999."
    )
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
    playbook_ids: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Created from any of these playbooks. At most 1,000.",
    )
    origins: Any = strawberry.field(
        graphql_type=list[SessionOrigin] | None,
        default=strawberry.UNSET,
        description="Started in any of these places.",
    )
    sizes: Any = strawberry.field(
        graphql_type=list[SessionSize] | None,
        default=strawberry.UNSET,
        description="Of any of these sizes.",
    )
    has_merged_pr: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="With at least one merged pull request if true, without one if false.",
    )

    def to_query(
        self, tenant: Tenant, org_ids: list[strawberry.ID] | None = None
    ) -> SessionMetricsQuery:
        """Return the query of a tenant with these filters.

        Raises:
            BadUserInput: naming the filter that was refused.
        """
        return SessionMetricsQuery.from_params(
            tenant=tenant,
            time_after=self.time_after,
            time_before=self.time_before,
            user_ids=none_if_unset(self.user_ids),
            service_user_ids=none_if_unset(self.service_user_ids),
            playbook_ids=none_if_unset(self.playbook_ids),
            origins=enum_values(none_if_unset(self.origins)),
            sizes=enum_values(none_if_unset(self.sizes)),
            has_merged_pr=none_if_unset(self.has_merged_pr),
            org_ids=none_if_unset(org_ids),
        )


@strawberry.input(description="How the rows of a breakdown are ranked.")
class SessionMetricsOrder:
    """A field and a direction."""

    field: Any = strawberry.field(graphql_type=OrderField, description="The measure to rank by.")
    direction: OrderDirection = strawberry.field(
        description="Whether the smallest or the largest value comes first."
    )


MOST_SESSIONS: Final = SessionMetricsOrder(
    field=OrderField.SESSIONS_CREATED_COUNT, direction=OrderDirection.DESC
)


def enum_values(members: Iterable[Enum] | None) -> list[str] | None:
    """Return the values of enum members; None stays None."""
    return None if members is None else [each.value for each in members]


def none_if_unset(value: T | None) -> T | None:
    """Return the value of an optional input; None also if it was left out."""
    return None if value is strawberry.UNSET else value
