"""How fields fail on the fast path: what the client, the log and the metrics get."""

import logging
import re
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import httpx
import pytest

from metrics_graphql.core.callers import ServiceUser
from metrics_graphql.core.errors import Unavailable
from metrics_graphql.core.queries import MetricsRequest
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.core.service import MetricsService
from metrics_graphql.graphql_api.breakdown_fields import BreakdownField
from metrics_graphql.graphql_api.root_fields import RootField
from metrics_graphql.graphql_api.series import TimeSeries
from metrics_graphql.storage import totals
from tests.conftest import Gateway, only_sqlite
from tests.graphql_api.both_ways import ERROR_ID, BothWays
from tests.graphql_api.client import error_of
from tests.graphql_api.selections import METRICS, OTHER_METRICS, metrics_query, metrics_statements

pytestmark = only_sqlite

SECRET = "SELECT password FROM secrets"
QUERY = f"""{{
  __typename
  neighbour: {METRICS} {{ sessionsCreatedCount }}
  metrics: {METRICS} {{
    byUser(first: 1) {{ nodes {{ user {{ id }} avgAcusPerSession }} }}
    sessionsCreatedCount
    timeSeries(interval: DAY) {{ sessionsCreatedCount }}
  }}
}}"""
DATA: dict[str, Any] = {
    "__typename": "Query",
    "neighbour": {"sessionsCreatedCount": 10},
    "metrics": {
        "byUser": {"nodes": [{"user": {"id": "user-1"}, "avgAcusPerSession": 0.2}]},
        "sessionsCreatedCount": 10,
        "timeSeries": [{"sessionsCreatedCount": 10}],
    },
}


class Observed:
    """A gateway with everything that can be observed of a request: log, metrics and statements."""

    def __init__(
        self, gateway: Gateway, token: str, caplog: pytest.LogCaptureFixture, statements: list[str]
    ) -> None:
        self._gateway = gateway
        self._token = token
        self._caplog = caplog
        self._statements = statements

    def execute(self, query: str) -> httpx.Response:
        """Execute a query, and forget the statements of earlier ones."""
        self._statements.clear()
        return self._gateway.graphql(query, self._token)

    @property
    def metrics_statements(self) -> int:
        """How many statements that read sessions the query took."""
        return len(metrics_statements(self._statements))

    @property
    def failures(self) -> float:
        """How many failures Prometheus reads. It takes statements of its own."""
        text = self._gateway.request("GET", "/metrics", None).text
        name = "metrics_graphql_fast_path_failures_total"
        (count,) = re.findall(rf"^{name} (\S+)$", text, re.MULTILINE)
        return float(count)

    @property
    def logged_bugs(self) -> list[logging.LogRecord]:
        """The errors in the log."""
        return [record for record in self._caplog.records if record.levelno >= logging.ERROR]


@pytest.fixture
def observed(
    shared: Gateway, token: str, caplog: pytest.LogCaptureFixture, statements: list[str]
) -> Generator[Observed]:
    """Return a gateway that counts failures from 0."""
    with shared.configured(cache_bytes=0, prometheus=True) as gateway:
        yield Observed(gateway, token, caplog, statements)


def fail(*_: object, **__: object) -> Any:  # noqa: ANN401 - returns nothing
    """Raise what no code expects."""
    raise RuntimeError(SECRET)


class Bug(NamedTuple):
    """An attribute to break, and the path of the field that fails."""

    owner: type
    name: str
    broken: Any
    path: list[str]


BUGS = {
    "getter": Bug(SessionMetrics, "avg_acus_per_session", property(fail), ["metrics", "byUser"]),
    "rows": Bug(BreakdownField, "render", fail, ["metrics", "byUser"]),
    "row count": Bug(BreakdownField, "fetched_fields", fail, ["metrics", "byUser"]),
    "arguments": Bug(BreakdownField, "bind", classmethod(fail), ["metrics", "byUser"]),
    "buckets": Bug(TimeSeries, "render", fail, ["metrics", "timeSeries"]),
    "time zone": Bug(TimeSeries, "bind", classmethod(fail), ["metrics", "timeSeries"]),
}


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS)
def test_a_bug_makes_its_field_null_with_a_masked_error(
    observed: Observed, monkeypatch: pytest.MonkeyPatch, bug: Bug
) -> None:
    """It is logged once and counted; other fields are intact, and nothing is executed twice."""
    monkeypatch.setattr(bug.owner, bug.name, bug.broken)
    response = observed.execute(QUERY)

    root, nested = bug.path
    assert response.status_code == 200
    assert response.json()["data"] == {**DATA, root: {**DATA[root], nested: None}}
    (error,) = response.json()["errors"]
    assert error["path"] == bug.path
    assert error["locations"]
    assert error["extensions"] == {"code": "INTERNAL"}
    assert SECRET not in response.text
    (record,) = observed.logged_bugs
    assert ERROR_ID.findall(error["message"]) == ERROR_ID.findall(record.getMessage())
    assert record.exc_info
    assert str(record.exc_info[1]) == SECRET
    # Totals and series; and the breakdown, unless it could not be bound.
    assert observed.metrics_statements == (1 if bug is BUGS["arguments"] else 2)
    assert observed.failures == 1


def test_without_a_bug_no_failure_is_counted(observed: Observed) -> None:
    """The counter is exposed from the start, and errors of the client do not raise it."""
    assert observed.execute(QUERY).json() == {"data": DATA}
    assert observed.failures == 0
    assert observed.execute(metrics_query("byUser(first: 0) { totalCount }")).json()["errors"]
    assert observed.failures == 0


def test_an_unavailable_database_is_not_counted_as_a_failure(
    observed: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `MetricsError` is the error of its field, from the fast path itself."""

    async def unavailable(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(totals, "fetch_totals", unavailable)
    response = observed.execute(QUERY)

    assert response.json()["data"] == {**DATA, "neighbour": None, "metrics": None}
    assert {each["extensions"]["code"] for each in response.json()["errors"]} == {"UNAVAILABLE"}
    assert observed.logged_bugs == []
    assert observed.failures == 0


def test_a_bug_in_a_root_field_makes_the_root_field_null(
    both_ways: BothWays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fields below it have no errors, as on graphql-core."""
    monkeypatch.setattr(RootField, "render", fail)
    responses = both_ways.execute(QUERY)

    assert responses.is_compiled
    assert responses.fast_path.body["data"] == {**DATA, "neighbour": None, "metrics": None}
    responses.check_equal()


def test_a_bug_while_fetching_makes_every_field_that_fetches_null(
    both_ways: BothWays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a masked error, as on graphql-core; other fields are intact."""

    async def raise_bug(*_: object) -> None:
        fail()

    monkeypatch.setattr(totals, "fetch_metrics", raise_bug)
    responses = both_ways.execute(QUERY.replace("__typename", "viewer { name }"))

    assert responses.is_compiled
    assert responses.fast_path.body["data"] == {
        "viewer": {"name": "test"},
        "neighbour": None,
        "metrics": None,
    }
    responses.check_equal()


@pytest.mark.parametrize("value", [2**31, 2**63])
def test_a_count_beyond_32_bits_makes_the_same_field_null(
    both_ways: BothWays, monkeypatch: pytest.MonkeyPatch, value: int
) -> None:
    """`data` is equal in both ways, and the errors are masked."""
    fetch_totals = totals.fetch_totals

    async def large_totals(*arguments: Any) -> list[SessionMetrics]:  # noqa: ANN401 - passed on
        return [
            SessionMetrics(dict.fromkeys(each.sums, value))
            for each in await fetch_totals(*arguments)
        ]

    monkeypatch.setattr(totals, "fetch_totals", large_totals)
    responses = both_ways.execute(
        f"""{{
          __typename
          count: {METRICS} {{ sessionsCreatedCount period {{ startsAt }} }}
          size: {METRICS} {{ sessionsCreatedBySize {{ __typename xl }} }}
          average: {METRICS} {{ avgAcusPerSession byUser {{ nodes {{ sessionsCreatedCount }} }} }}
          series: {METRICS} {{ timeSeries(interval: DAY) {{ sessionsWithMergedPrsCount }} }}
        }}"""
    )

    assert responses.is_compiled
    assert responses.fast_path.data == responses.graphql_core.data
    data = responses.fast_path.body["data"]
    assert data["count"] is data["size"] is None
    assert data["series"] == {"timeSeries": None}
    assert data["average"]["byUser"]["nodes"]
    codes = {error["extensions"]["code"] for error in responses.fast_path.body["errors"]}
    assert codes == {"INTERNAL"}


def test_a_count_beyond_32_bits_is_not_an_error_of_the_client(
    observed: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GraphQL's `Int` has 32 bits, whatever the client selects."""

    async def counts(
        _service: MetricsService, _caller: ServiceUser, requests: Sequence[MetricsRequest]
    ) -> list[SessionMetrics]:
        return [
            SessionMetrics({measure.name: 2**31 for measure in each.measures}) for each in requests
        ]

    monkeypatch.setattr(MetricsService, "fetch_metrics", counts)
    response = observed.execute(metrics_query("sessionsCreatedCount"))

    assert error_of(response)["extensions"] == {"code": "INTERNAL"}
    assert len(observed.logged_bugs) == observed.failures == 1


ONCE = {
    "refused": (
        f"{{ a: {METRICS} {{ sessionsCreatedCount }} b: {OTHER_METRICS} {{ __typename }} }}",
        1,
    ),
    "over the limit": (
        metrics_query(
            "byUser { totalCount } timeSeries(interval: DAY) { a: __typename b: __typename }"
        ),
        1,
    ),
    "beyond 32 bits": (
        metrics_query("sessionsCreatedCount byUser { totalCount } byPlaybook { totalCount }"),
        3,
    ),
}
"""Queries with a field that fails, and how many statements each takes."""


@pytest.mark.parametrize("case", ONCE.values(), ids=ONCE)
def test_an_operation_with_a_failed_field_is_executed_once(
    shared: Gateway,
    token: str,
    statements: list[str],
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[str, int],
) -> None:
    """graphql-core does not execute it again to report the error."""
    query, count = case
    monkeypatch.setattr("metrics_graphql.graphql_api.json_template.GRAPHQL_MAX_INT", 9)
    with shared.configured(cache_bytes=0, max_response_fields=1) as gateway:
        assert gateway.graphql(query, token).json()["errors"]

    assert len(metrics_statements(statements)) == count
