"""`/livez` and `/readyz`: whether to restart this process, and whether to send it requests.

And `/metrics`: what it counted, for those who wonder about either.
"""

import time
from contextlib import suppress
from threading import Event
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from metrics_graphql import counts
from metrics_graphql.deadlines import deadline_in
from metrics_graphql.errors import TimedOut, Unavailable
from metrics_graphql.store.store import Store

PROBE_SECONDS: Final = 0.9
"""How long the database has to answer: those who probe rarely wait longer than a second."""
NEWEST_SECONDS: Final = 10.0
"""How often the database is asked for its newest session, however often somebody asks us."""
PATHS: Final = frozenset({"/livez", "/readyz", "/metrics"})


def routes(store: Store, draining: Event) -> list[Route]:
    """Return the routes that tell an orchestrator or a load balancer how this process is."""

    async def livez(_request: Request) -> Response:
        """Say that the process answers."""
        return JSONResponse({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        """Say whether questions would be answered: databases that do, and no end that is near."""
        if draining.is_set():
            return JSONResponse({"status": "draining"}, 503)
        try:
            with deadline_in(PROBE_SECONDS):
                await store.ping()
                # Newer ones are those of the next version, which takes over one process after the
                # other: those that are left go on.
                if await store.age_of_tables() == "older":
                    return JSONResponse({"status": "the tables are not up to date"}, 503)
        except (Unavailable, TimedOut):
            return JSONResponse({"status": "the database is not available"}, 503)
        return JSONResponse({"status": "ok"})

    return [Route("/livez", livez), Route("/readyz", readyz)]


def metrics_route(store: Store) -> Route:
    """Return the route that tells Prometheus what was counted."""
    asked_at = -NEWEST_SECONDS

    async def metrics(request: Request) -> Response:
        """Tell what was counted, also while the database says nothing."""
        nonlocal asked_at
        if time.monotonic() - asked_at > NEWEST_SECONDS:
            asked_at = time.monotonic()
            with suppress(Unavailable, TimedOut), deadline_in(PROBE_SECONDS):
                counts.NEWEST_SESSION.set(await store.newest_session() or 0)
        body, media_type = counts.written(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": media_type})

    return Route("/metrics", metrics)
