"""Creates and upgrades the tables, with Alembic."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from metrics_graphql.store.engine import Database
from metrics_graphql.store.verification import chunks_of, rebuild

MIGRATIONS = Path(__file__).parent / "migrations"


async def migrate(database: Database) -> None:
    """Bring the tables up to date, and the roll-ups where a revision changed what they hold.

    Runs in one write transaction: two processes that migrate at once take turns, and a failed
    migration leaves the tables as they were. Nothing happens where all is up to date.

    Raises:
        Unavailable: the database can't be reached or can't be written to.
    """
    async with database.reading() as connection:
        # Else every start would wait for a writer, only to find nothing to do.
        if await connection.run_sync(_is_up_to_date):
            return
    async with database.writing() as connection:
        if await connection.run_sync(_upgrade):
            for chunk in await chunks_of(connection):
                await rebuild(connection, database.dialect, chunk)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _is_up_to_date(connection: sa.Connection) -> bool:
    current = MigrationContext.configure(connection).get_current_revision()
    return current == ScriptDirectory.from_config(_config()).get_current_head()


def _upgrade(connection: sa.Connection) -> bool:
    """Upgrade the tables; return whether the roll-ups are to be rebuilt."""
    config = _config()
    config.attributes["connection"] = connection
    before = MigrationContext.configure(connection).get_current_revision()
    command.upgrade(config, "head")
    applied = ScriptDirectory.from_config(config).iterate_revisions("head", before)
    return any(getattr(revision.module, "rebuilds_rollups", False) for revision in applied)
