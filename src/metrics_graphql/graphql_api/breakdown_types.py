"""The types of breakdowns: rows of users, playbooks, origins..., and pages of them."""

from collections.abc import Callable
from typing import Any, Final

import strawberry

from metrics_graphql.graphql_api.aggregates import SessionAggregates
from metrics_graphql.graphql_api.enums import SessionOrigin, SessionSize
from metrics_graphql.graphql_api.lookahead import NAMES, REQUIRES, TOTAL_COUNT

NODES: Final = "The rows of this page, ranked."


def name_field() -> Any:  # noqa: ANN401 - a field, where a class annotates its value
    """Return the field of a name."""
    return strawberry.field(
        default=None,
        description="Its name; null if none was loaded.",
        metadata={REQUIRES: NAMES},
    )


@strawberry.interface(description="A person or a program that creates sessions.")
class SessionCreator:
    """A user or a service user."""

    id: strawberry.ID = strawberry.field(description="Its ID, as the filters take it.")
    name: str | None = name_field()


@strawberry.type(description="A person who creates sessions.")
class User(SessionCreator):
    """A user."""


@strawberry.type(description="A program with its own credential that creates sessions.")
class ServiceUser(SessionCreator):
    """A service user."""


@strawberry.type(description="A reusable instruction that sessions can be created from.")
class Playbook:
    """A playbook."""

    id: strawberry.ID = strawberry.field(description="Its ID, as `playbookIds` takes it.")
    name: str | None = name_field()


@strawberry.type(description="An organization.")
class Organization:
    """An organization that the caller may read."""

    id: strawberry.ID = strawberry.field(description="Its ID, as `orgId` takes it.")
    name: str | None = name_field()


@strawberry.type(description="Metrics of one user.")
class UserSessionMetrics(SessionAggregates):
    """A row of `UserBreakdown`."""

    user: User = strawberry.field(description="The creator of the sessions.")


@strawberry.type(description="Metrics of one service user.")
class ServiceUserSessionMetrics(SessionAggregates):
    """A row of `ServiceUserBreakdown`."""

    service_user: ServiceUser = strawberry.field(description="The creator of the sessions.")


@strawberry.type(description="Metrics of one playbook.")
class PlaybookSessionMetrics(SessionAggregates):
    """A row of `PlaybookBreakdown`."""

    playbook: Playbook = strawberry.field(description="The playbook of the sessions.")


@strawberry.type(description="Metrics of one organization.")
class OrganizationSessionMetrics(SessionAggregates):
    """A row of `OrganizationBreakdown`."""

    organization: Organization = strawberry.field(description="The organization of the sessions.")


@strawberry.type(description="Metrics of one origin.")
class OriginSessionMetrics(SessionAggregates):
    """A row of `OriginBreakdown`."""

    origin: SessionOrigin = strawberry.field(description="Where the sessions were started.")


@strawberry.type(description="Metrics of one size.")
class SizeSessionMetrics(SessionAggregates):
    """A row of `SizeBreakdown`."""

    size: SessionSize = strawberry.field(description="The size of the sessions.")


def resolve_end_cursor(root: strawberry.Parent[Any]) -> str | None:
    """Encode the cursor of the last row. A resolver does so only if it is selected."""
    end_cursor: str | None = root.encode_end_cursor()
    return end_cursor


@strawberry.type(description="The place of a page among all rows.")
class PageInfo:
    """Whether there are more rows, and where they start."""

    encode_end_cursor: strawberry.Private[Callable[[], str | None]]
    has_next_page: bool = strawberry.field(description="Whether more rows follow this page.")
    end_cursor: str | None = strawberry.field(
        resolver=resolve_end_cursor,
        description="The cursor of the last row, for `after`. Null if the page is empty.",
    )
    data_changed: bool = strawberry.field(
        description=(
            "Whether sessions have changed since the page that `after` ends. If so, rows whose\n"
            "rank has changed can be missing from both pages, or be on both."
        )
    )


@strawberry.interface(description="A page of rows, each with the measures of its sessions.")
class SessionBreakdown:
    """What all breakdowns have in common."""

    total_count: int = strawberry.field(
        description="The number of all rows, including those on other pages.",
        metadata={REQUIRES: TOTAL_COUNT},
    )
    page_info: PageInfo = strawberry.field(description="The place of this page.")


@strawberry.type(
    description=(
        "Metrics by user. Sessions of service users alone are in no row: see `byServiceUser`."
    )
)
class UserBreakdown(SessionBreakdown):
    """A page of users."""

    nodes: list[UserSessionMetrics] = strawberry.field(description=NODES)


@strawberry.type(
    description=(
        "Metrics by service user. A session that a service user created on behalf of a user\n"
        "is in the rows of both."
    )
)
class ServiceUserBreakdown(SessionBreakdown):
    """A page of service users."""

    nodes: list[ServiceUserSessionMetrics] = strawberry.field(description=NODES)


@strawberry.type(description="Metrics by playbook.")
class PlaybookBreakdown(SessionBreakdown):
    """A page of playbooks."""

    nodes: list[PlaybookSessionMetrics] = strawberry.field(description=NODES)


@strawberry.type(description="Metrics by organization.")
class OrganizationBreakdown(SessionBreakdown):
    """A page of organizations."""

    nodes: list[OrganizationSessionMetrics] = strawberry.field(description=NODES)


@strawberry.type(description="Metrics by origin.")
class OriginBreakdown(SessionBreakdown):
    """A page of origins."""

    nodes: list[OriginSessionMetrics] = strawberry.field(description=NODES)


@strawberry.type(description="Metrics by size.")
class SizeBreakdown(SessionBreakdown):
    """A page of sizes."""

    nodes: list[SizeSessionMetrics] = strawberry.field(description=NODES)
