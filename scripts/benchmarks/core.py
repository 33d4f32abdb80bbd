"""Time of queries of unaligned periods in storage: roll-ups, raw sessions, and the bare driver."""

import sqlite3
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from random import Random
from statistics import median
from typing import Any, Final

import asyncpg

from metrics_graphql.core.periods import DAY, HOUR
from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.query_planner import plan_query
from metrics_graphql.storage.tables import STORED_MEASURES
from metrics_graphql.storage.totals import fetch_metrics, select_totals, statement_parameters
from scripts.benchmarks.dataset import ORG, START, YEAR, ensure_filled

Row = dict[str, Any]
Execute = Callable[[str, Sequence[Any]], Awaitable[None]]
"""Executes a statement with some values, and fetches its rows."""

QUERIES: Final = 200
MAX_SECONDS: Final = 20.0
"""No more queries are timed after this long, which only raw sessions take."""


async def measure(url: str, size: int) -> list[Row]:
    """Return a row of median times, in milliseconds, for 1, 30 and 365 days."""
    async with Database(url) as database:
        await ensure_filled(database, size)
        rows = []
        for days in (1, 30, 365):
            unaligned, aligned = list(queries(days, 1)), list(queries(days, HOUR))
            storage = await time_storage(database, unaligned)
            driver = await time_driver(database, url, unaligned)
            raw = await time_driver(database, url, unaligned, has_rollups=False)
            rows.append(
                {
                    "sessions": size,
                    "days": days,
                    "storage ms": storage,
                    "storage, whole hours ms": await time_storage(database, aligned),
                    "bare driver ms": driver,
                    "raw sessions ms": raw,
                    "storage / driver": storage / driver,
                    "raw / storage": raw / storage,
                }
            )
    return rows


def conclusions(rows: list[Row]) -> Iterator[str]:
    """Yield how the time of a year grows from the smallest size to the largest."""
    year = {row["sessions"]: row for row in rows if row["days"] == 365}  # noqa: PLR2004 - a year
    yield from growth("365 days", year, ["storage ms", "storage, whole hours ms"])


def growth(query: str, by_size: dict[int, Row], columns: Iterable[str]) -> Iterator[str]:
    """Yield the ratio of each column at the largest size to that at the smallest."""
    small, large = min(by_size), max(by_size)
    for name in columns:
        ratio = by_size[large][name] / by_size[small][name]
        yield f"{query}, {name[:-3]}: {ratio:.2f} times as long for {large:,} as for {small:,}"


def queries(days: int, unit: int) -> Iterator[SessionMetricsQuery]:
    """Yield queries for periods of about `days` days, with bounds that are multiples of a unit."""
    rng = Random(days)  # noqa: S311 - synthetic data
    length = days * DAY - 7_321
    for _ in range(QUERIES):
        start = START + rng.randrange(YEAR - length)
        yield SessionMetricsQuery.from_params(
            tenant=ORG,
            time_after=start // unit * unit,
            time_before=(start + length) // unit * unit,
        )


async def time_storage(database: Database, timed: list[SessionMetricsQuery]) -> float:
    """Return the median time of queries of all measures."""
    times = []
    for query in timed:
        started = time.perf_counter()
        await fetch_metrics(database, [MetricsRequest(query)])
        times.append(time.perf_counter() - started)
    return median(times) * 1_000


async def time_driver(
    database: Database, url: str, timed: list[SessionMetricsQuery], *, has_rollups: bool = True
) -> float:
    """Return the median time of the same SQL in the bare driver, or of SQL for raw sessions."""
    dialect = database.dialect
    times: list[float] = []
    async with bare_driver(url) as execute:
        for query in timed:
            plan = plan_query(query, dialect.rollup_dimensions if has_rollups else ())
            statement = select_totals(dialect, plan, STORED_MEASURES, by_range=False)
            ranges = plan.ranges(dialect, [query.period])
            values = statement.bind(statement_parameters(query, ranges, dialect))
            started = time.perf_counter()
            await execute(statement.sql, values)
            times.append(time.perf_counter() - started)
            if sum(times) > MAX_SECONDS:
                break
    return median(times) * 1_000


@asynccontextmanager
async def bare_driver(url: str) -> AsyncGenerator[Execute]:
    """Connect with the driver alone."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:

            async def execute_in_file(sql: str, values: Sequence[Any]) -> None:
                file.execute(sql, values).fetchall()

            yield execute_in_file
        return
    connection: Any = await asyncpg.connect(url)

    async def execute(sql: str, values: Sequence[Any]) -> None:
        await connection.fetch(sql, *values)

    yield execute
    await connection.close()
