"""Admission control at both APIs: deadlines, and refusals under load."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest
from starlette.types import Message

from metrics_graphql.core.deadline import set_deadline
from metrics_graphql.core.errors import TimedOut
from metrics_graphql.storage.dialects import CompiledStatement
from tests.conftest import Gateway

ENDLESS = CompiledStatement(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n", (), {}
)
"""A statement that never ends by itself."""
QUERY = """
    query ($org: ID!) {
      sessionMetrics(orgId: $org, filters: {timeAfter: 0, timeBefore: 10}) {
        sessionsCreatedCount
        byUser { totalCount }
      }
    }
"""


def test_a_deadline_cancels_the_statement_in_the_database(gateway: Gateway) -> None:
    """An endless statement ends, every time, and its connection is free again."""

    async def scenario() -> None:
        for _ in range(20):  # More than the pool holds: every connection was returned.
            with set_deadline(0.02), pytest.raises(TimedOut):
                await gateway.database.fetch(ENDLESS, {})
        await gateway.database.ping()

    gateway.run(scenario())


def test_a_breakdown_that_times_out_leaves_the_totals(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The field is null, and the error has its path."""
    with gateway.configured(timeout=3) as impatient:
        gateway.load([{"org_id": "org-1", "session_id": "a", "created_at": 1, "user_id": "u"}])
        token = gateway.token("org-1")
        monkeypatch.setattr(
            "metrics_graphql.storage.breakdowns.select_ranked_sums", lambda *_, **__: ENDLESS
        )
        response = impatient.graphql(QUERY, token, {"org": "org-1"})

    assert response.status_code == 200
    assert response.json()["data"] == {
        "sessionMetrics": {"sessionsCreatedCount": 1, "byUser": None}
    }
    (error,) = response.json()["errors"]
    assert error["path"] == ["sessionMetrics", "byUser"]
    assert error["extensions"] == {"code": "TIMEOUT"}


def test_a_request_that_times_out_gets_504(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over REST; over GraphQL the field is null."""
    with gateway.configured(timeout=3) as impatient:
        token = gateway.token("org-1")
        monkeypatch.setattr(
            "metrics_graphql.storage.totals.select_totals", lambda *_, **__: ENDLESS
        )
        rest = impatient.rest("org-1", token, time_after=0, time_before=10)
        graphql = impatient.graphql(QUERY, token, {"org": "org-1"})

    assert rest.status_code == 504
    assert rest.json() == {
        "detail": "The request took too long. Query a shorter period, or fewer fields at once."
    }
    assert graphql.json()["data"] == {"sessionMetrics": None}
    assert graphql.json()["errors"][0]["extensions"] == {"code": "TIMEOUT"}


def test_an_authentication_that_times_out_gets_504_at_both_apis(gateway: Gateway) -> None:
    """Over GraphQL with its code."""
    with gateway.configured(timeout=1e-9) as impatient:
        token = gateway.token("org-1")
        rest = impatient.rest("org-1", token, time_after=0, time_before=10)
        graphql = impatient.graphql(QUERY, token, {"org": "org-1"})

    assert (rest.status_code, graphql.status_code) == (504, 504)
    assert graphql.json()["errors"][0]["extensions"] == {"code": "TIMEOUT"}


def test_excess_requests_get_503_at_both_apis(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With `Retry-After`: those that find the queue full, and one that waits for too long."""
    with gateway.configured(
        max_concurrency=1, max_queue=1, timeout=0.9, slow_query_seconds=0
    ) as small:
        token = gateway.token("org-1")
        monkeypatch.setattr(
            "metrics_graphql.storage.totals.select_totals", lambda *_, **__: ENDLESS
        )
        parameters = {"time_after": 0, "time_before": 10}
        path = "/v3/organizations/org-1/metrics/sessions"
        headers = {"authorization": f"Bearer {token}"}
        body = {"query": QUERY, "variables": {"org": "org-1"}}

        async def send_at_once() -> Sequence[httpx.Response]:
            client = small.client
            return await asyncio.gather(
                client.get(path, params=parameters, headers=headers),
                client.get(path, params=parameters, headers=headers),
                client.get(path, params=parameters, headers=headers),
                client.post("/graphql", json=body, headers=headers),
            )

        served, queued, rest, graphql = gateway.run(send_at_once())

    assert served.status_code == 504
    for refused in (queued, rest, graphql):
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
    assert rest.json() == {"detail": "The server is busy. Try again later."}
    assert graphql.json()["errors"][0]["extensions"] == {"code": "UNAVAILABLE"}
    assert "database" not in caplog.text


def test_a_client_that_disconnects_leaves_the_queue(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At both APIs, without a response; the queue of one has room again."""
    caplog.set_level("INFO")
    with gateway.configured(max_concurrency=1, max_queue=1, timeout=3) as small:
        token = gateway.token("org-1")
        monkeypatch.setattr(
            "metrics_graphql.storage.totals.select_totals", lambda *_, **__: ENDLESS
        )
        parameters = {"time_after": 0, "time_before": 10}
        rest = "/v3/organizations/org-1/metrics/sessions"
        headers = {"authorization": f"Bearer {token}"}

        async def receive_disconnect() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            raise AssertionError(message)

        async def scenario() -> None:
            running = asyncio.create_task(
                small.client.get(rest, params=parameters, headers=headers)
            )
            await asyncio.sleep(0.5)
            for path, query in ((rest, "time_after=0&time_before=10"), ("/graphql", "query={x}")):
                await small.app(
                    {
                        "type": "http",
                        "method": "GET",
                        "path": path,
                        "query_string": query.encode(),
                        "headers": [(name.encode(), headers[name].encode()) for name in headers],
                    },
                    receive_disconnect,
                    send,
                )
            running.cancel()

        gateway.run(scenario())

    assert not [record for record in caplog.records if record.levelname == "ERROR"]
