"""Creates and upgrades the tables."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.errors import Unavailable
from metrics_graphql.store.dialects import DatabaseDialect, Prepared
from metrics_graphql.store.engine import Database
from metrics_graphql.store.verification import chunks_of, rebuild

MIGRATIONS: Final = Path(__file__).parent / "migrations"
REVISIONS: Final = [
    file.name.partition("_")[0] for file in sorted(MIGRATIONS.glob("versions/[0-9]*.py"))
]
NEWEST: Final = REVISIONS[-1]
"""The revision that the tables are at when they are up to date."""
VERSION: Final[sa.Select[*tuple[Any, ...]]] = sa.select(sa.column("version_num")).select_from(
    sa.table("alembic_version")
)
"""The statement for the revision that the tables are at."""
Age = Literal["older", "up to date", "newer"]
"""How the tables compare with this program."""


async def migrate(database: Database) -> None:
    """Bring the tables up to date, and the roll-ups where a revision changed what they hold.

    Runs in one write transaction: two processes that migrate at once take turns, and a failed
    migration leaves the tables as they were. Nothing happens where all is up to date.

    Raises:
        Unavailable: the database can't be reached or can't be written to, or a newer version of
            this program made its tables.
    """
    database.create()
    async with database.reading() as connection:
        # Else every start would wait for a writer, only to find nothing to do.
        revision = await connection.run_sync(_revision)
    if revision == NEWEST:
        return
    if revision is not None and revision not in REVISIONS:
        raise Unavailable from another(revision)
    # Alembic takes 12 MiB of memory, and most processes find nothing to do.
    from metrics_graphql.store.revisions import upgrade  # noqa: PLC0415

    async with database.writing(alone=True) as connection:
        before = await connection.run_sync(_revision)
        if await connection.run_sync(upgrade, MIGRATIONS, before):
            for chunk in await chunks_of(connection):
                await rebuild(connection, database.dialect, chunk)


async def check_revision(connection: AsyncConnection) -> None:
    """Check, in a write transaction, that the tables are those that this program knows.

    A newer version may have upgraded them since this process began: what it writes now would leave
    out what they have come to hold.

    Raises:
        Unavailable: they are not.
    """
    revision = await connection.scalar(VERSION)
    if revision != NEWEST:
        raise Unavailable from another(revision)


def another(revision: str) -> ValueError:
    """Return what is wrong with tables at another revision."""
    return ValueError(f"its tables are at revision {revision}, this program is at {NEWEST}")


async def age_of_tables(database: Database) -> Age:
    """Return whether the tables are those of this program.

    Raises:
        Unavailable: the database can't be reached, or has no tables.
        TimedOut: it takes longer than the request at hand may.
    """
    rows = await database.fetch(asking_revision(database.dialect), {})
    revision = rows[0][0] if rows else REVISIONS[0]
    if revision == NEWEST:
        return "up to date"
    return "older" if revision in REVISIONS else "newer"


@lru_cache
def asking_revision(dialect: DatabaseDialect) -> Prepared:
    """Return it as the driver takes it."""
    return dialect.prepare(VERSION)


def _revision(connection: sa.Connection) -> str | None:
    """Return the revision that the tables are at; None where there are none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(VERSION)
    return revision
