"""Several processes upsert overlapping sessions at the same time."""

import asyncio
import multiprocessing
import os
import time
from multiprocessing.synchronize import Barrier
from random import Random
from typing import Any

from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.ingest import upsert_sessions
from tests.conftest import Gateway, inconsistencies

PROCESSES = 4
SECONDS = float(os.environ.get("METRICS_TEST_WRITERS_SECONDS", "2"))
"""The duration of the test; `scripts/concurrency-test` takes a minute, or as long as it is told."""
SESSIONS, ORGANIZATIONS, BATCH_SIZE = 2_000, 3, 120


def random_updates(random: Random) -> list[SessionUpdate]:
    """Return a batch of updates, whose sessions overlap with those of other processes."""
    return [
        SessionUpdate(
            f"org-{random.randrange(ORGANIZATIONS)}",
            f"s{random.randrange(SESSIONS)}",
            {
                "created_at": random.randrange(0, 90 * 86_400),
                "origin": random.choice(["slack", "api", "cli"]),
                "size": random.choice(["s", "xl", None]),
                "user_id": f"user-{random.randrange(20)}",
                "playbook_id": random.choice(["p", "q", None]),
                "has_merged_pr": random.random() < 0.5,
                "acus": random.randrange(10**7),
                "pr_count": random.randrange(4),
                "open_pr_count": random.randrange(2),
            },
        )
        for _ in range(BATCH_SIZE)
    ]


def upsert_batches(url: str, seed: int, start: Barrier, results: Any) -> None:  # noqa: ANN401 - a queue
    """Upsert batches from when all processes have started; report their number, or the error."""

    async def run() -> int:
        random, batches = Random(seed), 0  # noqa: S311 - test data
        end = time.monotonic() + SECONDS
        async with Database(url) as database:
            while time.monotonic() < end:
                async with database.transaction() as connection:
                    await upsert_sessions(connection, database.dialect, random_updates(random))
                batches += 1
        return batches

    start.wait()
    try:
        results.put(asyncio.run(run()))
    except Exception as error:  # noqa: BLE001 - the test reports it
        results.put(repr(error.__cause__ or error))


async def count_sessions(database: Database) -> int:
    """Return the number of stored sessions."""
    async with database.connect() as connection:
        return int((await connection.exec_driver_sql("SELECT count(*) FROM sessions")).scalar_one())


def test_concurrent_upserts_lose_nothing(gateway: Gateway) -> None:
    """No writer meets a deadlock, and the roll-ups equal a recount."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    start = context.Barrier(PROCESSES)
    processes = [
        context.Process(target=upsert_batches, args=(gateway.database_url, seed, start, results))
        for seed in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    batches = [results.get(timeout=SECONDS + 180) for _ in processes]
    for process in processes:
        process.join()

    assert [each for each in batches if not isinstance(each, int)] == []
    assert sum(batches) >= PROCESSES
    assert inconsistencies(gateway) == []
    token = gateway.token()
    counted = sum(
        gateway.rest(f"org-{number}", token, time_after=0, time_before=2**40).json()[
            "sessions_created_count"
        ]
        for number in range(ORGANIZATIONS)
    )
    assert counted == gateway.run(count_sessions(gateway.database))
    print(f"{sum(batches)} batches of {BATCH_SIZE} by {PROCESSES} processes: {batches}")  # noqa: T201 - shown with -s
