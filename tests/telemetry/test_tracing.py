"""Traces, by OpenTelemetry's own SDK."""

import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from metrics_graphql.core.service import MetricsService
from metrics_graphql.storage.service_users import list_service_users
from tests.conftest import Gateway, on_every_engine, only_sqlite

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
QUERY = 'query Counts { sessionMetrics(orgId: "org-1", filters: {timeAfter: 1, timeBefore: 2}) { sessionsCreatedCount } }'  # noqa: E501 - one text


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Return an exporter that collects the spans."""
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(
        "metrics_graphql.telemetry.tracing.batch_processor", lambda: SimpleSpanProcessor(exporter)
    )
    return exporter


def of_kind(spans: Sequence[ReadableSpan], kind: SpanKind) -> list[ReadableSpan]:
    """Return the spans of a kind."""
    return [span for span in spans if span.kind is kind]


@on_every_engine
def test_a_request_has_a_span_with_a_child_span_for_each_statement(
    gateway: Gateway, exporter: InMemorySpanExporter
) -> None:
    """In the trace of its client, whose span is the parent."""
    token = gateway.token("org-1")
    gateway.load([{"org_id": "org-1", "session_id": "s", "created_at": 1}])
    with gateway.configured(otel=True) as other:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=b"}
        response = other.request("POST", "/graphql", token, json={"query": QUERY}, headers=headers)
    spans = exporter.get_finished_spans()
    (request,) = of_kind(spans, SpanKind.SERVER)
    statements = of_kind(spans, SpanKind.CLIENT)

    assert response.json() == {"data": {"sessionMetrics": {"sessionsCreatedCount": 1}}}
    assert request.name == "POST graphql"
    assert request.parent is not None
    assert f"{request.parent.trace_id:032x}-{request.parent.span_id:016x}" == f"{TRACE}-{PARENT}"
    (service_user,) = gateway.run(list_service_users(gateway.database))
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/graphql",
        "metrics_graphql.endpoint": "graphql",
        "metrics_graphql.data_source": "raw" if gateway.sessions_url else "rollups",
        "metrics_graphql.request_id": response.headers["x-request-id"],
        "metrics_graphql.org": "org-1",
        "enduser.id": service_user.service_user_id,
        "graphql.operation.name": "Counts",
    }
    assert request.resource.attributes["service.name"] == "metrics-graphql"
    assert not request.context.trace_state
    engine = "clickhouse" if gateway.sessions_url else gateway.database.dialect.name
    assert engine in {span.name for span in statements}
    for span in statements:
        assert span.parent == request.context
        assert request.start_time <= span.start_time <= span.end_time <= request.end_time  # type: ignore[operator]
        assert str((span.attributes or {})["db.query.text"]).startswith(("SELECT", "WITH"))


@only_sqlite
@pytest.mark.parametrize("given", [None, "nonsense", f"00-{'0' * 32}-{PARENT}-01"])
def test_a_request_without_a_valid_trace_context_starts_a_trace(
    gateway: Gateway, exporter: InMemorySpanExporter, given: str | None
) -> None:
    """A malformed `traceparent` is ignored."""
    with gateway.configured(otel=True) as other:
        headers = {"traceparent": given} if given else {}
        other.request("GET", "/livez", None, headers=headers)
    (span,) = exporter.get_finished_spans()

    assert span.parent is None
    assert span.status.status_code is StatusCode.UNSET


@only_sqlite
def test_server_errors_set_the_status_of_the_span(
    gateway: Gateway, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Client errors do not."""

    async def broken(*_: object) -> None:
        raise RuntimeError

    token = gateway.token("org-1")
    monkeypatch.setattr(MetricsService, "fetch_metrics", broken)
    period = {"time_after": 1, "time_before": 2}
    with gateway.configured(otel=True) as other:
        other.rest("org-1", token, **period)
        other.rest("org-1", None, **period)
    found = [
        ((span.attributes or {})["http.response.status_code"], span.status.status_code)
        for span in of_kind(exporter.get_finished_spans(), SpanKind.SERVER)
    ]

    assert found == [(500, StatusCode.ERROR), (401, StatusCode.UNSET)]


@contextmanager
def collector() -> Generator[tuple[str, list[tuple[str, bytes]]]]:
    """Run a collector of traces; return its URL, and a list of the paths and bodies it gets."""
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            received.append((self.path, self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


@only_sqlite
def test_the_variables_of_opentelemetry_configure_the_export(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP; a shutdown exports the spans that are left."""
    with collector() as (url, received):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "numbers")
        with gateway.configured(otel=True) as other:
            other.request("GET", "/livez", None)

    assert [path for path, _ in received] == ["/v1/traces"]
    assert b"numbers" in received[0][1]
    assert b"GET health" in received[0][1]


def test_opentelemetry_is_only_imported_if_it_is_enabled() -> None:
    """It is an extra, and takes long to import."""
    code = (
        "import sys; from metrics_graphql.app import create_app; create_app();"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert finished.stdout == "[]\n"
