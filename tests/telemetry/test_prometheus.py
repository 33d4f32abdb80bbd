"""`/metrics`: what is counted, by which labels, in one process and in several."""

import subprocess
import sys
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
PREFIX = "metrics_graphql_"


def sample_sum(text: str, name: str, **labels: str) -> float:
    """Return the sum of the samples of a name with these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == PREFIX + name and labels.items() <= sample.labels.items()
    )


def scrape(gateway: Gateway) -> str:
    """Return the metrics of a gateway."""
    response = gateway.request("GET", "/metrics", None)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return response.text


@only_sqlite
def test_metrics_are_not_exposed_by_default(gateway: Gateway) -> None:
    """The endpoint is not authenticated, so it has to be enabled."""
    assert gateway.request("GET", "/metrics", None).status_code == 404


@on_every_engine
def test_requests_and_statements_are_counted(gateway: Gateway) -> None:
    """By endpoint, status and data source, of which the cache is one; statements by engine."""
    token = gateway.token("org-1")
    with gateway.configured(prometheus=True) as other:
        before = scrape(other)
        for _ in range(3):
            other.rest("org-1", token, **PERIOD)
        other.rest("org-2", token, **PERIOD)
        other.graphql("{ __typename }", None)
        after = scrape(other)

    def increase(name: str, **labels: str) -> float:
        return sample_sum(after, name, **labels) - sample_sum(before, name, **labels)

    engine = "clickhouse" if gateway.sessions_url else gateway.database.dialect.name
    requests = "request_duration_seconds_count"
    assert increase(requests, endpoint="rest", status="2xx") == 3
    assert increase(requests, endpoint="rest", data_source="rollups") == 1
    assert increase(requests, endpoint="rest", data_source="cache") == 2
    assert increase(requests, endpoint="rest", status="4xx") == 1
    assert increase(requests, endpoint="graphql", status="4xx") == 1
    assert increase("request_duration_seconds_sum", endpoint="rest") > 0
    assert increase("db_query_duration_seconds_count", engine=engine) >= 1
    assert increase("db_query_duration_seconds_sum") > 0
    assert sample_sum(after, "build_info", version=__version__) == 1


@only_sqlite
def test_rejected_requests_are_counted(gateway: Gateway) -> None:
    """By the reason."""
    token = gateway.token("org-1")
    name = "rejected_requests_total"
    with gateway.configured(prometheus=True, rate_limit="1/minute") as other:
        before = sample_sum(scrape(other), name, reason="rate_limit")
        statuses = [other.rest("org-1", token, **PERIOD).status_code for _ in range(3)]
        after = sample_sum(scrape(other), name, reason="rate_limit")

    assert statuses == [200, 429, 429]
    assert after - before == 2


@only_sqlite
def test_failures_of_the_fast_path_are_counted(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for each GraphQL field; errors of other kinds are not."""

    def broken(*_: object) -> None:
        raise RuntimeError

    token = gateway.token("org-1")
    field = "sessionMetrics(orgId: $o, filters: {timeAfter: 1, timeBefore: 2}) { __typename }"
    query = f"query ($o: ID!) {{ a: {field} b: {field} }}"
    name = "fast_path_failures_total"
    with gateway.configured(prometheus=True) as other:
        other.graphql(query, token, {"o": "org-2"})
        before = sample_sum(scrape(other), name)
        with monkeypatch.context() as patch:
            patch.setattr("metrics_graphql.graphql_api.root_fields.RootField.render", broken)
            other.graphql(query, token, {"o": "org-1"})
        after = sample_sum(scrape(other), name)

    assert (before, after) == (0, 2)


def test_the_newest_session_is_exposed(gateway: Gateway) -> None:
    """Of all organizations; not if there is none."""
    name = "newest_session_timestamp_seconds"
    with gateway.configured(prometheus=True) as other:
        assert name not in scrape(other)
    gateway.load([
        {"org_id": org_id, "session_id": "s", "created_at": at}
        for org_id, at in (("org-1", 15), ("org-2", 1_735_689_600), ("org-3", 20))
    ])  # fmt: skip
    with gateway.configured(prometheus=True) as other:
        assert sample_sum(scrape(other), name) == 1_735_689_600


@only_sqlite
def test_metrics_are_exposed_while_the_database_is_unavailable(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is not a database any more."""
    with gateway.configured(prometheus=True) as other:
        Path(gateway.database_url.removeprefix("sqlite:///")).write_bytes(b"no database" * 999)
        text = scrape(other)

    assert sample_sum(text, "build_info") == 1


@only_sqlite
def test_no_label_has_a_value_of_a_client(gateway: Gateway) -> None:
    """There would be any number of them, and some are private."""
    token = gateway.token("org-1")
    with gateway.configured(prometheus=True) as other:
        other.rest("org-1", token, **PERIOD)
        other.graphql("query Secret { viewer { id } }", token)
        other.request("BREW", "/coffee", token)
        text = scrape(other)
    labels: Mapping[str, set[str]] = {"endpoint": set(), "status": set(), "data_source": set()}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            for name, values in labels.items():
                values.update({sample.labels[name]} if name in sample.labels else ())

    assert labels["endpoint"] <= {"graphql", "rest", "page", "health", "metrics", "none"}
    assert labels["status"] <= {"2xx", "3xx", "4xx", "5xx"}
    assert labels["data_source"] <= {"none", "cache", "rollups", "raw"}
    for value in ("org-1", "Secret", "coffee", "BREW"):
        assert value not in text


@only_sqlite
def test_each_application_has_metrics_of_its_own(gateway: Gateway) -> None:
    """Two in one process count only their own requests."""
    name = "request_duration_seconds_count"
    with gateway.configured(prometheus=True) as one, gateway.configured(prometheus=True) as two:
        for _ in range(3):
            one.request("GET", "/livez", None)
        two.request("GET", "/livez", None)
        counts = [sample_sum(scrape(each), name, endpoint="health") for each in (one, two)]

    assert counts == [3, 1]


def test_importing_and_creating_metrics_registers_nothing_globally() -> None:
    """`prometheus_client.REGISTRY` has what the library itself registers, as without the import."""
    code = (
        "from prometheus_client import REGISTRY; import sys\n"
        "if 'import' in sys.argv: from metrics_graphql.telemetry import prometheus\n"
        "if 'create' in sys.argv: prometheus.PrometheusMetrics()\n"
        "print(sorted(REGISTRY._names_to_collectors))"
    )

    def registered(*arguments: str) -> str:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert registered() == registered("import") == registered("import", "create")
    assert PREFIX not in registered("import", "create")


@only_sqlite
def test_each_worker_exposes_the_sums_of_all(gateway: Gateway, tmp_path: Path) -> None:
    """Of two, whichever is scraped."""
    token = gateway.token("org-1")
    requests = 20
    settings: dict[str, Any] = {"prometheus": True, "rate_limit": "none"}
    options = ("--workers", "2")
    with served(gateway.database_url, tmp_path / "log", *options, **settings) as server:
        # Each over a connection of its own, which either of the two may accept.
        client = httpx.Client(base_url=server.url, headers={"Connection": "close"})
        for _ in range(requests):
            headers = {"Authorization": f"Bearer {token}"}
            client.get("/graphql?query={viewer{id}}", headers=headers)
        give_up_at = time.monotonic() + 60
        sums: set[float] = set()
        while sums != {requests} and time.monotonic() < give_up_at:
            texts = [client.get("/metrics").text for _ in range(8)]
            name = "request_duration_seconds_count"
            sums = {sample_sum(text, name, endpoint="graphql", status="2xx") for text in texts}
        client.close()

    assert sums == {requests}
