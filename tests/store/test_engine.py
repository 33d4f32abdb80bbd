"""A database that is open: what it makes of errors, and of connections that end."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from metrics_graphql.errors import Unavailable
from metrics_graphql.store.accounts import revoke_service_user
from metrics_graphql.store.engine import Database
from metrics_graphql.store.migrate import migrate
from tests.conftest import Gateway, only_sqlite

only_postgresql = pytest.mark.engines("postgresql")
"""For tests of what is a server's own: connections that it ends, writers beside each other."""
POSTGRES = "postgresql://user:secret"


def test_what_goes_wrong_beside_the_database_is_not_its_fault(gateway: Gateway) -> None:
    """A file that is missing while somebody writes stays a file that is missing."""

    async def write() -> None:
        async with gateway.database.writing():
            raise FileNotFoundError("rows.csv")

    with pytest.raises(FileNotFoundError, match=r"rows\.csv"):
        gateway.run(write())


@only_postgresql
def test_connections_that_ended_while_nobody_asked_are_not_used(gateway: Gateway) -> None:
    """After a failover, or a night, the first question is answered."""

    async def end_them_all() -> None:
        await asyncio.gather(*(gateway.database.ping() for _ in range(4)))
        async with gateway.database.reading() as connection:
            await connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        # Until it has been heard of.
        await asyncio.sleep(0.5)
        await asyncio.gather(*(gateway.database.ping() for _ in range(4)))

    gateway.run(end_them_all())


@only_postgresql
def test_a_connection_that_is_used_while_it_ends_is_unavailable(gateway: Gateway) -> None:
    """For a moment the driver takes the server's last word for the answer to another question."""
    error = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is ...")

    assert isinstance(error, gateway.database.dialect.driver_errors)
    assert gateway.database.dialect.is_unavailable(error)


@only_postgresql
def test_a_token_is_revoked_while_somebody_writes_alone(gateway: Gateway) -> None:
    """A long strict load does not keep a leaked token open."""
    gateway.token("org-1")

    async def revoke() -> bool:
        async with Database(gateway.database_url) as other, other.writing(alone=True):
            return await asyncio.wait_for(
                revoke_service_user(gateway.database, "nobody", 1), timeout=10
            )

    assert gateway.run(revoke()) is False


@pytest.mark.parametrize(
    ("url", "named"),
    [
        (f"{POSTGRES}@host/db?ssl=require", "ssl"),
        (f"{POSTGRES}@host/db?pool_size=5", "pool_size"),
        (f"{POSTGRES}@and:more@host/db", "URL"),
    ],
)
def test_a_url_that_can_not_be_used_is_refused_without_its_password(url: str, named: str) -> None:
    """Before anybody waits for a server."""
    with pytest.raises(ValueError, match=named) as refused:
        Database(url)

    assert "secret" not in str(refused.value)
    assert "more" not in str(refused.value)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    """And says so at once."""

    async def ping() -> None:
        async with Database(f"{POSTGRES}@127.0.0.1:1/db") as database:
            await database.ping()

    with pytest.raises(Unavailable) as failed:
        asyncio.run(ping())
    assert "secret" not in repr(failed.value.__cause__)


@only_sqlite
def test_a_file_that_was_taken_away_is_not_made_anew(gateway: Gateway) -> None:
    """Neither by who reads nor by who writes: SQLite would drop the log that waits for it."""
    gateway.load([{"org_id": "org-1", "session_id": "a", "created_at": 1}])
    file = Path(gateway.database_url.removeprefix("sqlite:///"))
    away = file.rename(file.with_name("away.db"))

    async def use() -> None:
        async with Database(gateway.database_url) as other:
            with pytest.raises(Unavailable):
                await other.ping()
            with pytest.raises(Unavailable):
                await revoke_service_user(other, "nobody", 1)
            with pytest.raises(Unavailable) as failed:
                await migrate(other)
            assert "metrics.db-wal" in str(failed.value.__cause__)

    gateway.run(use())
    assert not file.exists()
    away.rename(file)
    answer = gateway.rest("org-1", gateway.token("org-1"), time_after=0, time_before=9)
    assert answer.json()["sessions_created_count"] == 1


def test_tables_of_a_newer_version_are_left_alone(gateway: Gateway, tmp_path: Path) -> None:
    """An older program says which revision it met, and which is its own.

    Also one that began before they were upgraded, with its next batch.
    """

    async def meet_newer_tables() -> None:
        async with gateway.database.writing() as connection:
            await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        await migrate(gateway.database)

    with pytest.raises(Unavailable) as failed:
        gateway.run(meet_newer_tables())
    assert "9999" in str(failed.value.__cause__)
    with pytest.raises(Unavailable, match="not available") as failed:
        gateway.load([{"org_id": "org-1", "session_id": "a", "created_at": 1}])
    assert "9999" in str(failed.value.__cause__)
