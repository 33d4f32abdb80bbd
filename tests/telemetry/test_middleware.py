"""How the telemetry middleware describes a request, with a path prefix and without."""

import json
import logging
from urllib.parse import unquote

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.conftest import Gateway, only_sqlite
from tests.telemetry.test_prometheus import sample_sum, scrape

PREFIX = "/our/sessions"


@only_sqlite
@pytest.mark.parametrize("prefix", [PREFIX, ""], ids=["passed on", "stripped"])
@pytest.mark.parametrize(
    ("path", "endpoint", "route"),
    [
        ("/graphql?query={viewer{id}}", "graphql", "/graphql"),
        ("/v3/self", "rest", "/v3/self"),
        (
            "/v3/organizations/org-1/metrics/sessions?time_after=1&time_before=2",
            "rest",
            "/v3/organizations/{org_id}/metrics/sessions",
        ),
        (
            "/v3/organizations/org%2F1/metrics/sessions?time_after=1&time_before=2",
            "rest",
            "/v3/organizations/{org_id}/metrics/sessions",
        ),
        ("/livez", "health", "/livez"),
        ("/", "page", "/"),
        ("/nowhere", "none", None),
    ],
)
def test_a_request_below_a_prefix_has_its_endpoint_and_route(  # noqa: PLR0913, PLR0917 - two tables
    gateway: Gateway,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    endpoint: str,
    route: str | None,
    prefix: str,
) -> None:
    """In the log, the metrics and the span, whose `http.route` is the template of the route."""
    caplog.set_level(logging.INFO, "metrics_graphql")
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(
        "metrics_graphql.telemetry.tracing.batch_processor", lambda: SimpleSpanProcessor(exporter)
    )
    settings = {"log_format": "json", "prometheus": True, "otel": True, "path_prefix": PREFIX}
    token = gateway.token("org-1")
    with gateway.configured(**settings) as other:
        other.request("GET", prefix + path, token)
        metrics = scrape(other)
    lines = [
        json.loads(line)
        for record in caplog.records
        if record.name == "metrics_graphql.requests"
        for line in record.getMessage().splitlines()
    ]
    attributes = [dict(span.attributes or {}) for span in exporter.get_finished_spans()]
    (request,) = [
        each
        for each in attributes
        if each.get("metrics_graphql.request_id") == lines[0]["request_id"]
    ]

    sent = prefix + unquote(path.partition("?")[0])
    assert (lines[0]["path"], lines[0]["endpoint"]) == (sent, endpoint)
    assert sample_sum(metrics, "request_duration_seconds_count", endpoint=endpoint) == 1
    assert request["metrics_graphql.endpoint"] == endpoint
    assert request.get("http.route") == route
