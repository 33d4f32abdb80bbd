"""How far pulling an organization's sessions from a source has come, kept beside the sessions."""

from functools import lru_cache
from typing import NamedTuple

import sqlalchemy as sa

from metrics_graphql.store.dialects import DatabaseDialect, Prepared
from metrics_graphql.store.engine import Database
from metrics_graphql.store.tables import syncs


class Position(NamedTuple):
    """Where a pull goes on, or the next one begins. Instants are Unix seconds of the source."""

    since: int | None = None
    """The pull is of what changed since then; None is of everything."""
    started_at: int | None = None
    """When the pull asked for its first page; None before that."""
    cursor: str | None = None
    """What comes after the pages that are stored; None is the first page."""


async def read_position(database: Database, org_id: str, source: str) -> Position:
    """Return how far pulling from a source has come.

    Raises:
        Unavailable: the database can't answer.
    """
    statement = sa.select(syncs.c.since, syncs.c.started_at, syncs.c.cursor).where(
        syncs.c.org_id == org_id, syncs.c.source == source
    )
    async with database.reading() as connection:
        row = (await connection.execute(statement)).first()
    return Position() if row is None else Position._make(row)


async def write_position(database: Database, org_id: str, source: str, position: Position) -> None:
    """Remember how far pulling from a source has come, once the sessions before it are committed.

    Raises:
        Unavailable: the database can't be written to.
    """
    async with database.writing(sessions=False) as connection:
        await database.dialect.insert_rows(
            connection, replace_position(database.dialect), [(org_id, source, *position)]
        )


@lru_cache
def replace_position(dialect: DatabaseDialect) -> Prepared:
    """Return the statement that stores a position in place of the one before."""
    return dialect.insert(syncs, syncs.primary_key.columns.keys(), "replace")
