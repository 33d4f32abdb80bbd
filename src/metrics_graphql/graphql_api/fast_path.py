"""The fast path: a compiled operation fetches everything together and writes JSON.

It is several times faster than graphql-core, which executes what the compiler does not support
(docs/decisions/0014). A `MetricsError` becomes the error of its field; any other exception is a
bug, which is counted here, and logged and masked at the boundary.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from graphql import FieldNode, GraphQLError, GraphQLField, located_error
from graphql.execution import get_argument_values
from graphql.execution.values import VariableValues

from metrics_graphql.graphql_api.argument_converters import ArgumentsConverter
from metrics_graphql.graphql_api.context import Context
from metrics_graphql.graphql_api.errors import is_bug
from metrics_graphql.graphql_api.fetch_spec import Fetched, FetchSpec
from metrics_graphql.graphql_api.json_template import ObjectTemplate
from metrics_graphql.graphql_api.lookahead import Lookahead

NULL: Final = "null"


@dataclass(frozen=True, slots=True)
class CompiledFetch:
    """A field that fetches."""

    key: str
    nodes: list[FieldNode]
    definition: GraphQLField
    convert_arguments: ArgumentsConverter
    spec_class: Any
    """A subclass of `FetchSpec`, with a `bind` that takes the field's arguments."""
    lookahead: Lookahead
    template: ObjectTemplate
    """Of the field's value, or of each item of it."""
    is_list: bool

    def bind(
        self, parent: object, path: Sequence[str], variables: VariableValues, context: Context
    ) -> "BoundFetch":
        """Bind the arguments of this field and of those below it. Errors are raised by `write`."""
        path = [*path, self.key]
        try:
            values = get_argument_values(self.definition, self.nodes[0], variables)
            arguments = self.convert_arguments(values)
            spec: FetchSpec = self.spec_class.bind(parent, self.lookahead, **arguments)
            context.charge(spec.response_fields)
        except Exception as error:  # noqa: BLE001 - becomes the field's error
            return BoundFetch(self, path, error)
        query = spec.requests[0].query if self.template.fetches else None
        nested = [each.bind(query, path, variables, context) for each in self.template.fetches]
        return BoundFetch(self, path, spec, nested)

    def write(self, value: Any, nested: Sequence[str]) -> str:  # noqa: ANN401 - the field's value
        """Write the value of the field."""
        if self.is_list:
            return f"[{','.join([self.template.write(item) for item in value])}]"
        return self.template.write(value, nested)


class BoundFetch(NamedTuple):
    """A field that fetches with its arguments, or the error that they caused."""

    field: CompiledFetch
    path: Sequence[str]
    bound: FetchSpec | Exception
    nested: "Sequence[BoundFetch]" = ()

    def specs(self) -> Iterator[FetchSpec]:
        """Yield what the field, and then the fields below it, fetch."""
        if isinstance(self.bound, FetchSpec):
            yield self.bound
        for each in self.nested:
            yield from each.specs()


class ExecutionResult(NamedTuple):
    """The JSON of `data`, and the errors of its fields."""

    data: str
    errors: list[GraphQLError]


@dataclass(frozen=True, slots=True)
class CompiledOperation:
    """An operation compiled for one outcome of its `@skip` and `@include` conditions."""

    template: ObjectTemplate

    async def execute(self, context: Context, variables: VariableValues) -> ExecutionResult:
        """Bind all arguments, fetch everything together, and write the response."""
        bound = [each.bind(None, (), variables, context) for each in self.template.fetches]
        specs = [spec for each in bound for spec in each.specs()]
        outcomes: Sequence[Fetched | Exception]
        try:
            outcomes = await context.fetch(specs)
        except Exception as bug:  # noqa: BLE001 - becomes the error of each field that fetches
            outcomes = [bug] * len(specs)
        response = ResponseWriter(context, dict(zip(specs, outcomes, strict=True)))
        texts = [response.write(each) for each in bound]
        return ExecutionResult(self.template.write(context.caller, texts), response.errors)


class ResponseWriter:
    """Writes the fields that fetch, and collects their errors."""

    def __init__(self, context: Context, outcomes: Mapping[FetchSpec, Fetched | Exception]) -> None:
        self._context = context
        self._outcomes = outcomes
        self.errors: list[GraphQLError] = []

    def write(self, field: BoundFetch) -> str:
        """Return the JSON of a field; null if it failed: all of them are nullable."""
        try:
            return self._write_value(field)
        except Exception as raised:  # noqa: BLE001 - becomes the field's error
            error = located_error(raised, field.field.nodes, field.path)
        self._context.record.fast_path_failures += is_bug(error)
        self.errors.append(error)
        return NULL

    def _write_value(self, field: BoundFetch) -> str:
        spec = field.bound
        if isinstance(spec, Exception):
            raise spec
        fetched = self._outcomes[spec]
        if isinstance(fetched, Exception):
            raise fetched
        self._context.charge(spec.fetched_fields(fetched))
        return field.field.write(spec.render(fetched), [self.write(each) for each in field.nested])
