"""Logs, metrics and traces contain no tokens, wherever a client puts them."""

import logging
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from metrics_graphql.core.service import MetricsService
from metrics_graphql.core.tokens import TOKEN_PREFIX, generate_token
from metrics_graphql.telemetry.logging import LogFormat, formatter
from tests.conftest import Gateway, only_sqlite
from tests.serving import served

PERIOD = {"time_after": 10, "time_before": 20}


def send_everywhere(gateway: Gateway, token: str, valid: str) -> None:
    """Send a token in every part of a request, authenticated by a valid one and not."""
    secret = token.removeprefix(TOKEN_PREFIX)
    encoded = f"cog%5F{secret}"
    for text in (token, encoded, quote(encoded), token.upper(), secret, "x" * 190 + token):
        for bearer in (None, valid, text):
            gateway.request("GET", f"/{text}", bearer)
            gateway.request("GET", f"/v3/organizations/{text}/metrics/sessions", bearer)
            gateway.request("GET", "/livez", bearer, headers=dict.fromkeys(
                ("x-request-id", "traceparent", "tracestate", "user-agent", "baggage"), text
            ))  # fmt: skip
            gateway.request("GET", "/graphql", bearer, params={"query": text, "token": text})
            gateway.rest(text, bearer, **PERIOD, user_ids=text)
    for name in (token, secret if secret[0].isalpha() else f"a{secret}"):
        query = f'query {name} {{ sessionMetrics(orgId: "{token}", filters: {{timeAfter: 1, timeBefore: 2}}) {{ {name}: sessionsCreatedCount }} }}'  # noqa: E501 - one text
        for bearer in (None, valid, token):
            for body in (
                {"query": query, "operationName": name},
                {"query": query, "operationName": f"{name}x"},
                {"query": "{ __typename }", "variables": {"x": name}, "documentId": name},
                {"query": f"{{ {name} }}", "extensions": {"persistedQuery": {"x": name}}},
            ):
                gateway.request("POST", "/graphql", bearer, json=body)


@only_sqlite
@pytest.mark.parametrize("log_format", ["console", "json"])
def test_telemetry_contains_no_tokens(
    gateway: Gateway,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    log_format: LogFormat,
) -> None:
    """No log line, metric or span, whether the token is valid or not, whole or in part."""
    caplog.set_level(logging.INFO, "metrics_graphql")
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(
        "metrics_graphql.telemetry.tracing.batch_processor", lambda: SimpleSpanProcessor(exporter)
    )
    # The id of the caller's organization is a token: it may be read, so it is logged.
    own, unknown = generate_token(), generate_token()
    valid = gateway.token(own)
    with gateway.configured(
        log_format=log_format, prometheus=True, otel=True, slow_query_seconds=1e-9
    ) as other:
        for token in (own, unknown, valid):
            send_everywhere(other, token, valid)

        async def broken(*_: object) -> None:
            raise RuntimeError(f"an error with {valid}.")

        monkeypatch.setattr(MetricsService, "fetch_metrics", broken)
        assert other.rest(own, valid, **PERIOD).status_code == 500
        metrics = other.request("GET", "/metrics", None).text
    logged = "\n".join(map(formatter(log_format).format, caplog.records))
    spans = "\n".join(span.to_json() for span in exporter.get_finished_spans())

    assert "an error with cog_…." in logged
    assert "Slow query" in logged
    for text in (logged, metrics, spans):
        assert len(text) > 1_000
        for token in (own, unknown, valid):
            secret = token.removeprefix(TOKEN_PREFIX)
            for part in (secret[:12], secret[-12:]):
                assert part.lower() not in text.lower()


@only_sqlite
def test_the_log_of_a_real_server_contains_no_tokens(gateway: Gateway, tmp_path: Path) -> None:
    """Also if a client sends one in a URL."""
    token = gateway.token("org-1")
    log = tmp_path / "log"
    with served(gateway.database_url, log) as server:
        httpx.get(f"{server.url}/graphql?access_token={token}&query={{__typename}}")
        httpx.get(f"{server.url}/graphql?token=cog%5F{token[4:]}")
        httpx.get(f"{server.url}/{token}", headers={"Authorization": f"Bearer {token}"})

    assert "GET /cog_… " in log.read_text()
    assert token[4:] not in log.read_text()
