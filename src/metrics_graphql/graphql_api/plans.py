"""Compiled execution: an operation is made into a plan once, which asks and writes its answer.

A plan knows the ordinary: `sessionMetrics`, `enterpriseSessionMetrics` and `viewer`, with all that
is below them. It asks the service for all of it together. Whatever else there is, an error above
all, is for graphql-core to run: a plan then answers nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple

from graphql import (
    FieldNode,
    OperationDefinitionNode,
)
from graphql.execution import get_argument_values, get_variable_values
from graphql.execution.values import VariableValues

from metrics_graphql.domain.breakdowns import Breakdown, BreakdownQuery, Dimension
from metrics_graphql.domain.measures import Measure
from metrics_graphql.domain.metrics import SessionMetrics, SessionMetricsQuery
from metrics_graphql.domain.periods import TimePeriod
from metrics_graphql.graphql_api.context import Context
from metrics_graphql.graphql_api.inputs import SessionMetricsOrder
from metrics_graphql.graphql_api.schema import graphql_schema
from metrics_graphql.graphql_api.types import buckets_of
from metrics_graphql.graphql_api.writers import (
    BUCKET,
    BY_ORGANIZATION,
    BY_PLAYBOOK,
    BY_USER,
    PREVIOUS,
    Writer,
    written_list,
)
from metrics_graphql.store.accounts import ServiceUser
from metrics_graphql.store.questions import Asked

QUERY_FIELDS: Final = graphql_schema.type_map["Query"].fields  # type: ignore[attr-defined] # it is an object type
METRICS_FIELDS: Final = graphql_schema.type_map["EnterpriseSessionMetrics"].fields  # type: ignore[attr-defined] # as is this; it has those of the other, too
BELOW: Final = {
    "previousPeriod": PREVIOUS,
    "timeSeries": BUCKET,
    "byUser": BY_USER,
    "byPlaybook": BY_PLAYBOOK,
    "byOrganization": BY_ORGANIZATION,
}
"""The fields under a question that ask on their own, and what they are made of."""
DIMENSIONS: Final = {
    "byUser": Dimension.USER,
    "byPlaybook": Dimension.PLAYBOOK,
    "byOrganization": Dimension.ORGANIZATION,
}


class Totals(NamedTuple):
    """The value of a question; `below` is the JSON of the fields that asked on their own."""

    metrics: SessionMetrics
    period: TimePeriod
    below: Sequence[str]


class Bucket(NamedTuple):
    """The value of a bucket of a series."""

    metrics: SessionMetrics
    period: TimePeriod


class Compared(NamedTuple):
    """The value of `previousPeriod`."""

    metrics: SessionMetrics
    period: TimePeriod
    current: SessionMetrics


class Need(NamedTuple):
    """What a field asks, a breakdown or some questions, and how the answer is written."""

    asked: BreakdownQuery | Sequence[SessionMetricsQuery]
    measures: tuple[Measure, ...]
    write: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Below:
    """A field under a question that asks on its own."""

    name: str
    node: FieldNode
    measures: tuple[Measure, ...]
    write: Writer
    values: int
    """Fields in each of its rows."""

    def need(self, query: SessionMetricsQuery, variables: VariableValues) -> Need:
        """Return what the field asks, below a question.

        Raises:
            GraphQLError, BadUserInput: its arguments can't be taken.
        """
        if self.name == "previousPeriod":
            return self._comparison(query)
        arguments = get_argument_values(METRICS_FIELDS[self.name], self.node, variables)
        if self.name == "timeSeries":
            cut = buckets_of(query, arguments["interval"], arguments["timeZone"])
            return self._series(query, cut)
        ranking = SessionMetricsOrder(**arguments["orderBy"]).ranking(arguments["first"])
        asked = BreakdownQuery(query, DIMENSIONS[self.name], ranking, self.measures)
        return Need(asked, self.measures, self.write)

    def _comparison(self, query: SessionMetricsQuery) -> Need:
        before = query.period.previous()

        def write(answers: Sequence[SessionMetrics]) -> str:
            current, previous = answers
            return self.write(Compared(previous, before, current))

        return Need((query, query.moved(before)), self.measures, write)

    def _series(self, query: SessionMetricsQuery, cut: Sequence[TimePeriod]) -> Need:
        def write(answers: Sequence[SessionMetrics]) -> str:
            return written_list(self.write, map(Bucket, answers, cut))

        return Need([query.moved(period) for period in cut], self.measures, write)


@dataclass(frozen=True, slots=True)
class MetricsField:
    """One question of an operation."""

    name: str
    node: FieldNode
    measures: tuple[Measure, ...]
    below: Sequence[Below]
    write: Writer

    def bound(self, variables: VariableValues) -> "Bound":
        """Return the field with its arguments.

        Raises:
            GraphQLError, BadUserInput: they, or those of a field below, can't be taken.
        """
        arguments = get_argument_values(QUERY_FIELDS[self.name], self.node, variables)
        query = query_of(arguments)
        return Bound(self, query, [each.need(query, variables) for each in self.below])


class Bound(NamedTuple):
    """A question with its arguments, and what the fields below it ask."""

    field: MetricsField
    query: SessionMetricsQuery
    needs: Sequence[Need]

    def asked(self) -> list[Asked]:
        """Return all questions, the field's own first."""
        below = (
            Asked(question, need.measures)
            for need in self.needs
            if not isinstance(need.asked, BreakdownQuery)
            for question in need.asked
        )
        return [Asked(self.query, self.field.measures), *below]

    def values_of_series(self) -> int:
        """Return how many fields the rows of all series will have: known before they are asked."""
        return sum(
            below.values * len(need.asked)
            for below, need in zip(self.field.below, self.needs, strict=True)
            if below.name == "timeSeries"
        )

    def written(
        self, answers: Iterator[SessionMetrics], breakdowns: Iterator[Breakdown], context: Context
    ) -> str:
        """Write the field, taking as many answers as it asked questions.

        Raises:
            QueryTooExpensive: the answer would have more values than is allowed.
        """
        metrics = next(answers)
        texts = []
        for below, need in zip(self.field.below, self.needs, strict=True):
            if isinstance(need.asked, BreakdownQuery):
                found: Any = next(breakdowns)
                rows = len(found.rows)
            else:
                found = list(islice(answers, len(need.asked)))
                rows = len(found)
            if below.name != "previousPeriod":
                context.spend(below.values * rows)
            texts.append(need.write(found))
        return self.field.write(Totals(metrics, self.query.period, texts))


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operation asks, and how its answer is written."""

    operation: OperationDefinitionNode
    metrics: Sequence[MetricsField]
    write: Writer
    """Writes `data` from the caller and the JSON of each of `metrics`."""

    async def run(self, context: Context, variables: dict[str, Any]) -> str | None:
        """Return the JSON of `data`; None where it is for graphql-core to say what is wrong."""
        values = get_variable_values(
            graphql_schema, self.operation.variable_definitions or (), variables
        )
        if not isinstance(values, VariableValues):
            return None
        try:
            bound = [field.bound(values) for field in self.metrics]
            if not context.can_afford(sum(each.values_of_series() for each in bound)):
                return None
            answers, breakdowns = await context.ask_all(
                [asked for each in bound for asked in each.asked()],
                [
                    need.asked
                    for each in bound
                    for need in each.needs
                    if isinstance(need.asked, BreakdownQuery)
                ],
            )
            texts = [each.written(answers, breakdowns, context) for each in bound]
        except Exception:  # noqa: BLE001 - graphql-core meets it again, at the field that it is about
            context.start_over()
            return None
        return self.write(Root(context.caller, texts))


class Root(NamedTuple):
    """The value of the whole answer."""

    caller: ServiceUser
    texts: Sequence[str]


def query_of(arguments: Mapping[str, Any]) -> SessionMetricsQuery:
    """Return the question that these arguments, as graphql-core gives them, ask.

    Raises:
        BadUserInput: naming the argument that can't be taken.
    """
    filters = arguments["filters"]
    return SessionMetricsQuery.asked(
        org_id=arguments.get("orgId"),
        time_after=filters["timeAfter"],
        time_before=filters["timeBefore"],
        user_ids=filters.get("userIds"),
        service_user_ids=filters.get("serviceUserIds"),
        playbook_id=filters.get("playbookId"),
        org_ids=arguments.get("orgIds"),
    )
