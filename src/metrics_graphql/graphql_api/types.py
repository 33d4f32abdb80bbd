"""The answers to the two questions: totals, and below them series, breakdowns and a comparison."""

from contextlib import suppress
from typing import Annotated, Any, Final

import strawberry
from strawberry.utils.str_converters import to_camel_case

from metrics_graphql.domain import intervals
from metrics_graphql.domain.breakdowns import Breakdown, BreakdownQuery, Dimension, Ranking
from metrics_graphql.domain.measures import (
    SESSIONS_CREATED,
    SESSIONS_WITH_MERGED_PRS,
    SESSIONS_WITH_PLAYBOOK,
    SESSIONS_WITH_SEARCH,
    Measure,
    in_order,
)
from metrics_graphql.domain.metrics import SessionMetrics as Sums
from metrics_graphql.domain.metrics import SessionMetricsQuery
from metrics_graphql.domain.periods import TimePeriod as Period
from metrics_graphql.errors import BadUserInput
from metrics_graphql.graphql_api.aggregates import SessionAggregates
from metrics_graphql.graphql_api.breakdowns import (
    OrganizationBreakdown,
    PlaybookBreakdown,
    UserBreakdown,
)
from metrics_graphql.graphql_api.context import Info
from metrics_graphql.graphql_api.costs import ONE_STATEMENT
from metrics_graphql.graphql_api.inputs import MOST_SESSIONS, SessionMetricsOrder, TimeInterval
from metrics_graphql.graphql_api.scalars import Instant

COMPARED: Final = (
    SESSIONS_CREATED,
    SESSIONS_WITH_PLAYBOOK,
    SESSIONS_WITH_SEARCH,
    SESSIONS_WITH_MERGED_PRS,
)
"""The counts that have a relative change."""


def change_of(measure: Measure) -> Any:  # noqa: ANN401 - a field, where a class annotates its value
    """Return a GraphQL field that shows the relative change of one measure."""

    def resolve(root: strawberry.Parent[Any]) -> float | None:
        current: Sums = root.current
        return current.change_since(root.previous, measure)

    name = to_camel_case(measure.name)
    return strawberry.field(resolver=resolve, description=f"Change of `{name}`.")


@strawberry.type(description="A span of time.")
class TimePeriod:
    """A half-open span."""

    starts_at: Instant = strawberry.field(description="The first instant in the span.")
    ends_at: Instant = strawberry.field(description="The first instant after the span.")

    @classmethod
    def of(cls, period: Period) -> "TimePeriod":
        """Return a period as the schema shows it."""
        return cls(starts_at=Instant(period.start), ends_at=Instant(period.end))


@strawberry.type(description="Metrics of one interval of a period.")
class SessionMetricsBucket(SessionAggregates):
    """One bucket of a series."""

    period: TimePeriod = strawberry.field(
        description=(
            "The part of the interval inside the time range asked for. The first and the last\n"
            "bucket can be shorter than the interval."
        )
    )


@strawberry.type(
    description=(
        "Relative change since the previous period: 0.25 is a quarter more, -1 is down to\n"
        "nothing. Null if the previous value is 0, where no ratio exists."
    )
)
class SessionMetricsChange:
    """How a period compares with the one before it."""

    current: strawberry.Private[Sums]
    previous: strawberry.Private[Sums]

    sessions_created_count = change_of(SESSIONS_CREATED)
    sessions_created_with_playbook_count = change_of(SESSIONS_WITH_PLAYBOOK)
    sessions_created_with_search_count = change_of(SESSIONS_WITH_SEARCH)
    sessions_with_merged_prs_count = change_of(SESSIONS_WITH_MERGED_PRS)

    @strawberry.field(description="Change of `avgAcusPerSession`.")
    def avg_acus_per_session(self) -> float | None:
        """Compare the exact averages."""
        return self.current.change_of_average_since(self.previous)


@strawberry.type(description="Metrics of the period before the one asked for.")
class PreviousPeriodMetrics(SessionAggregates):
    """The same question, moved."""

    current: strawberry.Private[Sums]
    period: TimePeriod = strawberry.field(description="The time range covered.")

    @strawberry.field(description="How the period asked for compares with this one.")
    def change(self) -> SessionMetricsChange:
        """Compare the two."""
        return SessionMetricsChange(current=self.current, previous=self.sums)


First = Annotated[int, strawberry.argument(description="How many rows to return, from 1 to 100.")]
OrderBy = Annotated[
    SessionMetricsOrder,
    strawberry.argument(description="How rows are ranked. Equal rows are ranked by ID."),
]


@strawberry.type
class AnsweredQuestion(SessionAggregates):
    """What the answers to both questions have; the schema shows it as theirs."""

    query: strawberry.Private[SessionMetricsQuery]

    @strawberry.field(description="The time range covered.")
    def period(self) -> TimePeriod:
        """Show the period that was asked for."""
        return TimePeriod.of(self.query.period)

    @strawberry.field(
        description=(
            "The same measures for each interval of the period, oldest first. Intervals\n"
            "without sessions are there too, as zeros. Refused if the interval would cut the\n"
            "period into more than 1,000 buckets."
        ),
        directives=[ONE_STATEMENT],
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
        """Ask the same question of each bucket."""
        cut = buckets_of(self.query, interval, time_zone)
        info.spend_on_rows(len(cut))
        answers = await info.context.session_metrics(
            [self.query.moved(period) for period in cut], info.selected_measures()
        )
        return [
            SessionMetricsBucket(sums=sums, period=TimePeriod.of(period))
            for sums, period in zip(answers, cut, strict=True)
        ]

    @strawberry.field(
        description="The same measures for each user or service user who created sessions.",
        directives=[ONE_STATEMENT],
    )
    async def by_user(
        self, info: Info, first: First = 25, order_by: OrderBy = MOST_SESSIONS
    ) -> UserBreakdown | None:
        """Ask for a breakdown by creator."""
        found = await breakdown_of(self.query, info, Dimension.USER, order_by.ranking(first))
        return UserBreakdown.of(found)

    @strawberry.field(
        description=(
            "The same measures for each playbook that sessions were created from. Sessions\n"
            "without a playbook are in no row."
        ),
        directives=[ONE_STATEMENT],
    )
    async def by_playbook(
        self, info: Info, first: First = 25, order_by: OrderBy = MOST_SESSIONS
    ) -> PlaybookBreakdown | None:
        """Ask for a breakdown by playbook."""
        found = await breakdown_of(self.query, info, Dimension.PLAYBOOK, order_by.ranking(first))
        return PlaybookBreakdown.of(found)

    @strawberry.field(
        description=(
            "The same measures for the period of equal length that ends where this one starts."
        ),
        directives=[ONE_STATEMENT],
    )
    async def previous_period(self, info: Info) -> PreviousPeriodMetrics | None:
        """Ask the same question of the period before, and this one what is compared."""
        before = self.query.period.previous()
        current, previous = await info.context.session_metrics(*compared(self.query, info))
        return PreviousPeriodMetrics(sums=previous, current=current, period=TimePeriod.of(before))


@strawberry.type(description="Metrics of the sessions an organization created in a time range.")
class SessionMetrics(AnsweredQuestion):
    """The answer to a question about one organization."""


@strawberry.type(
    description=(
        "Metrics of the sessions the organizations of an enterprise created in a time range."
    )
)
class EnterpriseSessionMetrics(AnsweredQuestion):
    """The answer to a question about all organizations, or some."""

    @strawberry.field(
        description="The same measures for each organization that created sessions.",
        directives=[ONE_STATEMENT],
    )
    async def by_organization(
        self, info: Info, first: First = 25, order_by: OrderBy = MOST_SESSIONS
    ) -> OrganizationBreakdown | None:
        """Ask for a breakdown by organization."""
        ranking = order_by.ranking(first)
        found = await breakdown_of(self.query, info, Dimension.ORGANIZATION, ranking)
        return OrganizationBreakdown.of(found)


async def breakdown_of(
    query: SessionMetricsQuery, info: Info, dimension: Dimension, ranking: Ranking
) -> Breakdown:
    """Return the rows of a breakdown, with the measures selected under `nodes`."""
    measures = info.selected_measures("nodes")
    found = await info.context.breakdown(BreakdownQuery(query, dimension, ranking, measures))
    info.spend_on_rows(len(found.rows))
    return found


def buckets_of(
    query: SessionMetricsQuery, interval: TimeInterval, time_zone: str
) -> tuple[Period, ...]:
    """Return the buckets of a series.

    Raises:
        BadUserInput: an unknown time zone, or too many buckets.
    """
    zone = intervals.time_zone(time_zone)
    return intervals.buckets(query.period, intervals.TimeInterval[interval.name], zone)


def compared(
    query: SessionMetricsQuery, info: Info, *path: str
) -> tuple[list[SessionMetricsQuery], tuple[Measure, ...]]:
    """Return what a comparison with the previous period asks: two questions, and the measures."""
    wanted = {*info.selected_measures(*path), *info.selected_measures(*path, "change")}
    before = query.moved(query.period.previous())
    return [query, before], in_order(wanted)


def foresee(query: SessionMetricsQuery, info: Info) -> None:
    """Ask what series and comparisons below a question will ask, with its own totals.

    GraphQL resolves them only when the totals are there: they would take a statement of their own.
    """
    questions, measures = compared(query, info, "previousPeriod")
    if measures:
        info.context.foresee(questions, measures)
    series = []
    values = 0
    for arguments, measures, fields in info.fields_below("timeSeries"):
        with suppress(BadUserInput):
            cut = buckets_of(query, arguments["interval"], arguments["timeZone"])
            series.append((cut, measures))
            values += len(cut) * fields
    # Else they ask one after the other, until one is refused.
    if info.context.can_afford(values):
        for cut, measures in series:
            info.context.foresee([query.moved(period) for period in cut], measures)
