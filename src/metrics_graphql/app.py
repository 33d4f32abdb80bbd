"""The only place that wires: settings in, Starlette out."""

import gc
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from threading import Event
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from metrics_graphql import health
from metrics_graphql.answers import Answers
from metrics_graphql.draining import draining_on_sigterm
from metrics_graphql.graphql_api.endpoint import GraphQLEndpoint, strawberrys_page
from metrics_graphql.headers import AnswerHeaders
from metrics_graphql.limits import Admission
from metrics_graphql.observability import configure_logging
from metrics_graphql.prefix import LocalRedirects, PathPrefix
from metrics_graphql.rest_api import shim
from metrics_graphql.service import MetricsService
from metrics_graphql.settings import Settings
from metrics_graphql.store.store import open_store
from metrics_graphql.watching import Watch
from metrics_graphql.web import pages

YOUNG_OBJECTS: Final = 20_000
"""New objects after which the garbage collector looks at them: those of some hundred requests."""


def create_app(
    settings: Settings | None = None, *, drains: bool = False, demo_token: str = ""
) -> Starlette:
    """Return the gateway; without settings, it reads them from the environment.

    The database is opened, and a SQLite file brought up to date, when the application starts. One
    that `drains` has the process to itself: SIGTERM, handled in the main thread, is announced at
    `/readyz` before it reaches the server. The pages of a demo have its token filled in.

    Raises:
        ValueError: a setting can't be used.
    """
    settings = settings or Settings()
    draining = Event()
    configure_logging(settings.log_level, settings.log_format)
    watch = Watch(settings)
    store = open_store(settings.database_url, settings.sessions_url)
    service = MetricsService(store, settings.freshness)
    admission = Admission(service, settings)
    answers = Answers(
        service.versions, max_bytes=settings.cache_bytes, freshness=settings.freshness
    )
    explorer = pages.explorer(strawberrys_page(), demo_token)
    graphql = GraphQLEndpoint(service, admission, answers, settings, explorer)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        async with store:
            await store.migrate()
            if drains:
                # What is loaded by now stays: a collection of it all would hold requests up. The
                # young are looked at less often than a script would want, which has few of them.
                gc.collect()
                gc.freeze()
                gc.set_threshold(YOUNG_OBJECTS)
            try:
                with (
                    draining_on_sigterm(draining, settings.drain_seconds)
                    if drains
                    else nullcontext()
                ):
                    yield
                await service.close()
            finally:
                await watch.close()

    doors = [
        Route("/graphql", graphql),
        *shim.routes(service, admission, answers, settings.path_prefix),
    ]
    return Gateway(
        draining,
        watch,
        doors,
        settings.path_prefix,
        routes=[
            *doors,
            *health.routes(store, draining),
            *([health.metrics_route(store)] if settings.metrics else []),
            *pages.routes(pages.dashboard(demo_token)),
        ],
        middleware=list(middleware(settings)),
        exception_handlers={HTTPException: shim.answer_http_exception},
        lifespan=lifespan,
    )


class Gateway(Starlette):
    """Starlette, with headers that every answer carries, and a short way to the two doors."""

    def __init__(
        self,
        draining: Event,
        watch: Watch,
        doors: Sequence[Route],
        prefix: str,
        **kwargs: Any,  # noqa: ANN401 - Starlette's own
    ) -> None:
        super().__init__(**kwargs)
        self._draining = draining
        self._watch = watch
        self._doors = doors
        self._prefix = prefix

    def build_middleware_stack(self) -> ASGIApp:
        """Return what a request passes through, outermost first."""
        usual = LocalRedirects(super().build_middleware_stack(), self._prefix)
        # What the settings ask for on the way is not to be passed by.
        app = usual if self.user_middleware else self._short(usual)
        if self._prefix:
            app = PathPrefix(app, self._prefix)
        return AnswerHeaders(app, self._draining, self._watch)

    def _short(self, usual: ASGIApp) -> ASGIApp:
        """Return what goes straight to a door, which answers its own errors.

        The usual way costs more than an answer that is kept.
        """

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                for door in self._doors:
                    match, found = door.matches(scope)
                    if match is Match.FULL:
                        scope.update(found)
                        await door.app(scope, receive, send)
                        return
            await usual(scope, receive, send)

        return app


def create_draining_app() -> Starlette:
    """Return the gateway for a process of its own, with settings from the environment."""
    return create_app(drains=True)


def middleware(settings: Settings) -> Iterator[Middleware]:
    """Yield what the settings ask for."""
    if settings.trusted_hosts != ["*"]:
        yield Middleware(TrustedHosts, settings.trusted_hosts, www_redirect=False)
    if settings.cors_origins:
        yield Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID", "traceparent"],
            expose_headers=["ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"],
        )


class TrustedHosts(TrustedHostMiddleware):
    """Starlette's own, for all but the paths that are probed at a bare address."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if it was sent to a host of ours."""
        if scope["type"] == "http" and scope["path"] in health.PATHS:
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
