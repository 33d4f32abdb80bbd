"""The only place that wires: settings in, Starlette out."""

import gc
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, nullcontext
from threading import Event

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Route

from metrics_graphql import health
from metrics_graphql.draining import draining_on_sigterm
from metrics_graphql.graphql_api.endpoint import GraphQLEndpoint
from metrics_graphql.headers import AnswerHeaders
from metrics_graphql.limits import Admission
from metrics_graphql.observability import configure_logging
from metrics_graphql.rest_api import shim
from metrics_graphql.service import MetricsService
from metrics_graphql.settings import Settings
from metrics_graphql.store.engine import Database
from metrics_graphql.store.migrate import migrate


def create_app(settings: Settings | None = None, *, drains: bool = False) -> Starlette:
    """Return the gateway; without settings, it reads them from the environment.

    The database is opened, and a SQLite file brought up to date, when the application starts. One
    that `drains` has the process to itself: SIGTERM, handled in the main thread, is announced at
    `/readyz` before it reaches the server.

    Raises:
        ValueError: a setting can't be used.
    """
    settings = settings or Settings()
    draining = Event()
    configure_logging(settings.log_level)
    database = Database(settings.database_url)
    service = MetricsService(database)
    admission = Admission(service, settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        async with database:
            await migrate(database)
            # What is loaded by now stays: a collection of it all would hold requests up.
            gc.collect()
            gc.freeze()
            with draining_on_sigterm(draining, settings.drain_seconds) if drains else nullcontext():
                yield
            await service.close()

    return Starlette(
        routes=[
            Route("/graphql", GraphQLEndpoint(service, admission, settings)),
            *shim.routes(service, admission),
            *health.routes(database, draining),
        ],
        middleware=list(middleware(settings, draining)),
        exception_handlers={HTTPException: shim.answer_http_exception},
        lifespan=lifespan,
    )


def create_draining_app() -> Starlette:
    """Return the gateway for a process of its own, with settings from the environment."""
    return create_app(drains=True)


def middleware(settings: Settings, draining: Event) -> Iterator[Middleware]:
    """Yield what every request passes through, outermost first."""
    yield Middleware(AnswerHeaders, draining)
    if settings.trusted_hosts != ["*"]:
        yield Middleware(TrustedHostMiddleware, settings.trusted_hosts, www_redirect=False)
    if settings.cors_origins:
        yield Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["RateLimit", "RateLimit-Policy", "Retry-After"],
        )
