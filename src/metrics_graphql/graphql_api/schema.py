"""The schema: its root field, put together with its scalar."""

from typing import Annotated, Final

import strawberry
from strawberry.dataloader import DataLoader
from strawberry.schema.config import StrawberryConfig

from metrics_graphql.domain.measures import Measure
from metrics_graphql.domain.metrics import SessionMetrics as SessionSums
from metrics_graphql.domain.metrics import SessionMetricsQuery
from metrics_graphql.errors import MetricsError
from metrics_graphql.graphql_api.inputs import SessionMetricsFilters
from metrics_graphql.graphql_api.scalars import DATE_TIME, Instant
from metrics_graphql.graphql_api.selection import selected_measures
from metrics_graphql.graphql_api.types import SessionMetrics
from metrics_graphql.service import MetricsService
from metrics_graphql.store.accounts import ServiceUser
from metrics_graphql.store.questions import Asked


class Context:
    """What a request brings to its resolvers."""

    def __init__(self, service: MetricsService, caller: ServiceUser) -> None:
        async def load(asked: list[Asked]) -> list[SessionSums | MetricsError]:
            return await service.session_metrics(caller, asked)

        # Resolvers of one request run side by side: what they ask goes to the service together.
        self._questions = DataLoader(load)

    async def session_metrics(
        self, question: SessionMetricsQuery, measures: tuple[Measure, ...]
    ) -> SessionSums:
        """Return the answer to a question, asked together with the others of the request.

        Raises:
            Forbidden: the caller may not read the organization, or there is none.
            Unavailable: the database can't answer.
        """
        return await self._questions.load(Asked(question, measures))


class Info(strawberry.Info[Context, None]):
    """What a resolver is told."""

    def selected_measures(self) -> tuple[Measure, ...]:
        """Return the measures selected under the field, through its fragments.

        Strawberry's own `selected_fields` spells fragments out, which a request can make
        exponentially long.
        """
        return selected_measures(self._raw_info.field_nodes, self._raw_info.fragments)


@strawberry.type(description="Questions that can be asked of an organization's sessions.")
class Query:
    """The root."""

    @strawberry.field(
        description=(
            "Metrics of the sessions an organization created in a time range.\n\n"
            "Null if they could not be read, for a reason given in `errors`; other fields of\n"
            "the request still answer.\n\n"
            "Requires the `ViewAccountMetrics` permission on the organization."
        )
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
        sums = await info.context.session_metrics(query, info.selected_measures())
        return SessionMetrics(sums=sums, query=query)


schema: Final = strawberry.Schema(
    Query, config=StrawberryConfig(info_class=Info, scalar_map={Instant: DATE_TIME})
)

graphql_schema: Final = schema._schema  # noqa: SLF001 - graphql-core's own, which has no public name
"""The same schema, as graphql-core validates against it and executes it."""
