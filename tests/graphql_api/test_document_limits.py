"""Document limits: what is counted of a document, in linear time, and what is refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_introspection_query,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.graphql_api.document_limits import (
    MAX_COUNT,
    Complexity,
    ComplexityVisitor,
    DocumentLimits,
)
from metrics_graphql.graphql_api.schema import COSTS, graphql_schema
from metrics_graphql.settings import Settings
from tests.conftest import Gateway, only_sqlite
from tests.graphql_api.both_ways import BothWays
from tests.graphql_api.client import error_of, post
from tests.graphql_api.conftest import Execute
from tests.graphql_api.selections import DASHBOARD, METRICS

pytestmark = only_sqlite


def complexity(text: str) -> Complexity:
    """Return the complexity of the one operation of a document."""
    document = parse(text)
    return ComplexityVisitor(fragments_of(document), {"costly": 1}).operation(
        operation_of(document)
    )


def operation_of(document: DocumentNode) -> OperationDefinitionNode:
    """Return the one operation of a document."""
    (operation,) = (
        definition
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    )
    return operation


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """Return the fragments of a document by name."""
    return {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ a }", Complexity(1, 0, 1, 0, 0, 1)),
        ("{ a { b c } }", Complexity(3, 0, 1, 0, 0, 2)),
        ("{ x: a y: b { z: c } }", Complexity(3, 3, 2, 0, 0, 2, 1)),
        ("{ costly { costly } }", Complexity(2, 0, 1, 0, 2, 2)),
        ("{ costly: cheap }", Complexity(1, 1, 1, 0, 0, 1, 6)),
        ("{ ... { a ... { b } } }", Complexity(2, 0, 2, 0, 0, 1)),
        ("query ($v: Int @v) @o { a @f ... @i { b } ...F @s } fragment F on Q @d { c }",
         Complexity(3, 0, 3, 6, 0, 1)),
        ("{ ...F ...F } fragment F on Q { a { b } }", Complexity(4, 0, 2, 0, 0, 2)),
        ("{ a { ...F } } fragment F on Q { b { ...G } } fragment G on Q { c }",
         Complexity(3, 0, 1, 0, 0, 3)),
        ("{ a { ofType { ofType { b } x: ofType { c } } } }", Complexity(6, 1, 1, 0, 0, 2, 1)),
        ("{ ...Missing }", Complexity(0, 0, 0, 0, 0, 0)),
        ("{ ...F } fragment F on Q { a ...F }", Complexity(1, 0, 1, 0, 0, 1)),
    ],
)  # fmt: skip
def test_the_complexity_of_an_operation(text: str, expected: Complexity) -> None:
    """Fields, aliases, root fields, directives, cost and depth, with fragments expanded."""
    assert complexity(text) == expected


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Return a document whose fragments spread later ones, however often, at random depths."""
    count = draw(st.integers(0, 5))

    def selection(level: int, depth: int) -> str:
        later = [f"...F{other}" for other in range(level, count)]
        leaves = ["a", "x: a", "costly", "a @d", *later, *(f"{spread} @d" for spread in later)]
        parts = draw(st.lists(st.sampled_from(leaves), min_size=1, max_size=3))
        if depth and draw(st.booleans()):
            opening = draw(st.sampled_from(["a", "x: costly @d", "...", "... on Q @d"]))
            parts.append(opening + selection(level, depth - 1))
        return "{" + " ".join(parts) + "}"

    fragments = (f"fragment F{level} on Q {selection(level + 1, 2)}" for level in range(count))
    return " ".join([selection(0, 3), *fragments])


@given(text=documents())
def test_the_complexity_is_that_of_the_document_with_its_fragments_expanded(text: str) -> None:
    """For random graphs of fragments."""
    document = parse(text)
    fragments = fragments_of(document)
    nodes = list(expanded(operation_of(document).selection_set, fragments, 1))

    assert complexity(text) == Complexity(
        fields=sum(node["field"] for node in nodes),
        aliases=sum(node["alias"] for node in nodes),
        root_fields=sum(node["field"] and node["depth"] == 1 for node in nodes),
        directives=sum(node["directives"] for node in nodes),
        cost=sum(node["cost"] for node in nodes),
        depth=max((node["depth"] for node in nodes if node["field"]), default=0),
        alias_length=max((node["alias_length"] for node in nodes), default=0),
    )


def expanded(
    selection_set: SelectionSetNode | None,
    fragments: dict[str, FragmentDefinitionNode],
    depth: int,
) -> Iterator[dict[str, Any]]:
    """Yield each field, spread and inline fragment, with fragments expanded."""
    for node in selection_set.selections if selection_set else ():
        is_field = isinstance(node, FieldNode)
        yield {
            "field": is_field,
            "alias": isinstance(node, FieldNode) and node.alias is not None,
            "alias_length": len(node.alias.value)
            if isinstance(node, FieldNode) and node.alias
            else 0,
            "cost": isinstance(node, FieldNode) and node.name.value == "costly",
            "directives": len(node.directives or ()),
            "depth": depth,
        }
        if isinstance(node, FragmentSpreadNode):
            below: Any = fragments[node.name.value]
        else:
            below = node
        yield from expanded(below.selection_set, fragments, depth + is_field)


def exponential(levels: int) -> str:
    """Return a document whose fields double with each of its fragments."""
    doubling = (f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
    return " ".join(["{ ...F0 }", *doubling, f"fragment F{levels} on Query {{ __typename }}"])


def test_counts_saturate_at_the_largest_exact_integer_of_json() -> None:
    """2^80 fields are more; each fragment is measured once."""
    assert complexity(exponential(40)).fields == 2**40
    assert complexity(exponential(80)).fields == MAX_COUNT == 2**53 - 1


def test_every_field_of_a_name_costs_the_same() -> None:
    """Costs are looked up by name, before the types of fields are known."""
    declared = {
        (name, *(each.weight for each in field.extensions["strawberry-definition"].directives))
        for kind in graphql_schema.type_map.values()
        if not kind.name.startswith("__")
        for name, field in getattr(kind, "fields", {}).items()
        if name in COSTS
    }

    assert declared == set(COSTS.items())
    once = ["enterpriseSessionMetrics", "previousPeriod", "sessionMetrics", "timeSeries"]
    # Names take a second statement, and so does the number of all rows of a page without any.
    twice = ["filterOptions", "organizations"]
    twice += ["byOrganization", "byOrigin", "byPlaybook", "byServiceUser", "bySize", "byUser"]
    assert {**dict.fromkeys(once, 1), **dict.fromkeys(twice, 2)} == COSTS


@pytest.mark.parametrize(
    "text",
    [DASHBOARD]
    + [
        get_introspection_query(
            specified_by_url=True,
            directive_is_repeatable=True,
            schema_description=True,
            input_value_deprecation=True,
            one_of=True,
            experimental_directive_deprecation=True,
            type_depth=depth,
        )
        for depth in (7, 9, 10, 20)
    ],
    ids=["dashboard", *(f"introspection {depth}" for depth in (7, 9, 10, 20))],
)
def test_typical_documents_are_within_the_default_limits(text: str) -> None:
    """A whole dashboard, and introspection by graphql-js with every option, which tools use."""
    DocumentLimits.from_settings(Settings()).check(
        parse(text, max_lexical_tokens=Settings().max_tokens), COSTS
    )


def test_introspection_by_tools_is_executed(execute: Execute) -> None:
    """GraphiQL, Apollo Sandbox, graphql-codegen, urql and Insomnia use graphql-js for it."""
    query = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
        one_of=True,
        type_depth=10,
    )
    schema = execute(query)["data"]["__schema"]

    assert schema["queryType"]["name"] == "Query"
    assert "SessionMetrics" in {each["name"] for each in schema["types"]}


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
        "{ __schema { types { interfaces { fields { type { ofType { fields { name } } } } } } } }",
    ],
)
def test_introspection_that_nests_lists_is_refused(shared: Gateway, token: str, query: str) -> None:
    """Its response would grow with each level; `ofType` only unwraps one type."""
    assert "introspection depth" in error_of(post(shared, token, query))["message"]


def repeated(text: str, times: int) -> str:
    """Return copies of a text, with their number in place of each `#`."""
    return " ".join(text.replace("#", str(number)) for number in range(times))


@pytest.mark.parametrize(
    ("query", "limit", "counts"),
    [
        (f"{{ {repeated('__typename', 2_000)} }}", "tokens", (2_001, 2_000)),
        ("{ __typename } " + "#\n" * 2_001, "tokens", (2_001, 2_000)),
        (f"{{ {repeated('viewer { id }', 251)} }}", "fields", (502, 500)),
        (exponential(80), "fields", (MAX_COUNT, 500)),
        (f"{{ viewer {{ {repeated('a#: id', 101)} }} }}", "aliases", (101, 100)),
        ("{ " + "a" * 101 + ": __typename }", "alias_length", (101, 100)),
        (f"{{ {repeated('a#: __typename', 21)} }}", "root_fields", (21, 20)),
        (f"{{ {repeated('__typename', 21)} }}", "root_fields", (21, 20)),
        ("{ ...F } fragment F on Query { " + "__typename " * 21 + "}", "root_fields", (21, 20)),
        ("{ a " * 16 + "}" * 16, "depth", (16, 15)),
        ("{ a { ofType " * 16 + "}" * 32, "depth", (16, 15)),
        ("{ ofType: a " * 16 + "}" * 16, "depth", (16, 15)),
        ("{ __typename " + "@skip(if: true) " * 51 + "}", "directives", (51, 50)),
        (f"{{ {METRICS} {{ {repeated('a#: previousPeriod { __typename }', 30)} }} }}",
         "cost", (31, 30)),
        ("{ __typename } fragment F on SessionMetrics { " + "__typename " * 501 + "}",
         "fields", (501, 500)),
    ],
)  # fmt: skip
def test_a_document_over_a_limit_is_refused(
    shared: Gateway, token: str, query: str, limit: str, counts: tuple[int, int]
) -> None:
    """Before it is validated; the error has the limit, the count and the maximum."""
    value, maximum = counts
    (error,) = shared.graphql(query, token).json()["errors"]

    assert error["extensions"] == {
        "code": "QUERY_TOO_EXPENSIVE", "limit": limit, "value": value, "maximum": maximum,
    }  # fmt: skip
    name = limit.replace("_", " ")
    assert error["message"] == (
        f"The query is too expensive: {name} {value:,}, at most {maximum:,}."
    )


def test_a_document_at_a_limit_is_executed(shared: Gateway, token: str) -> None:
    """The maximum itself is allowed."""
    query = f"{{ {repeated('a#: __typename', 20)} }}"

    assert len(shared.graphql(query, token).json()["data"]) == 20


def test_a_series_with_too_many_fields_is_refused(execute: Execute) -> None:
    """The series that exceeds the limit is null; the totals and the series before it are not."""
    long = "filters: {timeAfter: 0, timeBefore: 3600000}"
    body = execute(f"""{{
      sessionMetrics(orgId: "org-1", {long}) {{
        sessionsCreatedCount
        large: timeSeries(interval: HOUR) {{ {repeated("__typename", 99)} }}
        small: timeSeries(interval: HOUR) {{ sessionsCreatedCount }}
        over: timeSeries(interval: HOUR) {{ sessionsCreatedCount }}
      }}
    }}""")

    metrics = body["data"]["sessionMetrics"]
    assert metrics["sessionsCreatedCount"] == 10
    assert len(metrics["large"]) == len(metrics["small"]) == 1_000
    assert metrics["over"] is None
    (error,) = body["errors"]
    assert error["path"] == ["sessionMetrics", "over"]
    assert error["extensions"] == {
        "code": "QUERY_TOO_EXPENSIVE",
        "limit": "response_fields",
        "value": 101_000,
        "maximum": 100_000,
    }


def test_a_refused_series_does_not_count_towards_the_limit(both_ways: BothWays) -> None:
    """It is not in the response, so that a smaller one after it may be; in both ways."""
    hours = METRICS.replace("10", "3600000")
    responses = both_ways.execute(f"""{{
      a: {hours} {{ over: timeSeries(interval: HOUR) {{ {repeated("__typename", 101)} }} }}
      b: {hours} {{
        sessionsCreatedCount
        byUser {{ totalCount }}
        timeSeries(interval: HOUR) {{ {repeated("__typename", 99)} }}
      }}
    }}""")

    responses.check_equal()
    (error,) = responses.fast_path.body["errors"]
    assert error["path"] == ["a", "over"]
    assert responses.fast_path.body["data"]["b"]["byUser"] == {"totalCount": 1}
    assert len(responses.fast_path.body["data"]["b"]["timeSeries"]) == 1_000


def test_limits_are_settings() -> None:
    """Each maximum is a setting."""
    settings = Settings(max_tokens=1, max_fields=2, max_aliases=3, max_root_fields=4,
                        max_directives=5, max_cost=6, max_depth=7, max_alias_length=8)  # fmt: skip

    assert DocumentLimits.from_settings(settings) == DocumentLimits(
        1, Complexity(2, 3, 4, 5, 6, 7, 8)
    )
