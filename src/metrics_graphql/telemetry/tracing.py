"""Traces with OpenTelemetry: a span for each request, and a child span for each SQL statement.

The only importer of OpenTelemetry, which is an extra. Its `OTEL_*` variables configure the export.
"""

import time
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from metrics_graphql.settings import Settings
from metrics_graphql.telemetry.otel_variables import check_variables, exported_variables
from metrics_graphql.telemetry.redaction import log_organizations, log_word
from metrics_graphql.telemetry.request_record import RequestRecord

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

DEFAULT_SERVICE_NAME: Final = "metrics-graphql"
NANOSECONDS: Final = 1_000_000_000
SERVER_ERROR: Final = 500
REQUIRED_PACKAGES: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def check_tracing(settings: Settings) -> None:
    """Check that OpenTelemetry is installed and its variables are valid, if it is enabled.

    Raises:
        ValueError: naming the setting or variable that cannot be used.
    """
    if not settings.otel:
        return
    if not all(map(is_installed, REQUIRED_PACKAGES)):
        raise ValueError("METRICS_OTEL needs OpenTelemetry: pip install 'metrics-graphql[otel]'")
    check_variables()
    try:
        with exported_variables():
            create_provider()
            create_exporter()
    except Exception as error:  # noqa: BLE001 - of any library
        # A worker that raises it would be started again and again.
        reason = " ".join(str(error).split())
        raise ValueError(f"METRICS_OTEL: OpenTelemetry cannot start: {reason}") from None


def is_installed(package: str) -> bool:
    """Return whether a package can be imported."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # Its parent package is missing.
        return False


def create_provider() -> "TracerProvider":
    """Return a provider of tracers, without processors, for the service that the variables name."""
    from opentelemetry.sdk import resources  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra

    # `OTEL_SERVICE_NAME`, or else `service.name` in `OTEL_RESOURCE_ATTRIBUTES`.
    detected = resources.OTELResourceDetector().detect().attributes
    name = detected.get(resources.SERVICE_NAME) or DEFAULT_SERVICE_NAME
    resource = resources.Resource.create({resources.SERVICE_NAME: name})
    return TracerProvider(resource=resource, shutdown_on_exit=False)


def create_exporter() -> "SpanExporter":
    """Return an exporter by OTLP over HTTP."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
        OTLPSpanExporter,
    )

    return OTLPSpanExporter()


def batch_processor() -> "SpanProcessor":
    """Return a processor that exports spans from a thread of its own."""
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra

    return BatchSpanProcessor(create_exporter())


class Tracing:
    """Creates the spans of requests that have ended."""

    def __init__(self) -> None:
        """Start the exporter. `check_tracing` has been called before."""
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - an extra
            TraceContextTextMapPropagator,
        )

        with exported_variables():
            self._provider = create_provider()
            self._provider.add_span_processor(batch_processor())
        self._tracer = self._provider.get_tracer("metrics_graphql")
        self._propagator = TraceContextTextMapPropagator()

    def export(self, record: RequestRecord, traceparent: str) -> None:
        """Create the spans of a request, in its client's trace if it has one; record the trace id.

        `tracestate` is ignored: a client could have us send anything by it.
        """
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context  # noqa: PLC0415 - an extra

        clock_offset = time.time_ns() - time.perf_counter_ns()
        span = self._tracer.start_span(
            f"{log_word(record.method)} {record.endpoint}",
            self._propagator.extract({"traceparent": traceparent}),
            SpanKind.SERVER,
            span_attributes(record),
            start_time=clock_offset + int(record.started_at * NANOSECONDS),
        )
        if record.status >= SERVER_ERROR:
            span.set_status(StatusCode.ERROR)
        context = set_span_in_context(span)
        for statement in record.statements:
            started_at = clock_offset + int(statement.started_at * NANOSECONDS)
            self._tracer.start_span(
                statement.engine,
                context,
                SpanKind.CLIENT,
                {"db.system.name": statement.engine, "db.query.text": statement.sql},
                start_time=started_at,
            ).end(started_at + int(statement.seconds * NANOSECONDS))
        span.end(clock_offset + int((record.started_at + record.seconds) * NANOSECONDS))
        record.trace_id = f"{span.get_span_context().trace_id:032x}"

    def close(self) -> None:
        """Export what is left, and stop the exporter."""
        self._provider.shutdown()


def span_attributes(record: RequestRecord) -> Mapping[str, str | int]:
    """Return the attributes of a request's span, by OpenTelemetry's names where it has any."""
    attributes: dict[str, str | int] = {
        "http.request.method": log_word(record.method),
        "http.response.status_code": record.status,
        "metrics_graphql.endpoint": record.endpoint,
        "metrics_graphql.data_source": record.data_source,
        "metrics_graphql.request_id": record.request_id,
    }
    if record.route:
        attributes["http.route"] = record.route
    if record.organizations:
        attributes["metrics_graphql.org"] = log_organizations(record.organizations)
    if record.operation_name:
        attributes["graphql.operation.name"] = log_word(record.operation_name)
    return attributes
