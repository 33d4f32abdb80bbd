"""Migrations: the tables they create, schema status, and who may migrate."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from metrics_graphql.storage.database import Database
from metrics_graphql.storage.migrations.runner import HEAD, MIGRATIONS, REVISIONS, migrate
from metrics_graphql.storage.repository import open_storage
from metrics_graphql.storage.schema import SchemaMismatch, SchemaStatus
from metrics_graphql.storage.session_store import VerificationUnit
from metrics_graphql.storage.tables import metadata
from tests.conftest import Gateway, only_sqlite, set_revision
from tests.engines import Engine, PostgreSQLServer

RANKING_INDEX = "ix_rollups_org_id_scope_grain_bucket_scope_id"


def test_migrated_tables_are_the_declared_ones(gateway: Gateway) -> None:
    """Alembic finds no difference between a migrated database and `tables.py`.

    But for the index of rankings, which has three more columns on SQLite.
    """

    def compare(connection: sa.Connection) -> list[object]:
        is_sqlite = connection.dialect.name == "sqlite"
        context = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, *_: not is_sqlite or name != RANKING_INDEX},
        )
        return [
            difference
            for difference in compare_metadata(context, metadata)
            if not (is_sqlite and getattr(difference[1], "name", None) == RANKING_INDEX)
        ]

    async def differences() -> list[object]:
        async with gateway.database.connect() as connection:
            return await connection.run_sync(compare)

    assert gateway.run(differences()) == []


@only_sqlite
def test_sessions_are_clustered_by_time(gateway: Gateway) -> None:
    """Alembic does not compare WITHOUT ROWID, so the table's own SQL is checked."""
    path = gateway.database_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        (sql,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'sessions'"
        ).fetchone()
    connection.close()

    assert sql.rstrip().endswith("WITHOUT ROWID")


def test_the_head_is_that_of_alembic() -> None:
    """Without Alembic, which most processes do not import, it is read from the file names."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_concurrent_migrations_migrate_once(tmp_path: Path) -> None:
    """Eight that start at the same time all succeed."""
    url = f"sqlite:///{tmp_path / 'metrics.db'}"

    async def migrate_once() -> None:
        async with Database(url) as database:
            await migrate(database)

    async def migrate_concurrently() -> None:
        await asyncio.gather(*(migrate_once() for _ in range(8)))

    asyncio.run(migrate_concurrently())
    with sqlite3.connect(tmp_path / "metrics.db") as connection:
        assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
    connection.close()


def test_a_migration_without_work_does_not_wait_for_writers(gateway: Gateway) -> None:
    """It ends while another transaction is open."""

    async def migrate_during_a_transaction() -> None:
        async with Database(gateway.database_url) as other, other.transaction():
            await asyncio.wait_for(migrate(gateway.database), timeout=50)

    gateway.run(migrate_during_a_transaction())


def test_tables_of_a_newer_version_are_refused(gateway: Gateway) -> None:
    """The cause names both revisions. A process that started before they were migrated, too."""
    set_revision(gateway, "9999")

    with pytest.raises(SchemaMismatch, match="Install that version") as failed:
        gateway.run(migrate(gateway.database))
    assert "9999" in str(failed.value.__cause__)
    with pytest.raises(SchemaMismatch, match="Install that version") as failed:
        gateway.load([{"org_id": "org-1", "session_id": "a", "created_at": 1}])
    assert "9999" in str(failed.value.__cause__)
    assert HEAD in str(failed.value.__cause__)
    with pytest.raises(SchemaMismatch, match="Install that version"):
        gateway.run(gateway.storage.sessions.repair(VerificationUnit("org-1", 0, 1)))


@pytest.mark.parametrize(
    ("revision", "status"),
    [
        (REVISIONS[0], SchemaStatus.OUTDATED),
        (HEAD, SchemaStatus.CURRENT),
        ("9999", SchemaStatus.NEWER),
    ],
)
def test_the_schema_status_follows_from_the_revision(
    gateway: Gateway, revision: str, status: SchemaStatus
) -> None:
    """Compared with the revisions that this version has."""
    set_revision(gateway, revision)

    assert gateway.run(gateway.storage.schema_status()) is status


def ensure_schema(url: str, *, upgrade_embedded: bool) -> SchemaStatus:
    """Ensure the schema of a database, and return its status after that."""

    async def run() -> SchemaStatus:
        async with open_storage(url) as storage:
            await storage.ensure_schema(upgrade_embedded=upgrade_embedded)
            return await storage.schema_status()

    return asyncio.run(run())


def schema_status(url: str) -> SchemaStatus:
    """Return the status of a database's tables."""

    async def run() -> SchemaStatus:
        async with open_storage(url) as storage:
            return await storage.schema_status()

    return asyncio.run(run())


def test_tables_are_missing_until_migrated(engine: Engine, tmp_path: Path) -> None:
    """Without upgrades of embedded engines, checking writes nothing and creates no file."""
    url = engine.new_database(tmp_path, migrated=False)

    assert schema_status(url) is SchemaStatus.MISSING
    with pytest.raises(SchemaMismatch, match="Run: metrics-graphql migrate"):
        ensure_schema(url, upgrade_embedded=False)
    assert list(tmp_path.iterdir()) == []

    async def migrate_storage() -> None:
        async with open_storage(url) as storage:
            await storage.migrate()

    asyncio.run(migrate_storage())
    assert ensure_schema(url, upgrade_embedded=False) is SchemaStatus.CURRENT


def test_only_an_embedded_database_is_upgraded_implicitly(engine: Engine, tmp_path: Path) -> None:
    """The administrator of a server decides when its tables are migrated."""
    url = engine.new_database(tmp_path, migrated=False)

    if isinstance(engine, PostgreSQLServer):
        with pytest.raises(SchemaMismatch, match=r"has no tables\. Run: metrics-graphql migrate"):
            ensure_schema(url, upgrade_embedded=True)
    else:
        assert ensure_schema(url, upgrade_embedded=True) is SchemaStatus.CURRENT


def test_pending_migrations_are_named(gateway: Gateway) -> None:
    """With the command that applies them."""
    set_revision(gateway, REVISIONS[0])

    with pytest.raises(
        SchemaMismatch, match=r"has pending migrations\. Run: metrics-graphql migrate"
    ):
        gateway.run(gateway.storage.ensure_schema(upgrade_embedded=False))
