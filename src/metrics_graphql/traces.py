"""Traces with OpenTelemetry: a span for a request, and one below it for each of its statements.

The only importer of OpenTelemetry, an extra; its own `OTEL_*` variables say where spans go.
"""

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from metrics_graphql.observability import named, word
from metrics_graphql.seen import Seen

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

NANO: Final = 1_000_000_000
SERVER_ERRORS: Final = 500


def in_batches() -> "SpanProcessor":
    """Return what sends spans over HTTP in the OpenTelemetry Protocol, from a thread of its own."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra

    return BatchSpanProcessor(OTLPSpanExporter())


class Traces:
    """Makes spans of requests that have ended."""

    def __init__(self) -> None:
        """Start sending.

        Raises:
            ValueError: OpenTelemetry is not installed.
        """
        try:
            from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415 - an extra
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra
            from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - an extra
                TraceContextTextMapPropagator,
            )

            processor = in_batches()
        except ImportError:
            raise ValueError(
                "METRICS_OTEL needs OpenTelemetry: pip install 'metrics-graphql[otel]'"
            ) from None
        name = os.environ.get("OTEL_SERVICE_NAME", "metrics-graphql")
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: name}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("metrics_graphql")
        self._propagator = TraceContextTextMapPropagator()

    def add(self, request: Seen, traceparent: str) -> None:
        """Make the spans of a request, in the trace of its client if it has one; note which.

        What else a client would have us pass on (`tracestate`) is not taken: it could be anything.
        """
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context  # noqa: PLC0415 - an extra

        began = time.time_ns() - time.perf_counter_ns()
        span = self._tracer.start_span(
            f"{word(request.method)} {request.door}",
            self._propagator.extract({"traceparent": traceparent}),
            SpanKind.SERVER,
            attributes_of(request),
            start_time=began + int(request.started * NANO),
        )
        if request.status >= SERVER_ERRORS:
            span.set_status(StatusCode.ERROR)
        here = set_span_in_context(span)
        for statement in request.statements:
            started = began + int(statement.started * NANO)
            self._tracer.start_span(
                statement.engine,
                here,
                SpanKind.CLIENT,
                {"db.system.name": statement.engine, "db.query.text": statement.sql},
                start_time=started,
            ).end(started + int(statement.seconds * NANO))
        span.end(began + int((request.started + request.seconds) * NANO))
        request.trace_id = f"{span.get_span_context().trace_id:032x}"

    def close(self) -> None:
        """Send what is left, and stop."""
        self._provider.shutdown()


def attributes_of(request: Seen) -> Mapping[str, str | int]:
    """Return what is known of a request, as OpenTelemetry calls it where it has a name for it."""
    attributes: dict[str, str | int] = {
        "http.request.method": word(request.method),
        "http.response.status_code": request.status,
        "metrics_graphql.door": request.door,
        "metrics_graphql.rows": request.rows,
        "metrics_graphql.request_id": request.request_id,
    }
    if request.organizations:
        attributes["metrics_graphql.org"] = named(request.organizations)
    if request.operation:
        attributes["graphql.operation.name"] = word(request.operation)
    return attributes
