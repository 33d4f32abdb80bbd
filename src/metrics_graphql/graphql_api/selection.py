"""Which measures an operation asks for, read off its selection before anything is asked."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    SelectionSetNode,
)
from strawberry.utils.str_converters import to_camel_case

from metrics_graphql.domain.measures import (
    ACUS_CONSUMED,
    AVERAGE_ACUS,
    MEASURES,
    SESSIONS_CREATED,
    Measure,
    in_order,
)

MEASURES_OF_FIELD: Final[Mapping[tuple[str, str | None], tuple[Measure, ...]]] = {
    **{
        (to_camel_case(measure.field), measure.member): (measure,)
        for measure in MEASURES
        if measure is not ACUS_CONSUMED
    },
    (to_camel_case(AVERAGE_ACUS), None): (SESSIONS_CREATED, ACUS_CONSUMED),
}
"""What must be read for a field of `SessionAggregates`, or for a member of it."""


def selected_measures(
    nodes: Iterable[FieldNode], fragments: Mapping[str, FragmentDefinitionNode]
) -> tuple[Measure, ...]:
    """Return the measures selected under a field, in the order of the table.

    `@skip` and `@include` are not looked at: reading a column too many is not wrong.
    """
    wanted: set[Measure] = set()
    for field in selected_fields(nodes, fragments):
        name = field.name.value
        wanted.update(MEASURES_OF_FIELD.get((name, None), ()))
        for member in selected_fields([field], fragments):
            wanted.update(MEASURES_OF_FIELD.get((name, member.name.value), ()))
    return in_order(wanted)


def selected_fields(
    nodes: Iterable[FieldNode], fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[FieldNode]:
    """Yield the fields selected directly under some fields; each fragment is entered once."""
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
            elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in entered:
                entered.add(selection.name.value)
                pending.append(fragments[selection.name.value].selection_set)


def fields_named(
    name: str, nodes: Iterable[FieldNode], fragments: Mapping[str, FragmentDefinitionNode]
) -> list[FieldNode]:
    """Return the fields of one name selected directly under some fields, whatever their alias."""
    return [node for node in selected_fields(nodes, fragments) if node.name.value == name]
