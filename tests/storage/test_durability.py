"""Durability of loads by several writers, on a full disk, and after `kill -9`."""

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics_graphql.core.errors import Unavailable
from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.database_sessions import DatabaseSessionStore
from metrics_graphql.storage.repository import open_storage
from metrics_graphql.storage.session_store import Deletion
from tests.conftest import Gateway, inconsistencies, only_sqlite
from tests.packages import run
from tests.serving import served

KILLS = int(os.environ.get("METRICS_TEST_KILLS", "2"))
"""How often a load is killed; `scripts/crash-test` does it a hundred times."""
BATCH_SIZE = DatabaseSessionStore.batch_size


def random_rows(count: int, *, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield rows of 30 days as they are in files, with few users and playbooks."""
    rng = random.Random(seed)  # noqa: S311 - test data
    for number in range(count):
        yield {
            "session_id": f"s{number}",
            "created_at": 1_735_689_600 + rng.randrange(30 * 86_400),
            "origin": rng.choice(["slack", "api", "cli"]),
            "session_size": rng.choice(["xs", "m", "xl"]),
            "user_id": f"user-{rng.randrange(50)}",
            "playbook_id": rng.choice([None, "playbook-1", "playbook-2"]),
            "acus_consumed": rng.randrange(100) / 8,
            "merged_pr_count": rng.randrange(2),
            "open_pr_count": rng.randrange(3),
        }


def random_updates(count: int, rng: random.Random, ids: int) -> list[SessionUpdate]:
    """Return updates of a few sessions, which those of other writers overlap."""
    return [
        SessionUpdate(
            "org-1",
            f"s{rng.randrange(ids)}",
            {
                "created_at": rng.randrange(10 * 86_400),
                "size": rng.choice(["s", "l"]),
                "user_id": f"user-{rng.randrange(5)}",
                "origin": rng.choice(["api", "cli"]),
                "pr_count": rng.randrange(3),
            },
        )
        for _ in range(count)
    ]


def test_concurrent_stores_all_succeed(gateway: Gateway) -> None:
    """Each has its own connections, and the roll-ups equal a recount."""

    async def upsert(seed: int) -> int:
        rng, updates = random.Random(seed), 0  # noqa: S311 - test data
        async with open_storage(gateway.database_url) as storage:
            for _ in range(10):
                batch = random_updates(50, rng, 200)
                async with storage.sessions.transaction() as upsert:
                    result = await upsert(batch)
                updates += result.inserted + result.updated + result.unchanged
        return updates

    async def upsert_concurrently() -> list[int]:
        return await asyncio.gather(*(upsert(seed) for seed in range(8)))

    assert gateway.run(upsert_concurrently()) == [500] * 8
    assert inconsistencies(gateway) == []


@only_sqlite
def test_a_full_disk_keeps_acknowledged_batches(gateway: Gateway) -> None:
    """The error has the reason, reads go on, and a load succeeds when there is space again."""
    updates = [SessionUpdate("org-1", f"s{n}", {"created_at": n}) for n in range(20_000)]
    sessions = gateway.storage.sessions
    acknowledged = 0

    async def limit_pages(limit: str) -> None:
        async with gateway.database.transaction() as connection:
            await connection.exec_driver_sql(f"PRAGMA max_page_count = {limit}")

    async def load() -> None:
        nonlocal acknowledged
        for start in range(0, len(updates), BATCH_SIZE):
            async with sessions.transaction() as upsert:
                result = await upsert(updates[start : start + BATCH_SIZE])
            acknowledged += result.inserted

    async def fill() -> None:
        async with gateway.database.connect() as connection:
            pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
        await limit_pages(str(pages + 200))
        await load()

    with pytest.raises(Unavailable) as failed:
        gateway.run(fill())
    assert "full" in str(failed.value.__cause__)
    assert acknowledged > 0
    assert gateway.run(count_sessions(gateway.database)) == acknowledged
    assert inconsistencies(gateway) == []

    gateway.run(limit_pages("1000000"))
    gateway.run(load())
    assert gateway.run(count_sessions(gateway.database)) == 20_000
    assert inconsistencies(gateway) == []


async def count_sessions(database: Database) -> int:
    """Return the number of stored sessions."""
    async with database.connect() as connection:
        return int((await connection.exec_driver_sql("SELECT count(*) FROM sessions")).scalar_one())


@only_sqlite
def test_a_killed_load_leaves_complete_batches_and_is_resumed(
    gateway: Gateway, tmp_path: Path
) -> None:
    """After `kill -9` at random times, acknowledged batches are stored, and no batch in part.

    A batch is acknowledged when its line is in the log. A load that runs to its end then has the
    counts of one that was not interrupted.
    """
    rows = list(random_rows(BATCH_SIZE * 3))
    path = tmp_path / "sessions.ndjson"
    path.write_text("\n".join(map(json.dumps, rows)))
    command = [sys.executable, "-m", "metrics_graphql", "load", str(path), "--org", "org-1"]
    environment = {
        **os.environ,
        "METRICS_DATABASE_URL": gateway.database_url,
        "METRICS_LOG_LEVEL": "debug",
    }
    rng = random.Random(KILLS)  # noqa: S311 - delays
    for _ in range(KILLS):
        if gateway.run(count_sessions(gateway.database)) == len(rows):
            # The next load needs work to do.
            gateway.run(gateway.storage.sessions.delete(Deletion("org-1")))
        acknowledged = kill_load(command, environment, delay=rng.uniform(0, 1.5))
        stored = gateway.run(count_sessions(gateway.database))
        assert stored % BATCH_SIZE == 0
        assert stored >= acknowledged
        assert inconsistencies(gateway) == []

    run(*command, env=environment)
    assert gateway.run(count_sessions(gateway.database)) == len(rows)
    assert inconsistencies(gateway) == []
    token = gateway.token("org-1")
    response = gateway.rest("org-1", token, time_after=0, time_before=2**40).json()
    assert response["sessions_created_count"] == len(rows)
    assert response["sessions_with_merged_prs_count"] == sum(row["merged_pr_count"] for row in rows)
    assert response["avg_acus_per_session"] == sum(row["acus_consumed"] for row in rows) / len(rows)


LOAD_IN_SMALL_BATCHES = """
import sys
from metrics_graphql.cli import app
from metrics_graphql.storage.clickhouse.session_store import ClickHouseSessionStore
ClickHouseSessionStore.batch_size = int(sys.argv[1])
app(["load", sys.argv[2], "--org", "org-1"])
"""
COUNT_IN_CLICKHOUSE = """
import asyncio, sys
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
async def count():
    async with ClickHouseClient(sys.argv[1]) as client:
        sessions = "FROM facts WHERE scope = -1 AND playbook_id = '" + sys.argv[2] + "'"
        print((await client.execute("SELECT sum(n) " + sessions))[0][0])
asyncio.run(count())
"""


@only_sqlite
def test_a_killed_load_into_clickhouse_leaves_complete_batches_and_is_resumed(
    gateway: Gateway, tmp_path: Path
) -> None:
    """ClickHouse is killed, too, because it runs in the process of the load.

    The first round has new sessions, and each later one changes the playbook of all of them.
    """
    batch_size, rows = 1_000, list(random_rows(6_000))
    path = tmp_path / "sessions.ndjson"
    url = f"clickhousedb:///default?interface=chdb&path={tmp_path / 'clickhouse'}"
    load = [sys.executable, "-c", LOAD_IN_SMALL_BATCHES, str(batch_size), str(path)]
    count = [sys.executable, "-c", COUNT_IN_CLICKHOUSE, url]
    verify = [sys.executable, "-m", "metrics_graphql", "verify"]
    environment = {
        **os.environ,
        "METRICS_DATABASE_URL": gateway.database_url,
        "METRICS_SESSIONS_URL": url,
        "METRICS_LOG_LEVEL": "debug",
    }
    kills = (KILLS + 1) // 2
    rng = random.Random(kills)  # noqa: S311 - delays
    for number in range(kills):
        playbook_id = f"round-{number}"
        rows = [{**row, "playbook_id": playbook_id} for row in rows]
        path.write_text("\n".join(map(json.dumps, rows)))
        acknowledged = kill_load(load, environment, delay=rng.uniform(0, 1))
        stored = int(run(*count, playbook_id, env=environment))
        assert stored % batch_size == 0
        assert stored >= acknowledged
        run(*verify, env=environment)

    run(*load, env=environment)
    run(*verify, env=environment)
    with served(gateway.database_url, tmp_path / "log", sessions_url=url) as server:
        response = httpx.get(
            f"{server.url}/v3/organizations/org-1/metrics/sessions",
            params={"time_after": 0, "time_before": 2**40},
            headers={"Authorization": f"Bearer {gateway.token('org-1')}"},
            timeout=60,
        ).json()
    assert response["sessions_created_count"] == len(rows)
    assert response["sessions_created_with_playbook_count"] == len(rows)
    assert response["sessions_with_merged_prs_count"] == sum(row["merged_pr_count"] for row in rows)


def kill_load(command: list[str], environment: dict[str, str], delay: float) -> int:
    """Kill a load some seconds after its first batch; return the number of acknowledged rows."""
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as load:
        assert load.stderr is not None
        lines = iter(load.stderr.readline, "")
        committed = [line for line in [next((x for x in lines if "committed" in x), "")] if line]
        time.sleep(delay)
        load.send_signal(signal.SIGKILL)
        committed += [line for line in lines if "committed" in line]
    return int(re.findall(r"committed (\d+) rows", committed[-1])[0]) if committed else 0
