"""How large a document may be. It is measured before it is validated, each fragment once."""

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

from metrics_graphql.errors import QueryTooExpensive
from metrics_graphql.settings import Settings

MOST: Final = 2**53 - 1
"""What counts end at: the largest integer that every client of JSON reads exactly."""


class Size(NamedTuple):
    """What is counted of a selection, with its fragments written out."""

    fields: int = 0
    aliases: int = 0
    root_fields: int = 0
    """Fields that are not inside of another."""
    directives: int = 0
    cost: int = 0
    """SQL statements, as `@cost` in the schema says."""
    depth: int = 0
    """How many fields are inside of one another at most."""
    alias_length: int = 0
    """Characters of the longest alias."""

    def beside(self, other: "Size") -> "Size":
        """Return the size of both together."""
        sums = Size(*(min(a + b, MOST) for a, b in zip(self, other, strict=True)))
        return sums._replace(
            depth=max(self.depth, other.depth),
            alias_length=max(self.alias_length, other.alias_length),
        )


NOTHING: Final = Size()


class Budget(NamedTuple):
    """The most that a document may have of each. The settings say what they mean."""

    tokens: int
    size: Size

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the budget that the settings allow."""
        most = {name: getattr(settings, f"max_{name}") for name in Size._fields}
        return cls(settings.max_tokens, Size(**most))

    def check(self, document: DocumentNode, costs: Mapping[str, int]) -> None:
        """Measure each operation and each fragment of a document.

        Raises:
            QueryTooExpensive: naming a limit that one of them exceeds.
        """
        fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        ruler = Ruler(fragments, costs)
        for definition in document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                self._compare(ruler.operation(definition))
        for name in fragments:
            # One that no operation uses is validated all the same.
            self._compare(ruler.fragment(name)._replace(root_fields=0))

    def _compare(self, size: Size) -> None:
        for name, value, maximum in zip(Size._fields, size, self.size, strict=True):
            if value > maximum:
                raise QueryTooExpensive(name, value, maximum)


class Ruler:
    """Measures parts of a document, given its fragments and what fields cost, by their names.

    Fragments that contain themselves are measured as if they were cut off there; validation
    refuses them.
    """

    def __init__(
        self, fragments: Mapping[str, FragmentDefinitionNode], costs: Mapping[str, int]
    ) -> None:
        self._fragments = fragments
        self._costs = costs
        self._sizes: dict[str, Size] = {}

    def operation(self, node: OperationDefinitionNode) -> Size:
        """Return the size of an operation."""
        on_variables = (len(each.directives or ()) for each in node.variable_definitions or ())
        own = Size(directives=len(node.directives or ()) + sum(on_variables))
        return own.beside(self.selections(node.selection_set))

    def fragment(self, name: str) -> Size:
        """Return the size of a fragment, which is measured the first time."""
        if name not in self._sizes:
            self._sizes[name] = NOTHING
            if definition := self._fragments.get(name):
                own = Size(directives=len(definition.directives or ()))
                self._sizes[name] = own.beside(self.selections(definition.selection_set))
        return self._sizes[name]

    def selections(self, selection_set: SelectionSetNode | None) -> Size:
        """Return the size of what is between two braces."""
        size = NOTHING
        for selection in selection_set.selections if selection_set else ():
            size = size.beside(self.selection(selection))
        return size

    def selection(self, node: SelectionNode) -> Size:
        """Return the size of a field, an inline fragment or a fragment's spread."""
        own = Size(directives=len(node.directives or ()))
        if isinstance(node, FragmentSpreadNode):
            return own.beside(self.fragment(node.name.value))
        if isinstance(node, InlineFragmentNode):
            return own.beside(self.selections(node.selection_set))
        field = cast("FieldNode", node)
        below = self.selections(field.selection_set)
        return own.beside(
            below._replace(
                fields=min(below.fields + 1, MOST),
                aliases=min(below.aliases + (field.alias is not None), MOST),
                root_fields=1,
                cost=min(below.cost + self._costs.get(field.name.value, 0), MOST),
                depth=below.depth + 1,
                alias_length=max(below.alias_length, len(field.alias.value) if field.alias else 0),
            )
        )
