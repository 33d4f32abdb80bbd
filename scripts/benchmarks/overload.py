"""Load shedding: goodput and latency of a server at three times the load that it can serve."""

import json
import os
from pathlib import Path
from typing import Any, Final

from metrics_graphql.core.periods import DAY
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.service_users import create_service_user
from scripts.benchmarks.dataset import ORG, START, YEAR, ensure_filled
from scripts.benchmarks.load_generator import LoadGenerator, Responses, percentile
from tests.serving import served

Row = dict[str, Any]
SECONDS: Final = 10.0
WARM_UP: Final = 3.0
"""Longer than a burst that is not shed yet."""
CLIENTS: Final = 8
OVERLOAD: Final = 3

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
    """Return a row for a server under little load, under full load, and overloaded."""
    url = f"sqlite:///{folder / f'benchmark-{size}.db'}"
    async with Database(url) as database:
        await ensure_filled(database, size)
        token = (await create_service_user(database, "overload", tenant=ORG)).token
    server_core, client_core = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {server_core})
    with served(url, folder / "overload.log", rate_limit="none") as server:
        os.sched_setaffinity(0, {client_core})
        generator = LoadGenerator(server.port, token, uncached_dashboard)
        await generator.closed_loop(1, WARM_UP)
        unloaded = await generator.closed_loop(1, SECONDS)
        loaded = await generator.closed_loop(CLIENTS, SECONDS)
        capacity = len(loaded.latencies(200)) / SECONDS
        overloaded = await generator.open_loop(OVERLOAD * capacity, WARM_UP, SECONDS)
        generator.close()
    os.sched_setaffinity(0, {server_core, client_core})
    return [
        row_of("closed loop, 1 client", unloaded),
        row_of(f"closed loop, {CLIENTS} clients", loaded),
        row_of(f"open loop, {OVERLOAD} x capacity", overloaded),
    ]


def uncached_dashboard(number: int) -> bytes:
    """Return a request for a dashboard of about 30 days, each of another period."""
    after = START + number % YEAR
    filters = {"timeAfter": after, "timeBefore": after + 30 * DAY + number // YEAR}
    return json.dumps({"query": DASHBOARD, "variables": {"org": ORG, "filters": filters}}).encode()


def row_of(load: str, responses: Responses) -> Row:
    """Return a row of the table. Latencies are in milliseconds."""
    succeeded, shed = responses.latencies(200), responses.latencies(503)
    return {
        "load": load,
        "goodput/s": len(succeeded) / SECONDS,
        "p50 ms": percentile(succeeded, 50),
        "p99 ms": percentile(succeeded, 99),
        "503/s": len(shed) / SECONDS,
        "503 p50 ms": percentile(shed, 50),
        "503 p99 ms": percentile(shed, 99),
        "503 max ms": max(shed, default=0.0) * 1_000,
    }


def conclusions(rows: list[Row]) -> list[str]:
    """Return the ratios that load shedding is judged by."""
    unloaded, loaded, overloaded = rows
    peak = max(unloaded["goodput/s"], loaded["goodput/s"])
    return [
        f"goodput when overloaded / peak goodput: {overloaded['goodput/s'] / peak:.2f}",
        f"p99 when overloaded / unloaded: {overloaded['p99 ms'] / unloaded['p99 ms']:.2f}",
        f"slowest 503: {overloaded['503 max ms']:.0f} ms",
    ]
