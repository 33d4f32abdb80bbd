"""What a request brings to its resolvers: who asks, and one place to ask together."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

import strawberry
from graphql import GraphQLError, GraphQLObjectType
from graphql.execution import get_argument_values
from strawberry.dataloader import DataLoader

from metrics_graphql.domain.breakdowns import Breakdown, BreakdownQuery
from metrics_graphql.domain.measures import Measure
from metrics_graphql.domain.metrics import SessionMetrics, SessionMetricsQuery
from metrics_graphql.errors import MetricsError, QueryTooExpensive
from metrics_graphql.graphql_api.budget import Ruler
from metrics_graphql.graphql_api.selection import fields_named, selected_measures
from metrics_graphql.service import MetricsService
from metrics_graphql.store.accounts import ServiceUser
from metrics_graphql.store.questions import Asked

T = TypeVar("T")


class Context:
    """What a request brings to its resolvers."""

    def __init__(self, service: MetricsService, caller: ServiceUser, max_values: int) -> None:
        self.caller = caller
        self._service = service
        self._values = 0
        self._max_values = max_values
        self._found: dict[BreakdownQuery, Breakdown | MetricsError] = {}
        self._answered: tuple[Sequence[Asked], Sequence[SessionMetrics | MetricsError]] = ((), ())

        self.versions: dict[str | None, int] = {}
        """The data versions of the organizations asked about, from before the first question."""
        self.is_repeatable = True
        """Whether the answer depends on nothing but these versions and the caller's rights."""

        async def load(asked: list[Asked]) -> list[SessionMetrics | MetricsError]:
            known = dict(zip(*self._answered, strict=True))
            unknown = [each for each in asked if each not in known]
            if unknown:
                await self._note_versions({each.question.org_id for each in unknown})
                answers = await service.session_metrics(caller, unknown)
                known |= dict(zip(unknown, answers, strict=True))
            return [known[each] for each in asked]

        # Resolvers of one request run side by side: what they ask goes to the service together.
        self._questions = DataLoader(load)

    async def session_metrics(
        self, questions: Sequence[SessionMetricsQuery], measures: tuple[Measure, ...]
    ) -> list[SessionMetrics]:
        """Return the answers to questions, asked together with the others of the request.

        Raises:
            Forbidden: the caller may not read the organization, or the enterprise.
            Unavailable, TimedOut: the database can't answer, or not in time.
        """
        asked = (self._questions.load(Asked(question, measures)) for question in questions)
        return list(await asyncio.gather(*asked))

    async def ask_all(
        self, asked: Sequence[Asked], breakdowns: Sequence[BreakdownQuery]
    ) -> tuple[Iterator[SessionMetrics], Iterator[Breakdown]]:
        """Return the answers to questions and the breakdowns, in order, asked side by side.

        What was found out is not asked again by the methods above and below, whatever this raises.

        Raises:
            Forbidden, Unavailable, TimedOut: one of them can't be answered.
        """
        await self._note_versions({each.question.org_id for each in asked})
        if not breakdowns:  # The usual case does not pay for tasks.
            answers = await self._service.session_metrics(self.caller, asked)
        else:
            answers, _ = await asyncio.gather(
                self._service.session_metrics(self.caller, asked),
                asyncio.gather(*map(self._found_out, breakdowns)),
            )
        self._answered = (asked, answers)
        return (
            iter([value_or_error(answer) for answer in answers]),
            iter([value_or_error(self._found[query]) for query in breakdowns]),
        )

    async def _found_out(self, query: BreakdownQuery) -> None:
        try:
            self._found[query] = await self._service.breakdown(self.caller, query)
        except MetricsError as error:
            self._found[query] = error

    def start_over(self) -> None:
        """Forget what was spent on an answer that is not given."""
        self._values = 0

    async def _note_versions(self, org_ids: set[str | None]) -> None:
        unknown = org_ids - self.versions.keys()
        if unknown:
            self.versions.update(await self._service.versions(unknown))

    def foresee(
        self, questions: Sequence[SessionMetricsQuery], measures: tuple[Measure, ...]
    ) -> None:
        """Ask what fields below will ask, for it to share a statement with what is asked now.

        The answers, errors too, are theirs to show.
        """
        for question in questions:
            answer = asyncio.ensure_future(self._questions.load(Asked(question, measures)))
            answer.add_done_callback(asyncio.Future.exception)

    def spend(self, values: int) -> None:
        """Count fields that the answer will have.

        Raises:
            QueryTooExpensive: it would have more than is allowed, with those counted before.
        """
        self._values += values
        if self._values > self._max_values:
            raise QueryTooExpensive("values", self._values, self._max_values)

    def can_afford(self, values: int) -> bool:
        """Return whether so many more could be spent."""
        return self._values + values <= self._max_values

    async def breakdown(self, query: BreakdownQuery) -> Breakdown:
        """Return the same measures for each user, playbook or organization.

        Raises:
            Forbidden, Unavailable, TimedOut: as the service does.
        """
        await self._note_versions({query.question.org_id})
        if query not in self._found:
            await self._found_out(query)
        return value_or_error(self._found[query])

    async def organizations(self, first: int) -> list[str]:
        """Return the organizations whose metrics the caller may read.

        Raises:
            BadUserInput, Unavailable: as the service does.
        """
        self.is_repeatable = False
        return await self._service.organizations(self.caller, first)


def value_or_error(found: T | MetricsError) -> T:
    """Return a value.

    Raises:
        Forbidden, Unavailable, TimedOut: there is none.
    """
    if isinstance(found, MetricsError):
        raise found
    return found


class Info(strawberry.Info[Context, None]):
    """What a resolver is told."""

    def selected_measures(self, *path: str) -> tuple[Measure, ...]:
        """Return the measures selected under the field, or under fields below it.

        Strawberry's own `selected_fields` spells fragments out, which a request can make
        exponentially long.
        """
        nodes, fragments = self._raw_info.field_nodes, self._raw_info.fragments
        for name in path:
            nodes = fields_named(name, nodes, fragments)
        return selected_measures(nodes, fragments)

    def spend_on_rows(self, rows: int) -> None:
        """Count the fields selected under this one, so many times.

        Raises:
            QueryTooExpensive: the answer would have more than is allowed.
        """
        ruler = Ruler(self._raw_info.fragments, {})
        below = (ruler.selections(node.selection_set).fields for node in self._raw_info.field_nodes)
        self.context.spend(rows * sum(below))

    def fields_below(self, name: str) -> Iterator[tuple[dict[str, Any], tuple[Measure, ...], int]]:
        """Yield the arguments of the fields of one name under this one.

        With each come the measures selected under it, and the number of fields. One whose arguments
        can't be taken is left out: it will say so itself.
        """
        info = self._raw_info
        definition = cast("GraphQLObjectType", info.return_type).fields[name]
        for node in fields_named(name, info.field_nodes, info.fragments):
            with suppress(GraphQLError):
                arguments = get_argument_values(definition, node, info.variable_values)
                values = Ruler(info.fragments, {}).selections(node.selection_set).fields
                yield arguments, selected_measures([node], info.fragments), values
