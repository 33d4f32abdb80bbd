"""JSON templates: the text of an object, with placeholders for what differs between objects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from graphql import GRAPHQL_MAX_INT, GraphQLObjectType
from graphql.execution.collect_fields import GroupedFieldSet

from metrics_graphql.core.measures import Measure

if TYPE_CHECKING:
    from metrics_graphql.graphql_api.fast_path import CompiledFetch

Writer = Callable[[Any], str]
"""Reads a field off an object and writes it as JSON."""


@dataclass(frozen=True, slots=True)
class ObjectTemplate:
    """The JSON of an object, with a placeholder for each field that differs between objects.

    Measures are read in one step, because an object has up to 23 of them and a series up to 1,000
    objects: docs/decisions/0014 has the gain.
    """

    text: str
    read_measures: Callable[[Any], tuple[int, ...]]
    writers: Sequence[Writer]
    """What reads and writes all other fields."""
    fetches: "Sequence[CompiledFetch]"
    """The fields that fetch, whose JSON is written before that of the object."""
    in_order: Callable[[tuple[str | int, ...]], object]
    """Puts measures, other fields and fetched fields into the order of their placeholders."""

    def write(self, value: object, fetched: Sequence[str] = ()) -> str:
        """Write an object, given the JSON of its fields that fetch."""
        if not self.writers and not fetched:
            return self.text % self.in_order(self.read_measures(value))
        return self.text % self.in_order(
            (*self.read_measures(value), *[write(value) for write in self.writers], *fetched)
        )


class TemplateBuilder:
    """Collects the fields of an `ObjectTemplate`."""

    def __init__(self) -> None:
        self.measures: list[str] = []
        self.writers: list[Writer] = []
        self.fetches: list[CompiledFetch] = []
        self._parts: list[str] = []
        self._slots: list[tuple[Sequence[object], int]] = []
        """For each placeholder, one of the lists above and a position in it."""

    def add_text(self, key: str, text: str) -> None:
        """Add a field with this JSON."""
        self._parts.append(f'"{key}":{text}')

    def add_slot(self, key: str, values: Sequence[object], placeholder: str = "%s") -> None:
        """Add a placeholder for the last element of one of the lists."""
        self.add_text(key, placeholder)
        self._slots.append((values, len(values) - 1))

    def add_measure(self, key: str, name: str) -> None:
        """Add a measure."""
        self.measures.append(name)
        self.add_slot(key, self.measures, "%d")

    def add_members(
        self,
        key: str,
        counts_type: GraphQLObjectType,
        fields: GroupedFieldSet,
        members: Mapping[str, Measure],
    ) -> None:
        """Add an object with counts by category, each a measure."""
        outer, self._parts = self._parts, []
        for member_key, details in fields.items():
            name = details[0].node.name.value
            if name == "__typename":
                self.add_text(member_key, f'"{counts_type.name}"')
            else:
                self.add_measure(member_key, members[name].name)
        text, self._parts = self.text, outer
        self.add_text(key, text)

    def add_object(self, key: str, read: Callable[[Any], Any], inner: "TemplateBuilder") -> None:
        """Add a field with an object that has neither measures nor fields that fetch.

        Its fields become placeholders of the outer object, which are written in one step. `read` is
        called for each of them.
        """
        self.add_text(key, inner.text)
        for write in inner.writers:
            self.writers.append(composed(write, read))
            self._slots.append((self.writers, len(self.writers) - 1))

    @property
    def text(self) -> str:
        """The JSON of the object, with its placeholders."""
        return "{" + ",".join(self._parts) + "}"

    def build(self) -> ObjectTemplate:
        """Return the template."""
        offsets = {
            id(self.measures): 0,
            id(self.writers): len(self.measures),
            id(self.fetches): len(self.measures) + len(self.writers),
        }
        return ObjectTemplate(
            self.text,
            measures_reader(self.measures),
            self.writers,
            self.fetches,
            tuple_getter([offsets[id(values)] + at for values, at in self._slots]),
        )


def composed(write: Writer, read: Callable[[Any], Any]) -> Writer:
    """Return what reads an object off its parent, and writes a field of it."""
    return lambda parent: write(read(parent))


def measures_reader(names: Sequence[str]) -> Callable[[Any], tuple[int, ...]]:
    """Return what reads measures off an object of a type with `SessionAggregates`."""
    if not names:
        return lambda _: ()
    read = tuple_getter(names)

    def read_measures(value: Any) -> tuple[int, ...]:  # noqa: ANN401 - has `sums`
        counts = read(value.sums.sums)
        if max(counts) > GRAPHQL_MAX_INT:
            raise OverflowError(f"a count exceeds 32 bits: {max(counts)}")
        return counts

    return read_measures


def tuple_getter(keys: Sequence[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Return an `itemgetter` that returns a tuple for any number of keys."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda items: tuple([items[key] for key in keys])
