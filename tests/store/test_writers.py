"""Writers that are many, that are killed, or that have no room: nothing acknowledged is lost."""

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

import pytest

from metrics_graphql.domain.sessions import SessionUpdate
from metrics_graphql.errors import Unavailable
from metrics_graphql.loading.formats import Parsed
from metrics_graphql.loading.load import Load
from metrics_graphql.store.engine import Database
from metrics_graphql.store.store import DATABASE_BLOCK, open_store
from tests.conftest import Gateway, differences, only_sqlite

KILLS = int(os.environ.get("METRICS_TEST_KILLS", "4"))
"""How often a load is killed; `scripts/kills` does it a hundred times."""


def made_up(count: int, *, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield rows as files have them, of 30 days, with collisions of users and playbooks."""
    chance = random.Random(seed)  # noqa: S311 - data
    for number in range(count):
        yield {
            "session_id": f"s{number}",
            "created_at": 1_735_689_600 + chance.randrange(30 * 86_400),
            "origin": chance.choice(["slack", "api", "cli"]),
            "session_size": chance.choice(["xs", "m", "xl"]),
            "user_id": f"user-{chance.randrange(50)}",
            "playbook_id": chance.choice([None, "playbook-1", "playbook-2"]),
            "acus_consumed": chance.randrange(100) / 8,
            "merged_pr_count": chance.randrange(2),
        }


def updates(count: int, seed: int, ids: int) -> Iterator[Parsed]:
    """Yield updates of sessions out of a few, so that writers meet."""
    chance = random.Random(seed)  # noqa: S311 - data
    for _ in range(count):
        values = {
            "created_at": chance.randrange(10 * 86_400),
            "size": chance.choice(["s", "l"]),
            "user_id": f"user-{chance.randrange(5)}",
        }
        yield Parsed("", SessionUpdate("org-1", f"s{chance.randrange(ids)}", values))


def test_eight_writers_at_once_all_end_well(gateway: Gateway) -> None:
    """Each has its own connections; none fails, and the roll-ups are a recount."""

    async def write(seed: int) -> int:
        async with open_store(gateway.database_url) as store:
            load = Load(store)
            for _ in range(10):
                await load.run(updates(50, seed, 200))
            return load.summary.read

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(write(seed) for seed in range(8)))

    assert gateway.run(all_of_them()) == [500] * 8
    assert differences(gateway) == []


@only_sqlite
def test_a_full_disk_keeps_what_was_acknowledged(gateway: Gateway) -> None:
    """The error says why; reads go on; and once there is room, loading goes on too."""
    acknowledged = 0
    load = Load(gateway.store)

    async def fill() -> None:
        nonlocal acknowledged

        def acknowledge() -> None:
            nonlocal acknowledged
            acknowledged = load.summary.inserted

        async with gateway.database.writing() as connection:
            pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
            await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 400}")
        limited = Load(gateway.store, on_batch=acknowledge, summary=load.summary)
        rows = [
            Parsed("", SessionUpdate("org-1", f"s{n}", {"created_at": n})) for n in range(20_000)
        ]
        await limited.run(rows)

    with pytest.raises(Unavailable) as failed:
        gateway.run(fill())
    assert "full" in str(failed.value.__cause__)
    assert acknowledged > 0
    stored = gateway.run(count_sessions(gateway.database))
    assert stored == acknowledged
    assert differences(gateway) == []

    async def make_room_and_go_on() -> None:
        async with gateway.database.writing() as connection:
            await connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        await Load(gateway.store).run(
            Parsed("", SessionUpdate("org-1", f"s{n}", {"created_at": n})) for n in range(20_000)
        )

    gateway.run(make_room_and_go_on())
    assert gateway.run(count_sessions(gateway.database)) == 20_000
    assert differences(gateway) == []


async def count_sessions(database: Database) -> int:
    """Return how many sessions are stored."""
    async with database.reading() as connection:
        return int((await connection.exec_driver_sql("SELECT count(*) FROM sessions")).scalar_one())


def test_a_killed_load_leaves_whole_batches_and_is_resumed_by_running_it_again(
    gateway: Gateway, tmp_path: Path
) -> None:
    """After kill -9 at random moments: what was acknowledged is there, and nothing in part.

    A batch is acknowledged when its line is in the log. In the end the counts are those of a load
    that nobody disturbed.
    """
    rows = list(made_up(DATABASE_BLOCK * 12))
    path = tmp_path / "sessions.ndjson"
    path.write_text("\n".join(map(json.dumps, rows)))
    command = [sys.executable, "-m", "metrics_graphql", "load", str(path), "--org", "org-1"]
    environment = {
        **os.environ,
        "METRICS_DATABASE_URL": gateway.database_url,
        "METRICS_LOG_LEVEL": "debug",
    }
    chance = random.Random(KILLS)  # noqa: S311 - moments
    for _ in range(KILLS):
        before = gateway.run(count_sessions(gateway.database))
        if before == len(rows):
            forget(gateway)
        acknowledged = killed_load(command, environment, after=chance.uniform(0, 1.5))
        stored = gateway.run(count_sessions(gateway.database))
        assert stored % DATABASE_BLOCK == 0
        assert stored >= acknowledged
        assert differences(gateway) == []

    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert gateway.run(count_sessions(gateway.database)) == len(rows)
    assert differences(gateway) == []
    token = gateway.token("org-1")
    answer = gateway.rest("org-1", token, time_after=0, time_before=2**40).json()
    assert answer["sessions_created_count"] == len(rows)
    assert answer["sessions_with_merged_prs_count"] == sum(row["merged_pr_count"] for row in rows)
    assert answer["avg_acus_per_session"] == sum(row["acus_consumed"] for row in rows) / len(rows)


def killed_load(command: list[str], environment: dict[str, str], after: float) -> int:
    """Kill a load some seconds after its first batch; return how many rows it acknowledged."""
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as load:
        assert load.stderr is not None
        lines = iter(load.stderr.readline, "")
        committed = [line for line in [next((x for x in lines if "committed" in x), "")] if line]
        time.sleep(after)
        load.send_signal(signal.SIGKILL)
        committed += [line for line in lines if "committed" in line]
    return int(re.findall(r"committed (\d+) rows", committed[-1])[0]) if committed else 0


def forget(gateway: Gateway) -> None:
    """Remove every session and roll-up, for the next load to have something to do."""

    async def delete() -> None:
        async with gateway.database.writing() as connection:
            await connection.exec_driver_sql("DELETE FROM sessions")
            await connection.exec_driver_sql("DELETE FROM rollups")

    gateway.run(delete())
