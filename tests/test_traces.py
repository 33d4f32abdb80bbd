"""Traces, with OpenTelemetry's own SDK."""

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

from metrics_graphql.service import MetricsService
from tests.conftest import Gateway, on_every_engine, only_sqlite

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
QUESTION = 'query Counts { sessionMetrics(orgId: "org-1", filters: {timeAfter: 1, timeBefore: 2}) { sessionsCreatedCount } }'  # noqa: E501 - one text


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Lend what spans are sent to."""
    exporter = InMemorySpanExporter()
    monkeypatch.setattr("metrics_graphql.traces.in_batches", lambda: SimpleSpanProcessor(exporter))
    return exporter


def of_kind(spans: Sequence[ReadableSpan], kind: SpanKind) -> list[ReadableSpan]:
    """Return the spans of a kind."""
    return [span for span in spans if span.kind is kind]


@on_every_engine
def test_a_span_for_a_request_and_one_for_each_statement(
    gateway: Gateway, exporter: InMemorySpanExporter
) -> None:
    """In the trace of the client, whose span is the parent."""
    token = gateway.token("org-1")
    gateway.load([{"org_id": "org-1", "session_id": "s", "created_at": 1}])
    with gateway.configured(otel=True) as other:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=b"}
        answer = other.request("POST", "/graphql", token, json={"query": QUESTION}, headers=headers)
    spans = exporter.get_finished_spans()
    (request,) = of_kind(spans, SpanKind.SERVER)
    statements = of_kind(spans, SpanKind.CLIENT)

    assert answer.json() == {"data": {"sessionMetrics": {"sessionsCreatedCount": 1}}}
    assert request.name == "POST graphql"
    assert request.parent is not None
    assert f"{request.parent.trace_id:032x}-{request.parent.span_id:016x}" == f"{TRACE}-{PARENT}"
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "metrics_graphql.door": "graphql",
        "metrics_graphql.rows": "raw" if gateway.sessions_url else "rollups",
        "metrics_graphql.request_id": answer.headers["x-request-id"],
        "metrics_graphql.org": "org-1",
        "graphql.operation.name": "Counts",
    }
    assert request.resource.attributes["service.name"] == "metrics-graphql"
    assert not request.context.trace_state
    asked = "clickhouse" if gateway.sessions_url else gateway.database.dialect.name
    assert asked in {span.name for span in statements}
    for span in statements:
        assert span.parent == request.context
        assert request.start_time <= span.start_time <= span.end_time <= request.end_time  # type: ignore[operator]
        assert str((span.attributes or {})["db.query.text"]).startswith(("SELECT", "WITH"))


@only_sqlite
@pytest.mark.parametrize("given", [None, "nonsense", f"00-{'0' * 32}-{PARENT}-01"])
def test_a_request_without_a_trace_begins_one(
    gateway: Gateway, exporter: InMemorySpanExporter, given: str | None
) -> None:
    """Also where what it brings is none."""
    with gateway.configured(otel=True) as other:
        headers = {"traceparent": given} if given else {}
        other.request("GET", "/livez", None, headers=headers)
    (span,) = exporter.get_finished_spans()

    assert span.parent is None
    assert span.status.status_code is StatusCode.UNSET


@only_sqlite
def test_an_error_of_ours_is_one_of_the_span(
    gateway: Gateway, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the client is not."""

    async def broken(*_: object) -> None:
        raise RuntimeError

    token = gateway.token("org-1")
    monkeypatch.setattr(MetricsService, "session_metrics", broken)
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
    """Lend the URL of what takes traces, and the list of what came: its path and body."""
    came: list[tuple[str, bytes]] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            came.append((self.path, self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Taking) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", came
        server.shutdown()
        thread.join()


@only_sqlite
def test_spans_are_sent_where_opentelemetrys_variables_say(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP; what is left is sent at the end."""
    with collector() as (url, came):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "numbers")
        with gateway.configured(otel=True) as other:
            other.request("GET", "/livez", None)

    assert [path for path, _ in came] == ["/v1/traces"]
    assert b"numbers" in came[0][1]
    assert b"GET health" in came[0][1]


def test_without_the_setting_nothing_of_it_is_imported() -> None:
    """It is an extra, and takes its time."""
    code = (
        "import sys; from metrics_graphql.app import create_app; create_app();"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert finished.stdout == "[]\n"
