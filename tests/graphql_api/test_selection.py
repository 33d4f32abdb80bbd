"""What a selection costs: only the measures it needs are asked of the store."""

from collections.abc import Sequence
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
    parse,
)

from metrics_graphql.domain.measures import MEASURES
from metrics_graphql.domain.metrics import SessionMetrics
from metrics_graphql.errors import MetricsError
from metrics_graphql.graphql_api.selection import selected_measures
from metrics_graphql.service import MetricsService
from metrics_graphql.store.accounts import ServiceUser
from metrics_graphql.store.dialects import Prepared
from metrics_graphql.store.engine import Database
from metrics_graphql.store.questions import Asked
from tests.graphql_api.conftest import Ask

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
    # The average is a quotient of two measures.
    (
        "{ avgAcusPerSession }",
        {"acus_consumed", "sessions_created_count"},
        {"avgAcusPerSession": 0.15},
    ),
    # Aliases, also of one field twice.
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
    # Fields given twice are merged.
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
    # Inline fragments, with a type, with the interface, with neither.
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
    # What needs no session to be counted.
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
    """Return the document that asks for a selection, with the fragments it uses."""
    text = f"{{ sessionMetrics{ARGUMENTS} {selection} }}"
    for name, fragment in FRAGMENTS.items():
        if f"...{name}" in text:
            text += fragment
    return text


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Lend a list to which each question to the service adds the names of its measures."""
    questions: list[set[str]] = []
    answer = MetricsService.session_metrics

    async def note_and_answer(
        service: MetricsService, caller: ServiceUser, together: Sequence[Asked]
    ) -> list[SessionMetrics | MetricsError]:
        for each in together:
            assert len(set(each.measures)) == len(each.measures)
            questions.append({measure.name for measure in each.measures})
        return await answer(service, caller, together)

    monkeypatch.setattr(MetricsService, "session_metrics", note_and_answer)
    return questions


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lend a list to which each statement that reads sessions adds its text."""
    texts: list[str] = []
    fetch = Database.fetch

    async def note_and_fetch(
        database: Database, prepared: Prepared, values: dict[str, Any]
    ) -> Sequence[Sequence[Any]]:
        if "sessions" in prepared.sql:
            texts.append(prepared.sql)
        return await fetch(database, prepared, values)

    monkeypatch.setattr(Database, "fetch", note_and_fetch)
    return texts


@pytest.mark.parametrize(("selection", "measures", "answer"), SELECTIONS)
def test_only_what_is_selected_is_asked(
    ask: Ask, asked: list[set[str]], selection: str, measures: set[str], answer: dict[str, Any]
) -> None:
    """One question is asked, for the measures the selection needs, and its answer is right."""
    body = ask(document(selection))

    assert body == {"data": {"sessionMetrics": answer}}
    assert asked == [measures]


def test_the_statement_adds_up_nothing_else(ask: Ask, statements: list[str]) -> None:
    """A measure that is not selected does not occur in the SQL."""
    selection = "{ sessionsCreatedBySize { s } sessionsWithMergedPrsCount }"
    assert "errors" not in ask(document(selection))

    (statement,) = statements
    named = {name for name in EVERY_MEASURE if name in statement}
    assert named == {"sessions_created_by_size_s", "sessions_with_merged_prs_count"}


def test_no_statement_reads_sessions_where_none_is_counted(ask: Ask, statements: list[str]) -> None:
    """`__typename` and the period need no read of sessions."""
    body = ask(document("{ __typename period { startsAt endsAt } }"))

    assert "errors" not in body
    assert statements == []


def test_the_right_to_read_is_checked_where_no_session_is_counted(ask: Ask) -> None:
    """Else `__typename` would tell which organizations exist."""
    query = document("{ __typename }").replace("org-1", "org-2")
    (error,) = ask(query)["errors"]

    assert error["extensions"] == {"code": "FORBIDDEN"}


def test_aliases_with_other_arguments_are_questions_of_their_own(
    ask: Ask, asked: list[set[str]]
) -> None:
    """Each asks for what is selected under it, and gets the answer to its own arguments."""
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
    body = ask(query + FRAGMENTS["Total"], variables)

    assert body == {
        "data": {
            "before": {"sessionsCreatedCount": 2},
            "after": {"sessionsCreatedCount": 8, "sessionsCreatedBySize": {"s": 1, "xl": 7}},
            "users": {"sessionsCreatedBySize": {"xl": 3}},
        }
    }
    assert len(asked) == 3
    assert {"sessions_created_count"} in asked
    assert {"sessions_created_by_size_xl"} in asked


def test_a_field_written_twice_is_one_question(ask: Ask, asked: list[set[str]]) -> None:
    """GraphQL merges fields of one name: so does the question."""
    field = "sessionMetrics" + ARGUMENTS
    query = f"""
        {{
          {field} {{ sessionsCreatedCount }}
          {field} {{ sessionsCreatedBySize {{ s }} }}
          ...More
        }}
        fragment More on Query {{ {field} {{ sessionsCreatedBySize {{ xl }} }} }}
    """
    body = ask(query)

    assert body["data"]["sessionMetrics"] == {
        "sessionsCreatedCount": 10,
        "sessionsCreatedBySize": {"s": 3, "xl": 7},
    }
    assert asked == [
        {"sessions_created_count", "sessions_created_by_size_s", "sessions_created_by_size_xl"}
    ]


@pytest.mark.parametrize(
    ("selection", "answers"),
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
        # The same fragment, once left out and once not.
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
def test_fields_left_out_by_a_directive(ask: Ask, selection: str, answers: dict[str, Any]) -> None:
    """They are not in the answer; whatever is in it was asked for."""
    declared = [f"{name}: Boolean!" for name in ("$yes", "$no") if f"if: {name}" in selection]
    operation = f"query ({', '.join(declared)}) " if declared else ""
    variables = {"yes": True, "no": False}

    body = ask(operation + document(selection), variables)

    assert body == {"data": {"sessionMetrics": answers}}


def test_a_question_left_out_by_a_directive_is_not_asked(ask: Ask, asked: list[set[str]]) -> None:
    """Not even for the right to ask it."""
    query = f"query ($no: Boolean!) {{ sessionMetrics{ARGUMENTS} @include(if: $no)"
    body = ask(f"{query} {{ sessionsCreatedCount }} }}", {"no": False})

    assert body == {"data": {}}
    assert asked == []


class CountingFragments(dict[str, FragmentDefinitionNode]):
    """The fragments of a document, which can only be looked up so many times."""

    def __init__(self, parsed: DocumentNode, at_most: int) -> None:
        super().__init__(
            (definition.name.value, definition)
            for definition in parsed.definitions
            if isinstance(definition, FragmentDefinitionNode)
        )
        self.left = at_most

    def __getitem__(self, name: str) -> FragmentDefinitionNode:
        self.left -= 1
        assert self.left >= 0, "fragments are entered again and again"
        return super().__getitem__(name)


def root_fields(parsed: DocumentNode) -> list[FieldNode]:
    """Return the fields of a document's operation."""
    (operation,) = (
        definition
        for definition in parsed.definitions
        if isinstance(definition, OperationDefinitionNode)
    )
    return [field for field in operation.selection_set.selections if isinstance(field, FieldNode)]


def bomb(depth: int, on: str, last: str, beside: str = "") -> str:
    """Return fragments of which each spreads the next one twice, down to the last."""
    levels = [
        f"fragment {on}{level} on {on} {{ ...{on}{level + 1} ...{on}{level + 1} {beside} }}"
        for level in range(depth)
    ]
    return " ".join([*levels, f"fragment {on}{depth} on {on} {{ {last} }}"])


def test_a_fragment_that_doubles_is_entered_once() -> None:
    """Thirty doublings are a thousand million fields spelled out, and 31 fragments to enter."""
    fragments = bomb(30, "SessionMetrics", "sessionsCreatedCount")
    parsed = parse(f"{{ sessionMetrics {{ ...SessionMetrics0 }} }} {fragments}")

    selected = selected_measures(root_fields(parsed), CountingFragments(parsed, at_most=31))

    assert [measure.name for measure in selected] == ["sessions_created_count"]


def test_fragments_that_double_under_fields_that_double_are_entered_once_a_field() -> None:
    """The members of a field are looked for once for each time the field is written."""
    metrics = bomb(
        30,
        "SessionMetrics",
        "sessionsCreatedCount",
        beside="sessionsCreatedBySize { ...SessionCountsBySize0 }",
    )
    sizes = bomb(30, "SessionCountsBySize", "xl", beside="xs")
    parsed = parse(f"{{ sessionMetrics {{ ...SessionMetrics0 }} }} {metrics} {sizes}")

    selected = selected_measures(
        root_fields(parsed), CountingFragments(parsed, at_most=31 + 30 * 31)
    )

    assert {measure.name for measure in selected} == {
        "sessions_created_count",
        "sessions_created_by_size_xs",
        "sessions_created_by_size_xl",
    }


def test_a_long_chain_of_fragments_is_followed_to_its_end() -> None:
    """Longer than Python's stack is deep."""
    links = [f"fragment F{link} on SessionMetrics {{ ...F{link + 1} }}" for link in range(5000)]
    last = "fragment F5000 on SessionMetrics { avgAcusPerSession }"
    parsed = parse(f"{{ sessionMetrics {{ ...F0 }} }} {' '.join(links)} {last}")

    selected = selected_measures(root_fields(parsed), CountingFragments(parsed, at_most=5001))

    assert [measure.name for measure in selected] == ["sessions_created_count", "acus_consumed"]


def test_measures_come_in_the_order_of_the_table() -> None:
    """However a selection is ordered, so that statements of one shape are one statement."""
    forwards = parse("{ m { sessionsCreatedCount sessionsCreatedBySize { xs s } } }")
    backwards = parse("{ m { sessionsCreatedBySize { s xs } sessionsCreatedCount } }")

    assert selected_measures(root_fields(forwards), {}) == selected_measures(
        root_fields(backwards), {}
    )


def test_every_measure_can_be_selected() -> None:
    """All fields of the schema together need the whole table, and nothing is needed twice."""
    query = """
        { m {
            sessionsCreatedCount
            sessionsCreatedBySize { xs s m l xl }
            sessionsCreatedByOrigin { api automation desktop jira linear slack teams webapp }
            sessionsCreatedWithPlaybookCount
            sessionsCreatedWithSearchCount
            sessionsWithMergedPrsCount
            sessionsWithMergedPrsBySize { xs s m l xl }
            avgAcusPerSession
        } }
    """
    assert selected_measures(root_fields(parse(query)), {}) == MEASURES
