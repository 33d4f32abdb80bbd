"""The types of the two root fields: totals, and below them the fields that fetch on their own."""

from typing import Annotated

import strawberry

from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.graphql_api.aggregates import SessionAggregates
from metrics_graphql.graphql_api.breakdown_fields import (
    ByOrganization,
    ByOrigin,
    ByPlaybook,
    ByServiceUser,
    BySize,
    ByUser,
)
from metrics_graphql.graphql_api.breakdown_types import (
    OrganizationBreakdown,
    OriginBreakdown,
    PlaybookBreakdown,
    ServiceUserBreakdown,
    SizeBreakdown,
    UserBreakdown,
)
from metrics_graphql.graphql_api.context import Info
from metrics_graphql.graphql_api.cost import ONE_STATEMENT, TWO_STATEMENTS
from metrics_graphql.graphql_api.fetch_spec import FETCH_SPEC
from metrics_graphql.graphql_api.inputs import MOST_SESSIONS, SessionMetricsOrder
from metrics_graphql.graphql_api.period_types import SessionMetricsBucket, TimePeriod
from metrics_graphql.graphql_api.previous_period import PreviousPeriod, PreviousPeriodMetrics
from metrics_graphql.graphql_api.series import Interval, TimeSeries, TimeZone

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
        self, info: Info, interval: Interval, time_zone: TimeZone = "UTC"
    ) -> list[SessionMetricsBucket] | None:
        """Fetch the query for each bucket."""
        buckets: list[SessionMetricsBucket] = await info.fetch(
            self.query, interval=interval, time_zone=time_zone
        )
        return buckets

    @strawberry.field(
        description="The same measures for each user who created sessions.",
        directives=[TWO_STATEMENTS],
        metadata={FETCH_SPEC: ByUser},
    )
    async def by_user(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        order_by: OrderBy = MOST_SESSIONS,
    ) -> UserBreakdown | None:
        """Fetch a breakdown by user."""
        found: UserBreakdown = await info.fetch(
            self.query, first=first, after=after, order_by=order_by
        )
        return found

    @strawberry.field(
        description="The same measures for each service user that created sessions.",
        directives=[TWO_STATEMENTS],
        metadata={FETCH_SPEC: ByServiceUser},
    )
    async def by_service_user(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        order_by: OrderBy = MOST_SESSIONS,
    ) -> ServiceUserBreakdown | None:
        """Fetch a breakdown by service user."""
        found: ServiceUserBreakdown = await info.fetch(
            self.query, first=first, after=after, order_by=order_by
        )
        return found

    @strawberry.field(
        description=(
            "The same measures for each playbook that sessions were created from. Sessions\n"
            "without a playbook are in no row."
        ),
        directives=[TWO_STATEMENTS],
        metadata={FETCH_SPEC: ByPlaybook},
    )
    async def by_playbook(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        order_by: OrderBy = MOST_SESSIONS,
    ) -> PlaybookBreakdown | None:
        """Fetch a breakdown by playbook."""
        found: PlaybookBreakdown = await info.fetch(
            self.query, first=first, after=after, order_by=order_by
        )
        return found

    @strawberry.field(
        description="The same measures for each origin that sessions were started from.",
        directives=[TWO_STATEMENTS],
        metadata={FETCH_SPEC: ByOrigin},
    )
    async def by_origin(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        order_by: OrderBy = MOST_SESSIONS,
    ) -> OriginBreakdown | None:
        """Fetch a breakdown by origin."""
        found: OriginBreakdown = await info.fetch(
            self.query, first=first, after=after, order_by=order_by
        )
        return found

    @strawberry.field(
        description="The same measures for each size of session.",
        directives=[TWO_STATEMENTS],
        metadata={FETCH_SPEC: BySize},
    )
    async def by_size(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        order_by: OrderBy = MOST_SESSIONS,
    ) -> SizeBreakdown | None:
        """Fetch a breakdown by size."""
        found: SizeBreakdown = await info.fetch(
            self.query, first=first, after=after, order_by=order_by
        )
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
class SessionMetrics(SessionMetricsResult):
    """Metrics of one organization."""


@strawberry.type(
    description=("Metrics of the sessions the organizations of an enterprise created in a period.")
)
class EnterpriseSessionMetrics(SessionMetricsResult):
    """Metrics of all organizations, or of some."""

    @strawberry.field(
        description="The same measures for each organization that created sessions.",
        directives=[TWO_STATEMENTS],
        metadata={FETCH_SPEC: ByOrganization},
    )
    async def by_organization(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        order_by: OrderBy = MOST_SESSIONS,
    ) -> OrganizationBreakdown | None:
        """Fetch a breakdown by organization."""
        found: OrganizationBreakdown = await info.fetch(
            self.query, first=first, after=after, order_by=order_by
        )
        return found
