"""Upgrades from every earlier revision, also while servers of the earlier version run."""

import asyncio
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from metrics_graphql.core.periods import QUARTER_HOUR
from metrics_graphql.core.sessions import Session
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.migrations.runner import MIGRATIONS, REVISIONS
from metrics_graphql.storage.repository import open_storage
from metrics_graphql.storage.rollups import rollup_deltas
from metrics_graphql.storage.tables import rollups
from tests import oracle, strategies
from tests.conftest import Gateway, inconsistencies
from tests.engines import Engine
from tests.serving import Server, served
from tests.strategies import BASE, DAY

ROOT = Path(__file__).parents[2]
QUERIES: list[dict[str, Any]] = [
    {"time_after": 0, "time_before": 2**40},
    {"time_after": BASE + 12_345, "time_before": BASE + 40 * DAY + 54_321},
    {"time_after": BASE + DAY + 1, "time_before": BASE + 50 * DAY, "user_ids": ["email|aa"]},
    {"time_after": BASE + DAY - 1, "time_before": BASE + 9 * DAY, "playbook_ids": ["playbook-1"]},
    {"time_after": BASE, "time_before": BASE + DAY, "service_user_ids": ["service-1"]},
]
NEW_QUERIES: list[dict[str, Any]] = [
    {"time_after": BASE + 1, "time_before": BASE + 59 * DAY, "origins": ["automation", "other"]},
    {"time_after": BASE + 1, "time_before": BASE + 59 * DAY, "has_merged_pr": True, "sizes": ["m"]},
    {"time_after": BASE, "time_before": BASE + 9 * DAY, "user_ids": ["email|aa"], "sizes": ["xl"]},
]
"""Queries that earlier versions did not have."""

NO_PULL_REQUESTS = dict.fromkeys(
    ("pr_count", "open_pr_count", "merged_pr_count", "closed_pr_count"), 0
)

from_each_revision = pytest.mark.parametrize("revision", REVISIONS[:-1])
from_each_release = pytest.mark.parametrize("revision", ["0004"])
"""The revisions of released versions, each the last before a following revision."""


def sessions_without_pull_requests(count: int) -> list[oracle.Row]:
    """Return random sessions as earlier versions stored them, which had no pull requests."""
    return [{**row, **NO_PULL_REQUESTS} for row in strategies.random_sessions(count, days=60)]


async def fill(url: str, revision: str, rows: list[oracle.Row]) -> None:
    """Create the tables of a revision, and store sessions as its version did."""
    async with Database(url) as database:
        database.create()
        async with database.transaction(sessions_lock="exclusive") as connection:
            await connection.run_sync(create_tables, revision)
            await connection.run_sync(insert, rows, revision)


def create_tables(connection: sa.Connection, revision: str) -> None:
    """Create the tables of a revision."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    command.upgrade(config, revision)


def insert(connection: sa.Connection, rows: list[oracle.Row], revision: str) -> None:
    """Insert sessions and roll-ups into tables with the columns that they have."""
    tables = sa.MetaData()
    tables.reflect(connection)
    connection.execute(sa.insert(tables.tables["organizations"]), [{"org_id": "org-1"}])
    insert_values(connection, tables.tables["sessions"], rows)
    if revision > "0001":
        insert_values(connection, tables.tables["rollups"], rollups_of(rows, revision))


def insert_values(
    connection: sa.Connection, table: sa.Table, rows: Iterable[dict[str, Any]]
) -> None:
    """Insert those values of rows that a table has columns for."""
    values = [{column.name: row[column.name] for column in table.columns} for row in rows]
    connection.execute(sa.insert(table), values)


def rollups_of(rows: list[oracle.Row], revision: str) -> Iterator[dict[str, Any]]:
    """Yield the roll-ups of a version; the first ones had no quarter hours."""
    columns = rollups.columns.keys()
    for values in rollup_deltas((None, Session(**row)) for row in rows).by_id:
        row = dict(zip(columns, values, strict=True))
        if row["grain"] != QUARTER_HOUR or revision > "0002":
            yield row


@contextmanager
def upgraded(url: str) -> Generator[Gateway]:
    """Start a gateway of this version on a database that is migrated first."""

    async def migrate_storage() -> None:
        async with open_storage(url) as storage:
            await storage.migrate()

    asyncio.run(migrate_storage())
    with asyncio.Runner() as runner:
        gateway = Gateway(runner, url)
        gateway.run(gateway.start())
        yield gateway
        gateway.run(gateway.stop())


def check(gateway: Gateway, rows: list[oracle.Row]) -> None:
    """Check that every result is the oracle's, and that the roll-ups equal a recount.

    Measures of pull requests are 0, until the sessions are loaded again.
    """
    token = gateway.token("org-1")
    for query in QUERIES:
        response = gateway.rest("org-1", token, **strategies.rest_parameters({}, query))
        assert response.json() == oracle.rest(rows, "org-1", **query)
    selection = strategies.ALL_SELECTED
    for query in QUERIES + NEW_QUERIES:
        filters = strategies.graphql_filters(query, {})
        metrics = gateway.metrics(selection, "org-1", token, filters)
        assert metrics == oracle.graphql(rows, "org-1", **query)
        assert metrics["prsCreatedCount"] == metrics["prsMergedCount"] == 0
    assert inconsistencies(gateway) == []
    reloaded = [
        {**row, "pr_count": 3, "merged_pr_count": 2, "open_pr_count": 1} for row in rows[:100]
    ]
    gateway.load(reloaded)
    for query in QUERIES + NEW_QUERIES:
        filters = strategies.graphql_filters(query, {})
        metrics = gateway.metrics(selection, "org-1", token, filters)
        assert metrics == oracle.graphql([*reloaded, *rows[100:]], "org-1", **query)
    assert inconsistencies(gateway) == []


@from_each_revision
def test_sessions_of_an_earlier_revision_are_counted_after_an_upgrade(
    engine: Engine, tmp_path: Path, revision: str
) -> None:
    """As if they had been loaded today."""
    rows = sessions_without_pull_requests(2_000)
    url = engine.new_database(tmp_path, migrated=False)
    asyncio.run(fill(url, revision, rows))

    with upgraded(url) as gateway:
        check(gateway, rows)


@from_each_release
def test_a_server_of_an_earlier_version_runs_through_an_upgrade(
    engine: Engine, tmp_path: Path, revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads before, during and after the migration; loads with its version fail after it.

    The version is the last one before the next revision, from the history of the repository.
    """
    older = source_of(revision, tmp_path)
    rows = sessions_without_pull_requests(3_000)
    file = write_file(tmp_path, rows)
    url = engine.new_database(tmp_path, migrated=False)
    monkeypatch.setenv("METRICS_DATABASE_URL", url)
    newer = dict(os.environ)
    monkeypatch.setenv("PYTHONPATH", str(older))
    run("migrate")
    run("load", str(file), "--org", "org-1")
    token = run("service-user", "create", "test", "--org", "org-1").splitlines()[-1]

    with served(url, tmp_path / "log", rate_limit="1000000/minute") as server:
        with querying(server, token, rows) as errors:
            run("migrate", environment=newer)
        with pytest.raises(subprocess.CalledProcessError):
            run("load", str(file), "--org", "org-2")
        with querying(server, token, rows) as errors_after:
            pass

    assert errors + errors_after == []
    with upgraded(url) as gateway:
        check(gateway, rows)


def write_file(folder: Path, rows: list[oracle.Row]) -> Path:
    """Write sessions in a format of `load`."""
    path = folder / "sessions.ndjson"
    with path.open("w") as file:
        for row in rows:
            session = {name: value for name, value in row.items() if name != "org_id"}
            session["acus_consumed"] = session.pop("acus") / 1_000_000
            for name in NO_PULL_REQUESTS:
                del session[name]
            merged = [{"pr_url": "https://pr", "pr_state": "merged"}]
            session["pull_requests"] = merged if session.pop("has_merged_pr") else []
            file.write(json.dumps(session) + "\n")
    return path


def run(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run a command of the version that `PYTHONPATH` names; return its output."""
    return subprocess.run(
        [sys.executable, "-m", "metrics_graphql", *arguments],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@contextmanager
def querying(server: Server, token: str, rows: list[oracle.Row]) -> Generator[list[str]]:
    """Send all queries to a server repeatedly during the block, and once after it.

    Yields a list of the responses that are wrong.
    """
    errors: list[str] = []
    ended = threading.Event()
    expected = [oracle.rest(rows, "org-1", **query) for query in QUERIES]
    path = f"{server.url}/v3/organizations/org-1/metrics/sessions"

    def send_queries() -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
            while True:
                is_last = ended.is_set()
                for query, body in zip(QUERIES, expected, strict=True):
                    parameters = strategies.rest_parameters({}, query)
                    response = client.get(path, params=parameters)
                    if response.status_code != httpx.codes.OK or response.json() != body:
                        errors.append(f"{query}: {response.status_code} {response.text}")
                if is_last:
                    return

    thread = threading.Thread(target=send_queries)
    thread.start()
    try:
        yield errors
    finally:
        ended.set()
        thread.join()


def source_of(revision: str, folder: Path) -> Path:
    """Return the sources of the last version with a revision, from the history.

    Without history, as in a source distribution, the test is skipped.
    """
    following = REVISIONS[REVISIONS.index(revision) + 1]
    # The package was called `store` when these revisions were added.
    patterns = [
        f"src/metrics_graphql/{package}/migrations/versions/{following}_*.py"
        for package in ("store", "storage")
    ]
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("there is no history to take an earlier version from")
    added = git("log", "--diff-filter=A", "--format=%H^", "--", *patterns).decode().split()
    archive = git("archive", added[-1], "src") if added else b""
    if not archive:
        pytest.skip(f"the history does not go back to revision {revision}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder / "older", filter="data")
    return folder / "older/src"


def git(*arguments: str) -> bytes:
    """Return the output of git; empty if it fails, as it does before the first commit."""
    return subprocess.run(
        ["git", *arguments],  # noqa: S607 - any git
        cwd=ROOT,
        check=False,
        capture_output=True,
    ).stdout
