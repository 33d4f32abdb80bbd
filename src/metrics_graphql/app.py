"""The only place that wires: settings in, Starlette out."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from metrics_graphql.graphql_api.endpoint import GraphQLEndpoint
from metrics_graphql.observability import configure_logging
from metrics_graphql.rest_api import shim
from metrics_graphql.service import MetricsService
from metrics_graphql.settings import Settings
from metrics_graphql.store.engine import Database
from metrics_graphql.store.migrate import migrate


def create_app(settings: Settings | None = None) -> Starlette:
    """Return the gateway; without settings, it reads them from the environment.

    The database is opened, and a SQLite file brought up to date, when the application starts.

    Raises:
        ValueError: a setting can't be used.
    """
    settings = settings or Settings()
    configure_logging(settings.log_level)
    database = Database(settings.database_url)
    service = MetricsService(database)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        async with database:
            await migrate(database)
            yield
            await service.close()

    return Starlette(
        routes=[Route("/graphql", GraphQLEndpoint(service)), *shim.routes(service)],
        exception_handlers={HTTPException: shim.answer_http_exception},
        lifespan=lifespan,
    )
