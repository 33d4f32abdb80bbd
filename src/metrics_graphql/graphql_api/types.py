"""The answers of the schema. What they count follows from the table of measures."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from typing import Annotated, Any, Final, TypeVar

import strawberry
from strawberry.utils.str_converters import to_camel_case

from metrics_graphql.domain import intervals
from metrics_graphql.domain.breakdowns import BreakdownQuery, Dimension
from metrics_graphql.domain.measures import (
    MEASURES,
    SESSIONS_CREATED,
    SESSIONS_WITH_MERGED_PRS,
    SESSIONS_WITH_PLAYBOOK,
    SESSIONS_WITH_SEARCH,
    Measure,
)
from metrics_graphql.domain.metrics import SessionMetrics as Sums
from metrics_graphql.domain.metrics import SessionMetricsQuery
from metrics_graphql.domain.periods import TimePeriod as Period
from metrics_graphql.errors import BadUserInput
from metrics_graphql.graphql_api.context import Info
from metrics_graphql.graphql_api.inputs import MOST_SESSIONS, SessionMetricsOrder, TimeInterval
from metrics_graphql.graphql_api.scalars import Instant

T = TypeVar("T", bound=type)


def count_of(measure: Measure) -> Any:  # noqa: ANN401 - a field, where a class annotates its value
    """Return a GraphQL field that shows one measure of the object's `sums`."""

    def resolve(root: strawberry.Parent[Any]) -> int:
        return int(root.sums[measure])

    return strawberry.field(resolver=resolve, description=measure.description)


def change_of(measure: Measure) -> Any:  # noqa: ANN401 - a field, where a class annotates its value
    """Return a GraphQL field that shows the relative change of one measure."""

    def resolve(root: strawberry.Parent[Any]) -> float | None:
        current: Sums = root.current
        return current.change_since(root.previous, measure)

    name = to_camel_case(measure.name)
    return strawberry.field(resolver=resolve, description=f"Change of `{name}`.")


def counted_by_member_of(field: str) -> Callable[[T], T]:
    """Give a class one GraphQL field for each member of a field of the table of measures."""

    def show(member: str) -> Callable[[Any], int]:
        def resolve(root: strawberry.Parent[Any]) -> int:
            return int(root.counts[member])

        return resolve

    def add_fields(cls: T) -> T:
        for measure in MEASURES:
            if measure.field == field and measure.member:
                shown = strawberry.field(
                    resolver=show(measure.member), description=measure.description
                )
                setattr(cls, measure.member, shown)
        return cls

    return add_fields


@strawberry.type(description="Session counts by size.")
@counted_by_member_of("sessions_created_by_size")
class SessionCountsBySize:
    """One field for each size."""

    counts: strawberry.Private[Mapping[str, int]]


@strawberry.type(
    description=(
        "Session counts by where the session was started. Sessions from the CLI, the VS Code\n"
        "extension and Spaces are in none of these counts, which can therefore add up to less\n"
        "than the total."
    )
)
@counted_by_member_of("sessions_created_by_origin")
class SessionCountsByOrigin:
    """One field for each public origin."""

    counts: strawberry.Private[Mapping[str, int]]


@strawberry.interface(
    description="The measures of a set of sessions. They mean the same wherever they appear."
)
class SessionAggregates:
    """The same measures, wherever sessions are counted."""

    sums: strawberry.Private[Sums]

    sessions_created_count = count_of(SESSIONS_CREATED)

    @strawberry.field(description="Sessions created, by size.")
    def sessions_created_by_size(self) -> SessionCountsBySize:
        """Count the sessions of each size; those with none are in no count."""
        return SessionCountsBySize(counts=self.sums.by_member("sessions_created_by_size"))

    @strawberry.field(description="Sessions created, by where they were started.")
    def sessions_created_by_origin(self) -> SessionCountsByOrigin:
        """Count the sessions of each public origin."""
        return SessionCountsByOrigin(counts=self.sums.by_member("sessions_created_by_origin"))

    sessions_created_with_playbook_count = count_of(SESSIONS_WITH_PLAYBOOK)
    sessions_created_with_search_count = count_of(SESSIONS_WITH_SEARCH)
    sessions_with_merged_prs_count = count_of(SESSIONS_WITH_MERGED_PRS)

    @strawberry.field(description="Sessions with at least one merged pull request, by size.")
    def sessions_with_merged_prs_by_size(self) -> SessionCountsBySize:
        """Count the merged sessions of each size."""
        return SessionCountsBySize(counts=self.sums.by_member("sessions_with_merged_prs_by_size"))

    @strawberry.field(
        description="ACUs consumed per session, on average. 0 if there are no sessions."
    )
    def avg_acus_per_session(self) -> float:
        """Divide the exact sum by the count."""
        return self.sums.avg_acus_per_session


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


@strawberry.enum(description="The kinds of users that create sessions.")
class SessionUserKind(Enum):
    """Named after the field of a session that names one."""

    USER = strawberry.enum_value("user_id", description="A person.")
    SERVICE_USER = strawberry.enum_value(
        "service_user_id", description="A program with its own credential."
    )


@strawberry.type(description="Someone who creates sessions.")
class SessionUser:
    """A user or a service user."""

    id: strawberry.ID = strawberry.field(
        description="Their ID, as `userIds` or `serviceUserIds` takes it."
    )
    kind: SessionUserKind = strawberry.field(
        description="Whether this is a user or a service user."
    )


@strawberry.type(description="A prompt that sessions are created from.")
class Playbook:
    """What a session can be created from."""

    id: strawberry.ID = strawberry.field(description="Its ID, as `playbookId` takes it.")


@strawberry.type(description="Metrics of one user or service user.")
class UserSessionMetrics(SessionAggregates):
    """A row of a breakdown."""

    user: SessionUser = strawberry.field(description="Who created the sessions.")


@strawberry.type(description="Metrics of one playbook.")
class PlaybookSessionMetrics(SessionAggregates):
    """A row of a breakdown."""

    playbook: Playbook = strawberry.field(description="What the sessions were created from.")


TOTAL_COUNT: Final = "How many rows there are, whether or not in `nodes`."


@strawberry.type(
    description=(
        "Metrics by user. A session that names a user and a service user is in the rows of both."
    )
)
class UserBreakdown:
    """The highest ranked users."""

    nodes: list[UserSessionMetrics] = strawberry.field(description="The highest ranked rows.")
    total_count: int = strawberry.field(description=TOTAL_COUNT)


@strawberry.type(description="Metrics by playbook.")
class PlaybookBreakdown:
    """The highest ranked playbooks."""

    nodes: list[PlaybookSessionMetrics] = strawberry.field(description="The highest ranked rows.")
    total_count: int = strawberry.field(description=TOTAL_COUNT)


First = Annotated[int, strawberry.argument(description="How many rows to return, from 1 to 100.")]
OrderBy = Annotated[
    SessionMetricsOrder,
    strawberry.argument(description="How rows are ranked. Equal rows are ranked by ID."),
]


@strawberry.type(description="Metrics of the sessions an organization created in a time range.")
class SessionMetrics(SessionAggregates):
    """The answer to one question."""

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
        )
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
        answers = await info.context.session_metrics(
            [self.query.moved(period) for period in cut], info.selected_measures()
        )
        return [
            SessionMetricsBucket(sums=sums, period=TimePeriod.of(period))
            for sums, period in zip(answers, cut, strict=True)
        ]

    @strawberry.field(
        description="The same measures for each user or service user who created sessions."
    )
    async def by_user(
        self, info: Info, first: First = 25, order_by: OrderBy = MOST_SESSIONS
    ) -> UserBreakdown | None:
        """Ask for a breakdown by creator."""
        found = await info.context.breakdown(
            BreakdownQuery(
                self.query,
                Dimension.USER,
                order_by.ranking(first),
                info.selected_measures("nodes"),
            )
        )
        return UserBreakdown(
            nodes=[
                UserSessionMetrics(
                    sums=row.metrics,
                    user=SessionUser(id=strawberry.ID(row.id), kind=SessionUserKind(row.field)),
                )
                for row in found.rows
            ],
            total_count=found.total,
        )

    @strawberry.field(
        description=(
            "The same measures for each playbook that sessions were created from. Sessions\n"
            "without a playbook are in no row."
        )
    )
    async def by_playbook(
        self, info: Info, first: First = 25, order_by: OrderBy = MOST_SESSIONS
    ) -> PlaybookBreakdown | None:
        """Ask for a breakdown by playbook."""
        found = await info.context.breakdown(
            BreakdownQuery(
                self.query,
                Dimension.PLAYBOOK,
                order_by.ranking(first),
                info.selected_measures("nodes"),
            )
        )
        return PlaybookBreakdown(
            nodes=[
                PlaybookSessionMetrics(
                    sums=row.metrics, playbook=Playbook(id=strawberry.ID(row.id))
                )
                for row in found.rows
            ],
            total_count=found.total,
        )

    @strawberry.field(
        description=(
            "The same measures for the period of equal length that ends where this one starts."
        )
    )
    async def previous_period(self, info: Info) -> PreviousPeriodMetrics | None:
        """Ask the same question of the period before, and this one what is compared."""
        before = self.query.period.previous()
        current, previous = await info.context.session_metrics(*compared(self.query, info))
        return PreviousPeriodMetrics(sums=previous, current=current, period=TimePeriod.of(before))


def buckets_of(query: SessionMetricsQuery, interval: TimeInterval, time_zone: str) -> list[Period]:
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
    return [query, before], tuple(measure for measure in MEASURES if measure in wanted)


def foresee(query: SessionMetricsQuery, info: Info) -> None:
    """Ask what series and comparisons below `sessionMetrics` will ask, with its own totals.

    GraphQL resolves them only when the totals are there: they would take a statement of their own.
    """
    questions, measures = compared(query, info, "previousPeriod")
    if measures:
        info.context.foresee(questions, measures)
    for arguments, measures in info.fields_below("SessionMetrics", "timeSeries"):
        with suppress(BadUserInput):
            cut = buckets_of(query, arguments["interval"], arguments["timeZone"])
            info.context.foresee([query.moved(period) for period in cut], measures)


@strawberry.type(description="An organization.")
class Organization:
    """An organization that the caller may read."""

    id: strawberry.ID = strawberry.field(description="Its ID, as `orgId` takes it.")


@strawberry.type(description="The service user whose token made the request.")
class Viewer:
    """Who is asking."""

    id: strawberry.ID = strawberry.field(description="Its ID.")
    name: str = strawberry.field(description="Its name.")

    @strawberry.field(description="The organizations whose metrics it may read, ordered by ID.")
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
            for org_id in await info.context.organizations(first)
        ]
