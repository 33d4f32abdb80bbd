"""The budget: what is counted of a document, that it is counted fast, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
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

from metrics_graphql.graphql_api.budget import MOST, Budget, Ruler, Size
from metrics_graphql.graphql_api.schema import COSTS, graphql_schema
from metrics_graphql.settings import Settings
from tests.conftest import Gateway
from tests.graphql_api.conftest import Ask

DASHBOARD = (Path(__file__).parents[1] / "typed_client/dashboard.graphql").read_text()
QUESTION = 'sessionMetrics(orgId: "org-1", filters: {timeAfter: 0, timeBefore: 10})'


def measured(text: str) -> Size:
    """Return the size of the one operation of a document."""
    document = parse(text)
    return Ruler(fragments_of(document), {"costly": 1}).operation(operation_of(document))


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
    ("text", "size"),
    [
        ("{ a }", Size(1, 0, 1, 0, 0, 1)),
        ("{ a { b c } }", Size(3, 0, 1, 0, 0, 2)),
        ("{ x: a y: b { z: c } }", Size(3, 3, 2, 0, 0, 2, 1)),
        ("{ costly { costly } }", Size(2, 0, 1, 0, 2, 2)),
        ("{ costly: cheap }", Size(1, 1, 1, 0, 0, 1, 6)),
        ("{ ... { a ... { b } } }", Size(2, 0, 2, 0, 0, 1)),
        ("query ($v: Int @v) @o { a @f ... @i { b } ...F @s } fragment F on Q @d { c }",
         Size(3, 0, 3, 6, 0, 1)),
        ("{ ...F ...F } fragment F on Q { a { b } }", Size(4, 0, 2, 0, 0, 2)),
        ("{ a { ...F } } fragment F on Q { b { ...G } } fragment G on Q { c }",
         Size(3, 0, 1, 0, 0, 3)),
        ("{ ...Missing }", Size(0, 0, 0, 0, 0, 0)),
        ("{ ...F } fragment F on Q { a ...F }", Size(1, 0, 1, 0, 0, 1)),
    ],
)  # fmt: skip
def test_what_is_counted(text: str, size: Size) -> None:
    """Fields, aliases, root fields, directives, cost and depth, with fragments written out."""
    assert measured(text) == size


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
def test_the_size_is_that_of_the_document_with_its_fragments_written_out(text: str) -> None:
    """For random graphs of fragments."""
    document = parse(text)
    fragments = fragments_of(document)
    lines = list(written_out(operation_of(document).selection_set, fragments, 1))

    assert measured(text) == Size(
        fields=sum(line["field"] for line in lines),
        aliases=sum(line["alias"] for line in lines),
        root_fields=sum(line["field"] and line["depth"] == 1 for line in lines),
        directives=sum(line["directives"] for line in lines),
        cost=sum(line["cost"] for line in lines),
        depth=max((line["depth"] for line in lines if line["field"]), default=0),
        alias_length=max((line["alias_length"] for line in lines), default=0),
    )


def written_out(
    selection_set: SelectionSetNode | None,
    fragments: dict[str, FragmentDefinitionNode],
    depth: int,
) -> Iterator[dict[str, Any]]:
    """Yield each field, spread and inline fragment, as often as it would be written."""
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
        yield from written_out(below.selection_set, fragments, depth + is_field)


def bomb(levels: int) -> str:
    """Return a document whose fields double with each of so many fragments."""
    doubling = (f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
    return " ".join(["{ ...F0 }", *doubling, f"fragment F{levels} on Query {{ __typename }}"])


def test_counts_end_where_json_does() -> None:
    """A bomb of 2^80 fields, each fragment measured once, is more than a number in JSON can say."""
    assert measured(bomb(40)).fields == 2**40
    assert measured(bomb(80)).fields == MOST == 2**53 - 1


def test_every_field_of_a_name_costs_the_same() -> None:
    """Costs are known by name, so a name that costs something costs that on each type."""
    declared = {
        (name, *(each.weight for each in field.extensions["strawberry-definition"].directives))
        for kind in graphql_schema.type_map.values()
        if not kind.name.startswith("__")
        for name, field in getattr(kind, "fields", {}).items()
        if name in COSTS
    }

    assert declared == set(COSTS.items())
    assert sorted(COSTS) == [
        *("byOrganization", "byPlaybook", "byUser", "enterpriseSessionMetrics"),
        *("organizations", "previousPeriod", "sessionMetrics", "timeSeries"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        DASHBOARD,
        get_introspection_query(
            specified_by_url=True,
            directive_is_repeatable=True,
            schema_description=True,
            input_value_deprecation=True,
            one_of=True,
        ),
    ],
    ids=["a dashboard", "introspection"],
)
def test_what_people_ask_is_within_the_budget(text: str) -> None:
    """A whole dashboard, and all that tools ask about the schema."""
    Budget.of(Settings()).check(parse(text, max_lexical_tokens=Settings().max_tokens), COSTS)


def repeated(text: str, times: int) -> str:
    """Return a text with each `#` in it numbered, so many times."""
    return " ".join(text.replace("#", str(number)) for number in range(times))


@pytest.mark.parametrize(
    ("query", "limit", "counts"),
    [
        (f"{{ {repeated('__typename', 2_000)} }}", "tokens", (2_001, 2_000)),
        ("{ __typename } " + "#\n" * 2_001, "tokens", (2_001, 2_000)),
        (f"{{ {repeated('viewer { id }', 251)} }}", "fields", (502, 500)),
        (bomb(80), "fields", (MOST, 500)),
        (f"{{ viewer {{ {repeated('a#: id', 101)} }} }}", "aliases", (101, 100)),
        ("{ " + "a" * 101 + ": __typename }", "alias_length", (101, 100)),
        (f"{{ {repeated('a#: __typename', 21)} }}", "root_fields", (21, 20)),
        (f"{{ {repeated('__typename', 21)} }}", "root_fields", (21, 20)),
        ("{ ...F } fragment F on Query { " + "__typename " * 21 + "}", "root_fields", (21, 20)),
        ("{ a " * 16 + "}" * 16, "depth", (16, 15)),
        ("{ __typename " + "@skip(if: true) " * 51 + "}", "directives", (51, 50)),
        (f"{{ {QUESTION} {{ {repeated('a#: previousPeriod { __typename }', 30)} }} }}",
         "cost", (31, 30)),
        ("{ __typename } fragment F on SessionMetrics { " + "__typename " * 501 + "}",
         "fields", (501, 500)),
    ],
)  # fmt: skip
def test_a_document_over_a_limit_is_refused(
    shared: Gateway, token: str, query: str, limit: str, counts: tuple[int, int]
) -> None:
    """Before it is validated; the answer names the limit, the value and the maximum."""
    value, maximum = counts
    (error,) = shared.graphql(query, token).json()["errors"]

    assert error["extensions"] == {
        "code": "QUERY_TOO_EXPENSIVE", "limit": limit, "value": value, "maximum": maximum,
    }  # fmt: skip
    name = limit.replace("_", " ")
    assert error["message"] == (
        f"The query is too expensive: {name} {value:,}, at most {maximum:,}."
    )


def test_what_is_at_a_limit_is_answered(shared: Gateway, token: str) -> None:
    """The limit itself is allowed."""
    query = f"{{ {repeated('a#: __typename', 20)} }}"

    assert len(shared.graphql(query, token).json()["data"]) == 20


def test_an_answer_with_too_many_values_is_refused_where_it_grows(ask: Ask) -> None:
    """The series that went over is null and says why; the totals stand, and a smaller one too."""
    long = "filters: {timeAfter: 0, timeBefore: 3600000}"
    body = ask(f"""{{
      sessionMetrics(orgId: "org-1", {long}) {{
        sessionsCreatedCount
        large: timeSeries(interval: HOUR) {{ {repeated("a#: sessionsCreatedCount", 49)} }}
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
        "code": "QUERY_TOO_EXPENSIVE", "limit": "values", "value": 51_000, "maximum": 50_000,
    }  # fmt: skip


def test_limits_are_settings() -> None:
    """Every maximum of the budget is one."""
    settings = Settings(max_tokens=1, max_fields=2, max_aliases=3, max_root_fields=4,
                        max_directives=5, max_cost=6, max_depth=7, max_alias_length=8)  # fmt: skip

    assert Budget.of(settings) == Budget(1, Size(2, 3, 4, 5, 6, 7, 8))
