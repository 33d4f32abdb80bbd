"""The viewer: the caller, as the schema shows it."""

from typing import Annotated

import strawberry

from metrics_graphql.core.callers import ServiceUser as Caller
from metrics_graphql.core.tenants import ENTERPRISE
from metrics_graphql.graphql_api.breakdown_types import Organization
from metrics_graphql.graphql_api.context import Info
from metrics_graphql.graphql_api.cost import TWO_STATEMENTS
from metrics_graphql.graphql_api.scalars import Instant


@strawberry.type(description="The service user whose token made the request.")
class Viewer:
    """The caller."""

    caller: strawberry.Private[Caller]

    @strawberry.field(description="Its ID.")
    def id(self) -> strawberry.ID:
        """Return the id of the service user."""
        return strawberry.ID(self.caller.service_user_id)

    @strawberry.field(description="Its name.")
    def name(self) -> str:
        """Return the name of the service user."""
        return self.caller.name

    @strawberry.field(description="Its permissions, like `ViewAccountMetrics`.")
    def permissions(self) -> list[str]:
        """Return the names of its permissions."""
        return list(self.caller.permissions)

    @strawberry.field(
        description=(
            "Whether it belongs to the enterprise. Its permissions then cover every organization."
        )
    )
    def enterprise(self) -> bool:
        """Return whether its tenant is the enterprise."""
        return self.caller.tenant is ENTERPRISE

    @strawberry.field(description="When the token of the request expires. Null if it does not.")
    def expires_at(self) -> Instant | None:
        """Return the expiry of the token."""
        expires_at = self.caller.token_expires_at
        return None if expires_at is None else Instant(expires_at)

    @strawberry.field(
        description="The organization it belongs to. Null at enterprise level.",
    )
    async def organization(self, info: Info) -> Organization | None:
        """Return its organization, with its name."""
        if self.caller.org_id is None:
            return None
        name = await info.context.organization_name(self.caller.org_id)
        return Organization(id=strawberry.ID(self.caller.org_id), name=name)

    @strawberry.field(
        description="The organizations whose metrics it may read, ordered by ID.",
        directives=[TWO_STATEMENTS],
    )
    async def organizations(
        self,
        info: Info,
        first: Annotated[
            int, strawberry.argument(description="How many to return, from 1 to 1,000.")
        ] = 100,
    ) -> list[Organization] | None:
        """List what the caller may read."""
        return [
            Organization(id=strawberry.ID(each.id), name=each.name)
            for each in await info.context.list_organizations(first)
        ]
