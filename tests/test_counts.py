"""`/metrics`: what Prometheus is told, and what it is not."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from metrics_graphql import __version__
from tests.conftest import Gateway, on_every_engine, only_sqlite
from tests.serving import served

PERIOD = {"time_after": 10, "time_before": 20}
ID = "metrics_graphql_"


def counted(text: str, name: str, **labels: str) -> float:
    """Return the sum of the samples of a name with these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == ID + name and labels.items() <= sample.labels.items()
    )


def told(gateway: Gateway) -> str:
    """Return what a gateway tells."""
    answer = gateway.request("GET", "/metrics", None)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return answer.text


@only_sqlite
def test_nobody_is_told_unless_it_is_asked_for(gateway: Gateway) -> None:
    """By a setting: whoever reaches the server may read it then."""
    assert gateway.request("GET", "/metrics", None).status_code == 404


@on_every_engine
def test_requests_and_statements_are_counted(gateway: Gateway) -> None:
    """By door and status, and by where rows came from: the cache's hits are among them."""
    token = gateway.token("org-1")
    with gateway.configured(metrics=True) as other:
        before = told(other)
        for _ in range(3):
            other.rest("org-1", token, **PERIOD)
        other.rest("org-2", token, **PERIOD)
        other.graphql("{ __typename }", None)
        after = told(other)

    def more(name: str, **labels: str) -> float:
        return counted(after, name, **labels) - counted(before, name, **labels)

    fresh = "raw" if gateway.sessions_url else "rollups"
    engine = "clickhouse" if gateway.sessions_url else gateway.database.dialect.name
    assert more("request_seconds_count", door="rest", status="2xx") == 3
    assert more("request_seconds_count", door="rest", rows=fresh) == 1
    assert more("request_seconds_count", door="rest", rows="cache") == 2
    assert more("request_seconds_count", door="rest", status="4xx") == 1
    assert more("request_seconds_count", door="graphql", status="4xx") == 1
    assert more("request_seconds_sum", door="rest") > 0
    assert more("statement_seconds_count", engine=engine) >= 1
    assert more("statement_seconds_sum") > 0
    assert counted(after, "build_info", version=__version__) == 1


@only_sqlite
def test_what_is_refused_is_counted(gateway: Gateway) -> None:
    """By the reason."""
    token = gateway.token("org-1")
    with gateway.configured(metrics=True, rate_limit="1/minute") as other:
        before = counted(told(other), "refused_total", reason="rate")
        statuses = [other.rest("org-1", token, **PERIOD).status_code for _ in range(3)]
        after = counted(told(other), "refused_total", reason="rate")

    assert statuses == [200, 429, 429]
    assert after - before == 2


def test_the_newest_session_is_told(gateway: Gateway) -> None:
    """Of all organizations; none before there is one."""
    with gateway.configured(metrics=True) as other:
        assert counted(told(other), "newest_session_timestamp_seconds") == 0
    gateway.load([
        {"org_id": org_id, "session_id": "s", "created_at": at}
        for org_id, at in (("org-1", 15), ("org-2", 1_735_689_600), ("org-3", 20))
    ])  # fmt: skip
    with gateway.configured(metrics=True) as other:
        assert counted(told(other), "newest_session_timestamp_seconds") == 1_735_689_600


@only_sqlite
def test_it_is_told_while_the_database_is_away(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then above all; with a file that is none."""
    with gateway.configured(metrics=True) as other:
        Path(gateway.database_url.removeprefix("sqlite:///")).write_bytes(b"no database" * 999)
        text = told(other)

    assert counted(text, "build_info") == 1


@only_sqlite
def test_nothing_that_a_client_says_becomes_a_label(gateway: Gateway) -> None:
    """There would be no end of them, and some are private."""
    token = gateway.token("org-1")
    with gateway.configured(metrics=True) as other:
        other.rest("org-1", token, **PERIOD)
        other.graphql("query Secret { viewer { id } }", token)
        other.request("BREW", "/coffee", token)
        text = told(other)
    labels: Mapping[str, set[str]] = {"door": set(), "status": set(), "rows": set()}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            for name, values in labels.items():
                values.update({sample.labels[name]} if name in sample.labels else ())

    assert labels["door"] <= {"graphql", "rest", "page", "health", "metrics", "none"}
    assert labels["status"] <= {"2xx", "3xx", "4xx", "5xx"}
    assert labels["rows"] <= {"none", "cache", "rollups", "raw"}
    for said in ("org-1", "Secret", "coffee", "BREW"):
        assert said not in text


@only_sqlite
def test_any_worker_tells_the_sums_of_all(gateway: Gateway, tmp_path: Path) -> None:
    """Whichever of two is asked, again and again; and what ended leaves no files behind."""
    token = gateway.token("org-1")
    asked = 20
    settings: dict[str, Any] = {"metrics": True, "rate_limit": ""}
    options = ("--workers", "2")
    with served(gateway.database_url, tmp_path / "log", *options, **settings) as server:
        # Each over a connection of its own, which any of the two may take.
        client = httpx.Client(base_url=server.url, headers={"Connection": "close"})
        for _ in range(asked):
            headers = {"Authorization": f"Bearer {token}"}
            client.get("/graphql?query={viewer{id}}", headers=headers)
        give_up = time.monotonic() + 10
        sums: set[float] = set()
        while sums != {asked} and time.monotonic() < give_up:
            texts = [client.get("/metrics").text for _ in range(8)]
            sums = {
                counted(text, "request_seconds_count", door="graphql", status="2xx")
                for text in texts
            }
        client.close()

    assert sums == {asked}
