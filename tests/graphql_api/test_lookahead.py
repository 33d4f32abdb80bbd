"""Lookahead: only the measures that a selection reads are requested, and found in linear time."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLObjectType,
    OperationDefinitionNode,
    parse,
)

from metrics_graphql.core.callers import ServiceUser
from metrics_graphql.core.errors import MetricsError
from metrics_graphql.core.measures import MEASURES, Measure, in_order
from metrics_graphql.core.queries import MetricsRequest
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.core.service import MetricsService
from metrics_graphql.graphql_api.document_limits import Fragments
from metrics_graphql.graphql_api.document_store import Operation
from metrics_graphql.graphql_api.lookahead import NAMES, TOTAL_COUNT, look_ahead, values_read
from metrics_graphql.graphql_api.schema import graphql_schema
from tests.conftest import only_sqlite
from tests.graphql_api.conftest import Execute
from tests.graphql_api.selections import ALL_MEASURES, metrics_statements

pytestmark = only_sqlite

SIZES = {f"sessions_created_by_size_{size}" for size in ("xs", "s", "m", "l", "xl")}
EVERY_MEASURE = {measure.name for measure in MEASURES}

ARGUMENTS = '(orgId: "org-1", filters: { timeAfter: 0, timeBefore: 10 })'

SELECTIONS: list[tuple[str, set[str], dict[str, Any]]] = [
    (
        "{ sessionsCreatedCount }",
        {"sessions_created_count"},
        {"sessionsCreatedCount": 10},
    ),
    (
        "{ sessionsCreatedBySize { s } }",
        {"sessions_created_by_size_s"},
        {"sessionsCreatedBySize": {"s": 3}},
    ),
    (
        "{ sessionsCreatedBySize { xs s m l xl } }",
        SIZES,
        {"sessionsCreatedBySize": {"xs": 0, "s": 3, "m": 0, "l": 0, "xl": 7}},
    ),
    (
        "{ sessionsCreatedByOrigin { slack api } sessionsWithMergedPrsBySize { xl } }",
        {
            "sessions_created_by_origin_slack",
            "sessions_created_by_origin_api",
            "sessions_with_merged_prs_by_size_xl",
        },
        {
            "sessionsCreatedByOrigin": {"slack": 3, "api": 0},
            "sessionsWithMergedPrsBySize": {"xl": 0},
        },
    ),
    (
        "{ sessionsCreatedWithSearchCount sessionsCreatedWithPlaybookCount }",
        {"sessions_created_with_search_count", "sessions_created_with_playbook_count"},
        {"sessionsCreatedWithSearchCount": 1, "sessionsCreatedWithPlaybookCount": 3},
    ),
    # The average is derived from two measures.
    (
        "{ avgAcusPerSession }",
        {"acus_consumed", "sessions_created_count"},
        {"avgAcusPerSession": 0.15},
    ),
    ("{ acusConsumed }", {"acus_consumed"}, {"acusConsumed": 1.5}),
    (
        "{ prsCreatedCount prsClosedCount }",
        {"prs_created_count", "prs_closed_count"},
        {"prsCreatedCount": 0, "prsClosedCount": 0},
    ),
    (
        "{ sessionsCreatedByOrigin { other } sessionsWithMergedPrsBySize { other } }",
        {"sessions_created_by_origin_other", "sessions_with_merged_prs_by_size_other"},
        {"sessionsCreatedByOrigin": {"other": 7}, "sessionsWithMergedPrsBySize": {"other": 0}},
    ),
    # Aliases, also two of one field.
    (
        "{ all: sessionsCreatedCount merged: sessionsWithMergedPrsCount }",
        {"sessions_created_count", "sessions_with_merged_prs_count"},
        {"all": 10, "merged": 3},
    ),
    (
        "{ a: sessionsCreatedBySize { small: s } b: sessionsCreatedBySize { s huge: xl } }",
        {"sessions_created_by_size_s", "sessions_created_by_size_xl"},
        {"a": {"small": 3}, "b": {"s": 3, "huge": 7}},
    ),
    (
        "{ xl: sessionsCreatedCount }",
        {"sessions_created_count"},
        {"xl": 10},
    ),
    # Repeated fields are merged.
    (
        "{ sessionsCreatedCount sessionsCreatedCount }",
        {"sessions_created_count"},
        {"sessionsCreatedCount": 10},
    ),
    (
        "{ sessionsCreatedBySize { s } sessionsCreatedBySize { xl } }",
        {"sessions_created_by_size_s", "sessions_created_by_size_xl"},
        {"sessionsCreatedBySize": {"s": 3, "xl": 7}},
    ),
    # Inline fragments, on the type, on the interface, and without a type.
    (
        "{ ... on SessionMetrics { sessionsCreatedCount } }",
        {"sessions_created_count"},
        {"sessionsCreatedCount": 10},
    ),
    (
        "{ ... on SessionAggregates { sessionsCreatedBySize { ... { s } } } }",
        {"sessions_created_by_size_s"},
        {"sessionsCreatedBySize": {"s": 3}},
    ),
    (
        "{ ... { ... { sessionsCreatedCount } } }",
        {"sessions_created_count"},
        {"sessionsCreatedCount": 10},
    ),
    # Named fragments, on the type, on the interface, and in one another.
    ("{ ...Total }", {"sessions_created_count"}, {"sessionsCreatedCount": 10}),
    (
        "{ ...Merged ...Total }",
        {
            "sessions_created_count",
            "sessions_with_merged_prs_count",
            "sessions_with_merged_prs_by_size_s",
        },
        {
            "sessionsWithMergedPrsCount": 3,
            "sessionsWithMergedPrsBySize": {"s": 3},
            "sessionsCreatedCount": 10,
        },
    ),
    (
        "{ sessionsCreatedBySize { ...Ends } sessionsWithMergedPrsBySize { ...Ends } }",
        {
            "sessions_created_by_size_xs",
            "sessions_created_by_size_xl",
            "sessions_with_merged_prs_by_size_xs",
            "sessions_with_merged_prs_by_size_xl",
        },
        {
            "sessionsCreatedBySize": {"xs": 0, "xl": 7},
            "sessionsWithMergedPrsBySize": {"xs": 0, "xl": 0},
        },
    ),
    # Fields that read no measure.
    ("{ __typename }", set(), {"__typename": "SessionMetrics"}),
    (
        "{ sessionsCreatedBySize { __typename } }",
        set(),
        {"sessionsCreatedBySize": {"__typename": "SessionCountsBySize"}},
    ),
    (
        "{ period { startsAt } }",
        set(),
        {"period": {"startsAt": "1970-01-01T00:00:00Z"}},
    ),
    (
        "{ __typename period { sessionsCreatedCount: startsAt } sessionsCreatedCount }",
        {"sessions_created_count"},
        {
            "__typename": "SessionMetrics",
            "period": {"sessionsCreatedCount": "1970-01-01T00:00:00Z"},
            "sessionsCreatedCount": 10,
        },
    ),
]

FRAGMENTS = {
    "Total": "fragment Total on SessionMetrics { sessionsCreatedCount }",
    "Merged": """
        fragment Merged on SessionAggregates {
          sessionsWithMergedPrsCount
          sessionsWithMergedPrsBySize { ...Small }
        }
    """,
    "Small": "fragment Small on SessionCountsBySize { s }",
    "Ends": "fragment Ends on SessionCountsBySize { xs xl }",
}


def document(selection: str) -> str:
    """Return the document with a selection, and the fragments that it spreads."""
    text = f"{{ sessionMetrics{ARGUMENTS} {selection} }}"
    for name, fragment in FRAGMENTS.items():
        if f"...{name}" in text:
            text += fragment
    return text


@pytest.fixture(params=["fast path", "graphql-core"])
def requested(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Return a list that collects the measures of each request to the service, in either way."""
    measures: list[set[str]] = []
    fetch_metrics = MetricsService.fetch_metrics

    async def recording(
        service: MetricsService, caller: ServiceUser, requests: Sequence[MetricsRequest]
    ) -> list[SessionMetrics | MetricsError]:
        for each in requests:
            assert len(set(each.measures)) == len(each.measures)
            measures.append({measure.name for measure in each.measures})
        return await fetch_metrics(service, caller, requests)

    monkeypatch.setattr(MetricsService, "fetch_metrics", recording)
    if request.param == "graphql-core":
        monkeypatch.setattr(Operation, "compiled", lambda *_: None)
    return measures


@pytest.mark.parametrize(("selection", "measures", "metrics"), SELECTIONS)
def test_only_selected_measures_are_requested(
    execute: Execute,
    requested: list[set[str]],
    selection: str,
    measures: set[str],
    metrics: dict[str, Any],
) -> None:
    """In one request, whose result has the right values."""
    body = execute(document(selection))

    assert body == {"data": {"sessionMetrics": metrics}}
    assert requested == [measures]


def test_the_statement_adds_up_only_selected_measures(
    execute: Execute, statements: list[str]
) -> None:
    """A measure that is not selected is not in the SQL."""
    selection = "{ sessionsCreatedBySize { s } sessionsWithMergedPrsCount }"
    assert "errors" not in execute(document(selection))

    (statement,) = metrics_statements(statements)
    named = {name for name in EVERY_MEASURE if name in statement}
    assert named == {"sessions_created_by_size_s", "sessions_with_merged_prs_count"}


def test_no_statement_reads_sessions_if_no_measure_is_selected(
    execute: Execute, statements: list[str]
) -> None:
    """`__typename` and the period need none."""
    body = execute(document("{ __typename period { startsAt endsAt } }"))

    assert "errors" not in body
    assert metrics_statements(statements) == []


def test_permission_is_checked_if_no_measure_is_selected(execute: Execute) -> None:
    """Otherwise `__typename` would reveal which organizations exist."""
    query = document("{ __typename }").replace("org-1", "org-2")
    (error,) = execute(query)["errors"]

    assert error["extensions"] == {"code": "FORBIDDEN"}


def test_aliases_with_other_arguments_are_requests_of_their_own(
    execute: Execute, requested: list[set[str]]
) -> None:
    """Each requests the measures selected below it."""
    query = """
        query ($start: DateTime!, $cut: DateTime!, $end: DateTime!) {
          before: sessionMetrics(orgId: "org-1", filters: { timeAfter: $start, timeBefore: $cut }) {
            ...Total
          }
          after: sessionMetrics(orgId: "org-1", filters: { timeAfter: $cut, timeBefore: $end }) {
            ...Total
            sessionsCreatedBySize { s xl }
          }
          users: sessionMetrics(
            orgId: "org-1", filters: { timeAfter: $cut, timeBefore: $end, userIds: ["user-1"] }
          ) { sessionsCreatedBySize { xl } }
        }
    """
    variables = {"start": 0, "cut": 2, "end": 10}
    body = execute(query + FRAGMENTS["Total"], variables)

    assert body == {
        "data": {
            "before": {"sessionsCreatedCount": 2},
            "after": {"sessionsCreatedCount": 8, "sessionsCreatedBySize": {"s": 1, "xl": 7}},
            "users": {"sessionsCreatedBySize": {"xl": 3}},
        }
    }
    assert len(requested) == 3
    assert {"sessions_created_count"} in requested
    assert {"sessions_created_by_size_xl"} in requested


def test_a_repeated_field_is_one_request(execute: Execute, requested: list[set[str]]) -> None:
    """GraphQL merges fields of one name, and so do requests."""
    field = "sessionMetrics" + ARGUMENTS
    query = f"""
        {{
          {field} {{ sessionsCreatedCount }}
          {field} {{ sessionsCreatedBySize {{ s }} }}
          ...More
        }}
        fragment More on Query {{ {field} {{ sessionsCreatedBySize {{ xl }} }} }}
    """
    body = execute(query)

    assert body["data"]["sessionMetrics"] == {
        "sessionsCreatedCount": 10,
        "sessionsCreatedBySize": {"s": 3, "xl": 7},
    }
    assert requested == [
        {"sessions_created_count", "sessions_created_by_size_s", "sessions_created_by_size_xl"}
    ]


@pytest.mark.parametrize(
    ("selection", "metrics"),
    [
        (
            "{ sessionsCreatedCount @include(if: $yes) avgAcusPerSession @include(if: $no) }",
            {"sessionsCreatedCount": 10},
        ),
        (
            "{ sessionsCreatedCount @skip(if: $no) avgAcusPerSession @skip(if: $yes) }",
            {"sessionsCreatedCount": 10},
        ),
        (
            "{ sessionsCreatedBySize { s @skip(if: $yes) xl @skip(if: $no) } }",
            {"sessionsCreatedBySize": {"xl": 7}},
        ),
        (
            "{ ...Total @skip(if: $yes) ...Merged @include(if: $yes) }",
            {"sessionsWithMergedPrsCount": 3, "sessionsWithMergedPrsBySize": {"s": 3}},
        ),
        (
            "{ ... @include(if: $no) { sessionsCreatedCount } __typename @skip(if: $no) }",
            {"__typename": "SessionMetrics"},
        ),
        # The same fragment, excluded once and included once.
        (
            "{ ...Total @include(if: $no) ...Total @include(if: $yes) }",
            {"sessionsCreatedCount": 10},
        ),
        (
            "{ ... @skip(if: $yes) { ...Total } ...Total @skip(if: $no) }",
            {"sessionsCreatedCount": 10},
        ),
        ("{ sessionsCreatedCount @skip(if: $yes) @include(if: $yes) }", {}),
        ("{ sessionsCreatedCount @skip(if: $no) @include(if: $no) }", {}),
        ("{ sessionsCreatedCount @skip(if: true) ...Total }", {"sessionsCreatedCount": 10}),
    ],
)
def test_excluded_fields_are_not_in_the_response(
    execute: Execute, requested: list[set[str]], selection: str, metrics: dict[str, Any]
) -> None:
    """Included ones have their values, in either way of execution."""
    declared = [f"{name}: Boolean!" for name in ("$yes", "$no") if f"if: {name}" in selection]
    operation = f"query ({', '.join(declared)}) " if declared else ""
    variables = {"yes": True, "no": False}

    body = execute(operation + document(selection), variables)

    assert body == {"data": {"sessionMetrics": metrics}}


def test_an_excluded_root_field_is_not_requested(
    execute: Execute, requested: list[set[str]]
) -> None:
    """Not even to check the permission."""
    query = f"query ($no: Boolean!) {{ sessionMetrics{ARGUMENTS} @include(if: $no)"
    body = execute(f"{query} {{ sessionsCreatedCount }} }}", {"no": False})

    assert body == {"data": {}}
    assert requested == []


class CountingFragments(dict[str, FragmentDefinitionNode]):
    """The fragments of a document, which can be looked up a limited number of times."""

    def __init__(self, parsed: DocumentNode, at_most: int) -> None:
        super().__init__(
            (definition.name.value, definition)
            for definition in parsed.definitions
            if isinstance(definition, FragmentDefinitionNode)
        )
        self.left = at_most

    def __getitem__(self, name: str) -> FragmentDefinitionNode:
        self.left -= 1
        assert self.left >= 0, "a fragment is expanded repeatedly"
        return super().__getitem__(name)


def root_fields(parsed: DocumentNode) -> list[FieldNode]:
    """Return the fields of a document's operation."""
    (operation,) = (
        definition
        for definition in parsed.definitions
        if isinstance(definition, OperationDefinitionNode)
    )
    return [field for field in operation.selection_set.selections if isinstance(field, FieldNode)]


SESSION_METRICS = cast("GraphQLObjectType", graphql_schema.type_map["SessionMetrics"])


def measures_below(nodes: list[FieldNode], fragments: Fragments) -> tuple[Measure, ...]:
    """Return the measures that the selections of some `sessionMetrics` fields read."""
    read = values_read(SESSION_METRICS, nodes, fragments)
    return in_order({each for each in read if isinstance(each, Measure)})


def doubling(depth: int, on: str, last: str, more: str = "") -> str:
    """Return fragments, each of which spreads the next one twice."""
    levels = [
        f"fragment {on}{level} on {on} {{ ...{on}{level + 1} ...{on}{level + 1} {more} }}"
        for level in range(depth)
    ]
    return " ".join([*levels, f"fragment {on}{depth} on {on} {{ {last} }}"])


def test_each_fragment_is_entered_once() -> None:
    """Thirty doublings are a thousand million fields, and 31 fragments."""
    fragments = doubling(30, "SessionMetrics", "sessionsCreatedCount")
    parsed = parse(f"{{ sessionMetrics {{ ...SessionMetrics0 }} }} {fragments}")

    selected = measures_below(root_fields(parsed), CountingFragments(parsed, at_most=31))

    assert [measure.name for measure in selected] == ["sessions_created_count"]


def test_each_fragment_is_entered_once_for_each_field() -> None:
    """The members of a field are collected once for each occurrence of the field."""
    metrics = doubling(
        30,
        "SessionMetrics",
        "sessionsCreatedCount",
        more="sessionsCreatedBySize { ...SessionCountsBySize0 }",
    )
    sizes = doubling(30, "SessionCountsBySize", "xl", more="xs")
    parsed = parse(f"{{ sessionMetrics {{ ...SessionMetrics0 }} }} {metrics} {sizes}")

    selected = measures_below(root_fields(parsed), CountingFragments(parsed, at_most=31 + 30 * 31))

    assert {measure.name for measure in selected} == {
        "sessions_created_count",
        "sessions_created_by_size_xs",
        "sessions_created_by_size_xl",
    }


def test_a_long_chain_of_fragments_is_followed() -> None:
    """It is longer than Python's recursion limit."""
    links = [f"fragment F{link} on SessionMetrics {{ ...F{link + 1} }}" for link in range(5000)]
    last = "fragment F5000 on SessionMetrics { avgAcusPerSession }"
    parsed = parse(f"{{ sessionMetrics {{ ...F0 }} }} {' '.join(links)} {last}")

    selected = measures_below(root_fields(parsed), CountingFragments(parsed, at_most=5001))

    assert [measure.name for measure in selected] == ["sessions_created_count", "acus_consumed"]


def test_measures_are_in_the_order_of_the_table() -> None:
    """Whatever the order of the selection, so that equal sets of measures share a statement."""
    forwards = parse("{ m { sessionsCreatedCount sessionsCreatedBySize { xs s } } }")
    backwards = parse("{ m { sessionsCreatedBySize { s xs } sessionsCreatedCount } }")

    assert measures_below(root_fields(forwards), {}) == measures_below(root_fields(backwards), {})


def test_every_measure_can_be_selected() -> None:
    """All fields of the schema together read the whole table, each measure once."""
    query = parse(f"{{ m {{ {ALL_MEASURES} }} }}")

    assert measures_below(root_fields(query), {}) == MEASURES


def test_fields_are_counted_with_fragments_expanded() -> None:
    """Each row of the response has that many fields."""
    parsed = parse(
        "{ m { a: sessionsCreatedCount ...F ...F } m { period { startsAt } } }"
        " fragment F on SessionMetrics { sessionsCreatedBySize { s } ... { __typename } }"
    )
    lookahead = look_ahead(SESSION_METRICS, root_fields(parsed), CountingFragments(parsed, 10))

    assert lookahead.field_count == 1 + 2 * 3 + 2
    assert [measure.name for measure in lookahead.measures] == [
        "sessions_created_count",
        "sessions_created_by_size_s",
    ]


def test_fields_that_fetch_have_a_lookahead_of_their_own() -> None:
    """Their measures are not requested for the field above them."""
    parsed = parse("{ m { sessionsCreatedCount byUser { nodes { avgAcusPerSession } } } }")

    measures = measures_below(root_fields(parsed), {})

    assert [measure.name for measure in measures] == ["sessions_created_count"]


@pytest.mark.parametrize(
    ("selection", "requires"),
    [
        ("nodes { user { id } sessionsCreatedCount } pageInfo { endCursor }", set()),
        ("totalCount", {TOTAL_COUNT}),
        ("nodes { user { id name } }", {NAMES}),
        ("... on SessionBreakdown { n: totalCount } nodes { ...Row }", {TOTAL_COUNT, NAMES}),
    ],
)
def test_the_number_of_rows_and_names_are_read_if_they_are_selected(
    selection: str, requires: set[str]
) -> None:
    """Directly, by an alias, or in a fragment on an interface."""
    fragments = """
        fragment Row on UserSessionMetrics { user { ...Creator } }
        fragment Creator on SessionCreator { label: name }
    """
    parsed = parse(f"{{ b {{ {selection} }} }} {fragments if '...Row' in selection else ''}")
    breakdown = cast("GraphQLObjectType", graphql_schema.type_map["UserBreakdown"])

    lookahead = look_ahead(breakdown, root_fields(parsed), CountingFragments(parsed, 2))

    assert lookahead.requires == requires
