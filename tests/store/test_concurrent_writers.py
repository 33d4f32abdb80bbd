"""Several processes write sessions that overlap, at the same time."""

import asyncio
import multiprocessing
import os
import time
from multiprocessing.synchronize import Barrier
from random import Random
from typing import Any

from metrics_graphql.domain.sessions import SessionUpdate
from metrics_graphql.store.engine import Database
from metrics_graphql.store.ingest import write_sessions
from tests.conftest import Gateway, differences

PROCESSES = 8
SECONDS = float(os.environ.get("METRICS_TEST_WRITERS_SECONDS", "4"))
"""How long they write; `scripts/writers` lets them go on for a minute, or as long as you like."""
SESSIONS, ORGANIZATIONS, BATCH = 2_000, 3, 120


def some_updates(chance: Random) -> list[SessionUpdate]:
    """Return changes to some of the sessions: all of a process's batches are of the same few."""
    return [
        SessionUpdate(
            f"org-{chance.randrange(ORGANIZATIONS)}",
            f"s{chance.randrange(SESSIONS)}",
            {
                "created_at": chance.randrange(0, 90 * 86_400),
                "origin": chance.choice(["slack", "api", "cli"]),
                "size": chance.choice(["s", "xl", None]),
                "user_id": f"user-{chance.randrange(20)}",
                "playbook_id": chance.choice(["p", "q", None]),
                "has_merged_pr": chance.random() < 0.5,
                "acus": chance.randrange(10**7),
            },
        )
        for _ in range(BATCH)
    ]


def write(url: str, seed: int, together: Barrier, results: Any) -> None:  # noqa: ANN401 - a queue
    """Write batches once all processes do; report how many, or what went wrong."""

    async def batches() -> int:
        chance, written = Random(seed), 0  # noqa: S311 - data
        until = time.monotonic() + SECONDS
        async with Database(url) as database:
            while time.monotonic() < until:
                async with database.writing() as connection:
                    await write_sessions(connection, database.dialect, some_updates(chance))
                written += 1
        return written

    together.wait()
    try:
        results.put(asyncio.run(batches()))
    except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
        results.put(repr(error.__cause__ or error))


async def stored_sessions(database: Database) -> int:
    """Return how many sessions there are."""
    async with database.reading() as connection:
        return int((await connection.exec_driver_sql("SELECT count(*) FROM sessions")).scalar_one())


def test_writers_beside_each_other_lose_nothing(gateway: Gateway) -> None:
    """None meets a deadlock, and the roll-ups are what a recount says."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    together = context.Barrier(PROCESSES)
    processes = [
        context.Process(target=write, args=(gateway.database_url, seed, together, results))
        for seed in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    batches = [results.get(timeout=SECONDS + 180) for _ in processes]
    for process in processes:
        process.join()

    assert [each for each in batches if not isinstance(each, int)] == []
    assert sum(batches) >= PROCESSES
    assert differences(gateway) == []
    token = gateway.token()
    counted = sum(
        gateway.rest(f"org-{number}", token, time_after=0, time_before=2**40).json()[
            "sessions_created_count"
        ]
        for number in range(ORGANIZATIONS)
    )
    assert counted == gateway.run(stored_sessions(gateway.database))
    print(f"{sum(batches)} batches of {BATCH} by {PROCESSES} processes: {batches}")  # noqa: T201 - for whoever asks for it with -s
