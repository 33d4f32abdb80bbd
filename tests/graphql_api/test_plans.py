"""Plans: what they write is what graphql-core answers, to the byte, and they write the ordinary."""

import json
from typing import Any

import pytest
from graphql import parse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_graphql import queries

from metrics_graphql.graphql_api.documents import Document
from metrics_graphql.graphql_api.plans import Plan
from tests import strategies
from tests.conftest import Gateway
from tests.graphql_api.test_budget import DASHBOARD
from tests.graphql_api.test_schema import PRINTED

QUESTION = 'sessionMetrics(orgId: "org-1", filters: {timeAfter: 0, timeBefore: 10})'
ALL = """
  sessionsCreatedCount
  sessionsCreatedBySize { xs s m l xl }
  sessionsCreatedByOrigin { api automation desktop jira linear slack teams webapp }
  sessionsCreatedWithPlaybookCount
  sessionsCreatedWithSearchCount
  sessionsWithMergedPrsCount
  sessionsWithMergedPrsBySize { xs s m l xl }
  avgAcusPerSession
"""


FILTERED = """
  query ($f: SessionMetricsFilters!) { sessionMetrics(orgId: "org-1", filters: $f) { __typename } }
"""


class Both:
    """Asks through a plan, and of graphql-core alone."""

    def __init__(self, gateway: Gateway, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._gateway = gateway
        self._token = token
        self._monkeypatch = monkeypatch

    def ask(self, query: str, variables: dict[str, Any] | None = None) -> tuple[bytes, bytes, int]:
        """Return both answers, and how many plans ran to their end."""
        finished = 0
        run = Plan.run

        async def noted(plan: Plan, *arguments: Any) -> str | None:  # noqa: ANN401 - passed on
            nonlocal finished
            written = await run(plan, *arguments)
            finished += written is not None
            return written

        with self._monkeypatch.context() as patch:
            patch.setattr(Plan, "run", noted)
            planned = self._gateway.graphql(query, self._token, variables).content
        with self._monkeypatch.context() as patch:
            patch.setattr(Document, "plan", lambda *_: None)
            alone = self._gateway.graphql(query, self._token, variables).content
        return planned, alone, finished


@pytest.fixture
def both(shared: Gateway, token: str, monkeypatch: pytest.MonkeyPatch) -> Both:
    """Lend both ways to ask the shared gateway."""
    return Both(shared, token, monkeypatch)


@pytest.fixture
def of_enterprise(shared: Gateway, monkeypatch: pytest.MonkeyPatch) -> Both:
    """Lend both ways to somebody who may read the enterprise."""
    return Both(shared, shared.token(), monkeypatch)


@given(
    query=queries(
        PRINTED,
        custom_scalars={"DateTime": st.integers(0, 20).map(strategies.literal)},
    ).map(lambda query: query.replace('orgId: ""', 'orgId: "org-1"'))
)
def test_any_query_is_answered_as_graphql_core_answers_it(
    both: Both, of_enterprise: Both, query: str
) -> None:
    """Whatever is selected, with whatever arguments; errors too, but for the ids of ours."""
    for caller in (both, of_enterprise):
        planned, alone, _ = caller.ask(query)

        assert planned == alone


CHANGE = """
  sessionsCreatedCount
  sessionsCreatedWithPlaybookCount
  sessionsCreatedWithSearchCount
  sessionsWithMergedPrsCount
  avgAcusPerSession
  __typename
"""


def about(selection: str) -> str:
    """Return the query for a selection of `sessionMetrics`."""
    return f"{{ {QUESTION} {{ {selection} }} }}"


FRAGMENTS = f"""
  {{ ...Q }}
  fragment Q on Query {{ {QUESTION} {{ ...F ... on SessionMetrics {{ ...F }} }} }}
  fragment F on SessionAggregates {{
    sessionsCreatedCount
    ... on SessionMetrics {{ period {{ startsAt }} }}
    ... on SessionMetricsBucket {{ period {{ endsAt }} }}
    ... {{ avgAcusPerSession }}
  }}
"""
ORDINARY = [
    "{ __typename }",
    "{ viewer { __typename id name } me: viewer { name } }",
    about(ALL),
    about("__typename period { startsAt endsAt __typename }"),
    about("sessionsCreatedBySize { s } sessionsCreatedBySize { xl s }"),
    f"{{ a: {QUESTION} {{ sessionsCreatedCount }} b: {QUESTION} {{ avgAcusPerSession }} }}",
    f"{{ {QUESTION} {{ n: sessionsCreatedCount }} {QUESTION} {{ n: sessionsCreatedCount }} }}",
    about(f"previousPeriod {{ {ALL} period {{ startsAt }} change {{ {CHANGE} }} }}"),
    about(f"timeSeries(interval: HOUR) {{ {ALL} period {{ endsAt }} __typename }}"),
    about('a: timeSeries(interval: DAY, timeZone: "Asia/Kolkata") { __typename }'),
    about(
        "a: timeSeries(interval: DAY) { __typename } b: timeSeries(interval: MONTH) { __typename }"
    ),
    about(f"byUser {{ totalCount nodes {{ {ALL} user {{ id kind }} }} __typename }}"),
    about(
        "byUser(orderBy: {field: AVG_ACUS_PER_SESSION, direction: ASC}) { nodes { user { id } } }"
    ),
    about(
        "one: byUser(first: 1) { totalCount nodes { user { kind } } } all: byUser { totalCount }"
    ),
    about("byPlaybook { nodes { playbook { id __typename } } totalCount }"),
    FRAGMENTS,
]


@pytest.mark.parametrize("query", ORDINARY)
def test_the_ordinary_is_written_by_a_plan(both: Both, query: str) -> None:
    """To the byte as graphql-core answers it, and without an error."""
    planned, alone, finished = both.ask(query)

    assert planned == alone
    assert finished == 1
    assert set(json.loads(planned)) == {"data"}


@pytest.mark.parametrize("query", [query for query in ORDINARY if "sessionMetrics" in query])
@pytest.mark.parametrize("org_ids", ["", "orgIds: null,", 'orgIds: ["org-2", "org-1"],'])
def test_so_is_the_ordinary_of_the_enterprise(
    of_enterprise: Both, query: str, org_ids: str
) -> None:
    """The same, and the organizations."""
    query = query.replace("SessionMetrics {", "EnterpriseSessionMetrics {")
    query = query.replace('sessionMetrics(orgId: "org-1",', f"enterpriseSessionMetrics({org_ids}")
    ranked = query.replace("byPlaybook", "byOrganization").replace("playbook {", "organization {")
    for asked in {query, ranked}:
        planned, alone, finished = of_enterprise.ask(asked)

        assert planned == alone
        assert finished == 1
        assert set(json.loads(planned)) == {"data"}


def test_a_dashboard_with_variables_needs_graphql_core_for_its_organizations_only(
    both: Both,
) -> None:
    """Without the list of organizations a plan writes it all."""
    query = DASHBOARD.replace("organizations {\n      id\n    }", "")
    variables = {"org": "org-1", "filters": {"timeAfter": 0, "timeBefore": "1970-01-03T00:00:00Z"}}
    planned, alone, finished = both.ask(query, variables)

    assert planned == alone
    assert finished == 1


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ __schema { queryType { name } } }", {}),
        ("{ viewer { organizations { id } } }", {}),
        ("query ($yes: Boolean!) { a: __typename @skip(if: $yes) b: __typename }", {"yes": True}),
        (about("sessionsCreatedCount @include(if: false)"), {}),
        (about("... @skip(if: true) { sessionsCreatedCount } period { startsAt }"), {}),
        (about("sessionsCreatedCount").replace("org-1", "org-2"), {}),
        ("{ enterpriseSessionMetrics(filters: {timeAfter: 0, timeBefore: 1}) { __typename } }", {}),
        (about("byUser(first: 0) { totalCount } sessionsCreatedCount"), {}),
        (about('timeSeries(interval: DAY, timeZone: "Mars") { __typename }'), {}),
        (about("timeSeries(interval: HOUR) { __typename }").replace("10", "9999999"), {}),
        (FILTERED, {"f": {"timeAfter": 5, "timeBefore": 4}}),
        (FILTERED, {"f": {"timeAfter": 5}}),
        ("query ($n: Int!) { viewer { id } }", {"n": "x"}),
    ],
)  # fmt: skip
def test_what_is_out_of_the_ordinary_is_answered_all_the_same(
    both: Both, query: str, variables: dict[str, Any]
) -> None:
    """Directives, introspection, and whatever is refused: by graphql-core."""
    planned, alone, finished = both.ask(query, variables)

    assert planned == alone
    assert finished == 0


THEIRS = QUESTION.replace("org-1", "org-2")


@pytest.mark.parametrize(
    "case",
    [
        (f"{{ a: {QUESTION} {{ n: sessionsCreatedCount }} b: {THEIRS} {{ __typename }} }}", 1),
        (about("byUser { totalCount } timeSeries(interval: HOUR) { period { startsAt } }"), 1),
        (
            about("sessionsCreatedCount byUser { totalCount } byPlaybook { nodes { __typename } }"),
            3,
        ),
    ],
    ids=["refused", "over the limit", "too large a number"],
)
def test_what_a_plan_found_out_is_not_asked_again(
    shared: Gateway,
    token: str,
    statements: list[str],
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[str, int],
) -> None:
    """Where graphql-core has to tell what is wrong."""
    query, counted = case
    monkeypatch.setattr("metrics_graphql.graphql_api.writers.GRAPHQL_MAX_INT", 9)
    with shared.configured(max_values=1) as door:
        assert door.graphql(query, token).status_code == 200

    assert len([sql for sql in statements if "sessions" in sql]) == counted


def test_a_plan_is_made_once_for_each_operation() -> None:
    """However often it runs."""
    document = Document(parse("query A { __typename } query B { viewer { id } }"))

    assert document.plan("A") is document.plan("A")
    assert document.plan("A") is not document.plan("B")
