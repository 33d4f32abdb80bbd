"""`/livez` and `/readyz`: whether to restart this process, and whether to send it requests."""

from threading import Event
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from metrics_graphql.deadlines import deadline_in
from metrics_graphql.errors import TimedOut, Unavailable
from metrics_graphql.store.store import Store

PROBE_SECONDS: Final = 0.9
"""How long the database has to answer: those who probe rarely wait longer than a second."""
PATHS: Final = frozenset({"/livez", "/readyz"})


def routes(store: Store, draining: Event) -> list[Route]:
    """Return the routes that tell an orchestrator or a load balancer how this process is."""

    async def livez(_request: Request) -> Response:
        """Say that the process answers."""
        return JSONResponse({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        """Say whether questions would be answered: databases answer, and no end is near."""
        if draining.is_set():
            return JSONResponse({"status": "draining"}, 503)
        try:
            with deadline_in(PROBE_SECONDS):
                await store.ping()
        except (Unavailable, TimedOut):
            return JSONResponse({"status": "the database is not available"}, 503)
        return JSONResponse({"status": "ok"})

    return [Route("/livez", livez), Route("/readyz", readyz)]
