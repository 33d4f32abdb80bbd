"""Latency of a repeated dashboard while another process loads sessions into its organization."""

import asyncio
import multiprocessing
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any, Final

import uvloop

from metrics_graphql.core.periods import DAY
from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.ingest import upsert_sessions
from scripts.benchmarks.dataset import ORG, START, YEAR, sessions
from scripts.benchmarks.http_requests import DASHBOARD, MEASURES, body_of
from scripts.benchmarks.load import full_update
from scripts.benchmarks.load_generator import LoadGenerator, percentile
from scripts.benchmarks.served_dataset import served_dataset

Row = dict[str, Any]
SECONDS: Final = 15.0
CLIENTS: Final = 4
BATCH_SIZE: Final = 1_000
BATCHES_PER_SECOND: Final = (0, 1, 5)
PERIOD: Final = {"timeAfter": START + YEAR - 30 * DAY + 1_234, "timeBefore": START + YEAR - 1_234}


async def measure(folder: Path, url: str, size: int) -> list[Row]:
    """Return a row for each rate of batches, all on one server. Adds sessions to the database."""
    body = body_of(DASHBOARD + MEASURES, {"org": ORG, "filters": PERIOD}).encode()
    rows = []
    async with served_dataset(folder, url, size) as (port, token):
        generator = LoadGenerator(port, token, lambda _number: body)
        await generator.closed_loop(CLIENTS, 1)
        for per_second in BATCHES_PER_SECOND:
            with loading(url, per_second):
                responses = await generator.closed_loop(CLIENTS, SECONDS)
            latencies = responses.latencies(200)
            rows.append(
                {
                    "batches/s": per_second,
                    "requests/s": responses.goodput,
                    "p50 ms": percentile(latencies, 50),
                    "p99 ms": percentile(latencies, 99),
                    "slowest ms": max(latencies) * 1_000,
                    "other statuses": len(responses.received) - len(latencies),
                }
            )
        generator.close()
    return rows


@contextmanager
def loading(url: str, per_second: int) -> Generator[None]:
    """Run a process that loads batches at a rate, until the block ends."""
    if per_second == 0:
        yield
        return
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=load_batches, args=(url, per_second))
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def load_batches(url: str, per_second: int) -> None:
    """Load batches of new sessions of the period, at a rate, until the process is terminated."""
    uvloop.run(_load_batches(url, per_second))


async def _load_batches(url: str, per_second: int) -> None:
    rng = Random(per_second)  # noqa: S311 - synthetic data
    templates = list(islice(sessions(1_000_000), BATCH_SIZE))
    run, started = uuid.uuid4().hex, time.monotonic()
    async with Database(url) as database:
        for number in count():
            await asyncio.sleep(max(0.0, started + number / per_second - time.monotonic()))
            batch = [
                renamed(full_update(each), f"{run}-{number}-{each.session_id}", rng)
                for each in templates
            ]
            async with database.transaction() as connection:
                await upsert_sessions(connection, database.dialect, batch)


def renamed(update: SessionUpdate, session_id: str, rng: Random) -> SessionUpdate:
    """Return the same with another id, created at a random time of the period."""
    created_at = rng.randrange(PERIOD["timeAfter"], PERIOD["timeBefore"])
    return SessionUpdate(update.org_id, session_id, {**update.values, "created_at": created_at})
