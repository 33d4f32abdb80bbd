"""The viewer: the caller, as the schema shows it."""

from typing import Annotated

import strawberry

from metrics_graphql.graphql_api.breakdown_types import Organization
from metrics_graphql.graphql_api.context import Info
from metrics_graphql.graphql_api.cost import ONE_STATEMENT


@strawberry.type(description="The service user whose token made the request.")
class Viewer:
    """The caller."""

    id: strawberry.ID = strawberry.field(description="Its ID.")
    name: str = strawberry.field(description="Its name.")

    @strawberry.field(
        description="The organizations whose metrics it may read, ordered by ID.",
        directives=[ONE_STATEMENT],
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
            Organization(id=strawberry.ID(org_id))
            for org_id in await info.context.list_organizations(first)
        ]
