"""Load shedding: goodput, latencies and refusals under closed and open loops."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from metrics_graphql.core.periods import DAY
from scripts.benchmarks.dataset import ORG, START, YEAR
from scripts.benchmarks.load_generator import LoadGenerator, Responses, percentile
from scripts.benchmarks.served_dataset import served_dataset

Row = dict[str, Any]
SECONDS: Final = 6.0
CLIENTS: Final = (1, 16, 200)
CAPACITY_CLIENTS: Final = 16
"""The clients whose throughput counts as the capacity."""
OVERLOADS: Final = (0.5, 1, 2, 5)
"""Rates of the open loops, as multiples of the capacity."""

COUNTS: Final = """
    fragment Counts on SessionAggregates {
      sessionsCreatedCount
      sessionsWithMergedPrsCount
      avgAcusPerSession
    }
"""
TOTALS: Final = """
    query ($org: ID!, $filters: SessionMetricsFilters!) {
      sessionMetrics(orgId: $org, filters: $filters) { ...Counts }
    }
"""
SERIES: Final = """
    query ($org: ID!, $filters: SessionMetricsFilters!) {
      sessionMetrics(orgId: $org, filters: $filters) {
        timeSeries(interval: DAY) { ...Counts period { startsAt } }
      }
    }
"""
DASHBOARD: Final = """
    query ($org: ID!, $filters: SessionMetricsFilters!) {
      sessionMetrics(orgId: $org, filters: $filters) {
        ...Counts
        previousPeriod { ...Counts }
        timeSeries(interval: DAY) { ...Counts period { startsAt } }
        byUser(first: 10) { nodes { ...Counts user { id } } }
      }
    }
"""
REQUESTS: Final[Mapping[str, tuple[str, int]]] = {
    "totals, 30 days": (TOTALS, 30 * DAY),
    "daily series, a year": (SERIES, YEAR),
    "dashboard, 30 days": (DASHBOARD, 30 * DAY),
}
"""A query and the length of its periods."""


async def measure(folder: Path, url: str, size: int) -> list[Row]:
    """Return a row for each kind of request and each load, all on one server."""
    async with served_dataset(folder, url, size) as (port, token):
        return [
            {"requests": name, "load": load} | row_of(responses)
            for name, (query, length) in REQUESTS.items()
            async for load, responses in under_loads(port, token, uncached(query, length))
        ]


async def under_loads(
    port: int, token: str, body_of: Callable[[int], bytes]
) -> AsyncGenerator[tuple[str, Responses]]:
    """Yield the name of each load, and the responses under it."""
    generator = LoadGenerator(port, token, body_of)
    await generator.closed_loop(1, 1)
    capacity = 0.0
    for clients in CLIENTS:
        responses = await generator.closed_loop(clients, SECONDS)
        if clients == CAPACITY_CLIENTS:
            capacity = responses.goodput
        yield f"closed loop, {clients} {'clients' if clients > 1 else 'client'}", responses
    for overload in OVERLOADS:
        yield (
            f"open loop, {overload} x capacity",
            await generator.open_loop(overload * capacity, SECONDS),
        )
    generator.close()


def uncached(query: str, length: int) -> Callable[[int], bytes]:
    """Return a function from a number to a request for about that long a period, each another."""
    starts = YEAR + 30 * DAY - length

    def body_of(number: int) -> bytes:
        after = START + number * 7_919 % starts
        filters = {"timeAfter": after, "timeBefore": after + length + number // starts}
        variables = {"org": ORG, "filters": filters}
        return json.dumps({"query": query + COUNTS, "variables": variables}).encode()

    return body_of


def row_of(responses: Responses) -> Row:
    """Return the numbers of a row. Latencies are in milliseconds."""
    succeeded, refused = responses.latencies(200), responses.latencies(503)
    others = len(responses.received) - len(succeeded) - len(refused)
    return {
        "sent/s": len(responses.received) / responses.seconds,
        "200/s": responses.goodput,
        "p50 ms": percentile(succeeded, 50),
        "p99 ms": percentile(succeeded, 99),
        "503 %": 100 * len(refused) / max(1, len(responses.received)),
        "503 p50 ms": percentile(refused, 50),
        "503 p99 ms": percentile(refused, 99),
        "others": others,
    }


def conclusions(rows: list[Row]) -> list[str]:
    """Return, for each kind of request, the ratios that load shedding is judged by."""
    lines = []
    for name in REQUESTS:
        of_kind = [row for row in rows if row["requests"] == name]
        peak = max(row["200/s"] for row in of_kind)
        closed, overloaded = of_kind[: len(CLIENTS)], of_kind[-1]
        lines.append(
            f"{name}: {sum(row['503 %'] for row in closed):.1f} % refused in closed loops;"
            f" {overloaded['load']}: goodput {overloaded['200/s'] / peak:.2f} of the peak,"
            f" p99 {overloaded['p99 ms']:.0f} ms"
        )
    return lines
