"""The telemetry middleware: records each request, then logs, counts and traces it."""

import asyncio
import random
import re
from collections.abc import Iterable
from time import perf_counter
from typing import Final

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from metrics_graphql.settings import Settings
from metrics_graphql.telemetry.access_log import AccessLog
from metrics_graphql.telemetry.prometheus import PrometheusMetrics
from metrics_graphql.telemetry.redaction import redact
from metrics_graphql.telemetry.request_record import (
    SCOPE_KEY,
    RequestRecord,
    Statement,
    current_request,
)
from metrics_graphql.telemetry.slow_query_log import SlowQueryLog
from metrics_graphql.telemetry.tracing import Tracing, check_tracing

REQUEST_ID: Final = re.compile(rb"[0-9A-Za-z._-]{1,64}")
NO_ENDPOINT: Final = "none"
"""The endpoint of a request that no route matched."""


class RequestTelemetry:
    """The sinks that the settings select, and what is passed to each."""

    def __init__(self, settings: Settings) -> None:
        """Start what is needed.

        Raises:
            ValueError: `otel` is set, and OpenTelemetry or its variables cannot be used.
        """
        check_tracing(settings)
        self._access_log = AccessLog(settings.log_format)
        self._slow_query_log = SlowQueryLog(settings.slow_query_seconds)
        self.prometheus = PrometheusMetrics() if settings.prometheus else None
        self._tracing = Tracing() if settings.otel else None

    def record_statement(self, statement: Statement) -> None:
        """Record a statement, for the current request if it belongs to one."""
        if self.prometheus:
            self.prometheus.observe_statement(statement)
        if record := current_request.get():
            record.statements = (*record.statements, statement)
            record.record_data_source(statement.data_source)

    def end_request(self, record: RequestRecord, scope: Scope) -> None:
        """Log, count and trace a request that has ended."""
        if self.prometheus:
            self.prometheus.observe_request(record)
        if self._tracing:
            traceparent = dict(scope["headers"]).get(b"traceparent", b"")
            self._tracing.export(record, traceparent.decode("latin-1"))
        self._access_log.add(record)
        self._slow_query_log.add(record)

    async def close(self) -> None:
        """Write and export what is left."""
        await self._slow_query_log.close()
        self._access_log.flush()
        if self._tracing:
            await asyncio.to_thread(self._tracing.close)


class TelemetryMiddleware:
    """Puts a `RequestRecord` into the scope of each request, and ends it with the request."""

    def __init__(self, app: ASGIApp, telemetry: RequestTelemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Not a secret, and not a counter, which would reveal how many requests there are.
        request_id = client_request_id(scope["headers"]) or f"{random.getrandbits(64):016x}"
        record = RequestRecord(request_id, scope["method"], scope["path"])
        scope[SCOPE_KEY] = record
        current_request.set(record)
        try:
            await self._app(scope, receive, send)
        finally:
            record.seconds = perf_counter() - record.started_at
            describe_route(record, scope)
            self._telemetry.end_request(record, scope)
            current_request.set(None)


def describe_route(record: RequestRecord, scope: Scope) -> None:
    """Record the route that the router matched, if any."""
    route = scope.get("route")
    if isinstance(route, Route):
        record.route = route.path
        record.endpoint = record.endpoint or route.name
    record.endpoint = record.endpoint or NO_ENDPOINT


def client_request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return a request's own `X-Request-ID`, if it is short and plain and contains no token."""
    for name, value in headers:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            if REQUEST_ID.fullmatch(value) and redact(text) == text:
                return text
    return ""
