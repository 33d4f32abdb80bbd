"""Latency of a repeated dashboard while another process loads sessions into its organization."""

import asyncio
import multiprocessing
import os
import time
import uuid
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any, Final

import uvloop

from metrics_graphql.core.periods import DAY
from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.ingest import upsert_sessions
from metrics_graphql.storage.service_users import create_service_user
from scripts.benchmarks.dataset import ORG, START, YEAR, ensure_filled, sessions
from scripts.benchmarks.http_requests import DASHBOARD, MEASURES, body_of
from scripts.benchmarks.load import full_update
from scripts.benchmarks.load_generator import LoadGenerator, percentile
from tests.serving import served

Row = dict[str, Any]
SECONDS: Final = 15.0
CLIENTS: Final = 4
BATCH_SIZE: Final = 1_000
BATCHES_PER_SECOND: Final = (0, 1, 5)
PERIOD: Final = {"timeAfter": START + YEAR - 30 * DAY + 1_234, "timeBefore": START + YEAR - 1_234}


async def measure(folder: Path, url: str, size: int) -> list[Row]:
    """Return a row for each rate of batches, all on one server."""
    async with Database(url) as database:
        await ensure_filled(database, size)
        token = (await create_service_user(database, "repeated", tenant=ORG)).token
    server_core, client_core = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {server_core})
    body = body_of(DASHBOARD + MEASURES, {"org": ORG, "filters": PERIOD}).encode()
    rows = []
    with served(url, folder / "repeated.log", rate_limit="none") as server:
        os.sched_setaffinity(0, {client_core})
        generator = LoadGenerator(server.port, token, lambda _number: body)
        await generator.closed_loop(CLIENTS, 1)
        for per_second in BATCHES_PER_SECOND:
            loader = multiprocessing.get_context("spawn").Process(
                target=load_batches, args=(url, per_second)
            )
            if per_second:
                loader.start()
            responses = await generator.closed_loop(CLIENTS, SECONDS)
            if per_second:
                loader.terminate()
                loader.join()
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
    os.sched_setaffinity(0, {server_core, client_core})
    return rows


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
