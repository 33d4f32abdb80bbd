"""Tables of every earlier schema are upgraded with what is in them, under the version before."""

import asyncio
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.store.engine import Database
from metrics_graphql.store.migrate import MIGRATIONS, REVISIONS
from metrics_graphql.store.verification import chunks_of, rebuild
from tests import oracle
from tests.conftest import Gateway, differences
from tests.engines import Engine, PostgreSQLServer
from tests.serving import Server, served
from tests.strategies import BASE, DAY, ORIGINS, PLAYBOOKS, SERVICE_USERS, SIZES, USERS

ROOT = Path(__file__).parents[2]
QUESTIONS: list[dict[str, Any]] = [
    {"time_after": 0, "time_before": 2**40},
    {"time_after": BASE + 12_345, "time_before": BASE + 40 * DAY + 54_321},
    {"time_after": BASE + DAY + 1, "time_before": BASE + 50 * DAY, "user_ids": ["email|aa"]},
    {"time_after": BASE + DAY - 1, "time_before": BASE + 9 * DAY, "playbook_id": "playbook-1"},
    {"time_after": BASE, "time_before": BASE + DAY, "service_user_ids": ["service-1"]},
]

earlier = pytest.mark.parametrize("revision", REVISIONS[:-1])


def some_sessions(count: int) -> Iterator[oracle.Row]:
    """Yield sessions of 60 days."""
    chance = Random(7)  # noqa: S311 - data
    for number in range(count):
        yield {
            "org_id": "org-1",
            "session_id": f"s{number}",
            "created_at": BASE + chance.randrange(60 * DAY),
            "origin": chance.choice(ORIGINS),
            "size": chance.choice(SIZES),
            "user_id": chance.choice(USERS),
            "service_user_id": chance.choice(SERVICE_USERS),
            "playbook_id": chance.choice(PLAYBOOKS),
            "used_search": chance.random() < 0.3,
            "has_merged_pr": chance.random() < 0.5,
            "acus": chance.randrange(10**7),
        }


def empty_database(engine: Engine, folder: Path) -> str:
    """Return the URL of a database without tables."""
    if isinstance(engine, PostgreSQLServer):
        return engine.new_database(folder, template="template0")
    return engine.new_database(folder)


async def fill(url: str, revision: str, rows: list[oracle.Row]) -> None:
    """Make the tables of a revision, and store sessions there as its version did."""
    async with Database(url) as database:
        database.create()
        async with database.writing(alone=True) as connection:
            await connection.run_sync(make_tables, revision)
            await connection.run_sync(insert, rows)
            if revision > "0001":
                await roll_up(connection, database, has_quarters=revision > "0002")


def make_tables(connection: sa.Connection, revision: str) -> None:
    """Upgrade nothing to a revision."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    command.upgrade(config, revision)


def insert(connection: sa.Connection, rows: list[oracle.Row]) -> None:
    """Insert sessions into tables as they are found."""
    tables = sa.MetaData()
    tables.reflect(connection)
    connection.execute(sa.insert(tables.tables["organizations"]), [{"org_id": "org-1"}])
    connection.execute(sa.insert(tables.tables["sessions"]), rows)


async def roll_up(connection: AsyncConnection, database: Database, *, has_quarters: bool) -> None:
    """Store the roll-ups that a version kept; the first of them had none of quarter hours."""
    for chunk in await chunks_of(connection):
        await rebuild(connection, database.dialect, chunk)
    if not has_quarters:
        await connection.execute(sa.text("DELETE FROM rollups WHERE grain = 900"))


@contextmanager
def upgraded(url: str) -> Generator[Gateway]:
    """Lend a gateway of this version, which upgrades when it starts."""
    with asyncio.Runner() as runner:
        gateway = Gateway(runner, url)
        gateway.run(gateway.start())
        yield gateway
        gateway.run(gateway.stop())


def check(gateway: Gateway, rows: list[oracle.Row]) -> None:
    """Check that every answer is the oracle's, and that a recount finds nothing."""
    token = gateway.token("org-1")
    for question in QUESTIONS:
        answer = gateway.rest("org-1", token, **question)
        assert answer.json() == oracle.rest(rows, "org-1", **question)
    assert differences(gateway) == []


@earlier
def test_what_is_stored_in_an_earlier_schema_is_answered_after_an_upgrade(
    engine: Engine, tmp_path: Path, revision: str
) -> None:
    """As if it had been loaded today."""
    rows = list(some_sessions(2_000))
    url = empty_database(engine, tmp_path)
    asyncio.run(fill(url, revision, rows))

    with upgraded(url) as gateway:
        check(gateway, rows)


@earlier
def test_a_server_of_an_earlier_version_answers_until_it_is_ended(
    engine: Engine, tmp_path: Path, revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, while and after its tables are upgraded; what would write with it is refused then.

    The version is the last one before the next schema, from the history of the repository.
    """
    older = source_of(revision, tmp_path)
    knows = (older / "metrics_graphql/store/dialects/postgresql.py").exists()
    if engine.name == "postgresql" and not knows:
        pytest.skip(f"the version of schema {revision} did not know PostgreSQL")
    rows = list(some_sessions(3_000))
    file = write_file(tmp_path, rows)
    url = empty_database(engine, tmp_path)
    monkeypatch.setenv("METRICS_DATABASE_URL", url)
    newer = dict(os.environ)
    monkeypatch.setenv("PYTHONPATH", str(older))
    run("load", str(file), "--org", "org-1")
    token = run("service-user", "create", "test", "--org", "org-1").splitlines()[-1]

    with served(url, tmp_path / "log", rate_limit="1000000/minute") as server:
        with asking(server, token, rows) as wrong:
            run("migrate", environment=newer)
        with pytest.raises(subprocess.CalledProcessError):
            run("load", str(file), "--org", "org-2")
        with asking(server, token, rows) as wrong_after:
            pass

    assert wrong + wrong_after == []
    with upgraded(url) as gateway:
        check(gateway, rows)


def write_file(folder: Path, rows: list[oracle.Row]) -> Path:
    """Write sessions as `load` takes them."""
    path = folder / "sessions.ndjson"
    with path.open("w") as file:
        for row in rows:
            known = {name: value for name, value in row.items() if name != "org_id"}
            known["acus_consumed"] = known.pop("acus") / 1_000_000
            merged = [{"pr_url": "https://pr", "pr_state": "merged"}]
            known["pull_requests"] = merged if known.pop("has_merged_pr") else []
            file.write(json.dumps(known) + "\n")
    return path


def run(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run the program that the environment names; return what it prints."""
    return subprocess.run(
        [sys.executable, "-m", "metrics_graphql", *arguments],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@contextmanager
def asking(server: Server, token: str, rows: list[oracle.Row]) -> Generator[list[str]]:
    """Ask a server again and again during the block, all questions after it, too.

    Yield a list of the answers that are wrong.
    """
    wrong: list[str] = []
    ended = threading.Event()
    expected = [oracle.rest(rows, "org-1", **question) for question in QUESTIONS]
    path = f"{server.url}/v3/organizations/org-1/metrics/sessions"

    def ask() -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
            while True:
                is_last = ended.is_set()
                for question, right in zip(QUESTIONS, expected, strict=True):
                    answer = client.get(path, params=question)
                    if answer.status_code != httpx.codes.OK or answer.json() != right:
                        wrong.append(f"{question}: {answer.status_code} {answer.text}")
                if is_last:
                    return

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield wrong
    finally:
        ended.set()
        thread.join()


def source_of(revision: str, folder: Path) -> Path:
    """Return the sources of the last version of a schema, as the history has them.

    Where there is none, as in a source distribution, the test is skipped.
    """
    following = REVISIONS[REVISIONS.index(revision) + 1]
    pattern = f"src/metrics_graphql/store/migrations/versions/{following}_*.py"
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("there is no history to take an earlier version from")
    added = git("log", "--diff-filter=A", "--format=%H^", "--", pattern).decode().split()
    archive = git("archive", added[-1], "src") if added else b""
    if not archive:
        pytest.skip(f"the history does not go back to schema {revision}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder / "older", filter="data")
    return folder / "older/src"


def git(*arguments: str) -> bytes:
    """Return what git prints; nothing where it fails, as it does before the first commit it has."""
    return subprocess.run(
        ["git", *arguments],  # noqa: S607 - any git
        cwd=ROOT,
        check=False,
        capture_output=True,
    ).stdout
