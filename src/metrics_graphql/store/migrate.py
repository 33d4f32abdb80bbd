"""Creates and upgrades the tables, with Alembic."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from metrics_graphql.store.engine import Database

MIGRATIONS = Path(__file__).parent / "migrations"


async def migrate(database: Database) -> None:
    """Bring the tables up to date; nothing happens where they are.

    Runs in one write transaction: two processes that migrate at once take turns, and a failed
    migration leaves the tables as they were.

    Raises:
        Unavailable: the database can't be reached or can't be written to.
    """
    async with database.writing() as connection:
        await connection.run_sync(_upgrade)


def _upgrade(connection: sa.Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")
