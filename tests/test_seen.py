"""Of all that is seen of requests, nothing holds a token, wherever it was put."""

import logging
from urllib.parse import quote

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from metrics_graphql import auth
from metrics_graphql.observability import LogFormat, formatter
from metrics_graphql.service import MetricsService
from tests.conftest import Gateway, only_sqlite

PERIOD = {"time_after": 10, "time_before": 20}


def put_everywhere(gateway: Gateway, token: str, valid: str) -> None:
    """Send a token in every part of a request, with one that opens something and without."""
    secret = token.removeprefix(auth.TOKEN_PREFIX)
    once = f"cog%5F{secret}"
    for shown in (token, once, quote(once), token.upper(), secret, "x" * 190 + token):
        for bearer in (None, valid, shown):
            gateway.request("GET", f"/{shown}", bearer)
            gateway.request("GET", f"/v3/organizations/{shown}/metrics/sessions", bearer)
            gateway.request("GET", "/livez", bearer, headers=dict.fromkeys(
                ("x-request-id", "traceparent", "tracestate", "user-agent", "baggage"), shown
            ))  # fmt: skip
            gateway.request("GET", "/graphql", bearer, params={"query": shown, "token": shown})
            gateway.rest(shown, bearer, **PERIOD, user_ids=shown)
    for name in (token, secret if secret[0].isalpha() else f"a{secret}"):
        asked = f'query {name} {{ sessionMetrics(orgId: "{token}", filters: {{timeAfter: 1, timeBefore: 2}}) {{ {name}: sessionsCreatedCount }} }}'  # noqa: E501 - one text
        for bearer in (None, valid, token):
            for body in (
                {"query": asked, "operationName": name},
                {"query": asked, "operationName": f"{name}x"},
                {"query": "{ __typename }", "variables": {"x": name}, "documentId": name},
                {"query": f"{{ {name} }}", "extensions": {"persistedQuery": {"x": name}}},
            ):
                gateway.request("POST", "/graphql", bearer, json=body)


@only_sqlite
@pytest.mark.parametrize("log_format", ["console", "json"])
def test_nothing_that_is_seen_holds_a_token(
    gateway: Gateway,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    log_format: LogFormat,
) -> None:
    """No line of a log, no count and no span; be it valid or not, whole or in part."""
    caplog.set_level(logging.INFO, "metrics_graphql")
    exporter = InMemorySpanExporter()
    monkeypatch.setattr("metrics_graphql.traces.in_batches", lambda: SimpleSpanProcessor(exporter))
    # Whose organization is called as its token is may read it: then it is one that is logged.
    own, unknown = auth.generate_token(), auth.generate_token()
    valid = gateway.token(own)
    settings = {"log_format": log_format, "metrics": True, "otel": True, "slow_seconds": 1e-9}
    with gateway.configured(**settings) as other:
        for token in (own, unknown, valid):
            put_everywhere(other, token, valid)

        async def broken(*_: object) -> None:
            raise RuntimeError(f"what of {valid}?")

        monkeypatch.setattr(MetricsService, "session_metrics", broken)
        assert other.rest(own, valid, **PERIOD).status_code == 500
        counts = other.request("GET", "/metrics", None).text
    logged = "\n".join(map(formatter(log_format).format, caplog.records))
    spans = "\n".join(span.to_json() for span in exporter.get_finished_spans())

    assert "what of cog_…?" in logged
    assert "Slow question" in logged
    for seen in (logged, counts, spans):
        assert len(seen) > 1_000
        for token in (own, unknown, valid):
            secret = token.removeprefix(auth.TOKEN_PREFIX)
            for part in (secret[:12], secret[-12:]):
                assert part.lower() not in seen.lower()
