"""The schema: its root fields, put together with its scalar."""

from typing import Annotated, Final

import strawberry
from strawberry.schema.config import StrawberryConfig

from metrics_graphql.graphql_api.context import Info
from metrics_graphql.graphql_api.costs import ONE_STATEMENT, costs_of
from metrics_graphql.graphql_api.inputs import SessionMetricsFilters
from metrics_graphql.graphql_api.scalars import DATE_TIME, Instant
from metrics_graphql.graphql_api.types import EnterpriseSessionMetrics, SessionMetrics, foresee
from metrics_graphql.graphql_api.viewer import Viewer


@strawberry.type(description="Questions that can be asked of an organization's sessions.")
class Query:
    """The root."""

    @strawberry.field(
        description=(
            "Metrics of the sessions an organization created in a time range.\n\n"
            "Null if they could not be read, for a reason given in `errors`; other fields of\n"
            "the request still answer.\n\n"
            "Requires the `ViewAccountMetrics` permission on the organization."
        ),
        directives=[ONE_STATEMENT],
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
        """Ask the service for the measures that are selected."""
        query = filters.query(org_id)
        foresee(query, info)
        (sums,) = await info.context.session_metrics([query], info.selected_measures())
        return SessionMetrics(sums=sums, query=query)

    @strawberry.field(
        description=(
            "Metrics of the sessions that all organizations, or some of them, created in a time\n"
            "range.\n\n"
            "Null if they could not be read, for a reason given in `errors`; other fields of\n"
            "the request still answer.\n\n"
            "Requires the `ViewAccountMetrics` permission at enterprise level."
        ),
        directives=[ONE_STATEMENT],
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
        """Ask the service for the measures that are selected."""
        query = filters.query(None, org_ids)
        foresee(query, info)
        (sums,) = await info.context.session_metrics([query], info.selected_measures())
        return EnterpriseSessionMetrics(sums=sums, query=query)

    @strawberry.field(description="Who is asking, and what they may read.")
    def viewer(self, info: Info) -> Viewer:
        """Show the caller."""
        caller = info.context.caller
        return Viewer(id=strawberry.ID(caller.service_user_id), name=caller.name)


schema: Final = strawberry.Schema(
    Query, config=StrawberryConfig(info_class=Info, scalar_map={Instant: DATE_TIME})
)

graphql_schema: Final = schema._schema  # noqa: SLF001 - graphql-core's own, which has no public name
"""The same schema, as graphql-core validates against it and executes it."""

COSTS: Final = costs_of(graphql_schema)
"""What each field costs, by its name, in SQL statements; one that is not here costs none."""
