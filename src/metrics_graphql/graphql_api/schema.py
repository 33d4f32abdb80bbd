"""The schema: its root fields, and the schema of graphql-core made from it."""

from typing import Annotated, Final

import strawberry
from strawberry.schema.config import StrawberryConfig

from metrics_graphql.core.callers import ServiceUser
from metrics_graphql.core.identifiers import check_id
from metrics_graphql.core.tenants import ENTERPRISE
from metrics_graphql.graphql_api.context import Info
from metrics_graphql.graphql_api.cost import ONE_STATEMENT, TWO_STATEMENTS, costs_of
from metrics_graphql.graphql_api.enums import NamedKind
from metrics_graphql.graphql_api.fetch_spec import FETCH_SPEC
from metrics_graphql.graphql_api.inputs import SessionMetricsFilters
from metrics_graphql.graphql_api.query_types import EnterpriseSessionMetrics, SessionMetrics
from metrics_graphql.graphql_api.root_fields import EnterpriseMetrics, OrganizationMetrics
from metrics_graphql.graphql_api.scalars import DATE_TIME, Instant
from metrics_graphql.graphql_api.viewer import Viewer


@strawberry.type(description="Something that sessions can be filtered by.")
class FilterOption:
    """An id with its name."""

    id: strawberry.ID = strawberry.field(description="Its ID, as the filters take it.")
    name: str | None = strawberry.field(description="Its name; null if none was loaded.")


@strawberry.type(
    description="Session metrics of organizations and of the enterprise, and the caller."
)
class Query:
    """The root. Its value is the caller."""

    @strawberry.field(
        description=(
            "Metrics of the sessions an organization created in a period.\n\n"
            "Null if they could not be read, for a reason given in `errors`; other fields of\n"
            "the request are still resolved.\n\n"
            "Requires the permission `ViewAccountMetrics` or `ViewOrgMetrics` on the organization."
        ),
        directives=[ONE_STATEMENT],
        metadata={FETCH_SPEC: OrganizationMetrics},
    )
    async def session_metrics(
        self,
        info: Info,
        org_id: Annotated[
            strawberry.ID,
            strawberry.argument(description="The organization whose sessions are counted."),
        ],
        filters: Annotated[
            SessionMetricsFilters,
            strawberry.argument(description="Which of its sessions are counted."),
        ],
    ) -> SessionMetrics | None:
        """Fetch the selected measures of an organization."""
        metrics: SessionMetrics = await info.fetch(org_id=org_id, filters=filters)
        return metrics

    @strawberry.field(
        description=(
            "Metrics of the sessions that all organizations, or some of them, created in a\n"
            "period.\n\n"
            "Null if they could not be read, for a reason given in `errors`; other fields of\n"
            "the request are still resolved.\n\n"
            "Requires the permission `ViewAccountMetrics` or `ViewOrgMetrics` at enterprise level."
        ),
        directives=[ONE_STATEMENT],
        metadata={FETCH_SPEC: EnterpriseMetrics},
    )
    async def enterprise_session_metrics(
        self,
        info: Info,
        *,
        org_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(
                description=(
                    "The organizations whose sessions are counted, at most 1,000; all of them if\n"
                    "left out or null. One that is not known has no sessions."
                )
            ),
        ] = strawberry.UNSET,
        filters: Annotated[
            SessionMetricsFilters,
            strawberry.argument(description="Which of their sessions are counted."),
        ],
    ) -> EnterpriseSessionMetrics | None:
        """Fetch the selected measures of the enterprise."""
        metrics: EnterpriseSessionMetrics = await info.fetch(org_ids=org_ids, filters=filters)
        return metrics

    @strawberry.field(description="The caller, and what it may read.")
    def viewer(caller: strawberry.Parent[ServiceUser]) -> Viewer:  # noqa: N805 - the root value
        """Return the caller."""
        return Viewer(caller=caller)

    @strawberry.field(
        description=(
            "Users, service users, playbooks or organizations that can be filtered by: those\n"
            "whose name or ID contains a text, without regard to case. Those with a name come\n"
            "first, ordered by name, then the others by ID.\n\n"
            "Requires the permission to read the metrics of the organization, or at enterprise\n"
            "level."
        ),
        directives=[TWO_STATEMENTS],
    )
    async def filter_options(
        self,
        info: Info,
        *,
        kind: Annotated[NamedKind, strawberry.argument(description="What to search for.")],
        org_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description=(
                    "The organization whose sessions name them. The enterprise if left out or null."
                )
            ),
        ] = None,
        search: Annotated[
            str,
            strawberry.argument(
                description="A part of a name or an ID, without outer blanks. All match if empty."
            ),
        ] = "",
        first: Annotated[
            int, strawberry.argument(description="How many to return, from 1 to 100.")
        ] = 20,
    ) -> list[FilterOption] | None:
        """Search ids by name or id."""
        tenant = ENTERPRISE if org_id is None else check_id(("org_id",), org_id)
        found = await info.context.search_ids(tenant, kind, search, first)
        return [FilterOption(id=strawberry.ID(each.id), name=each.name) for each in found]


schema: Final = strawberry.Schema(
    Query, config=StrawberryConfig(info_class=Info, scalar_map={Instant: DATE_TIME})
)

graphql_schema: Final = schema._schema  # noqa: SLF001 - graphql-core's own, which has no public name
"""The schema as graphql-core validates documents against it and executes them."""

COSTS: Final = costs_of(graphql_schema)
"""The cost of each field in SQL statements, by its name; 0 if it is not listed."""
