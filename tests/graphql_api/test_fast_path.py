"""The fast path: its responses, and the statements that it shares."""

from typing import Any

import pytest

from metrics_graphql.graphql_api.document_store import Operation
from tests.conftest import Gateway, only_sqlite
from tests.graphql_api.both_ways import BothWays
from tests.graphql_api.selections import (
    DASHBOARD,
    METRICS,
    OTHER_METRICS,
    SUPPORTED,
    metrics_query,
    metrics_statements,
)

pytestmark = only_sqlite

FILTERED = """
  query ($f: SessionMetricsFilters!) { sessionMetrics(orgId: "org-1", filters: $f) { __typename } }
"""

NULLABLE = """
  query ($at: DateTime = 0) {
    sessionMetrics(orgId: "org-1", filters: {timeAfter: $at, timeBefore: 9}) { __typename }
  }
"""
"""A variable that may be null, in a position that may not."""


@pytest.mark.parametrize("query", SUPPORTED)
def test_supported_operations_get_the_response_of_graphql_core(
    both_ways: BothWays, query: str
) -> None:
    """Byte for byte, and without an error."""
    responses = both_ways.execute(query)

    assert responses.is_compiled
    assert responses.fast_path == responses.graphql_core
    assert set(responses.fast_path.body) == {"data"}


@pytest.mark.parametrize("query", [query for query in SUPPORTED if "sessionMetrics" in query])
@pytest.mark.parametrize("org_ids", ["", "orgIds: null,", 'orgIds: ["org-2", "org-1"],'])
def test_enterprise_operations_get_the_response_of_graphql_core(
    enterprise_both_ways: BothWays, query: str, org_ids: str
) -> None:
    """The same selections, and the breakdown by organization."""
    query = query.replace("SessionMetrics {", "EnterpriseSessionMetrics {")
    query = query.replace('sessionMetrics(orgId: "org-1",', f"enterpriseSessionMetrics({org_ids}")
    ranked = query.replace("byPlaybook", "byOrganization").replace("playbook {", "organization {")
    for each in {query, ranked}:
        responses = enterprise_both_ways.execute(each)

        assert responses.is_compiled
        assert responses.fast_path == responses.graphql_core
        assert set(responses.fast_path.body) == {"data"}


def test_a_dashboard_with_variables_is_supported_without_its_organizations(
    both_ways: BothWays,
) -> None:
    """The list of organizations is the only field of the dashboard for graphql-core."""
    query = DASHBOARD.replace("organizations {\n      id\n    }", "")
    variables = {"org": "org-1", "filters": {"timeAfter": 0, "timeBefore": "1970-01-03T00:00:00Z"}}
    responses = both_ways.execute(query, variables)

    assert responses.is_compiled
    assert responses.fast_path == responses.graphql_core
    assert set(responses.fast_path.body) == {"data"}


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query ($yes: Boolean!) { a: __typename @skip(if: $yes) b: __typename }", {"yes": True}),
        ("query ($yes: Boolean = true) { a: __typename @skip(if: $yes) b: __typename }", {}),
        (metrics_query("sessionsCreatedCount").replace("org-1", "org-2"), {}),
        ("{ enterpriseSessionMetrics(filters: {timeAfter: 0, timeBefore: 1}) { __typename } }", {}),
        (metrics_query("byUser(first: 0) { totalCount } sessionsCreatedCount"), {}),
        (metrics_query('timeSeries(interval: DAY, timeZone: "Mars") { __typename }'), {}),
        (metrics_query("timeSeries(interval: HOUR) { __typename }").replace("10", "9999999"), {}),
        (FILTERED, {"f": {"timeAfter": 5, "timeBefore": 4}}),
        (NULLABLE, {"at": None}),
    ],
)  # fmt: skip
def test_conditions_and_refused_arguments_are_supported(
    both_ways: BothWays, query: str, variables: dict[str, Any]
) -> None:
    """A field that is refused gets the error that graphql-core reports."""
    responses = both_ways.execute(query, variables)

    assert responses.is_compiled
    assert responses.fast_path == responses.graphql_core


@pytest.mark.parametrize(
    ("query", "variables"),
    [(FILTERED, {"f": {"timeAfter": 5}}), ("query ($n: Int!) { viewer { id } }", {"n": "x"})],
)
def test_a_request_that_is_refused_is_executed_in_neither_way(
    both_ways: BothWays, query: str, variables: dict[str, Any]
) -> None:
    """Variables are coerced, and documents validated, before the way of execution is chosen."""
    responses = both_ways.execute(query, variables)

    assert not responses.is_compiled
    assert responses.fast_path == responses.graphql_core
    assert set(responses.fast_path.body) == {"errors"}


# Statements


SHARED_SELECTIONS = {
    "aliases": f"{{ a: {METRICS} {{ sessionsCreatedCount }} b: {METRICS} {{ __typename }} }}",
    "periods": f"""{{
      a: {METRICS} {{ sessionsCreatedCount }}
      b: {METRICS.replace("timeBefore: 10", "timeBefore: 5")} {{ avgAcusPerSession }}
    }}""",
    "series": metrics_query(
        "sessionsCreatedCount"
        " days: timeSeries(interval: DAY) { sessionsCreatedCount }"
        " hours: timeSeries(interval: HOUR) { avgAcusPerSession }"
    ),
    "previous period": metrics_query(
        "sessionsCreatedCount previousPeriod { change { sessionsCreatedCount } }"
    ),
    "all": f"""{{
      a: {METRICS} {{
        sessionsCreatedCount
        timeSeries(interval: DAY) {{ sessionsCreatedBySize {{ xl }} }}
        previousPeriod {{ sessionsCreatedCount }}
      }}
      b: {METRICS} {{ avgAcusPerSession }}
    }}""",
}


@pytest.mark.parametrize("query", SHARED_SELECTIONS.values(), ids=SHARED_SELECTIONS)
def test_queries_of_an_organization_that_differ_in_their_period_share_a_statement(
    shared: Gateway, token: str, statements: list[str], query: str
) -> None:
    """Totals of aliases, the buckets of series, and previous periods."""
    assert "errors" not in shared.graphql(query, token).json()

    assert len(metrics_statements(statements)) == 1


def test_queries_with_other_filters_or_of_another_organization_take_statements_of_their_own(
    shared: Gateway, statements: list[str]
) -> None:
    """Only the period may differ between queries that share a statement."""
    filtered = METRICS.replace("timeBefore: 10", 'timeBefore: 10, userIds: ["user-1"]')
    query = f"""{{
      a: {METRICS} {{ sessionsCreatedCount }}
      b: {OTHER_METRICS} {{ sessionsCreatedCount }}
      c: {filtered} {{ sessionsCreatedCount }}
      d: {filtered} {{ avgAcusPerSession }}
    }}"""
    assert "errors" not in shared.graphql(query, shared.token()).json()

    assert len(metrics_statements(statements)) == 3


def test_a_breakdown_takes_one_statement_however_often_it_is_selected(
    shared: Gateway, token: str, statements: list[str]
) -> None:
    """Equal breakdowns are fetched once; one with another ranking takes its own statement."""
    query = metrics_query(
        "a: byUser { totalCount } b: byUser { totalCount } c: byUser(first: 1) { totalCount }"
    )
    assert "errors" not in shared.graphql(query, token).json()

    assert len(metrics_statements(statements)) == 2


def test_a_field_that_a_condition_excludes_is_not_fetched(
    shared: Gateway, token: str, statements: list[str]
) -> None:
    """It takes no statement."""
    query = f"""query ($no: Boolean!) {{
      __typename
      {METRICS} @include(if: $no) {{ sessionsCreatedCount byUser {{ totalCount }} }}
    }}"""
    assert shared.graphql(query, token, {"no": False}).json() == {"data": {"__typename": "Query"}}

    assert metrics_statements(statements) == []


def test_on_graphql_core_each_field_takes_a_statement_of_its_own(
    shared: Gateway, token: str, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as its `@cost` adds up to: here two root fields, a series and a previous period."""
    monkeypatch.setattr(Operation, "compiled", lambda *_: None)
    assert "errors" not in shared.graphql(SHARED_SELECTIONS["all"], token).json()

    assert len(metrics_statements(statements)) == 4


def test_a_dashboard_on_graphql_core_takes_no_more_statements_than_it_costs(
    shared: Gateway, token: str, statements: list[str]
) -> None:
    """Totals, previous period, series and four breakdowns; the organizations are not read."""
    variables = {"org": "org-1", "filters": {"timeAfter": 0, "timeBefore": 10}}
    assert "errors" not in shared.graphql(DASHBOARD, token, variables).json()

    assert len(metrics_statements(statements)) == 7
