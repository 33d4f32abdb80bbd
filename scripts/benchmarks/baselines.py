"""Baseline servers: the usual frameworks, on the same database and with the same SQL.

Each function without arguments is an application factory for uvicorn. `METRICS_DATABASE_URL` has
the database.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

import sqlalchemy as sa
import strawberry
from fastapi import Depends, FastAPI, Header, HTTPException, Query
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.types import Info

from metrics_graphql.core.measures import ACUS_CONSUMED, AVERAGE_ACUS, SESSION_MEASURES
from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.core.tokens import hash_token
from metrics_graphql.storage.dialects.from_url import dialect_for
from metrics_graphql.storage.dialects.postgresql import PLANNER_SETTINGS
from metrics_graphql.storage.query_planner import plan_query
from metrics_graphql.storage.tables import service_users, tokens
from metrics_graphql.storage.totals import select_totals, statement_parameters

URL: Final = sa.make_url(os.environ["METRICS_DATABASE_URL"])
DIALECT: Final = dialect_for(os.environ["METRICS_DATABASE_URL"])
MEASURES: Final = (*SESSION_MEASURES, ACUS_CONSUMED)
RESPONSE: Final = b'{"data":{"sessionMetrics":null}}'.ljust(720)


def bare_asgi() -> ASGIApp:
    """Return an application that sends a fixed response: the cost of the server itself."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"720")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": RESPONSE})

    return app


def create_engine() -> AsyncEngine:
    """Return an engine with SQLAlchemy's defaults."""
    driver = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
    return create_async_engine(URL.set(drivername=driver[URL.get_backend_name()]))


async def is_authorized(session: AsyncSession, authorization: str, org_id: str) -> bool:
    """Return whether a token may read an organization."""
    token = authorization.removeprefix("Bearer ")
    statement = (
        sa.select(service_users.c.org_id)
        .join_from(tokens, service_users)
        .where(tokens.c.sha256 == hash_token(token))
    )
    return (await session.execute(statement)).scalar() == org_id


async def fetch_body(session: AsyncSession, query: SessionMetricsQuery) -> dict[str, Any]:
    """Return the REST response, from the statement that metrics-graphql executes."""
    plan = plan_query(query, DIALECT.rollup_dimensions)
    statement = select_totals(DIALECT, plan, MEASURES, by_range=False)
    ranges = plan.ranges(DIALECT, [query.period])
    values = statement.bind(statement_parameters(query, ranges, DIALECT))
    connection = await session.connection()
    rows = (await connection.exec_driver_sql(statement.sql, values)).all()
    _, *columns = zip(*rows, strict=True)
    sums = [sum(int(value or 0) for value in column) for column in columns]
    names = [measure.name for measure in MEASURES]
    metrics = SessionMetrics(dict(zip(names, sums, strict=True)))
    body: dict[str, Any] = {AVERAGE_ACUS: metrics.avg_acus_per_session}
    for measure in SESSION_MEASURES:
        if measure.member is not None:
            body.setdefault(measure.response_key, {})[measure.member] = metrics[measure]
        else:
            body[measure.response_key] = metrics[measure]
    return body


class CountsBySize(BaseModel):
    """Counts by size in the v3 API."""

    xs: int = 0
    s: int = 0
    m: int = 0
    l: int = 0  # noqa: E741 - the name in the API
    xl: int = 0


class CountsByOrigin(BaseModel):
    """Counts by origin in the v3 API."""

    api: int = 0
    automation: int = 0
    desktop: int = 0
    jira: int = 0
    linear: int = 0
    slack: int = 0
    teams: int = 0
    webapp: int = 0


class SessionMetricsResponse(BaseModel):
    """The response of the v3 API."""

    sessions_created_count: int
    sessions_created_by_size: CountsBySize
    sessions_created_by_origin: CountsByOrigin
    sessions_created_with_playbook_count: int
    sessions_created_with_search_count: int
    sessions_with_merged_prs_count: int
    sessions_with_merged_prs_by_size: CountsBySize
    avg_acus_per_session: float


def fastapi() -> FastAPI:
    """Return the REST endpoint on FastAPI and SQLAlchemy."""
    return fastapi_on(create_engine())


def fastapi_planner_settings() -> FastAPI:
    """Return the same, with the settings by which metrics-graphql has PostgreSQL plan."""
    options = {"server_settings": PLANNER_SETTINGS}
    return fastapi_on(
        create_async_engine(URL.set(drivername="postgresql+asyncpg"), connect_args=options)
    )


def fastapi_on(engine: AsyncEngine) -> FastAPI:
    """Return the REST endpoint on an engine."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)

    async def open_session() -> AsyncGenerator[AsyncSession]:
        async with AsyncSession(engine) as session:
            yield session

    @app.get("/v3/organizations/{org_id}/metrics/sessions")
    async def session_metrics(  # noqa: PLR0913, PLR0917 - the parameters of the API
        org_id: str,
        time_before: int,
        time_after: int,
        session: Annotated[AsyncSession, Depends(open_session)],
        authorization: Annotated[str, Header()],
        user_ids: Annotated[list[str] | None, Query()] = None,
        service_user_ids: Annotated[list[str] | None, Query()] = None,
        playbook_id: str | None = None,
    ) -> SessionMetricsResponse:
        if not await is_authorized(session, authorization, org_id):
            raise HTTPException(403)
        query = SessionMetricsQuery.from_params(
            tenant=org_id,
            time_after=time_after,
            time_before=time_before,
            user_ids=user_ids,
            service_user_ids=service_user_ids,
            playbook_ids=None if playbook_id is None else [playbook_id],
        )
        return SessionMetricsResponse(**await fetch_body(session, query))

    return app


@strawberry.type
class GraphQLCountsBySize:
    """Counts by size in GraphQL."""

    xs: int
    s: int
    m: int
    l: int  # noqa: E741 - the name in the API
    xl: int


@strawberry.type
class GraphQLCountsByOrigin:
    """Counts by origin in GraphQL."""

    api: int
    automation: int
    desktop: int
    jira: int
    linear: int
    slack: int
    teams: int
    webapp: int


@strawberry.type
class GraphQLMetrics:
    """Session metrics in GraphQL."""

    sessions_created_count: int
    sessions_created_by_size: GraphQLCountsBySize
    sessions_created_by_origin: GraphQLCountsByOrigin
    sessions_created_with_playbook_count: int
    sessions_created_with_search_count: int
    sessions_with_merged_prs_count: int
    sessions_with_merged_prs_by_size: GraphQLCountsBySize
    avg_acus_per_session: float


@strawberry.input(name="SessionMetricsFilters")
class Filters:
    """The filters that the benchmark uses: the bounds of the period."""

    time_after: int
    time_before: int


@strawberry.type
class StrawberryQuery:
    """The root type."""

    @strawberry.field
    async def session_metrics(
        self, info: Info, org_id: strawberry.ID, filters: Filters
    ) -> GraphQLMetrics | None:
        """Return the metrics of an organization."""
        async with AsyncSession(info.schema.engine) as session:  # type: ignore[attr-defined] # set by `strawberry_with`
            authorization = info.context["request"].headers["authorization"]
            if not await is_authorized(session, authorization, org_id):
                return None
            query = SessionMetricsQuery.from_params(
                tenant=org_id, time_after=filters.time_after, time_before=filters.time_before
            )
            body = await fetch_body(session, query)
        types = {
            "sessions_created_by_size": GraphQLCountsBySize,
            "sessions_created_by_origin": GraphQLCountsByOrigin,
            "sessions_with_merged_prs_by_size": GraphQLCountsBySize,
        }
        return GraphQLMetrics(
            **body | {name: graphql_type(**body[name]) for name, graphql_type in types.items()}
        )


def strawberry_with(*extensions: Any) -> ASGIApp:  # noqa: ANN401 - Strawberry's class
    """Return Strawberry's application with some extensions."""
    schema = strawberry.Schema(StrawberryQuery, extensions=list(extensions))
    schema.engine = create_engine()  # type: ignore[attr-defined] # read by the resolver
    return GraphQL(schema)


def strawberry_default() -> ASGIApp:
    """Return Strawberry's application without extensions."""
    return strawberry_with()


def strawberry_cached() -> ASGIApp:
    """Return Strawberry's application with its caches of parsed and validated documents."""
    return strawberry_with(ParserCache(), ValidationCache())
