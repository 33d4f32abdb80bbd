"""Lookahead: what the selection under a field reads, known before anything is fetched."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, cast

from graphql import (
    ArgumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

from metrics_graphql.core.measures import Measure, in_order
from metrics_graphql.graphql_api.aggregates import MEASURE, MEMBER_MEASURES, READS
from metrics_graphql.graphql_api.document_limits import ComplexityVisitor, Fragments

REQUIRES: Final = "requires"
"""The metadata key of what a field reads besides measures: `NAMES` or `TOTAL_COUNT`."""
NAMES: Final = "names"
TOTAL_COUNT: Final = "total_count"


class Lookahead(NamedTuple):
    """The measures that a selection reads, and how many fields it has, fragments expanded."""

    measures: tuple[Measure, ...]
    field_count: int
    requires: frozenset[str] = frozenset()
    """What else the selection reads: `NAMES`, `TOTAL_COUNT`."""


def look_ahead(
    object_type: GraphQLObjectType, nodes: Iterable[FieldNode], fragments: Fragments
) -> Lookahead:
    """Return the lookahead of the selection under some nodes, which are of one object type.

    `@skip` and `@include` are ignored: reading a measure that is not shown does no harm.
    """
    nodes = list(nodes)
    visitor = ComplexityVisitor(fragments, {})
    read = set(values_read(object_type, nodes, fragments))
    measures = {each for each in read if isinstance(each, Measure)}
    return Lookahead(
        in_order(measures),
        sum(visitor.selections(node.selection_set).fields for node in nodes),
        frozenset(each for each in read if isinstance(each, str)),
    )


def values_read(
    object_type: GraphQLObjectType, nodes: Iterable[FieldNode], fragments: Fragments
) -> Iterator[Measure | str]:
    """Yield what is read under some nodes, without that of fields that fetch.

    Those are asynchronous, and have a lookahead of their own.
    """
    for node in selected_fields(nodes, fragments):
        field = object_type.fields.get(node.name.value)
        definition = field.extensions.get("strawberry-definition") if field else None
        if field is None or definition is None or definition.is_async:
            continue
        metadata = definition.metadata
        if measure := metadata.get(MEASURE):
            yield measure
        elif members := metadata.get(MEMBER_MEASURES):
            names = (member.name.value for member in selected_fields([node], fragments))
            yield from (members[name] for name in names if name in members)
        elif measures := metadata.get(READS):
            yield from measures
        elif required := metadata.get(REQUIRES):
            yield required
        elif isinstance(named := get_named_type(field.type), GraphQLObjectType):
            yield from values_read(named, [node], fragments)


def selected_fields(nodes: Iterable[FieldNode], fragments: Fragments) -> Iterator[FieldNode]:
    """Yield the fields selected directly under some nodes; each fragment is entered once.

    Strawberry's own `selected_fields` expands fragments, which takes exponential time for a
    document that is made for it.
    """
    pending: list[SelectionSetNode | None] = [node.selection_set for node in nodes]
    entered: set[str] = set()
    while pending:
        selection_set = pending.pop()
        if selection_set is None:
            continue
        for selection in selection_set.selections:
            if isinstance(selection, FieldNode):
                yield selection
            elif isinstance(selection, InlineFragmentNode):
                pending.append(selection.selection_set)
            else:
                name = cast("FragmentSpreadNode", selection).name.value
                if name not in entered:
                    entered.add(name)
                    pending.append(fragments[name].selection_set)


def condition_variables(
    operation: OperationDefinitionNode, fragments: Fragments
) -> tuple[str, ...]:
    """Return the variables that decide `@skip` and `@include` in an operation."""
    names: dict[str, None] = {}
    pending = [operation.selection_set, *(each.selection_set for each in fragments.values())]
    while pending:
        for node in pending.pop().selections:
            for directive in node.directives or ():
                names |= dict.fromkeys(variable_names(directive.arguments or ()))
            selection_set: SelectionSetNode | None = getattr(node, "selection_set", None)
            if selection_set is not None:
                pending.append(selection_set)
    return tuple(names)


def variable_names(arguments: Iterable[ArgumentNode]) -> Iterator[str]:
    """Yield the names of the variables that are values of arguments."""
    for argument in arguments:
        if isinstance(argument.value, VariableNode):
            yield argument.value.name.value
