"""`/livez` and `/readyz`: whether to restart this process, and whether to send it requests."""

from collections.abc import Awaitable, Callable
from threading import Event
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from metrics_graphql.core.deadline import set_deadline
from metrics_graphql.core.errors import TimedOut, Unavailable

PROBE_TIMEOUT: Final = 0.9
"""Seconds that the database has to answer: most probes wait no longer than one second."""
PROBE_PATHS: Final = frozenset({"/livez", "/readyz", "/metrics"})
"""Paths that are requested at a bare IP address, whatever hosts are trusted."""

ReadinessCheck = Callable[[], Awaitable[str]]
"""Returns why requests could not be served, or an empty text.

Raises:
    Unavailable, TimedOut: the database is unavailable.
"""


def routes(shutting_down: Event, check: ReadinessCheck) -> list[Route]:
    """Return the routes that an orchestrator or a load balancer probes."""

    async def livez(_request: Request) -> Response:
        """Respond, which is all that liveness means."""
        return JSONResponse({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        """Ready when the databases respond, the schema is current, and shutdown has not begun."""
        if shutting_down.is_set():
            return JSONResponse({"status": "shutting down"}, 503)
        try:
            with set_deadline(PROBE_TIMEOUT):
                reason = await check()
        except (Unavailable, TimedOut):
            reason = "the database is not available"
        return JSONResponse({"status": reason or "ok"}, 503 if reason else 200)

    return [
        Route("/livez", livez, name="health"),
        Route("/readyz", readyz, name="health"),
    ]
