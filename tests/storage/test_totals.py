"""Totals: how many statements a batch of queries takes, and that its results are exact."""

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.core.deadline import set_deadline
from metrics_graphql.core.errors import MetricsError, Unavailable
from metrics_graphql.core.measures import MEASURES, SESSIONS_CREATED
from metrics_graphql.core.periods import DAY, HOUR
from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.storage.clickhouse.client import MAX_THREADS
from metrics_graphql.storage.dialects.pooled_reader import MAX_READERS
from metrics_graphql.storage.session_store import StatementReader
from tests import oracle, strategies
from tests.conftest import Gateway, new_organization, on_every_engine

pytestmark = on_every_engine


def metrics_request(
    org_id: str = "org-1",
    after: int = 0,
    before: int = 10,
    **filters: Any,  # noqa: ANN401 - any filter
) -> MetricsRequest:
    """Return a request for all measures."""
    query = SessionMetricsQuery.from_params(
        tenant=org_id, time_after=after, time_before=before, **filters
    )
    return MetricsRequest(query)


def count_statements(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, *requests: MetricsRequest
) -> int:
    """Return the number of statements that a batch of requests takes."""
    executed: list[object] = []
    reader = type(gateway.storage.sessions)
    fetch = reader.fetch

    async def recorded(self: StatementReader, statement: Any, values: Any) -> Any:  # noqa: ANN401 - passed on
        executed.append(statement)
        return await fetch(self, statement, values)

    with monkeypatch.context() as patch:
        patch.setattr(reader, "fetch", recorded)
        gateway.run(gateway.storage.fetch_metrics(requests))
    return len(executed)


def test_queries_with_different_periods_share_a_statement(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any number of them, with any measures."""
    months = [metrics_request(after=start, before=start + 30) for start in range(0, 360, 30)]
    few = [each._replace(measures=(SESSIONS_CREATED,)) for each in months]

    assert count_statements(gateway, monkeypatch, *months, *few) == 1


def test_queries_with_different_filters_take_a_statement_each(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another organization, other creators, another playbook."""
    requests = [
        metrics_request(),
        metrics_request("org-2"),
        metrics_request(user_ids=["a"]),
        metrics_request(user_ids=[]),
        metrics_request(service_user_ids=["a"]),
        metrics_request(playbook_ids=["p"]),
    ]

    assert count_statements(gateway, monkeypatch, *requests, *requests) == len(requests)


def test_a_request_without_measures_takes_no_statement(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when only `period` is selected."""
    request = metrics_request()._replace(measures=())

    assert count_statements(gateway, monkeypatch, request) == 0


def test_a_failed_statement_fails_only_its_requests(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their result is the error."""
    reader = type(gateway.storage.sessions)
    fetch = reader.fetch

    async def fail_for_one(self: StatementReader, statement: Any, values: Any) -> Any:  # noqa: ANN401 - passed on
        if values["org_id"] == "org-1":
            raise Unavailable
        return await fetch(self, statement, values)

    monkeypatch.setattr(reader, "fetch", fail_for_one)
    requests = [metrics_request("org-1"), metrics_request("org-2")]
    results = gateway.run(gateway.storage.fetch_metrics(requests))

    assert isinstance(results[0], Unavailable)
    assert results[1] == SessionMetrics({measure.name: 0 for measure in MEASURES})


@given(data=st.data())
def test_a_batch_has_the_results_of_single_queries(gateway: Gateway, data: st.DataObject) -> None:
    """Aliases of one operation, with random periods and filters, equal the oracle."""
    org_id = next(new_organization)
    rows = data.draw(
        st.lists(
            strategies.session_rows(org_id, st.sampled_from("abcdefghijklmnop")),
            max_size=30,
            unique_by=lambda row: row["session_id"],
        )
    )
    gateway.load(rows)
    token = gateway.token(org_id)
    batch = data.draw(
        st.lists(
            st.tuples(strategies.periods(), st.just({}) | strategies.filters()),
            min_size=1,
            max_size=8,
        )
    )
    aliases = " ".join(
        f"a{index}: sessionMetrics(orgId: {strategies.quoted(org_id)}, filters: $f{index}) {{"
        " sessionsCreatedCount avgAcusPerSession sessionsWithMergedPrsBySize { s xl } }"
        for index in range(len(batch))
    )
    declarations = " ".join(f"$f{index}: SessionMetricsFilters!" for index in range(len(batch)))
    variables = {
        f"f{index}": strategies.graphql_filters(period, filters)
        for index, (period, filters) in enumerate(batch)
    }
    response = gateway.graphql(f"query ({declarations}) {{ {aliases} }}", token, variables).json()

    for index, (period, filters) in enumerate(batch):
        arguments: dict[str, Any] = {**period, **filters}
        expected = oracle.graphql(rows, org_id, **arguments)
        selection = {
            "sessionsCreatedCount": None,
            "avgAcusPerSession": None,
            "sessionsWithMergedPrsBySize": {"s": None, "xl": None},
        }
        assert response["data"][f"a{index}"] == oracle.select(expected, selection)


@pytest.mark.parametrize("interval", ["HOUR", "DAY"])
def test_sessions_outside_a_period_are_subtracted_from_its_first_and_last_bucket(
    gateway: Gateway, interval: str
) -> None:
    """The first one begins at the epoch: totals, a series and a breakdown, also filtered."""
    bucket = {"HOUR": HOUR, "DAY": DAY}[interval]
    start, end = bucket // 6, bucket + 5 * bucket // 6
    instants = [0, start - 1, start, bucket - 1, bucket, end - 1, end, 2 * bucket - 1]
    org_id = next(new_organization)
    gateway.load(
        {
            "org_id": org_id,
            "session_id": str(instant),
            "created_at": instant,
            "origin": "slack",
            "user_id": ["email|aa", "email|bb"][number % 2],
        }
        for number, instant in enumerate(instants)
    )
    token = gateway.token(org_id)
    count = "{ sessionsCreatedCount }"
    series = f"timeSeries(interval: {interval}) {count}"

    def counts(field: str, filters: Mapping[str, Any]) -> object:
        period = {"timeAfter": start, "timeBefore": end}
        return gateway.metrics(f"{{ {field} }}", org_id, token, {**period, **filters})

    def rows(*numbers: int) -> list[dict[str, int]]:
        return [{"sessionsCreatedCount": number} for number in numbers]

    for filters, buckets, users in (
        ({}, [2, 2], [2, 2]),
        ({"origins": ["SLACK"]}, [2, 2], [2, 2]),
        ({"userIds": ["email|aa"]}, [1, 1], [2]),
    ):
        assert counts("sessionsCreatedCount", filters) == {"sessionsCreatedCount": sum(buckets)}
        assert counts(series, filters) == {"timeSeries": rows(*buckets)}
        assert counts(f"byUser {{ nodes {count} }}", filters) == {"byUser": {"nodes": rows(*users)}}
        assert counts(f"byOrigin {{ nodes {count} }}", filters) == {
            "byOrigin": {"nodes": rows(sum(buckets))}
        }


def test_more_statements_than_read_slots_leak_nothing(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """No more connections than at first, each with its thread, and nothing is logged.

    Each client of ClickHouse has a pool of threads, which starts them as it needs them.
    """

    async def fetch_concurrently() -> None:
        requests = [metrics_request(user_ids=[str(n)]) for n in range(2 * MAX_READERS)]
        with set_deadline(30):
            results = await gateway.storage.fetch_metrics(requests)
        assert not any(isinstance(result, MetricsError) for result in results)

    def threads(*, of_pool: bool) -> int:
        names = [each.name for each in threading.enumerate()]
        return sum(name.startswith("clickhouse") is of_pool for name in names)

    pools = threads(of_pool=True)
    gateway.run(fetch_concurrently())
    others = threads(of_pool=False)
    for _ in range(4):
        gateway.run(fetch_concurrently())

    assert threads(of_pool=False) == others
    assert threads(of_pool=True) <= pools + MAX_THREADS
    assert caplog.records == []
