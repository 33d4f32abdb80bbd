"""Both doors over HTTP, one worker on one core, against what is usually built, in one run.

The load comes from wrk on another core (Debian's package wrk). Rounds go around all servers, so
that a busy moment of the machine is everyone's.
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

from metrics_graphql.auth import create_service_user
from metrics_graphql.store.engine import Database
from scripts.benchmarks.core import fill, is_filled
from scripts.benchmarks.data import ORG, START, YEAR
from tests.serving import STARTING_SECONDS, free_port, served

Row = dict[str, Any]
SECONDS: Final = 3
ROUNDS: Final = 3
CONNECTIONS: Final = 8

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
      byUser(first: 10) { totalCount nodes { ...Measures user { id kind } } }
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
UNSEEN: Final = """
local number = SEED
request = function()
  number = number + 1
  local after = START + (number * 7919) % 1728000
  local before = LAST - (number * 104729) % 1728000
  FORMAT
end
"""
"""Periods of about a year, each of its own, with ends that are on no hour."""


class Cell(NamedTuple):
    """One thing that is asked, and of whom. The first server is ours."""

    name: str
    servers: tuple[str, ...]
    script: str


class Load(NamedTuple):
    """What wrk saw."""

    per_second: float
    p50: str
    p99: str
    failed: int


async def measure(folder: Path, url: str, size: int) -> list[Row]:
    """Return a row for each cell and server, all on the database of a URL."""
    if shutil.which("wrk") is None:
        raise SystemExit("This needs wrk: apt-get install wrk")
    async with Database(url) as database:
        if not await is_filled(database):
            await fill(database, size)
        token = (await create_service_user(database, "http", org_id=ORG)).token
    server_core, client_core = sorted(os.sched_getaffinity(0))[:2]
    with ExitStack() as stack:
        os.sched_setaffinity(0, {server_core})
        log = folder / "http.log"
        ours = stack.enter_context(served(url, log, rate_limit="1000000000/minute"))
        urls = {"ours": ours.url}
        our_plans = () if url.startswith("sqlite") else ("fastapi_our_plans",)
        for name in ("raw", "fastapi", *our_plans, "strawberry_stock", "strawberry_cached"):
            urls[name] = stack.enter_context(peer(name, url))
        os.sched_setaffinity(0, {client_core})
        cells = [
            cell._replace(servers=(*cell.servers, *our_plans))
            if "unseen REST" in cell.name
            else cell
            for cell in cells_of(ours.url, token)
        ]
        loads: dict[tuple[str, str], list[Load]] = {}
        for seed in range(ROUNDS):
            for cell in cells:
                for server in cell.servers:
                    script = cell.script.replace("SEED", str(seed * 10_000_000))
                    found = load(urls[server], folder / "wrk.lua", script)
                    loads.setdefault((cell.name, server), []).append(found)
        memory = resident(ours.process.pid)
    os.sched_setaffinity(0, {server_core, client_core})
    rows = [row_of(cell, server, loads) for cell in cells for server in cell.servers]
    graphql, fastapi = (
        median(each.per_second for each in loads[cell, server])
        for cell, server in (("unseen GraphQL POST", "ours"), ("unseen REST GET", "fastapi"))
    )
    compared = {
        "cell": "unseen GraphQL, of FastAPI's REST",
        "ours is": f"{graphql / fastapi:.2f} x",
    }
    rows.append({**dict.fromkeys(rows[0], ""), **compared})
    return [*rows, {**dict.fromkeys(rows[0], ""), "cell": "RSS after it all", "requests/s": memory}]


def cells_of(url: str, token: str) -> Generator[Cell]:
    """Yield what is asked."""
    get = f'wrk.headers["Authorization"] = "Bearer {token}"\n'
    post = f'{get}wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
    filters = {"timeAfter": START + 1_234, "timeBefore": START + YEAR - 1_234}
    bounds = f"time_after={filters['timeAfter']}&time_before={filters['timeBefore']}"
    rest = f"/v3/organizations/{ORG}/metrics/sessions"
    variables = {"org": ORG, "filters": filters}
    once = body_of(ALL_FIELDS, variables)
    graphql = str(
        httpx.URL("/graphql", params={"query": ALL_FIELDS, "variables": json.dumps(variables)})
    )
    yield Cell(
        "repeated GraphQL POST",
        ("ours", "raw", "strawberry_stock"),
        f"{post}wrk.path = '/graphql'\nwrk.body = [==[{once}]==]\n",
    )
    yield Cell(
        "repeated REST GET", ("ours", "raw", "fastapi"), f"{get}wrk.path = '{rest}?{bounds}'\n"
    )
    for name, path in (("REST", f"{rest}?{bounds}"), ("GraphQL GET", graphql)):
        etag = httpx.get(f"{url}{path}", headers={"Authorization": f"Bearer {token}"}).headers[
            "etag"
        ]
        yield Cell(
            f"304 {name}",
            ("ours", "raw"),
            f"{get}wrk.headers['If-None-Match'] = '{etag}'\nwrk.path = '{path}'\n",
        )
    varied = body_of(ALL_FIELDS, {"org": ORG, "filters": {"timeAfter": "A", "timeBefore": "B"}})
    before, between, after = re.split('"A"|"B"', varied)
    parts = f"[==[{before}]==] .. after .. [==[{between}]==] .. before .. [==[{after}]==]"
    format_post = f"return wrk.format(nil, '/graphql', nil, {parts})"
    yield Cell("unseen GraphQL POST", ("ours", "strawberry_cached"), post + unseen(format_post))
    format_get = (
        f"return wrk.format(nil, '{rest}?time_after=' .. after .. '&time_before=' .. before)"
    )
    yield Cell("unseen REST GET", ("ours", "fastapi"), get + unseen(format_get))
    yield Cell(
        "repeated dashboard",
        ("ours", "raw"),
        f"{post}wrk.path = '/graphql'\nwrk.body = [==[{body_of(DASHBOARD, variables)}]==]\n",
    )


def body_of(query: str, variables: Mapping[str, Any]) -> str:
    """Return a GraphQL request."""
    return json.dumps({"query": query, "variables": variables})


def unseen(formatted: str) -> str:
    """Return a script whose every request is another."""
    script = UNSEEN.replace("FORMAT", formatted)
    return script.replace("START", str(START)).replace("LAST", str(START + YEAR))


@contextmanager
def peer(name: str, database_url: str) -> Generator[str]:
    """Serve a baseline until the block ends, as bare as it can be served."""
    port = free_port()
    process = subprocess.Popen(  # noqa: S603 - ourselves
        [
            *(sys.executable, "-m", "uvicorn", f"scripts.benchmarks.peers:{name}", "--factory"),
            *("--port", str(port), "--log-level", "warning", "--no-access-log"),
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


def load(url: str, file: Path, script: str) -> Load:
    """Return what wrk sees of a server; its path is in the script."""
    file.write_text(script)
    finished = subprocess.run(  # noqa: S603 - wrk
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", str(file), url],  # noqa: S607 - whichever is there
        capture_output=True,
        text=True,
        check=True,
    )
    output = finished.stdout

    def found(pattern: str) -> str:
        match = re.search(pattern, output)
        return match[1] if match else "0"

    # A 304 is no failure; wrk counts only statuses from 400 on, and broken connections.
    return Load(
        float(found(r"Requests/sec:\s+([\d.]+)")),
        found(r"50%\s+(\S+)"),
        found(r"99%\s+(\S+)"),
        int(found(r"Non-2xx or 3xx responses: (\d+)"))
        + int(found(r"Socket errors: .* read (\d+)")),
    )


def row_of(cell: Cell, server: str, loads: Mapping[tuple[str, str], list[Load]]) -> Row:
    """Return a row of the table: the median round, and ours as a multiple of it."""
    rounds = loads[cell.name, server]
    middle = median(each.per_second for each in rounds)
    ours = median(each.per_second for each in loads[cell.name, "ours"])
    shown = min(rounds, key=lambda each: abs(each.per_second - middle))
    return {
        "cell": cell.name,
        "server": server,
        "requests/s": middle,
        "p50": shown.p50,
        "p99": shown.p99,
        "failed": sum(each.failed for each in rounds),
        "ours is": "" if server == "ours" else f"{ours / middle:.2f} x",
    }


def resident(pid: int) -> str:
    """Return the memory of a process."""
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return f"{int(kilobytes) / 1024:.0f} MiB"
