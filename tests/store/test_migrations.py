"""Migrations make the tables that the code expects."""

import asyncio
import sqlite3
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from metrics_graphql.store.engine import Database
from metrics_graphql.store.migrate import migrate
from metrics_graphql.store.tables import metadata
from tests.conftest import Gateway


def test_migrated_tables_are_the_declared_ones(gateway: Gateway) -> None:
    """Alembic finds no difference between a migrated database and `tables.py`."""

    def compare(connection: sa.Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async def differences() -> list[object]:
        async with gateway.database.reading() as connection:
            return await connection.run_sync(compare)

    assert gateway.run(differences()) == []


def test_sessions_are_clustered_by_time(gateway: Gateway) -> None:
    """The comparison above does not see WITHOUT ROWID, so the table's own SQL is asked."""
    path = gateway.database_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        (sql,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'sessions'"
        ).fetchone()
    connection.close()

    assert sql.rstrip().endswith("WITHOUT ROWID")


def test_migrating_at_the_same_time_is_migrating_once(tmp_path: Path) -> None:
    """Eight that start together all end well, and the tables are there."""
    url = f"sqlite:///{tmp_path / 'metrics.db'}"

    async def one() -> None:
        async with Database(url) as database:
            await migrate(database)

    async def all_at_once() -> None:
        await asyncio.gather(*(one() for _ in range(8)))

    asyncio.run(all_at_once())
    with sqlite3.connect(tmp_path / "metrics.db") as connection:
        assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
    connection.close()
