"""The types of the two root fields: totals, and below them the fields that fetch on their own."""

from typing import Annotated

import strawberry

from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.graphql_api.aggregates import SessionAggregates
from metrics_graphql.graphql_api.breakdown_types import (
    OrganizationBreakdown,
    PlaybookBreakdown,
    UserBreakdown,
)
from metrics_graphql.graphql_api.context import Info
from metrics_graphql.graphql_api.cost import ONE_STATEMENT
from metrics_graphql.graphql_api.enums import TimeInterval
from metrics_graphql.graphql_api.fetch_spec import FETCH_SPEC
from metrics_graphql.graphql_api.inputs import MOST_SESSIONS, SessionMetricsOrder
from metrics_graphql.graphql_api.nested_fields import (
    ByOrganization,
    ByPlaybook,
    ByUser,
    PreviousPeriod,
    TimeSeries,
)
from metrics_graphql.graphql_api.period_types import (
    PreviousPeriodMetrics,
    SessionMetricsBucket,
    TimePeriod,
)

First = Annotated[int, strawberry.argument(description="How many rows to return, from 1 to 100.")]
OrderBy = Annotated[
    SessionMetricsOrder,
    strawberry.argument(description="How rows are ranked. Equal rows are ranked by ID."),
]


@strawberry.type
class QueryResult(SessionAggregates):
    """What both root fields return; the schema shows the fields as those of its subclasses."""

    query: strawberry.Private[SessionMetricsQuery]

    @strawberry.field(description="The period of the query.")
    def period(self) -> TimePeriod:
        """Return the query's period."""
        return TimePeriod.of(self.query.period)

    @strawberry.field(
        description=(
            "The same measures for each interval of the period, oldest first. Intervals\n"
            "without sessions are included, as zeros. Refused if the interval would cut the\n"
            "period into more than 1,000 buckets."
        ),
        directives=[ONE_STATEMENT],
        metadata={FETCH_SPEC: TimeSeries},
    )
    async def time_series(
        self,
        info: Info,
        interval: Annotated[
            TimeInterval, strawberry.argument(description="The length of a bucket.")
        ],
        time_zone: Annotated[
            str,
            strawberry.argument(
                description=(
                    "The IANA time zone in which days, weeks and months begin, like\n"
                    "`Europe/Berlin`."
                )
            ),
        ] = "UTC",
    ) -> list[SessionMetricsBucket] | None:
        """Fetch the query for each bucket."""
        buckets: list[SessionMetricsBucket] = await info.fetch(
            self.query, interval=interval, time_zone=time_zone
        )
        return buckets

    @strawberry.field(
        description="The same measures for each user or service user who created sessions.",
        directives=[ONE_STATEMENT],
        metadata={FETCH_SPEC: ByUser},
    )
    async def by_user(
        self, info: Info, first: First = 25, order_by: OrderBy = MOST_SESSIONS
    ) -> UserBreakdown | None:
        """Fetch a breakdown by creator."""
        found: UserBreakdown = await info.fetch(self.query, first=first, order_by=order_by)
        return found

    @strawberry.field(
        description=(
            "The same measures for each playbook that sessions were created from. Sessions\n"
            "without a playbook are in no row."
        ),
        directives=[ONE_STATEMENT],
        metadata={FETCH_SPEC: ByPlaybook},
    )
    async def by_playbook(
        self, info: Info, first: First = 25, order_by: OrderBy = MOST_SESSIONS
    ) -> PlaybookBreakdown | None:
        """Fetch a breakdown by playbook."""
        found: PlaybookBreakdown = await info.fetch(self.query, first=first, order_by=order_by)
        return found

    @strawberry.field(
        description=(
            "The same measures for the period of equal length that ends where this one starts."
        ),
        directives=[ONE_STATEMENT],
        metadata={FETCH_SPEC: PreviousPeriod},
    )
    async def previous_period(self, info: Info) -> PreviousPeriodMetrics | None:
        """Fetch the query for the previous period, and for its own."""
        previous: PreviousPeriodMetrics = await info.fetch(self.query)
        return previous


@strawberry.type(description="Metrics of the sessions an organization created in a period.")
class SessionMetrics(QueryResult):
    """Metrics of one organization."""


@strawberry.type(
    description=("Metrics of the sessions the organizations of an enterprise created in a period.")
)
class EnterpriseSessionMetrics(QueryResult):
    """Metrics of all organizations, or of some."""

    @strawberry.field(
        description="The same measures for each organization that created sessions.",
        directives=[ONE_STATEMENT],
        metadata={FETCH_SPEC: ByOrganization},
    )
    async def by_organization(
        self, info: Info, first: First = 25, order_by: OrderBy = MOST_SESSIONS
    ) -> OrganizationBreakdown | None:
        """Fetch a breakdown by organization."""
        found: OrganizationBreakdown = await info.fetch(self.query, first=first, order_by=order_by)
        return found
