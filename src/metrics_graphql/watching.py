"""Watches each request from begin to end: what is logged, counted and traced of it."""

import asyncio
import random
import re
from collections.abc import Iterable
from time import perf_counter
from typing import Final

from prometheus_client import Histogram
from starlette.types import Scope

from metrics_graphql.counts import REQUESTS
from metrics_graphql.observability import RequestLog, without_tokens
from metrics_graphql.seen import Seen, at_hand
from metrics_graphql.settings import Settings
from metrics_graphql.slow import SlowQuestions
from metrics_graphql.traces import Traces

REQUEST_ID: Final = re.compile(rb"[0-9A-Za-z._-]{1,64}")
DOORS: Final = {
    "/graphql": "graphql",
    "/openapi.json": "rest",
    "/": "page",
    "/livez": "health",
    "/readyz": "health",
    "/metrics": "metrics",
}


class Watch:
    """Watches requests as the settings say."""

    def __init__(self, settings: Settings) -> None:
        self._log = RequestLog(settings.log_format)
        self._slow = SlowQuestions(settings.slow_seconds)
        self._counts = settings.metrics
        self._histograms: dict[tuple[str, int, str], Histogram] = {}
        self._traces = Traces() if settings.otel else None

    def begin(self, scope: Scope) -> Seen:
        """Return a request that begins, which is now the one at hand."""
        # Nothing is kept from anybody by it, and counting would tell how much is asked of us.
        request_id = given_id(scope["headers"]) or f"{random.getrandbits(64):016x}"
        path = scope["path"]
        request = Seen(request_id, DOORS.get(path) or door_of(path), scope["method"], path)
        at_hand.set(request)
        return request

    def end(self, request: Seen, scope: Scope) -> None:
        """Log, count and trace a request that has ended."""
        request.seconds = perf_counter() - request.started
        if self._counts:
            self._count(request)
        if self._traces:
            traceparent = dict(scope["headers"]).get(b"traceparent", b"")
            self._traces.add(request, traceparent.decode("latin-1"))
        self._log.add(request)
        self._slow.look(request)
        at_hand.set(None)

    def _count(self, request: Seen) -> None:
        key = request.door, request.status // 100, request.rows
        histogram = self._histograms.get(key)
        if histogram is None:
            # Finding it takes longer than counting.
            labels = request.door, f"{request.status // 100}xx", request.rows
            histogram = self._histograms[key] = REQUESTS.labels(*labels)
        histogram.observe(request.seconds)

    async def close(self) -> None:
        """Write and send what is left."""
        await self._slow.close()
        self._log.write()
        if self._traces:
            await asyncio.to_thread(self._traces.close)


def given_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the `X-Request-ID` of a request, if it has one that is short, plain and no token."""
    for name, value in headers:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            if REQUEST_ID.fullmatch(value) and without_tokens(text) == text:
                return text
    return ""


def door_of(path: str) -> str:
    """Return which door a path leads to that has more than one."""
    if path.startswith("/v3/"):
        return "rest"
    return "page" if path.startswith("/assets/") else "none"
