"""The composition root: builds the ASGI application from the settings."""

import gc
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, nullcontext
from threading import Event
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp

from metrics_graphql.core.service import MetricsService
from metrics_graphql.graphql_api.document_store import DocumentStore
from metrics_graphql.graphql_api.http import GraphQLEndpoint, strawberry_graphiql
from metrics_graphql.rest_api.routes import rest_routes
from metrics_graphql.server import health
from metrics_graphql.server.http_errors import ErrorMiddleware
from metrics_graphql.server.metrics_endpoint import metrics_route
from metrics_graphql.server.pipeline import RequestPipeline
from metrics_graphql.server.response_headers import ResponseHeadersMiddleware
from metrics_graphql.server.shutdown import drain_on_sigterm
from metrics_graphql.server.trusted_hosts import TrustedHostsMiddleware
from metrics_graphql.settings import Settings, read_settings
from metrics_graphql.storage.repository import Storage, open_storage
from metrics_graphql.storage.schema import SchemaStatus
from metrics_graphql.telemetry.logging import configure_logging
from metrics_graphql.telemetry.middleware import RequestTelemetry, TelemetryMiddleware
from metrics_graphql.web import pages

GC_THRESHOLD: Final = 20_000
"""New objects per garbage collection: about a hundred requests' worth."""


CORS_HEADERS: Final = (
    *("Accept", "Authorization", "Content-Type", "If-None-Match", "X-Request-ID"),
    *("apollo-require-preflight", "apollographql-client-name", "apollographql-client-version"),
    *("x-apollo-operation-name", "x-apollo-operation-id"),
    *("baggage", "sentry-trace", "traceparent", "tracestate"),
)
"""Request headers that pages of other origins may send: those of GraphQL clients and of tracing."""
CORS_EXPOSED_HEADERS: Final = (
    *("ETag", "RateLimit", "RateLimit-Policy"),
    *("Retry-After", "X-Request-ID"),
)


class Application(Starlette):
    """Starlette with `ErrorMiddleware` in place of its own two (docs/decisions/0013)."""

    def build_middleware_stack(self) -> ASGIApp:
        """Return the router inside the middleware, outermost first."""
        app: ASGIApp = self.router
        for middleware, args, kwargs in reversed(self.user_middleware):
            app = middleware(app, *args, **kwargs)
        return app


def create_app(
    settings: Settings | None = None, *, manages_process: bool = False, demo_token: str = ""
) -> Application:
    """Return the application; without settings, they are read from the environment.

    The database is opened when the application starts, and an embedded SQLite file is brought up
    to date then. With `manages_process`, the application tunes the garbage collector and handles
    SIGTERM, which needs the main thread. `demo_token` is filled into the pages.

    Raises:
        ValueError: a setting cannot be used.
    """
    settings = settings or read_settings()
    shutting_down = Event()
    telemetry = RequestTelemetry(settings)
    storage = open_storage(settings.database_url, settings.sessions_url, telemetry.record_statement)
    service = MetricsService(storage, settings.cache_stage_ttl)
    pipeline = RequestPipeline(service, settings)
    graphiql = pages.graphiql(
        strawberry_graphiql(), demo_token, trusted_only=settings.trusted_documents_only
    )
    documents = DocumentStore.from_settings(settings, pages.documents())
    routes: list[BaseRoute] = [
        Route(
            "/graphql",
            GraphQLEndpoint(service, pipeline, settings, documents, graphiql),
            name="graphql",
        ),
        *rest_routes(service, pipeline, settings.path_prefix),
        *health.routes(shutting_down, readiness_check(storage)),
        *pages.routes(pages.dashboard(demo_token)),
    ]
    if telemetry.prometheus:
        routes.append(metrics_route(telemetry.prometheus, storage.newest_session_at))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        async with storage:
            await storage.ensure_schema(upgrade_embedded=True)
            if manages_process:
                tune_garbage_collector()
            try:
                with (
                    drain_on_sigterm(shutting_down, settings.drain_seconds)
                    if manages_process
                    else nullcontext()
                ):
                    yield
                await service.close()
            finally:
                await telemetry.close()

    app = Application(
        routes=with_path_prefix(settings.path_prefix, routes),
        middleware=middleware(settings, telemetry, shutting_down),
        lifespan=lifespan,
    )
    # A redirect would name the address that a proxy connects to: plain HTTP, most often, over
    # which the client would then send its token.
    app.router.redirect_slashes = False
    return app


def create_worker_app() -> Application:
    """Return the application for a server process of its own, configured by the environment."""
    try:
        settings = read_settings()
        configure_logging(settings.log_level, settings.log_format)
        return create_app(settings, manages_process=True)
    except ValueError as error:
        # `.env` may have changed since the command checked the settings.
        raise SystemExit(f"metrics-graphql: {error}") from None


def middleware(
    settings: Settings, telemetry: RequestTelemetry, shutting_down: Event
) -> Sequence[Middleware]:
    """Return the middleware, outermost first. The order is the same for all settings."""
    stack = [
        Middleware(TelemetryMiddleware, telemetry),
        Middleware(ResponseHeadersMiddleware, shutting_down),
    ]
    if settings.trusted_hosts != ["*"]:
        stack.append(
            Middleware(TrustedHostsMiddleware, settings.trusted_hosts, settings.path_prefix)
        )
    if settings.cors_origins:
        stack.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "POST"],
                allow_headers=[*CORS_HEADERS, *settings.cors_headers],
                expose_headers=CORS_EXPOSED_HEADERS,
            )
        )
    return [*stack, Middleware(ErrorMiddleware)]


def with_path_prefix(prefix: str, routes: list[BaseRoute]) -> list[BaseRoute]:
    """Return the routes with a path prefix, for proxies that pass it on, and without it."""
    if not prefix:
        return routes

    async def add_slash(request: Request) -> RedirectResponse:
        """Redirect to the dashboard's address, which its relative links need."""
        query = request.url.query
        return RedirectResponse(f"{prefix}/?{query}" if query else f"{prefix}/")

    return [
        Route(prefix, add_slash, name="page"),
        Mount(prefix, Router(routes, redirect_slashes=False)),
        *routes,
    ]


def readiness_check(storage: Storage) -> health.ReadinessCheck:
    """Return the check of `/readyz`.

    A newer schema is fine: it belongs to the next version, whose processes replace these one by
    one.
    """

    async def check() -> str:
        status = await storage.schema_status()
        if status not in {SchemaStatus.CURRENT, SchemaStatus.NEWER}:
            return "pending migrations"
        await storage.ping()
        return ""

    return check


def tune_garbage_collector() -> None:
    """Exempt what is loaded from garbage collection, and collect young objects less often.

    A full collection would delay requests, and few of a request's objects are garbage cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
