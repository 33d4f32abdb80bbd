"""Migrates a database, and compares its revision with that of this version."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.core.deadline import enforce_deadline
from metrics_graphql.core.errors import Unavailable
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.dialects import CompiledStatement, DatabaseDialect
from metrics_graphql.storage.schema import SchemaMismatch, SchemaStatus
from metrics_graphql.storage.verification import list_units_on, rebuild

MIGRATIONS: Final = Path(__file__).parent
REVISIONS: Final = [
    file.name.partition("_")[0] for file in sorted(MIGRATIONS.glob("versions/[0-9]*.py"))
]
HEAD: Final = REVISIONS[-1]
"""The revision of this version's tables."""
SELECT_REVISION: Final[sa.Select[*tuple[Any, ...]]] = sa.select(
    sa.column("version_num")
).select_from(sa.table("alembic_version"))


async def migrate(database: Database) -> None:
    """Create or upgrade the tables, and rebuild the roll-ups if a migration changed them.

    Runs in one exclusive transaction: concurrent migrations run one after the other, and a
    migration that fails changes nothing. Writes nothing if the tables are current.

    Raises:
        SchemaMismatch: a newer version migrated the tables.
        Unavailable: the database cannot be reached or cannot be written to.
    """
    database.create()
    # Without this check, each start of a server would wait for writers before it does nothing.
    async with database.connect() as connection:
        revision = await connection.run_sync(read_revision)
    status = status_of(revision)
    if status is SchemaStatus.CURRENT:
        return
    if status is SchemaStatus.NEWER:
        raise SchemaMismatch.of(status) from revision_mismatch(revision)
    # Imported only here: Alembic takes 12 MiB of memory, and most processes have nothing to do.
    from metrics_graphql.storage.migrations.alembic_upgrade import upgrade  # noqa: PLC0415

    async with database.transaction(sessions_lock="exclusive") as connection:
        revision = await connection.run_sync(read_revision)
        if await connection.run_sync(upgrade, MIGRATIONS, revision):
            for unit in await list_units_on(connection):
                await rebuild(connection, database.dialect, unit)


async def require_current(database: Database) -> None:
    """Check that the tables are current. Writes nothing, and creates no file.

    Raises:
        SchemaMismatch: the tables are not current.
        Unavailable: the database cannot be reached.
        TimedOut: the database does not respond before the deadline.
    """
    if not database.exists():
        raise SchemaMismatch(
            f"The database file {database.dialect.file} does not exist."
            " Run: metrics-graphql migrate"
        )
    status = await schema_status(database)
    if status is not SchemaStatus.CURRENT:
        raise SchemaMismatch.of(status)


async def schema_status(database: Database) -> SchemaStatus:
    """Return the status of the tables. Writes nothing, and creates no file.

    Raises:
        Unavailable: the database cannot be reached.
        TimedOut: the database does not respond before the deadline.
    """
    if not database.exists():
        return SchemaStatus.MISSING
    try:
        rows = await database.fetch(select_revision(database.dialect), {})
    except Unavailable:
        # Either the database is unavailable, or it has no tables, which is the same error.
        async with enforce_deadline(), database.connect() as connection:
            if await connection.run_sync(read_revision) is not None:
                raise
        return SchemaStatus.MISSING
    return status_of(rows[0][0] if rows else None)


async def require_head(connection: AsyncConnection) -> None:
    """Check, in a write transaction, that the revision is still this version's.

    A newer version may have migrated the database since this process started. This process would
    then write sessions without the roll-ups that were added: docs/decisions/0012.

    Raises:
        SchemaMismatch: the revision is not this version's.
    """
    revision = await connection.scalar(SELECT_REVISION)
    if revision != HEAD:
        raise SchemaMismatch.of(status_of(revision)) from revision_mismatch(revision)


def revision_mismatch(revision: str | None) -> ValueError:
    """Return the cause of a `SchemaMismatch`, which names both revisions."""
    return ValueError(f"the tables have revision {revision}, this version has {HEAD}")


def status_of(revision: str | None) -> SchemaStatus:
    """Return the status of tables with a revision; None if there are none."""
    if revision is None:
        return SchemaStatus.MISSING
    if revision == HEAD:
        return SchemaStatus.CURRENT
    return SchemaStatus.OUTDATED if revision in REVISIONS else SchemaStatus.NEWER


@lru_cache
def select_revision(dialect: DatabaseDialect) -> CompiledStatement:
    """Return the statement for the revision."""
    return dialect.compile(SELECT_REVISION)


def read_revision(connection: sa.Connection) -> str | None:
    """Return the revision of the tables; None if there are none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(SELECT_REVISION)
    return revision
