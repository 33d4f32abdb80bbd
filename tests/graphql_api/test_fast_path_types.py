"""Types that the schema does not have yet: the fast path derives how they are written."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest
import strawberry
from graphql import (
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    parse,
)
from graphql import execute_sync as execute_on_graphql_core
from graphql.execution import get_variable_values
from graphql.execution.values import VariableValues
from hypothesis import given
from hypothesis import strategies as st
from strawberry.extensions import FieldExtension
from strawberry.schema.config import StrawberryConfig

from metrics_graphql.graphql_api.fast_path_compiler import UnsupportedSelection, compile_operation
from metrics_graphql.graphql_api.fetch_spec import FETCH_SPEC, FetchSpec
from metrics_graphql.graphql_api.scalars import DATE_TIME, Instant


@strawberry.enum
class Color(Enum):
    """An enum whose values differ from its names."""

    RED = "r"
    DARK_BLUE = "b"


@strawberry.interface
class Named:
    """An interface with an attribute."""

    name: str


@strawberry.type
class Leaf(Named):
    """An object with attributes of many types."""

    color: Color
    at: Instant
    weight: float
    is_ripe: bool | None
    numbers: list[int | None]
    matrix: list[list[float]] | None
    odd_name: strawberry.ID | None = strawberry.field(name="ODD")


@strawberry.type
class Parent:
    """An object with a field that fetches."""

    @strawberry.field(metadata={FETCH_SPEC: FetchSpec})  # type: ignore[untyped-decorator]
    async def fetched(self) -> Leaf | None:
        """Fetch nothing."""
        return None


class Extension(FieldExtension):
    """An extension, which may do anything to a value."""

    def resolve(
        self,
        next_: Callable[..., Any],
        source: Any,  # noqa: ANN401 - Strawberry's own
        info: strawberry.Info,
        **arguments: Any,  # noqa: ANN401 - Strawberry's own
    ) -> Any:  # noqa: ANN401 - Strawberry's own
        """Add an exclamation mark."""
        return f"{next_(source, info, **arguments)}!"


@strawberry.type
class Query:
    """The root, whose value is one of its own objects."""

    leaf: Leaf
    leaves: list[Leaf]
    nested: list[list[Leaf | None]] | None

    @strawberry.field
    def first(self) -> Leaf | None:
        """Resolve a method."""
        return self.leaves[0] if self.leaves else None

    @strawberry.field
    def names(root: strawberry.Parent[Any]) -> list[str]:  # noqa: N805 - not a method
        """Resolve a function of the parent."""
        return [each.name for each in root.leaves]

    @strawberry.field
    def whole_weight(self) -> float:
        """Return an integer where a float is declared."""
        return len(self.leaves)

    @strawberry.field
    def parent(self) -> Parent:
        """Return an object that was not fetched."""
        return Parent()

    @strawberry.field(metadata={FETCH_SPEC: FetchSpec})  # type: ignore[untyped-decorator]
    async def parents(self) -> list[Parent]:
        """Fetch a list of objects."""
        return [Parent()]

    @strawberry.field
    async def asynchronous(self) -> int:
        """Resolve asynchronously."""
        return 1

    @strawberry.field
    def with_argument(self, by: int = 1) -> int:
        """Resolve with an argument."""
        return by

    @strawberry.field
    def with_info(self, info: strawberry.Info) -> str:
        """Resolve with the context of the request."""
        return info.field_name

    @strawberry.field
    @staticmethod
    def without_object() -> int:
        """Resolve with nothing."""
        return 1

    @strawberry.field(extensions=[Extension()])  # type: ignore[untyped-decorator]
    def with_extension(self) -> str:
        """Resolve with an extension."""
        return "value"

    @strawberry.field
    def abstract(self) -> Named:
        """Return an interface."""
        return self.leaf

    @strawberry.field
    def union(self) -> "Leaf | Query":
        """Return a union."""
        return self.leaf


SCHEMA = strawberry.Schema(Query, config=StrawberryConfig(scalar_map={Instant: DATE_TIME}))._schema  # noqa: SLF001 - graphql-core's own, which has no public name
SUPPORTED = """
  {
    __typename
    ...Leaves
    nested { ...Names kind: __typename }
    alias: first { weight ... on Named { name } }
    first { color }
    names
    wholeWeight
  }
  fragment Leaves on Query { leaf { ...All } leaves { ...Names ...All } }
  fragment Names on Named { name again: name }
  fragment All on Leaf { color at weight isRipe numbers matrix ODD }
"""

leaves = st.builds(
    Leaf,
    name=st.text(),
    color=st.sampled_from(Color),
    at=st.datetimes(datetime(1, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - given one
        lambda moment: Instant(int(moment.timestamp()))
    ),
    weight=st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**6), 10**6),
    is_ripe=st.none() | st.booleans(),
    numbers=st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=3),
    matrix=st.none() | st.lists(st.lists(st.floats(-1, 1), max_size=2), max_size=2),
    odd_name=st.none() | st.text(),
)
roots = st.builds(
    Query,
    leaf=leaves,
    leaves=st.lists(leaves, max_size=2),
    nested=st.none() | st.lists(st.lists(st.none() | leaves, max_size=2), max_size=2),
)


def write(query: str, root: Query) -> str:
    """Return the JSON that the fast path writes.

    Raises:
        UnsupportedSelection: the selection is not supported.
    """
    definitions = parse(query).definitions
    fragments = {
        each.name.value: each for each in definitions if isinstance(each, FragmentDefinitionNode)
    }
    (operation,) = [each for each in definitions if isinstance(each, OperationDefinitionNode)]
    values = get_variable_values(SCHEMA, (), {})
    assert isinstance(values, VariableValues)
    return compile_operation(operation, fragments, values, SCHEMA).template.write(root)


def execute(query: str, root: Query) -> ExecutionResult:
    """Return the result of graphql-core."""
    return execute_on_graphql_core(SCHEMA, parse(query), root)


@given(root=roots)
def test_every_type_of_value_is_written_as_graphql_core_returns_it(root: Query) -> None:
    """Scalars, enums, lists and objects, nullable or not; attributes, methods and functions."""
    result = execute(SUPPORTED, root)

    assert result.errors is None
    expected = json.dumps(result.data, ensure_ascii=False, separators=(",", ":"))
    assert write(SUPPORTED, root) == expected


@pytest.mark.parametrize(
    "query",
    [
        "{ withArgument }",
        "{ withArgument(by: 2) }",
        "{ withInfo }",
        "{ withoutObject }",
        "{ withExtension }",
        "{ abstract { name } }",
        "{ union { ... on Leaf { name } } }",
    ],
)
@given(root=roots)
def test_what_cannot_be_read_off_an_object_is_unsupported(query: str, root: Query) -> None:
    """graphql-core executes it."""
    with pytest.raises(UnsupportedSelection):
        write(query, root)
    assert execute(query, root).errors is None


@pytest.mark.parametrize(
    "query",
    [
        "{ asynchronous }",
        "{ parent { fetched { name } } }",
        "{ parents { fetched { name } } }",
        "{ parents { ... on Parent { alias: fetched { name } __typename } } }",
    ],
)
def test_other_asynchronous_fields_are_unsupported(query: str) -> None:
    """A field that fetches is supported below the root and below an object that was fetched."""
    with pytest.raises(UnsupportedSelection):
        write(query, LEAFLESS)


LEAF = Leaf(
    name="a",
    color=Color.RED,
    at=Instant(0),
    weight=1.0,
    is_ripe=None,
    numbers=[],
    matrix=None,
    odd_name=None,
)
LEAFLESS = Query(leaf=LEAF, leaves=[], nested=None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight", math.nan),
        ("weight", math.inf),
        ("weight", "heavy"),
        ("weight", None),
        ("numbers", [2**31]),
        ("numbers", [0.5]),
        ("numbers", None),
        ("name", None),
        ("name", b"a"),
        ("color", "GREEN"),
        ("color", None),
        ("matrix", [[None]]),
        ("at", None),
    ],
)
def test_a_value_that_graphql_core_refuses_is_refused(name: str, value: object) -> None:
    """It is never written as JSON of another type, or as no JSON at all."""
    leaf = Leaf(**{**vars(LEAF), name: value})
    root = Query(leaf=leaf, leaves=[], nested=None)
    query = f"{{ leaf {{ {name} }} }}"

    assert execute(query, root).errors
    with pytest.raises((GraphQLError, TypeError)):
        write(query, root)
