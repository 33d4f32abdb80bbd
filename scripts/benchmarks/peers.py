"""What is usually built for the job, on the same database and with the same SQL: the baselines.

Each is a factory for uvicorn; `METRICS_DATABASE_URL` names the database.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import sqlalchemy as sa
import strawberry
from fastapi import Depends, FastAPI, Header, HTTPException, Query
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.types import Info

from metrics_graphql.auth import sha256
from metrics_graphql.domain.measures import AVERAGE_ACUS, MEASURES
from metrics_graphql.domain.metrics import SessionMetrics, SessionMetricsQuery
from metrics_graphql.store.dialects import dialect_for
from metrics_graphql.store.dialects.postgresql import PLANS
from metrics_graphql.store.planner import plan_for
from metrics_graphql.store.questions import parameters_of
from metrics_graphql.store.statements import session_sums
from metrics_graphql.store.tables import service_users, tokens

URL = sa.make_url(os.environ["METRICS_DATABASE_URL"])
DIALECT = dialect_for(URL)


def engine() -> AsyncEngine:
    """Return an engine as tutorials make it."""
    driver = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
    return create_async_engine(URL.set(drivername=driver[URL.get_backend_name()]))


async def authorized(session: AsyncSession, authorization: str, org_id: str) -> bool:
    """Return whether a token may read an organization."""
    token = authorization.removeprefix("Bearer ")
    statement = (
        sa.select(service_users.c.org_id)
        .join_from(tokens, service_users)
        .where(tokens.c.sha256 == sha256(token))
    )
    return (await session.execute(statement)).scalar() == org_id


async def totals(session: AsyncSession, query: SessionMetricsQuery) -> SessionMetrics:
    """Return all sums, by the statement that we run."""
    plan = plan_for(query)
    runs = plan.runs(0, query.period)
    statement = session_sums(DIALECT, plan, MEASURES, one_question=True)
    bound = statement.bound(parameters_of(query, runs, DIALECT))
    connection = await session.connection()
    rows = (await connection.exec_driver_sql(statement.sql, bound)).all()
    sums = [
        sum(int(value or 0) for value in column) for column in list(zip(*rows, strict=True))[1:]
    ]
    names = [measure.name for measure in MEASURES]
    return SessionMetrics(dict(zip(names, sums, strict=True)))


def body_of(metrics: SessionMetrics) -> dict[str, Any]:
    """Return the answer as the document has it."""
    body: dict[str, Any] = {}
    for measure in MEASURES:
        if measure.member is not None:
            body.setdefault(measure.field, {})[measure.member] = metrics[measure]
        elif measure.adds == "sessions":
            body[measure.field] = metrics[measure]
    return {**body, AVERAGE_ACUS: metrics.avg_acus_per_session}


class CountsBySize(BaseModel):
    """As the published document has it."""

    xs: int = 0
    s: int = 0
    m: int = 0
    l: int = 0  # noqa: E741 - the name in the API
    xl: int = 0


class CountsByOrigin(BaseModel):
    """As the published document has it."""

    api: int = 0
    automation: int = 0
    desktop: int = 0
    jira: int = 0
    linear: int = 0
    slack: int = 0
    teams: int = 0
    webapp: int = 0


class Response(BaseModel):
    """As the published document has it."""

    sessions_created_count: int
    sessions_created_by_size: CountsBySize
    sessions_created_by_origin: CountsByOrigin
    sessions_created_with_playbook_count: int
    sessions_created_with_search_count: int
    sessions_with_merged_prs_count: int
    sessions_with_merged_prs_by_size: CountsBySize
    avg_acus_per_session: float


def fastapi() -> FastAPI:
    """Return the REST endpoint as FastAPI and SQLAlchemy make it."""
    return fastapi_on(engine())


def fastapi_our_plans() -> FastAPI:
    """Return the same on a PostgreSQL that plans statements as for us: the way to them is left."""
    return fastapi_on(
        create_async_engine(
            URL.set(drivername="postgresql+asyncpg"), connect_args={"server_settings": PLANS}
        )
    )


def fastapi_on(database: AsyncEngine) -> FastAPI:
    """Return the REST endpoint on an engine."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        yield
        await database.dispose()

    app = FastAPI(lifespan=lifespan)

    async def session() -> AsyncGenerator[AsyncSession]:
        async with AsyncSession(database) as opened:
            yield opened

    @app.get("/v3/organizations/{org_id}/metrics/sessions")
    async def session_metrics(  # noqa: PLR0913, PLR0917 - the parameters of the API
        org_id: str,
        time_before: int,
        time_after: int,
        opened: Annotated[AsyncSession, Depends(session)],
        authorization: Annotated[str, Header()],
        user_ids: Annotated[list[str] | None, Query()] = None,
        service_user_ids: Annotated[list[str] | None, Query()] = None,
        playbook_id: str | None = None,
    ) -> Response:
        if not await authorized(opened, authorization, org_id):
            raise HTTPException(403)
        query = SessionMetricsQuery.asked(
            org_id=org_id,
            time_after=time_after,
            time_before=time_before,
            user_ids=user_ids,
            service_user_ids=service_user_ids,
            playbook_id=playbook_id,
        )
        return Response(**body_of(await totals(opened, query)))

    return app


@strawberry.type
class GraphQLCountsBySize:
    """The same, for Strawberry."""

    xs: int
    s: int
    m: int
    l: int  # noqa: E741 - the name in the API
    xl: int


@strawberry.type
class GraphQLCountsByOrigin:
    """The same, for Strawberry."""

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
    """The same, for Strawberry."""

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
    """Only the bounds: the benchmark asks no more."""

    time_after: int
    time_before: int


@strawberry.type
class StrawberryQuery:
    """The root."""

    @strawberry.field
    async def session_metrics(
        self, info: Info, org_id: strawberry.ID, filters: Filters
    ) -> GraphQLMetrics | None:
        """Ask the same of the database."""
        async with AsyncSession(info.schema.database) as session:  # type: ignore[attr-defined] # put there below
            authorization = info.context["request"].headers["authorization"]
            if not await authorized(session, authorization, org_id):
                return None
            query = SessionMetricsQuery.asked(
                org_id=org_id, time_after=filters.time_after, time_before=filters.time_before
            )
            body: dict[str, Any] = body_of(await totals(session, query))
        return GraphQLMetrics(
            **{
                **body,
                "sessions_created_by_size": GraphQLCountsBySize(**body["sessions_created_by_size"]),
                "sessions_created_by_origin": GraphQLCountsByOrigin(
                    **body["sessions_created_by_origin"]
                ),
                "sessions_with_merged_prs_by_size": GraphQLCountsBySize(
                    **body["sessions_with_merged_prs_by_size"]
                ),
                AVERAGE_ACUS: body[AVERAGE_ACUS],
            }
        )


def strawberry_of(*extensions: Any) -> ASGIApp:  # noqa: ANN401 - Strawberry's own
    """Return Strawberry's own application over the same SQL."""
    schema = strawberry.Schema(StrawberryQuery, extensions=list(extensions))
    schema.database = engine()  # type: ignore[attr-defined] # the one place that its resolver sees
    return GraphQL(schema)


def strawberry_stock() -> ASGIApp:
    """Return Strawberry as it comes."""
    return strawberry_of()


def strawberry_cached() -> ASGIApp:
    """Return Strawberry with its own caches of documents."""
    return strawberry_of(ParserCache(), ValidationCache())


ANSWER = b'{"data":{"sessionMetrics":null}}'.ljust(720)


def raw() -> ASGIApp:
    """Return an application that does nothing but answer: what the server itself costs."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"720")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": ANSWER})

    return app
