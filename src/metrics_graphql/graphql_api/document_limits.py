"""Document limits: complexity and cost, measured before validation, each fragment once."""

from collections.abc import Mapping
from typing import Final, NamedTuple, Self, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)

from metrics_graphql.graphql_api.errors import QueryTooExpensive
from metrics_graphql.settings import Settings

Fragments = Mapping[str, FragmentDefinitionNode]

UNWRAPPING_FIELD: Final = "ofType"
"""The field of introspection that unwraps a list or a non-null type. It adds no depth: tools nest
it more often than a schema can nest types, and no other field has its name."""
MAX_COUNT: Final = 2**53 - 1
"""Where counts saturate: the largest integer that every client of JSON reads exactly."""


class Complexity(NamedTuple):
    """The complexity of a selection, with its fragments expanded."""

    fields: int = 0
    aliases: int = 0
    root_fields: int = 0
    """Fields that are not inside of another one."""
    directives: int = 0
    cost: int = 0
    """SQL statements, by the schema's `@cost`."""
    depth: int = 0
    """The deepest nesting of fields, but for `ofType`."""
    alias_length: int = 0
    """Characters of the longest alias."""

    def combined(self, other: "Complexity") -> "Complexity":
        """Return the complexity of both selections together."""
        sums = Complexity(*(min(a + b, MAX_COUNT) for a, b in zip(self, other, strict=True)))
        return sums._replace(
            depth=max(self.depth, other.depth),
            alias_length=max(self.alias_length, other.alias_length),
        )


EMPTY: Final = Complexity()


class DocumentLimits(NamedTuple):
    """The limits of a document: the settings `max_tokens`, `max_fields` and so on."""

    tokens: int
    complexity: Complexity

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the limits in the settings."""
        limits = {name: getattr(settings, f"max_{name}") for name in Complexity._fields}
        return cls(settings.max_tokens, Complexity(**limits))

    def check(self, document: DocumentNode, costs: Mapping[str, int]) -> None:
        """Check each operation and each fragment of a document.

        Raises:
            QueryTooExpensive: naming a limit that is exceeded.
        """
        fragments = fragments_of(document)
        visitor = ComplexityVisitor(fragments, costs)
        for definition in document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                self._check(visitor.operation(definition))
        for name in fragments:
            # An unused fragment is validated as well, which takes time.
            self._check(visitor.fragment(name)._replace(root_fields=0))

    def _check(self, complexity: Complexity) -> None:
        for name, value, maximum in zip(
            Complexity._fields, complexity, self.complexity, strict=True
        ):
            if value > maximum:
                raise QueryTooExpensive(name, value, maximum)


def fragments_of(document: DocumentNode) -> Fragments:
    """Return the fragments that a document defines, by name."""
    return {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }


class ComplexityVisitor:
    """Measures the parts of a document. `costs` are those of fields, by name.

    Each fragment is measured once: expanding it at each spread would take exponential time. In a
    cycle of fragments, which validation refuses, the repeated one counts as empty.
    """

    def __init__(self, fragments: Fragments, costs: Mapping[str, int]) -> None:
        self._fragments = fragments
        self._costs = costs
        self._fragment_complexity: dict[str, Complexity] = {}

    def operation(self, node: OperationDefinitionNode) -> Complexity:
        """Return the complexity of an operation."""
        on_variables = (len(each.directives or ()) for each in node.variable_definitions or ())
        own = Complexity(directives=len(node.directives or ()) + sum(on_variables))
        return own.combined(self.selections(node.selection_set))

    def fragment(self, name: str) -> Complexity:
        """Return the complexity of a fragment."""
        if name not in self._fragment_complexity:
            self._fragment_complexity[name] = EMPTY
            if definition := self._fragments.get(name):
                own = Complexity(directives=len(definition.directives or ()))
                self._fragment_complexity[name] = own.combined(
                    self.selections(definition.selection_set)
                )
        return self._fragment_complexity[name]

    def selections(self, selection_set: SelectionSetNode | None) -> Complexity:
        """Return the complexity of a selection set."""
        total = EMPTY
        for selection in selection_set.selections if selection_set else ():
            total = total.combined(self.selection(selection))
        return total

    def selection(self, node: SelectionNode) -> Complexity:
        """Return the complexity of a field, an inline fragment, or a fragment spread."""
        own = Complexity(directives=len(node.directives or ()))
        if isinstance(node, FragmentSpreadNode):
            return own.combined(self.fragment(node.name.value))
        if isinstance(node, InlineFragmentNode):
            return own.combined(self.selections(node.selection_set))
        field = cast("FieldNode", node)
        below = self.selections(field.selection_set)
        return own.combined(
            below._replace(
                fields=min(below.fields + 1, MAX_COUNT),
                aliases=min(below.aliases + (field.alias is not None), MAX_COUNT),
                root_fields=1,
                cost=min(below.cost + self._costs.get(field.name.value, 0), MAX_COUNT),
                depth=below.depth + (field.name.value != UNWRAPPING_FIELD),
                alias_length=max(below.alias_length, len(field.alias.value) if field.alias else 0),
            )
        )
