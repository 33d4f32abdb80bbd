"""Time of 365 daily buckets and of breakdowns, against a raw GROUP BY in the same run."""

import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from metrics_graphql.core.breakdowns import BreakdownQuery, Dimension, OrderDirection, Ranking
from metrics_graphql.core.intervals import TimeInterval, buckets, time_zone
from metrics_graphql.core.measures import MEASURES, SESSIONS_CREATED
from metrics_graphql.core.periods import DAY
from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.storage.breakdowns import fetch_breakdown
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.totals import fetch_metrics
from scripts.benchmarks.dataset import ORG, ensure_filled, year_query

Row = dict[str, Any]
REPEATS: Final = 5
BREAKDOWNS: Final = {
    "top 25 users": Dimension.USER,
    "top 25 playbooks": Dimension.PLAYBOOK,
    "by origin": Dimension.ORIGIN,
    "by size": Dimension.SIZE,
}

RAW: Final = """
    SELECT {key}, count(*),
      count(CASE WHEN has_merged_pr THEN 1 END), count(CASE WHEN size = 'xl' THEN 1 END), sum(acus)
    FROM sessions WHERE org_id = ? AND created_at >= ? AND created_at < ?
    GROUP BY 1 ORDER BY 2 DESC LIMIT {limit}
"""


async def measure(folder: Path, size: int) -> list[Row]:
    """Return a row of median times, in milliseconds, for each series and breakdown."""
    path = folder / f"benchmark-{size}.db"
    query = year_query()
    async with Database(f"sqlite:///{path}") as database:
        await ensure_filled(database, size)
        rows = []
        for zone in ("UTC", "America/Los_Angeles", "Asia/Kolkata"):
            storage = await median_ms(partial(fetch_metrics, database, daily_series(query, zone)))
            raw = time_raw(path, f"created_at / {DAY}", query, 1_000)
            rows.append(row_of(size, f"365 days, {zone}", storage, raw))
        for what, dimension in BREAKDOWNS.items():
            breakdown = ranked(query, dimension)
            storage = await median_ms(partial(fetch_breakdown, database, breakdown))
            rows.append(row_of(size, what, storage, time_raw(path, dimension.value, query, 25)))
    return rows


def daily_series(query: SessionMetricsQuery, zone: str) -> list[MetricsRequest]:
    """Return the requests of a series by day."""
    days = buckets(query.period, TimeInterval.DAY, time_zone(zone))
    return [MetricsRequest(query.with_period(day)) for day in days]


def ranked(query: SessionMetricsQuery, dimension: Dimension) -> BreakdownQuery:
    """Return the breakdown of the 25 ids with the most sessions, with all measures."""
    ranking = Ranking(SESSIONS_CREATED.name, OrderDirection.DESC, first=25)
    return BreakdownQuery(query, dimension, ranking, MEASURES)


def row_of(size: int, what: str, storage: float, raw: float) -> Row:
    """Return a row of the table."""
    return {
        "sessions": size,
        "query": what,
        "storage ms": storage,
        "raw GROUP BY ms": raw,
        "raw / storage": raw / storage,
    }


async def median_ms(work: Callable[[], Awaitable[object]]) -> float:
    """Return the median time of some work in milliseconds."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        await work()
        times.append(time.perf_counter() - started)
    return median(times) * 1_000


def time_raw(path: Path, key: str, query: SessionMetricsQuery, limit: int) -> float:
    """Return the time, in milliseconds, of a GROUP BY of raw sessions with only four sums."""
    period = query.period
    with closing(sqlite3.connect(path)) as connection:
        started = time.perf_counter()
        sql = RAW.format(key=key, limit=limit)
        connection.execute(sql, (ORG, period.start, period.end)).fetchall()
        return (time.perf_counter() - started) * 1_000
