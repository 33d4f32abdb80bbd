"""Time of the store's answer for periods with ragged ends: roll-ups, raw rows, the bare driver."""

import sqlite3
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from random import Random
from statistics import median
from typing import Any, Final

import asyncpg

from metrics_graphql.domain.measures import MEASURES
from metrics_graphql.domain.metrics import SessionMetricsQuery
from metrics_graphql.domain.periods import DAY, HOUR
from metrics_graphql.store import questions, verification
from metrics_graphql.store.engine import Database
from metrics_graphql.store.ingest import insert_session
from metrics_graphql.store.migrate import migrate
from metrics_graphql.store.organizations import name_organizations
from metrics_graphql.store.planner import plan_for
from metrics_graphql.store.questions import Asked
from metrics_graphql.store.statements import session_sums
from scripts.benchmarks.data import ORG, START, YEAR, blocks, sessions

Row = dict[str, Any]
Fetch = Callable[[str, Sequence[Any]], Awaitable[None]]
"""Runs a statement with some values."""

REPEATS: Final = 200
RAW_SECONDS: Final = 20.0
"""A raw answer is repeated no longer than this."""


async def measure(url: str, size: int) -> list[Row]:
    """Return a row of medians, in milliseconds, for 1, 30 and 365 days."""
    async with Database(url) as database:
        if not await is_filled(database):
            await fill(database, size)
        rows = []
        for days in (1, 30, 365):
            ragged, aligned = list(periods(days, 1)), list(periods(days, HOUR))
            store = await timed_store(database, ragged)
            driver = await timed_driver(database, url, ragged)
            raw = await timed_raw(database, url, ragged)
            rows.append(
                {
                    "sessions": size,
                    "days": days,
                    "store ms": store,
                    "store, whole hours ms": await timed_store(database, aligned),
                    "bare driver ms": driver,
                    "raw ms": raw,
                    "store / driver": store / driver,
                    "raw / store": raw / store,
                }
            )
    return rows


def conclusions(rows: list[Row]) -> Iterator[str]:
    """Yield what the rows say of flatness: a year at the largest size against the smallest."""
    year = {row["sessions"]: row for row in rows if row["days"] == 365}  # noqa: PLR2004 - a year
    small, large = min(year), max(year)
    for name in ("store ms", "store, whole hours ms"):
        ratio = year[large][name] / year[small][name]
        yield f"365 days, {name[:-3]}: {large:,} takes {ratio:.2f} times {small:,}"


async def is_filled(database: Database) -> bool:
    """Bring the tables up to date, and return whether a kept database has its sessions."""
    await migrate(database)
    return bool(await verification.chunks(database))


async def fill(database: Database, size: int) -> None:
    """Store the sessions, and the roll-ups as `verify --repair` would."""
    async with database.writing() as connection:
        await name_organizations(connection, database.dialect, [ORG])
    for batch in blocks(sessions(size), 100_000):
        await insert(database, batch)
    for chunk in await verification.chunks(database):
        await verification.repair(database, chunk)
    await database.learn_sizes()


async def insert(database: Database, batch: list[Any]) -> None:
    """Store raw sessions only."""
    async with database.writing() as connection:
        await database.dialect.insert_rows(connection, insert_session(database.dialect), batch)


def periods(days: int, unit: int) -> Iterator[SessionMetricsQuery]:
    """Yield questions for periods of about so many days, on bounds that are multiples of a unit."""
    chance = Random(days)  # noqa: S311 - data
    length = days * DAY - 7_321
    for _ in range(REPEATS):
        start = START + chance.randrange(YEAR - length)
        yield SessionMetricsQuery.asked(
            org_id=ORG,
            time_after=start // unit * unit,
            time_before=(start + length) // unit * unit,
        )


async def timed_store(database: Database, asked: list[SessionMetricsQuery]) -> float:
    """Return the median of the product's own way to an answer."""
    times = []
    for question in asked:
        started = time.perf_counter()
        await questions.session_metrics(database, [Asked(question)])
        times.append(time.perf_counter() - started)
    return median(times) * 1000


@asynccontextmanager
async def bare(url: str) -> AsyncGenerator[Fetch]:
    """Lend a way to run a statement with the driver alone."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:

            async def read(sql: str, values: Sequence[Any]) -> None:
                file.execute(sql, values).fetchall()

            yield read
        return
    connection: Any = await asyncpg.connect(url)

    async def fetch(sql: str, values: Sequence[Any]) -> None:
        await connection.fetch(sql, *values)

    yield fetch
    await connection.close()


async def timed_driver(database: Database, url: str, asked: list[SessionMetricsQuery]) -> float:
    """Return the median of the same SQL, in the driver alone."""
    dialect = database.dialect
    times = []
    async with bare(url) as fetch:
        for question in asked:
            plan = plan_for(question)
            prepared = session_sums(dialect, plan, MEASURES, one_question=True)
            runs = plan.runs(0, question.period)
            values = prepared.bound(questions.parameters_of(question, runs, dialect))
            started = time.perf_counter()
            await fetch(prepared.sql, values)
            times.append(time.perf_counter() - started)
    return median(times) * 1000


async def timed_raw(database: Database, url: str, asked: list[SessionMetricsQuery]) -> float:
    """Return the median of adding up raw sessions only, in the same driver."""
    dialect = database.dialect
    times: list[float] = []
    async with bare(url) as fetch:
        for question in asked:
            plan = plan_for(question)._replace(scope=None)
            prepared = session_sums(dialect, plan, MEASURES, one_question=True)
            values = prepared.bound(
                {"org_id": ORG, "raw": dialect.bind_runs(plan.runs(0, question.period))}
            )
            started = time.perf_counter()
            await fetch(prepared.sql, values)
            times.append(time.perf_counter() - started)
            if sum(times) > RAW_SECONDS:
                break
    return median(times) * 1000
