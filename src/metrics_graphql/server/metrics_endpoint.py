"""`/metrics`: Prometheus metrics. Not authenticated."""

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from metrics_graphql.core.deadline import set_deadline
from metrics_graphql.core.errors import TimedOut, Unavailable
from metrics_graphql.server.health import PROBE_TIMEOUT
from metrics_graphql.telemetry.prometheus import PrometheusMetrics

QUERY_INTERVAL: Final = 10.0
"""Seconds between two queries for the newest session, however often metrics are scraped."""


def metrics_route(
    prometheus: PrometheusMetrics, newest_session_at: Callable[[], Awaitable[int | None]]
) -> Route:
    """Return the route that Prometheus scrapes."""
    queried_at = -QUERY_INTERVAL

    async def metrics(request: Request) -> Response:
        """Render the metrics, also while the database does not answer."""
        nonlocal queried_at
        if time.monotonic() - queried_at > QUERY_INTERVAL:
            queried_at = time.monotonic()
            with suppress(Unavailable, TimedOut), set_deadline(PROBE_TIMEOUT):
                if (newest := await newest_session_at()) is not None:
                    prometheus.set_newest_session(newest)
        body, media_type = prometheus.render(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": media_type})

    return Route("/metrics", metrics, name="metrics")
