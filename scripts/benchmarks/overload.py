"""A server that is asked three times what it can answer: what it still answers, and how soon."""

import json
import os
from pathlib import Path
from typing import Any, Final

from metrics_graphql.auth import create_service_user
from metrics_graphql.domain.periods import DAY
from metrics_graphql.store.engine import Database
from scripts.benchmarks.client import Client, percentile
from scripts.benchmarks.core import fill, is_filled
from scripts.benchmarks.data import ORG, START, YEAR
from tests.serving import served

Row = dict[str, Any]
SECONDS: Final = 10.0
WARM_UP: Final = 3.0
"""Longer than a burst may last: after it, what comes is known to be too much."""
TIMES: Final = 3

DASHBOARD: Final = """
    query ($org: ID!, $filters: SessionMetricsFilters!) {
      sessionMetrics(orgId: $org, filters: $filters) {
        ...Counts
        previousPeriod { ...Counts }
        timeSeries(interval: DAY) { ...Counts period { startsAt } }
        byUser(first: 10) { nodes { ...Counts user { id } } }
      }
    }
    fragment Counts on SessionAggregates {
      sessionsCreatedCount
      sessionsWithMergedPrsCount
      avgAcusPerSession
    }
"""


async def measure(folder: Path, size: int) -> list[Row]:
    """Return a row for a server that has little to do, all it can do, and three times that."""
    url = f"sqlite:///{folder / f'benchmark-{size}.db'}"
    async with Database(url) as database:
        if not await is_filled(database):
            await fill(database, size)
        token = (await create_service_user(database, "overload", org_id=ORG)).token
    server_core, client_core = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {server_core})
    with served(url, folder / "overload.log", rate_limit="") as server:
        os.sched_setaffinity(0, {client_core})
        client = Client(server.port, token, unseen)
        await client.in_turn(1, WARM_UP)
        unloaded = await client.in_turn(1, SECONDS)
        busy = await client.in_turn(8, SECONDS)
        capacity = len(busy.of(200)) / SECONDS
        overloaded = await client.at_rate(TIMES * capacity, WARM_UP, SECONDS)
        client.close()
    os.sched_setaffinity(0, {server_core, client_core})
    return [
        row_of("one at a time", unloaded.of(200), unloaded.of(503)),
        row_of("eight at a time", busy.of(200), busy.of(503)),
        row_of(f"{TIMES} times as often", overloaded.of(200), overloaded.of(503)),
    ]


def unseen(number: int) -> bytes:
    """Return a request for a dashboard of about 30 days that was not asked before."""
    after = START + number % YEAR
    filters = {"timeAfter": after, "timeBefore": after + 30 * DAY + number // YEAR}
    return json.dumps({"query": DASHBOARD, "variables": {"org": ORG, "filters": filters}}).encode()


def row_of(load: str, answered: list[float], refused: list[float]) -> Row:
    """Return a row of the table; times are in milliseconds."""
    return {
        "dashboards asked": load,
        "answered/s": len(answered) / SECONDS,
        "p50": percentile(answered, 50),
        "p99": percentile(answered, 99),
        "refused/s": len(refused) / SECONDS,
        "refused p50": percentile(refused, 50),
        "refused p99": percentile(refused, 99),
        "refused max": max(refused, default=0.0) * 1e3,
    }


def conclusions(rows: list[Row]) -> list[str]:
    """Return what is promised, as ratios of one run."""
    unloaded, busy, overloaded = rows
    most = max(unloaded["answered/s"], busy["answered/s"])
    return [
        f"goodput under overload / at most: {overloaded['answered/s'] / most:.2f}",
        f"p99 of answers under overload / unloaded: {overloaded['p99'] / unloaded['p99']:.2f}",
        f"slowest refusal: {overloaded['refused max']:.0f} ms",
    ]
