"""The types of the two root fields: totals, and below them the fields that fetch on their own."""

from typing import Annotated, Any

import strawberry

from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.graphql_api.aggregates import SessionAggregates
from metrics_graphql.graphql_api.breakdown_fields import (
    BreakdownField,
    ByOrganization,
    ByOrigin,
    ByPlaybook,
    ByServiceUser,
    BySize,
    ByUser,
)
from metrics_graphql.graphql_api.context import Info
from metrics_graphql.graphql_api.cost import ONE_STATEMENT, TWO_STATEMENTS
from metrics_graphql.graphql_api.fetch_spec import FETCH_SPEC
from metrics_graphql.graphql_api.inputs import MOST_SESSIONS, SessionMetricsOrder
from metrics_graphql.graphql_api.period_types import TimePeriod
from metrics_graphql.graphql_api.previous_period import PreviousPeriod, PreviousPeriodMetrics
from metrics_graphql.graphql_api.series import TimeSeries, time_series_field

First = Annotated[int, strawberry.argument(description="How many rows to return, from 1 to 100.")]
After = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "Return the rows after this cursor, the `endCursor` of a page with the same period,\n"
            "filters and order."
        )
    ),
]
OrderBy = Annotated[
    SessionMetricsOrder,
    strawberry.argument(description="How rows are ranked. Equal rows are ranked by ID."),
]


def breakdown_field(spec: type[BreakdownField], description: str) -> Any:  # noqa: ANN401 - a field
    """Return a field that fetches a breakdown."""

    async def resolve(
        root: strawberry.Parent[Any],
        info: Info,
        first: First = 25,
        after: After = None,
        order_by: OrderBy = MOST_SESSIONS,
    ) -> Any:  # noqa: ANN401 - the breakdown's type
        return await info.fetch(root.query, first=first, after=after, order_by=order_by)

    resolve.__annotations__["return"] = spec.breakdown_type | None
    return strawberry.field(
        resolver=resolve,
        description=description,
        directives=[TWO_STATEMENTS],
        metadata={FETCH_SPEC: spec},
    )


@strawberry.interface(
    description=(
        "Metrics of the sessions that an organization or the enterprise created in a\n"
        "period. A fragment on it serves both."
    )
)
class SessionMetricsResult(SessionAggregates):
    """What both root fields return."""

    query: strawberry.Private[SessionMetricsQuery]

    @strawberry.field(description="The period of the query.")
    def period(self) -> TimePeriod:
        """Return the query's period."""
        return TimePeriod.of(self.query.period)

    time_series = time_series_field(
        TimeSeries,
        "The same measures for each interval of the period, oldest first. Intervals\n"
        "without sessions are included, as zeros. Refused if the interval would cut the\n"
        "period into more than 1,000 buckets.",
    )
    by_user = breakdown_field(ByUser, "The same measures for each user who created sessions.")
    by_service_user = breakdown_field(
        ByServiceUser, "The same measures for each service user that created sessions."
    )
    by_playbook = breakdown_field(
        ByPlaybook,
        "The same measures for each playbook that sessions were created from. Sessions\n"
        "without a playbook are in no row.",
    )
    by_origin = breakdown_field(
        ByOrigin, "The same measures for each origin that sessions were started from."
    )
    by_size = breakdown_field(BySize, "The same measures for each size of session.")

    @strawberry.field(
        description=(
            "The same measures for the period of equal length that ends where this one starts;\n"
            "shorter if it would start before the year 1."
        ),
        directives=[ONE_STATEMENT],
        metadata={FETCH_SPEC: PreviousPeriod},
    )
    async def previous_period(self, info: Info) -> PreviousPeriodMetrics | None:
        """Fetch the query for the previous period, and for its own."""
        previous: PreviousPeriodMetrics = await info.fetch(self.query)
        return previous


@strawberry.type(description="Metrics of the sessions an organization created in a period.")
class SessionMetrics(SessionMetricsResult):
    """Metrics of one organization."""


@strawberry.type(
    description=("Metrics of the sessions the organizations of an enterprise created in a period.")
)
class EnterpriseSessionMetrics(SessionMetricsResult):
    """Metrics of all organizations, or of some."""

    by_organization = breakdown_field(
        ByOrganization, "The same measures for each organization that created sessions."
    )
