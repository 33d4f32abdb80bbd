"""Time of 365 daily buckets and of the top 25 users, against a raw GROUP BY in the same run."""

import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from metrics_graphql.domain.breakdowns import BreakdownQuery, Dimension, OrderField, Ranking
from metrics_graphql.domain.intervals import TimeInterval, buckets, time_zone
from metrics_graphql.domain.measures import MEASURES
from metrics_graphql.domain.metrics import SessionMetricsQuery
from metrics_graphql.domain.periods import DAY
from metrics_graphql.store import breakdowns, questions
from metrics_graphql.store.engine import Database
from metrics_graphql.store.questions import Asked
from scripts.benchmarks.core import fill, is_filled
from scripts.benchmarks.data import ORG, START, YEAR

Row = dict[str, Any]
REPEATS: Final = 5

RAW: Final = """
    SELECT {key}, count(*),
      count(CASE WHEN has_merged_pr THEN 1 END), count(CASE WHEN size = 'xl' THEN 1 END), sum(acus)
    FROM sessions WHERE org_id = ? AND created_at >= ? AND created_at < ?
    GROUP BY 1 ORDER BY 2 DESC LIMIT {limit}
"""


async def measure(folder: Path, size: int) -> list[Row]:
    """Return a row of medians, in milliseconds, for each kind of question."""
    path = folder / f"benchmark-{size}.db"
    question = SessionMetricsQuery.asked(
        org_id=ORG, time_after=START + 1_234, time_before=START + YEAR - 1_234
    )
    async with Database(f"sqlite:///{path}") as database:
        if not await is_filled(database):
            await fill(database, size)
        rows = []
        for zone in ("UTC", "America/Los_Angeles", "Asia/Kolkata"):
            cut = buckets(question.period, TimeInterval.DAY, time_zone(zone))
            asked = [Asked(question.moved(period)) for period in cut]
            ours = await timed(partial(questions.session_metrics, database, asked))
            raw = timed_raw(path, f"created_at / {DAY}", question, 1_000)
            rows.append(row_of(size, f"365 days, {zone}", ours, raw))
        ranking = Ranking(OrderField.SESSIONS_CREATED_COUNT, descending=True, first=25)
        top = BreakdownQuery(question, Dimension.USER, ranking, MEASURES)
        ours = await timed(partial(breakdowns.breakdown, database, top))
        rows.append(row_of(size, "top 25 users", ours, timed_raw(path, "user_id", question, 25)))
    return rows


def row_of(size: int, what: str, ours: float, raw: float) -> Row:
    """Return a row of the table."""
    return {
        "sessions": size,
        "what": what,
        "ours ms": ours,
        "raw ms": raw,
        "raw / ours": raw / ours,
    }


async def timed(ask: Callable[[], Awaitable[object]]) -> float:
    """Return the median time of the product's own way, all measures."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        await ask()
        times.append(time.perf_counter() - started)
    return median(times) * 1000


def timed_raw(path: Path, key: str, question: SessionMetricsQuery, limit: int) -> float:
    """Return the time of a GROUP BY over raw sessions that adds up four measures only."""
    period = question.period
    with closing(sqlite3.connect(path)) as connection:
        started = time.perf_counter()
        sql = RAW.format(key=key, limit=limit)
        connection.execute(sql, (ORG, period.start, period.end)).fetchall()
        return (time.perf_counter() - started) * 1000
