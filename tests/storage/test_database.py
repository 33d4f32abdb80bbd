"""`Database`: URLs, errors of the engine, and connections that end."""

import asyncio
import gc
import sqlite3
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa

from metrics_graphql.core.errors import BadUserInput, Unavailable
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.migrations.runner import migrate
from metrics_graphql.storage.repository import InvalidDatabaseURL, open_storage
from metrics_graphql.storage.service_users import record_last_use, revoke_service_user
from metrics_graphql.telemetry.request_record import Statement
from tests.conftest import Gateway, only_sqlite

only_postgresql = pytest.mark.engines("postgresql")
"""For tests of a server: connections that it closes, concurrent writers."""
POSTGRES = "postgresql://user:secret"
SELECT_MISSING_COLUMN = sa.text("SELECT missing FROM sessions")


def test_errors_of_a_block_are_not_translated(gateway: Gateway) -> None:
    """A missing file that a block reads while it writes does not make the database unavailable."""

    async def fail_in_transaction() -> None:
        async with gateway.database.transaction():
            raise FileNotFoundError("rows.csv")

    with pytest.raises(FileNotFoundError, match=r"rows\.csv"):
        gateway.run(fail_in_transaction())


def test_every_read_is_observed(gateway: Gateway) -> None:
    """With its SQL and duration, also when it fails; its query plan can be read later."""
    observed: list[Statement] = []

    async def read() -> list[str]:
        async with Database(gateway.database_url, observed.append) as database:
            await database.ping()
            failing = database.dialect.compile(SELECT_MISSING_COLUMN)
            with pytest.raises(Unavailable):
                await database.fetch(failing, {})
            return await observed[0].explain()

    plan = gateway.run(read())

    assert [each.engine for each in observed] == [gateway.database.dialect.name] * 2
    assert "organizations" in observed[0].sql
    assert "organizations" in " ".join(plan)
    assert observed[0].data_source == "none"
    assert all(each.seconds > 0 for each in observed)


@pytest.fixture
def no_garbage_collection() -> Generator[None]:
    """Disable the collection of reference cycles."""
    gc.disable()
    yield
    gc.enable()


@only_sqlite
@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("steps", range(6))
def test_a_transaction_cancelled_while_it_reads_releases_its_lock(
    gateway: Gateway, steps: int
) -> None:
    """At any step of the statement, in the driver's thread or on the event loop."""

    async def read(is_reading: asyncio.Event) -> None:
        async with gateway.database.transaction() as connection:
            is_reading.set()
            await connection.execute(sa.text("VALUES (1), (2)"))
            await asyncio.sleep(60)

    async def read_and_cancel() -> asyncio.Task[None]:
        is_reading = asyncio.Event()
        task = asyncio.create_task(read(is_reading))
        await is_reading.wait()
        for _ in range(steps):
            await asyncio.sleep(0)
            time.sleep(0.005)  # noqa: ASYNC251 - only the thread of the driver continues
        task.cancel()
        await asyncio.wait([task])
        return task

    assert gateway.run(read_and_cancel()).cancelled()

    path = gateway.database_url.partition("///")[2]
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")


@only_postgresql
def test_connections_closed_by_the_server_are_replaced(gateway: Gateway) -> None:
    """The first reads after a failover succeed."""

    async def terminate_connections() -> None:
        await asyncio.gather(*(gateway.database.ping() for _ in range(4)))
        async with gateway.database.connect() as connection:
            await connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        # For the driver to receive the server's messages.
        await asyncio.sleep(0.5)
        await asyncio.gather(*(gateway.database.ping() for _ in range(4)))

    gateway.run(terminate_connections())


@only_postgresql
def test_a_connection_used_while_it_closes_is_unavailable(gateway: Gateway) -> None:
    """The driver mistakes the server's last message for the response to another statement."""
    error = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is ...")

    assert gateway.database.dialect.is_unavailable(error)


@only_postgresql
def test_a_service_user_is_revoked_during_an_exclusive_transaction(gateway: Gateway) -> None:
    """A long strict load does not keep a leaked token valid."""
    gateway.token("org-1")

    async def revoke() -> None:
        async with (
            Database(gateway.database_url) as other,
            other.transaction(sessions_lock="exclusive"),
        ):
            await asyncio.wait_for(revoke_service_user(gateway.database, "unknown"), timeout=50)

    with pytest.raises(BadUserInput, match="service_user_id is not the id"):
        gateway.run(revoke())


@pytest.mark.parametrize(
    ("url", "named"),
    [
        (f"{POSTGRES}@host/db?ssl=require", "ssl"),
        (f"{POSTGRES}@host/db?pool_size=5", "pool_size"),
        (f"{POSTGRES}@and:more@host/db", "URL"),
    ],
)
def test_an_invalid_url_is_refused_without_its_password(url: str, named: str) -> None:
    """When it is configured, before anything connects."""
    with pytest.raises(ValueError, match=named) as refused:
        Database(url)

    assert "secret" not in str(refused.value)
    assert "more" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://host/db", "mysql is not a supported database"),
        ("postgresql+psycopg2://host/db", r"postgresql\+psycopg2 is not a supported database"),
        ("nonsense", "not a supported database"),
        ("t.db", "not a supported database"),
        ("file:t.db", "not a supported database"),
        ("sqlite", "not a supported database"),
        ("sqlite:t.db", "three slashes"),
        ("sqlite:/t.db", "three slashes"),
        ("sqlite://", "three slashes"),
        ("sqlite://t.db", "three slashes"),
        ("sqlite:///", "path of a file"),
        ("sqlite:///:memory:", "path of a file"),
        ("sqlite:///file:t.db?uri=true", "no parameters"),
        ("sqlite:///file:t.db", "path of a file"),
        ("sqlite:///t.db?mode=ro", "no parameters"),
        ("sqlite:///a%20b.db", "not percent-encoded"),
        ("sqlite:///.", "is a directory"),
        ("sqlite:///nowhere/t.db", "directory .* does not exist"),
        ("sqlite:///t.db\r", "control characters"),
        ("sqlite:///t\n.db", "control characters"),
    ],
)
def test_an_unsupported_database_is_refused(url: str, reason: str) -> None:
    """Each connection to a database in memory sees another one; other engines are unsupported."""
    with pytest.raises(ValueError, match=reason):
        Database(url)


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+aiosqlite", "SQLite"])
def test_paths_of_sqlite(scheme: str, tmp_path: Path) -> None:
    """Three slashes before a relative path, four before an absolute one."""
    assert Database(f"{scheme}:///t.db").dialect.file == Path("t.db")
    assert Database(f"{scheme}:///{tmp_path}/a b#c.db").dialect.file == tmp_path / "a b#c.db"


def test_an_unsupported_url_is_refused_without_its_password() -> None:
    """The message may be logged."""
    with pytest.raises(ValueError, match=r"database") as refused:
        Database("mysql://user:hunter2@host/db")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("database_url", "sessions_url", "setting"),
    [
        ("nonsense", "", "METRICS_DATABASE_URL"),
        ("sqlite:///metrics.db", "sqlite:///metrics.db", "METRICS_SESSIONS_URL"),
    ],
)
def test_the_setting_with_an_invalid_url_is_named(
    database_url: str, sessions_url: str, setting: str
) -> None:
    """An operator sees which of the two to change."""
    with pytest.raises(InvalidDatabaseURL, match=setting):
        open_storage(database_url, sessions_url)


def test_an_unreachable_server_is_unavailable() -> None:
    """At once, and the cause does not have the password."""

    async def ping() -> None:
        async with Database(f"{POSTGRES}@127.0.0.1:1/db") as database:
            await database.ping()

    with pytest.raises(Unavailable) as failed:
        asyncio.run(ping())
    assert "secret" not in repr(failed.value.__cause__)


@only_sqlite
def test_a_missing_file_is_not_created_by_reads_and_writes(gateway: Gateway) -> None:
    """SQLite would delete the write-ahead log of the file that was moved away."""
    gateway.load([{"org_id": "org-1", "session_id": "a", "created_at": 1}])
    file = Path(gateway.database_url.removeprefix("sqlite:///"))
    moved = file.rename(file.with_name("moved.db"))

    async def use() -> None:
        async with Database(gateway.database_url) as other:
            with pytest.raises(Unavailable):
                await other.ping()
            with pytest.raises(Unavailable):
                await record_last_use(other, "unknown", 1)
            with pytest.raises(Unavailable) as failed:
                await migrate(other)
            assert "metrics.db-wal" in str(failed.value.__cause__)

    gateway.run(use())
    assert not file.exists()
    moved.rename(file)
    response = gateway.rest("org-1", gateway.token("org-1"), time_after=0, time_before=9)
    assert response.json()["sessions_created_count"] == 1
