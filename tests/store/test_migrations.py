"""Migrations make the tables that the code expects."""

import asyncio
import sqlite3
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from metrics_graphql.store.engine import Database
from metrics_graphql.store.migrate import MIGRATIONS, NEWEST, migrate
from metrics_graphql.store.tables import metadata
from tests.conftest import Gateway, only_sqlite


def test_migrated_tables_are_the_declared_ones(gateway: Gateway) -> None:
    """Alembic finds no difference between a migrated database and `tables.py`."""

    def compare(connection: sa.Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async def differences() -> list[object]:
        async with gateway.database.reading() as connection:
            return await connection.run_sync(compare)

    assert gateway.run(differences()) == []


@only_sqlite
def test_sessions_are_clustered_by_time(gateway: Gateway) -> None:
    """The comparison above does not see WITHOUT ROWID, so the table's own SQL is asked."""
    path = gateway.database_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        (sql,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'sessions'"
        ).fetchone()
    connection.close()

    assert sql.rstrip().endswith("WITHOUT ROWID")


def test_the_newest_revision_is_that_of_alembic() -> None:
    """It is read off the names of the files, as most processes do without Alembic."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    assert ScriptDirectory.from_config(config).get_current_head() == NEWEST


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


def test_what_is_up_to_date_waits_for_no_writer(gateway: Gateway) -> None:
    """While one holds its transaction, a migration with nothing to do ends."""

    async def migrate_beside_a_writer() -> None:
        async with Database(gateway.database_url) as other, other.writing():
            await asyncio.wait_for(migrate(gateway.database), timeout=10)

    gateway.run(migrate_beside_a_writer())
