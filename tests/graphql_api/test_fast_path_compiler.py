"""The compiler of the fast path: what it supports, and that it derives the rest from the schema."""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLSyntaxError, get_introspection_query, parse, validate
from graphql.execution import get_variable_values
from graphql.execution.values import VariableValues
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics_graphql.graphql_api.document_store import Document
from metrics_graphql.graphql_api.fast_path import CompiledOperation
from metrics_graphql.graphql_api.schema import graphql_schema
from tests.conftest import only_sqlite
from tests.graphql_api.both_ways import BothWays
from tests.graphql_api.selections import DASHBOARD, METRICS, SUPPORTED

pytestmark = only_sqlite

WEB = Path(__file__).parents[2] / "src/metrics_graphql/web"
FILTERED = """
  query ($org: ID!, $filters: SessionMetricsFilters!) {
    sessionMetrics(orgId: $org, filters: $filters) { SELECTION }
  }
"""
VARIABLES = {"org": "org-1", "filters": {"timeAfter": 0, "timeBefore": 86_400}}


def compiled_operation(
    query: str, variables: dict[str, Any] | None = None
) -> CompiledOperation | None:
    """Return the compiled operation of a document; None if its selection is not supported."""
    operation = Document(parse(query)).operation(None)
    declared = operation.ast.variable_definitions or ()
    values = get_variable_values(graphql_schema, declared, variables or {})
    assert isinstance(values, VariableValues)
    return operation.compiled(values)


# Supported and unsupported selections


@pytest.mark.parametrize("query", SUPPORTED)
def test_supported_operations_are_compiled(query: str) -> None:
    """None of them is executed by graphql-core."""
    assert compiled_operation(query) is not None


def web_documents() -> Iterator[str]:
    """Yield the documents in the source of the pages, and the selections of `sessionMetrics`."""
    for path in sorted(WEB.rglob("*.ts")):
        if {"node_modules", "dist"}.isdisjoint(path.parts):
            for literal in re.findall(r"`([^`]*)`", path.read_text()):
                text = re.sub(r"\$\{[^}]*\}", "__typename", literal)
                text = text.replace("INTERVAL", "DAY").replace("TIME_ZONE", '"UTC"')
                for query in (text, FILTERED.replace("SELECTION", text)):
                    if is_valid(query):
                        yield query


def is_valid(query: str) -> bool:
    """Return whether a text is a document that can be executed."""
    try:
        return validate(graphql_schema, parse(query)) == []
    except GraphQLSyntaxError:
        return False


WEB_DOCUMENTS = [
    query
    for query in web_documents()
    if "organizations" not in query and "filterOptions" not in query
]


def test_the_documents_of_the_pages_are_found() -> None:
    """Three tabs of the explorer, and selections of five cards of the dashboard."""
    assert len(WEB_DOCUMENTS) >= 8


@pytest.mark.parametrize("query", WEB_DOCUMENTS)
def test_the_documents_of_the_pages_are_compiled(both_ways: BothWays, query: str) -> None:
    """And get the response of graphql-core."""
    responses = both_ways.execute(query, VARIABLES)

    assert responses.is_compiled
    assert responses.fast_path == responses.graphql_core


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        '{ __type(name: "Query") { name } }',
        get_introspection_query(),
        "{ viewer { organizations { id } } }",
        "{ viewer { id list: organizations(first: 1) { __typename } } }",
        f"{{ {METRICS} {{ sessionsCreatedCount }} viewer {{ organizations {{ id }} }} }}",
        "{ ...F } fragment F on Query { viewer { ... on Viewer { organizations { id } } } }",
        f"{{ {METRICS} {{ sessionsCreatedCount }} ... {{ __schema {{ __typename }} }} }}",
    ],
)
def test_unsupported_selections_are_executed_by_graphql_core(
    both_ways: BothWays, query: str
) -> None:
    """They are refused when the operation is compiled, before anything is executed."""
    assert compiled_operation(query) is None
    responses = both_ways.execute(query)

    assert not responses.is_compiled
    assert responses.fast_path == responses.graphql_core
    assert set(responses.fast_path.body) == {"data"}


def test_of_the_dashboard_only_the_organizations_are_unsupported(both_ways: BothWays) -> None:
    """A condition that excludes them makes the same document supported."""
    query = DASHBOARD.replace("organizations {", "organizations @include(if: $list) {")
    query = query.replace("query Dashboard(", "query Dashboard($list: Boolean!, ")
    for value in (True, False, True):
        responses = both_ways.execute(query, {**VARIABLES, "list": value})

        assert responses.is_compiled is not value
        assert responses.fast_path == responses.graphql_core
        assert ("organizations" in responses.fast_path.body["data"]["viewer"]) is value


@pytest.mark.parametrize("position", ["{} b: __typename", "viewer {{ id {} name }}"])
def test_a_condition_that_is_null_is_reported_by_graphql_core(
    both_ways: BothWays, position: str
) -> None:
    """A variable with a default may be null, and `if` may not."""
    selection = position.format("@skip(if: $flag)")
    query = f"query ($flag: Boolean = true) {{ a: __typename {selection} }}"
    supported = both_ways.execute(query)
    responses = both_ways.execute(query, {"flag": None})

    assert supported.is_compiled
    assert not responses.is_compiled
    assert responses.fast_path == responses.graphql_core
    assert responses.fast_path.body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}


# Conditions


CONDITIONAL = f"""
  query ($a: Boolean!, $b: Boolean = true, $c: Boolean = false, $d: Boolean!) {{
    typename: __typename @include(if: $a)
    ...Root @skip(if: $b)
    {METRICS} @skip(if: $c) {{
      all: sessionsCreatedCount
      size: sessionsCreatedBySize @include(if: $d) {{ s @skip(if: $a) xl }}
    }}
  }}
  fragment Root on Query {{ viewer {{ name id @include(if: $d) @skip(if: $d) }} }}
"""


def conditional_data(*, a: bool, b: bool = True, c: bool = False, d: bool) -> dict[str, Any]:
    """Return the data of that query."""
    size: dict[str, Any] = {"size": {"xl": 7} if a else {"s": 3, "xl": 7}} if d else {}
    return {
        **({"typename": "Query"} if a else {}),
        **({} if b else {"viewer": {"name": "test"}}),
        **({} if c else {"sessionMetrics": {"all": 10, **size}}),
    }


VALUES = [
    {name: value for name, value in zip("abcd", values, strict=True) if value is not None}
    for values in product([True, False], [True, False, None], [True, False, None], [True, False])
]
"""Values of the conditions, of which those with a default may be left out."""


@settings(max_examples=30)
@given(order=st.lists(st.sampled_from(VALUES), min_size=2, max_size=12))
def test_conditions_are_decided_for_each_request(
    both_ways: BothWays, order: list[dict[str, bool]]
) -> None:
    """An operation has a compiled form for each outcome, whichever was compiled before."""
    for variables in order:
        responses = both_ways.execute(CONDITIONAL, variables)

        assert responses.is_compiled
        assert responses.fast_path == responses.graphql_core
        assert responses.fast_path.body == {"data": conditional_data(**variables)}


def test_equal_conditions_share_a_compiled_form() -> None:
    """Other variables do not matter to it, nor whether a value is a default."""
    document = Document(parse(
        "query ($flag: Boolean = true, $org: ID!, $filters: SessionMetricsFilters!) {"
        " __typename @skip(if: $flag)"
        " sessionMetrics(orgId: $org, filters: $filters) { __typename } }"
    ))  # fmt: skip
    operation = document.operation(None)

    def compiled(**variables: object) -> CompiledOperation | None:
        declared = operation.ast.variable_definitions or ()
        values = get_variable_values(graphql_schema, declared, {**VARIABLES, **variables})
        assert isinstance(values, VariableValues)
        return operation.compiled(values)

    assert compiled() is not None
    assert compiled() is compiled(org="org-2") is compiled(flag=True)
    assert compiled(flag=False) is not compiled()
    assert compiled(flag=False) is compiled(flag=False)
