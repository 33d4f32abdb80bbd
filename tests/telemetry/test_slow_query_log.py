"""The slow query log: which requests it has, their statements, and the query plan."""

import json
import re

import pytest

from metrics_graphql.telemetry.logging import formatter
from tests.conftest import Gateway, on_every_engine, only_sqlite

SESSION = {"org_id": "org-1", "session_id": "s", "created_at": 15, "user_id": "user-1"}
PERIOD = {"time_after": 10, "time_before": 20}


@on_every_engine
def test_a_slow_query_is_logged_with_its_plan(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """The SQL of its statements without values, and the engine's plan of the slowest one."""
    gateway.load([SESSION])
    token = gateway.token("org-1")
    with gateway.configured(slow_query_seconds=1e-9) as other:
        response = other.rest(
            "org-1", token, **PERIOD, user_ids="user-1", service_user_ids="robot-1"
        )
    (record,) = [record for record in caplog.records if record.getMessage() == "Slow query"]
    logged = json.loads(formatter("json").format(record))
    text = json.dumps([logged["statements"], logged["query_plan"]])

    assert response.status_code == 200
    assert (logged["org"], logged["endpoint"]) == ("org-1", "rest")
    assert logged["request_id"] == response.headers["x-request-id"]
    assert any("sessions" in each["sql"] for each in logged["statements"])
    assert re.search("SEARCH|Index|ReadFrom|Scan", " ".join(logged["query_plan"])), logged
    for value in ("org-1", "user-1", "robot-1"):
        assert value not in text


@only_sqlite
def test_only_slow_requests_are_logged(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    """None if the threshold is 0; one of several that are slow at the same time."""
    token = gateway.token("org-1")
    for threshold, entries in ((60, 0), (0, 0), (1e-9, 1)):
        caplog.clear()
        with gateway.configured(slow_query_seconds=threshold) as other:
            for _ in range(3):
                other.rest("org-1", token, **PERIOD)
        assert caplog.text.count("Slow query") == entries


@only_sqlite
def test_a_query_that_cannot_be_explained_is_logged_without_a_plan(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is logged before it."""

    async def broken(*_: object) -> list[str]:
        raise RuntimeError("broken")

    monkeypatch.setattr(type(gateway.database), "explain", broken)
    with gateway.configured(slow_query_seconds=1e-9) as other:
        other.rest("org-1", gateway.token("org-1"), **PERIOD)

    assert "A slow query could not be explained" in caplog.text
    assert "Slow query" in caplog.text
