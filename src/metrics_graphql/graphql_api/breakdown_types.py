"""The types of breakdowns: rows of users, of playbooks and of organizations."""

from typing import Final

import strawberry

from metrics_graphql.graphql_api.aggregates import SessionAggregates
from metrics_graphql.graphql_api.enums import CreatorKind

NODES: Final = "The highest ranked rows."
TOTAL_COUNT: Final = "The number of all rows, including those that are not in `nodes`."


@strawberry.type(description="A user or a service user that creates sessions.")
class SessionUser:
    """A user or a service user."""

    id: strawberry.ID = strawberry.field(
        description="Their ID, as `userIds` or `serviceUserIds` takes it."
    )
    kind: CreatorKind = strawberry.field(description="Whether this is a user or a service user.")


@strawberry.type(description="A reusable instruction that sessions can be created from.")
class Playbook:
    """A playbook."""

    id: strawberry.ID = strawberry.field(description="Its ID, as `playbookId` takes it.")


@strawberry.type(description="An organization.")
class Organization:
    """An organization that the caller may read."""

    id: strawberry.ID = strawberry.field(description="Its ID, as `orgId` takes it.")


@strawberry.type(description="Metrics of one user or service user.")
class UserSessionMetrics(SessionAggregates):
    """A row of `UserBreakdown`."""

    user: SessionUser = strawberry.field(description="The creator of the sessions.")


@strawberry.type(description="Metrics of one playbook.")
class PlaybookSessionMetrics(SessionAggregates):
    """A row of `PlaybookBreakdown`."""

    playbook: Playbook = strawberry.field(description="The playbook of the sessions.")


@strawberry.type(description="Metrics of one organization.")
class OrganizationSessionMetrics(SessionAggregates):
    """A row of `OrganizationBreakdown`."""

    organization: Organization = strawberry.field(description="The organization of the sessions.")


@strawberry.type(
    description=(
        "Metrics by user. A session that names a user and a service user is in the rows of both."
    )
)
class UserBreakdown:
    """The highest ranked users and service users."""

    nodes: list[UserSessionMetrics] = strawberry.field(description=NODES)
    total_count: int = strawberry.field(description=TOTAL_COUNT)


@strawberry.type(description="Metrics by playbook.")
class PlaybookBreakdown:
    """The highest ranked playbooks."""

    nodes: list[PlaybookSessionMetrics] = strawberry.field(description=NODES)
    total_count: int = strawberry.field(description=TOTAL_COUNT)


@strawberry.type(description="Metrics by organization.")
class OrganizationBreakdown:
    """The highest ranked organizations."""

    nodes: list[OrganizationSessionMetrics] = strawberry.field(description=NODES)
    total_count: int = strawberry.field(description=TOTAL_COUNT)
