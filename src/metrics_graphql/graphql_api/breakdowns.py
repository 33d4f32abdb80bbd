"""Breakdowns as the schema shows them: rows of users, of playbooks and of organizations."""

from enum import Enum
from typing import Final

import strawberry

from metrics_graphql.domain.breakdowns import Breakdown
from metrics_graphql.graphql_api.aggregates import SessionAggregates


@strawberry.enum(description="The kinds of users that create sessions.")
class SessionUserKind(Enum):
    """Named after the field of a session that names one."""

    USER = strawberry.enum_value("user_id", description="A person.")
    SERVICE_USER = strawberry.enum_value(
        "service_user_id", description="A program with its own credential."
    )


@strawberry.type(description="Someone who creates sessions.")
class SessionUser:
    """A user or a service user."""

    id: strawberry.ID = strawberry.field(
        description="Their ID, as `userIds` or `serviceUserIds` takes it."
    )
    kind: SessionUserKind = strawberry.field(
        description="Whether this is a user or a service user."
    )


@strawberry.type(description="A prompt that sessions are created from.")
class Playbook:
    """What a session can be created from."""

    id: strawberry.ID = strawberry.field(description="Its ID, as `playbookId` takes it.")


@strawberry.type(description="An organization.")
class Organization:
    """An organization that the caller may read."""

    id: strawberry.ID = strawberry.field(description="Its ID, as `orgId` takes it.")


@strawberry.type(description="Metrics of one user or service user.")
class UserSessionMetrics(SessionAggregates):
    """A row of a breakdown."""

    user: SessionUser = strawberry.field(description="Who created the sessions.")


@strawberry.type(description="Metrics of one playbook.")
class PlaybookSessionMetrics(SessionAggregates):
    """A row of a breakdown."""

    playbook: Playbook = strawberry.field(description="What the sessions were created from.")


@strawberry.type(description="Metrics of one organization.")
class OrganizationSessionMetrics(SessionAggregates):
    """A row of a breakdown."""

    organization: Organization = strawberry.field(description="Whose sessions they are.")


TOTAL_COUNT: Final = "How many rows there are, whether or not in `nodes`."


@strawberry.type(
    description=(
        "Metrics by user. A session that names a user and a service user is in the rows of both."
    )
)
class UserBreakdown:
    """The highest ranked users."""

    nodes: list[UserSessionMetrics] = strawberry.field(description="The highest ranked rows.")
    total_count: int = strawberry.field(description=TOTAL_COUNT)

    @classmethod
    def of(cls, found: Breakdown) -> "UserBreakdown":
        """Return a breakdown as the schema shows it."""
        nodes = [
            UserSessionMetrics(
                sums=row.metrics,
                user=SessionUser(id=strawberry.ID(row.id), kind=SessionUserKind(row.field)),
            )
            for row in found.rows
        ]
        return cls(nodes=nodes, total_count=found.total)


@strawberry.type(description="Metrics by playbook.")
class PlaybookBreakdown:
    """The highest ranked playbooks."""

    nodes: list[PlaybookSessionMetrics] = strawberry.field(description="The highest ranked rows.")
    total_count: int = strawberry.field(description=TOTAL_COUNT)

    @classmethod
    def of(cls, found: Breakdown) -> "PlaybookBreakdown":
        """Return a breakdown as the schema shows it."""
        nodes = [
            PlaybookSessionMetrics(sums=row.metrics, playbook=Playbook(id=strawberry.ID(row.id)))
            for row in found.rows
        ]
        return cls(nodes=nodes, total_count=found.total)


@strawberry.type(description="Metrics by organization.")
class OrganizationBreakdown:
    """The highest ranked organizations."""

    nodes: list[OrganizationSessionMetrics] = strawberry.field(
        description="The highest ranked rows."
    )
    total_count: int = strawberry.field(description=TOTAL_COUNT)

    @classmethod
    def of(cls, found: Breakdown) -> "OrganizationBreakdown":
        """Return a breakdown as the schema shows it."""
        nodes = [
            OrganizationSessionMetrics(
                sums=row.metrics, organization=Organization(id=strawberry.ID(row.id))
            )
            for row in found.rows
        ]
        return cls(nodes=nodes, total_count=found.total)
