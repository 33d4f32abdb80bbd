"""Traces, by OpenTelemetry's own SDK."""

import re
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from metrics_graphql.core.service import MetricsService
from metrics_graphql.settings import Settings
from metrics_graphql.storage.service_users import list_service_users
from metrics_graphql.telemetry.request_record import RequestRecord
from metrics_graphql.telemetry.tracing import Tracing, check_tracing
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
        "metrics_graphql.data_source": "rollups",
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


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "metrics-graphql"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=foo,a=b"}, "foo"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "a=b"}, "metrics-graphql"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=foo", "OTEL_SERVICE_NAME": "bar"}, "bar"),
        ({"OTEL_SERVICE_NAME": ""}, "metrics-graphql"),
    ],
)
def test_the_name_of_the_service(
    monkeypatch: pytest.MonkeyPatch,
    exporter: InMemorySpanExporter,
    tmp_path: Path,
    variables: dict[str, str],
    name: str,
) -> None:
    """`OTEL_SERVICE_NAME`, or else `OTEL_RESOURCE_ATTRIBUTES`, in the environment or in `.env`."""
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("".join(f"{key}={value}\n" for key, value in variables.items()))
    by_file = Tracing()
    Path(".env").unlink()
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    with closing(by_file), closing(Tracing()) as by_environment:
        for tracing in (by_file, by_environment):
            tracing.export(RequestRecord("id", "GET", "/"), "")

    names = [span.resource.attributes["service.name"] for span in exporter.get_finished_spans()]
    assert names == [name, name]


@pytest.mark.parametrize(
    ("name", "value", "must"),
    [
        *(("OTEL_BSP_SCHEDULE_DELAY", each, "above 0") for each in ("-1", "0", "abc", "1.5")),
        ("OTEL_BSP_EXPORT_TIMEOUT", "x", "above 0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "above 0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "10", "at most OTEL_BSP_MAX_QUEUE_SIZE"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4000", "at most OTEL_BSP_MAX_QUEUE_SIZE"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1", "a whole number"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "one of always_on"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "from 0 to 1"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "a URL"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://host", "a URL"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "seconds above 0"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0", "seconds above 0"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli", "none, gzip or deflate"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret", "name=value pairs"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/s3cret", "does not exist"),
        ("OTEL_RESOURCE_ATTRIBUTES", "nonsense", "name=value pairs"),
        ("OTEL_SDK_DISABLED", "perhaps", "true or false"),
    ],
)
def test_an_invalid_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, must: str
) -> None:
    """By name, without its value, if traces are exported."""
    monkeypatch.setenv(name, value)
    check_tracing(Settings())
    with pytest.raises(ValueError, match=must) as refused:
        check_tracing(Settings(otel=True))

    assert re.match(f"({name}|OTEL_BSP_MAX_EXPORT_BATCH_SIZE)\\b", str(refused.value))
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20abc=,b=c"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.example.com:4318/path"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "0.5", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"},
        {"OTEL_BSP_SCHEDULE_DELAY": "", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        {"OTEL_BSP_MAX_QUEUE_SIZE": "10", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10"},
    ],
)
def test_valid_variables(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """An empty one counts as unset."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    check_tracing(Settings(otel=True))


def test_other_failures_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that failed would be started again and again."""
    name = "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER"
    monkeypatch.setenv(name, "missing")
    with pytest.raises(ValueError, match="METRICS_OTEL: OpenTelemetry cannot start: ") as refused:
        check_tracing(Settings(otel=True))

    assert "\n" not in str(refused.value)


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
