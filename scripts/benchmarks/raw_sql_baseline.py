"""A baseline server for what a dashboard shows: FastAPI and SQLAlchemy on raw sessions.

Its SQL is the fastest known on raw sessions: it groups by the categories first, and then turns
the groups into columns. `METRICS_DATABASE_URL` has the database.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

import sqlalchemy as sa
from fastapi import Depends, FastAPI, Header, HTTPException
from sqlalchemy.ext.asyncio import AsyncSession

from metrics_graphql.core.periods import DAY
from scripts.benchmarks.baselines import create_engine, is_authorized

SIZES: Final = ("xs", "s", "m", "l", "xl")
IN_PERIOD: Final = "org_id = :org AND created_at >= :after AND created_at < :before"
TOTALS: Final = "0"
"""A constant: one group of all sessions."""
BY_DAY: Final = f"(created_at - :after) / {DAY}"
BY_USER: Final = "user_id"
MAX_ROWS: Final = 25


def pivot(key: str, condition: str = IN_PERIOD, rest: str = "") -> sa.TextClause:
    """Return the statement with the measures of the sessions by an SQL expression."""
    columns = [
        f"sum(CASE WHEN size = '{size}'{merged} THEN n ELSE 0 END)"
        for merged in ("", " AND has_merged_pr")
        for size in SIZES
    ]
    return sa.text(
        f"WITH grouped AS (SELECT {key} AS key, size, has_merged_pr, count(*) AS n,"  # noqa: S608 - constants
        f" sum(acus) AS acus FROM sessions WHERE {condition}"
        " GROUP BY key, size, has_merged_pr)"
        f" SELECT key, sum(n) AS total, sum(acus), {', '.join(columns)}"
        f" FROM grouped GROUP BY key {rest}"
    )


STATEMENTS: Final = {
    TOTALS: pivot(TOTALS),
    BY_DAY: pivot(BY_DAY, rest="ORDER BY key"),
    BY_USER: pivot(
        BY_USER,
        f"{IN_PERIOD} AND user_id IS NOT NULL",
        f"ORDER BY total DESC, key LIMIT {MAX_ROWS}",
    ),
}
TOTALS_OF_USERS: Final = pivot(TOTALS, f"{IN_PERIOD} AND user_id IN :users").bindparams(
    sa.bindparam("users", expanding=True)
)


def fastapi_raw() -> FastAPI:
    """Return the endpoints."""
    engine = create_engine()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)

    async def open_session(
        org: str, authorization: Annotated[str, Header()]
    ) -> AsyncGenerator[AsyncSession]:
        async with AsyncSession(engine) as session:
            if not await is_authorized(session, authorization, org):
                raise HTTPException(403)
            yield session

    Session = Annotated[AsyncSession, Depends(open_session)]  # noqa: N806 - a type

    @app.get("/top-users")
    async def top_users(session: Session, org: str, after: int, before: int) -> list[Any]:
        return await fetch(session, STATEMENTS[BY_USER], parameters(org, after, before))

    @app.get("/users")
    async def of_users(
        session: Session, org: str, after: int, before: int, user_ids: str
    ) -> list[Any]:
        values = {**parameters(org, after, before), "users": user_ids.split(",")}
        return await fetch(session, TOTALS_OF_USERS, values)

    @app.get("/dashboard")
    async def dashboard(
        session: Session, org: str, after: int, before: int
    ) -> dict[str, list[Any]]:
        period = parameters(org, after, before)
        previous = parameters(org, 2 * after - before, after)
        return {
            "totals": await fetch(session, STATEMENTS[TOTALS], period),
            "previous": await fetch(session, STATEMENTS[TOTALS], previous),
            "days": await fetch(session, STATEMENTS[BY_DAY], period),
            "users": await fetch(session, STATEMENTS[BY_USER], period),
        }

    return app


def parameters(org: str, after: int, before: int) -> dict[str, Any]:
    """Return the parameters of a statement."""
    return {"org": org, "after": after, "before": before}


async def fetch(
    session: AsyncSession, statement: sa.TextClause, values: Mapping[str, Any]
) -> list[Any]:
    """Return the rows of a statement; PostgreSQL's sums are decimals."""
    result = await session.execute(statement, values)
    return [(key, *(value and int(value) for value in sums)) for key, *sums in result.all()]
