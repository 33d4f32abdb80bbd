"""Requests per second of both APIs, one worker on one core, against baseline servers.

wrk (Debian's package wrk) generates the load on another core. Each round covers all servers, so
that other load on the machine slows all of them.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import httpx

from metrics_graphql.storage.database import Database
from metrics_graphql.storage.service_users import create_service_user
from scripts.benchmarks.dataset import ORG, START, YEAR, ensure_filled
from tests.serving import STARTING_SECONDS, free_port, served

Row = dict[str, Any]
SECONDS: Final = 3
ROUNDS: Final = 3
CLIENTS: Final = 8
"""Connections, each of which waits for its response."""
UNCACHED_CLIENTS: Final = (1, 16, 200)
RATIO_CLIENTS: Final = 16
"""The clients under which GraphQL is compared with REST."""
PERIODS_PER_RUN: Final = 16_000
"""More than the requests of a run. `DISTINCT_PERIODS` has enough of them for 108 runs."""

PRODUCT: Final = "metrics-graphql"
ASGI: Final = "bare_asgi"
FASTAPI: Final = "fastapi"
FASTAPI_PLANNER_SETTINGS: Final = "fastapi_planner_settings"
STRAWBERRY: Final = "strawberry_default"
STRAWBERRY_CACHED: Final = "strawberry_cached"
"""The servers. All but the first are factories in `baselines`."""
UNCACHED_GRAPHQL: Final = "uncached GraphQL"
UNCACHED_REST: Final = "uncached REST"

ALL_FIELDS: Final = """
  query ($org: ID!, $filters: SessionMetricsFilters!) {
    sessionMetrics(orgId: $org, filters: $filters) {
      sessionsCreatedCount
      sessionsCreatedBySize { xs s m l xl }
      sessionsCreatedByOrigin { api automation desktop jira linear slack teams webapp }
      sessionsCreatedWithPlaybookCount
      sessionsCreatedWithSearchCount
      sessionsWithMergedPrsCount
      sessionsWithMergedPrsBySize { xs s m l xl }
      avgAcusPerSession
    }
  }
"""
DASHBOARD: Final = """
  query ($org: ID!, $filters: SessionMetricsFilters!) {
    sessionMetrics(orgId: $org, filters: $filters) {
      ...Measures
      previousPeriod { ...Measures change { sessionsCreatedCount } }
      timeSeries(interval: DAY) { ...Measures period { startsAt } }
      byUser(first: 10) { totalCount nodes { ...Measures user { id } } }
      byPlaybook(first: 10) { totalCount nodes { ...Measures playbook { id } } }
    }
  }
  fragment Measures on SessionAggregates {
    sessionsCreatedCount
    sessionsCreatedBySize { xs s m l xl }
    sessionsWithMergedPrsCount
    avgAcusPerSession
  }
"""
DISTINCT_PERIODS: Final = """
local number = SEED
request = function()
  number = number + 1
  local after = START + (number * 7919) % 1728000
  local before = LAST - (number * 104729) % 1728000
  return wrk.format(nil, REQUEST)
end
"""
"""A wrk script whose every request has another period of about a year, with unaligned ends."""


class Cell(NamedTuple):
    """A kind of request, the servers that it is sent to, its wrk script, and the clients."""

    name: str
    servers: tuple[str, ...]
    script: str
    clients: tuple[int, ...] = (CLIENTS,)


class Result(NamedTuple):
    """The results of one run of wrk."""

    per_second: float
    """Responses with a status below 400."""
    p50: str
    p99: str
    refused: int
    """Responses with another status."""
    failed: int
    """Connections that broke, and requests without a response."""


Results = Mapping[tuple[str, str, int], list[Result]]
"""The result of each round, by cell, server and clients."""


async def measure(folder: Path, url: str, size: int) -> list[Row]:
    """Return a row for each cell and server, all on one database."""
    if shutil.which("wrk") is None:
        raise SystemExit("This needs wrk: apt-get install wrk")
    async with Database(url) as database:
        await ensure_filled(database, size)
        token = (await create_service_user(database, "http", tenant=ORG)).token
    server_core, client_core = sorted(os.sched_getaffinity(0))[:2]
    with ExitStack() as stack:
        os.sched_setaffinity(0, {server_core})
        log = folder / "http.log"
        product = stack.enter_context(served(url, log, rate_limit="1000000000/minute"))
        rest_servers: tuple[str, ...] = (PRODUCT, FASTAPI)
        if not url.startswith("sqlite"):
            rest_servers += (FASTAPI_PLANNER_SETTINGS,)
        urls = {PRODUCT: product.url}
        for name in (ASGI, *rest_servers[1:], STRAWBERRY, STRAWBERRY_CACHED):
            urls[name] = stack.enter_context(baseline(name, url))
        os.sched_setaffinity(0, {client_core})
        cells = list(cells_of(product.url, token, rest_servers))
        runs = [
            (cell, clients, server)
            for cell in cells
            for clients in cell.clients
            for server in cell.servers
        ]
        results: dict[tuple[str, str, int], list[Result]] = {}
        for round_number in range(ROUNDS):
            for number, (cell, clients, server) in enumerate(runs):
                seed = PERIODS_PER_RUN * (round_number * len(runs) + number)
                script = cell.script.replace("SEED", str(seed))
                result = run_wrk(urls[server], folder / "wrk.lua", script, clients)
                results.setdefault((cell.name, server, clients), []).append(result)
        memory = resident_memory(product.process.pid)
    os.sched_setaffinity(0, {server_core, client_core})
    rows = [row_of(cell.name, server, clients, results) for cell, clients, server in runs]
    ratio = throughput(results, UNCACHED_GRAPHQL, PRODUCT, RATIO_CLIENTS) / throughput(
        results, UNCACHED_REST, FASTAPI, RATIO_CLIENTS
    )
    empty: Row = dict.fromkeys(rows[0], "")
    return [
        *rows,
        empty | {"cell": f"{UNCACHED_GRAPHQL} / {UNCACHED_REST} of {FASTAPI}", "ratio": ratio},
        empty | {"cell": "resident memory of the worker", "requests/s": memory},
    ]


def cells_of(url: str, token: str, rest_servers: tuple[str, ...]) -> Generator[Cell]:
    """Yield the cells: repeated, conditional and uncached requests."""
    get = f'wrk.headers["Authorization"] = "Bearer {token}"\n'
    post = f'{get}wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
    filters = {"timeAfter": START + 1_234, "timeBefore": START + YEAR - 1_234}
    variables = {"org": ORG, "filters": filters}
    path = f"/v3/organizations/{ORG}/metrics/sessions"
    rest = f"{path}?time_after={filters['timeAfter']}&time_before={filters['timeBefore']}"
    parameters = {"query": ALL_FIELDS, "variables": json.dumps(variables)}
    graphql = str(httpx.URL("/graphql", params=parameters))

    def repeated_post(query: str) -> str:
        return f"{post}wrk.path = '/graphql'\nwrk.body = [==[{body_of(query, variables)}]==]\n"

    yield Cell("repeated GraphQL POST", (PRODUCT, ASGI, STRAWBERRY), repeated_post(ALL_FIELDS))
    yield Cell("repeated REST", (PRODUCT, ASGI, FASTAPI), f"{get}wrk.path = '{rest}'\n")
    for name, target in (("REST", rest), ("GraphQL GET", graphql)):
        response = httpx.get(f"{url}{target}", headers={"Authorization": f"Bearer {token}"})
        yield Cell(
            f"conditional (304) {name}",
            (PRODUCT, ASGI),
            f"{get}wrk.headers['If-None-Match'] = '{response.headers['etag']}'\n"
            f"wrk.path = '{target}'\n",
        )
    yield Cell(
        UNCACHED_GRAPHQL,
        (PRODUCT, STRAWBERRY_CACHED),
        post + distinct_periods(f"'/graphql', nil, {body_with_period(ALL_FIELDS)}"),
        UNCACHED_CLIENTS,
    )
    yield Cell(
        UNCACHED_REST,
        rest_servers,
        get + distinct_periods(f"'{path}?time_after=' .. after .. '&time_before=' .. before"),
        UNCACHED_CLIENTS,
    )
    yield Cell("repeated dashboard", (PRODUCT, ASGI), repeated_post(DASHBOARD))
    yield Cell(
        "uncached dashboard",
        (PRODUCT,),
        post + distinct_periods(f"'/graphql', nil, {body_with_period(DASHBOARD)}"),
        UNCACHED_CLIENTS,
    )


def body_of(query: str, variables: Mapping[str, Any]) -> str:
    """Return the body of a GraphQL request."""
    return json.dumps({"query": query, "variables": variables})


def body_with_period(query: str) -> str:
    """Return a Lua expression for the body of a request with the period `after` to `before`."""
    body = body_of(query, {"org": ORG, "filters": {"timeAfter": "A", "timeBefore": "B"}})
    before, between, after = re.split('"A"|"B"', body)
    return f"[==[{before}]==] .. after .. [==[{between}]==] .. before .. [==[{after}]==]"


def distinct_periods(request: str) -> str:
    """Return the wrk script of requests with distinct periods; `request` are Lua expressions."""
    script = DISTINCT_PERIODS.replace("REQUEST", request)
    return script.replace("START", str(START)).replace("LAST", str(START + YEAR))


@contextmanager
def baseline(name: str, database_url: str) -> Generator[str]:
    """Run a baseline server without a log until the block ends."""
    port = free_port()
    process = subprocess.Popen(  # noqa: S603 - a module of this package
        [
            *(sys.executable, "-m", "uvicorn", f"scripts.benchmarks.baselines:{name}"),
            *("--factory", "--port", str(port), "--log-level", "warning", "--no-access-log"),
        ],
        env={**os.environ, "METRICS_DATABASE_URL": database_url},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        transport = httpx.HTTPTransport(retries=STARTING_SECONDS)
        httpx.Client(transport=transport).get(url)
        yield url
    finally:
        process.terminate()
        process.wait(STARTING_SECONDS)


def run_wrk(url: str, file: Path, script: str, clients: int) -> Result:
    """Run wrk against a server with a script and so many clients."""
    file.write_text(script)
    finished = subprocess.run(  # noqa: S603 - wrk
        ["wrk", "-t1", f"-c{clients}", f"-d{SECONDS}s", "--latency", "-s", str(file), url],  # noqa: S607 - from PATH
        capture_output=True,
        text=True,
        check=True,
    )

    def find(pattern: str) -> str:
        match = re.search(pattern, finished.stdout)
        return match[1] if match else "0"

    refused = int(find(r"Non-2xx or 3xx responses: (\d+)"))
    succeeded = 1 - refused / max(1, int(find(r"(\d+) requests in")))
    return Result(
        float(find(r"Requests/sec:\s+([\d.]+)")) * succeeded,
        find(r"50%\s+(\S+)"),
        find(r"99%\s+(\S+)"),
        refused,
        int(find(r"Socket errors: .* read (\d+)")) + int(find(r"Socket errors: .* timeout (\d+)")),
    )


def throughput(results: Results, cell: str, server: str, clients: int) -> float:
    """Return the median of the rounds, in requests per second."""
    return median(each.per_second for each in results[cell, server, clients])


def row_of(cell: str, server: str, clients: int, results: Results) -> Row:
    """Return a row of the table. The ratio is the throughput of metrics-graphql to the server's."""
    rounds, middle = results[cell, server, clients], throughput(results, cell, server, clients)
    typical = min(rounds, key=lambda each: abs(each.per_second - middle))
    return {
        "cell": cell,
        "server": server,
        "clients": clients,
        "requests/s": middle,
        "p50": typical.p50,
        "p99": typical.p99,
        "refused": sum(each.refused for each in rounds),
        "failed": sum(each.failed for each in rounds),
        "ratio": (
            "" if server == PRODUCT else throughput(results, cell, PRODUCT, clients) / middle
        ),
    }


def resident_memory(pid: int) -> str:
    """Return the resident memory of a process."""
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return f"{int(kilobytes) / 1024:.0f} MiB"
