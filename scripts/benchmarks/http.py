"""Requests per second of both APIs, one worker on one core, against baseline servers.

wrk (Debian's package wrk) generates the load on another core. Each round covers all servers, so
that other load on the machine slows all of them.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import asyncpg
import httpx
import psutil

from metrics_graphql.storage.database import Database
from metrics_graphql.storage.service_users import create_service_user
from scripts.benchmarks.dataset import ORG, ensure_filled
from scripts.benchmarks.http_requests import (
    ASGI,
    FASTAPI,
    FASTAPI_PLANNER_SETTINGS,
    FASTAPI_RAW,
    PRODUCT,
    RATIO_CLIENTS,
    STRAWBERRY,
    STRAWBERRY_CACHED,
    UNCACHED_GRAPHQL,
    UNCACHED_REST,
    cells_of,
)
from tests.serving import STARTING_SECONDS, free_port, served

Row = dict[str, Any]
SECONDS: Final = 3
ROUNDS: Final = 3
MAX_DRAIN_SECONDS: Final = 5.0
MAX_DRAINS: Final = 12
"""How often the servers are waited for, before the next run starts nevertheless."""
IDLE_SECONDS: Final = 0.3
PERIODS_PER_RUN: Final = 16_000
"""More than the requests of a run. `DISTINCT_PERIODS` has enough of them for 162 runs."""


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


async def measure(folder: Path, url: str, size: int, *, only: str = "") -> list[Row]:
    """Return a row for each cell and server, all on one database.

    `only` restricts the cells to those whose name contains it.
    """
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
        for name in (ASGI, *rest_servers[1:], FASTAPI_RAW, STRAWBERRY, STRAWBERRY_CACHED):
            urls[name] = stack.enter_context(baseline(name, url))
        os.sched_setaffinity(0, {client_core})
        cells = [cell for cell in cells_of(product.url, token, rest_servers) if only in cell.name]
        runs = [
            (cell, clients, server)
            for cell in cells
            for clients in cell.clients
            for server in cell.scripts
        ]
        results: dict[tuple[str, str, int], list[Result]] = {}
        for round_number in range(ROUNDS):
            for number, (cell, clients, server) in enumerate(runs):
                seed = PERIODS_PER_RUN * (round_number * len(runs) + number)
                script = cell.scripts[server].replace("SEED", str(seed))
                result = run_wrk(urls[server], folder / "wrk.lua", script, clients)
                results.setdefault((cell.name, server, clients), []).append(result)
                await drain(url)
        memory = resident_memory(product.process.pid)
    os.sched_setaffinity(0, {server_core, client_core})
    rows = [row_of(cell.name, server, clients, results) for cell, clients, server in runs]
    empty: Row = dict.fromkeys(rows[0], "")
    rows.append(empty | {"cell": "resident memory of the worker", "requests/s": memory})
    graphql = UNCACHED_GRAPHQL, PRODUCT, RATIO_CLIENTS
    rest = UNCACHED_REST, FASTAPI, RATIO_CLIENTS
    if results.keys() >= {graphql, rest}:
        ratio = throughput(results, *graphql) / throughput(results, *rest)
        name = f"{UNCACHED_GRAPHQL} / {UNCACHED_REST} of {FASTAPI}"
        rows.append(empty | {"cell": name, "ratio": ratio})
    return rows


@contextmanager
def baseline(name: str, database_url: str) -> Generator[str]:
    """Run a baseline server without a log until the block ends."""
    port = free_port()
    module = "raw_sql_baseline" if name == FASTAPI_RAW else "baselines"
    process = subprocess.Popen(  # noqa: S603 - a module of this package
        [
            *(sys.executable, "-m", "uvicorn", f"scripts.benchmarks.{module}:{name}"),
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
    """Run wrk with a script and a number of clients against a server."""
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
        find(r"\n +50%\s+(\S+)"),
        find(r"\n +99%\s+(\S+)"),
        refused,
        int(find(r"Socket errors: .* read (\d+)")) + int(find(r"Socket errors: .* timeout (\d+)")),
    )


async def drain(url: str) -> None:
    """Wait until the servers are idle, and cancel what PostgreSQL executes for a long time."""
    for _ in range(MAX_DRAINS):
        if wait_until_idle():
            return
        # A baseline may have queued requests: it executes their statements next.
        if not url.startswith("sqlite"):
            await cancel_statements(url)


def wait_until_idle() -> bool:
    """Wait some seconds until the servers have processed the requests that wrk did not wait for.

    Returns whether they have.
    """
    started = time.monotonic()
    while time.monotonic() - started < MAX_DRAIN_SECONDS:
        before = processor_seconds()
        time.sleep(IDLE_SECONDS)
        if processor_seconds() - before < IDLE_SECONDS / 20:
            return True
    return False


async def cancel_statements(url: str) -> None:
    """Cancel the statements that PostgreSQL executes: a baseline's may take minutes."""
    connection: Any = await asyncpg.connect(url)
    await connection.execute(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
        " WHERE state = 'active' AND pid <> pg_backend_pid()"
    )
    await connection.close()


def processor_seconds() -> float:
    """Return the processor time of the servers and of all PostgreSQL processes."""
    servers = set(psutil.Process().children(recursive=True))
    databases = {each for each in psutil.process_iter(["name"]) if each.info["name"] == "postgres"}
    total = 0.0
    for process in servers | databases:
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:2])
    return total


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
            throughput(results, cell, PRODUCT, clients) / middle
            if server != PRODUCT and middle
            else ""
        ),
    }


def resident_memory(pid: int) -> str:
    """Return the resident memory of a process."""
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return f"{int(kilobytes) / 1024:.0f} MiB"
