"""Checkpoints of pulls: where a pull of an organization's sessions from a source resumes."""

from functools import lru_cache
from typing import NamedTuple

import sqlalchemy as sa

from metrics_graphql.storage.database import Database
from metrics_graphql.storage.dialects import CompiledStatement, DatabaseDialect
from metrics_graphql.storage.tables import sync_checkpoints


class Checkpoint(NamedTuple):
    """Where a pull resumes, or the next one starts. Instants are Unix seconds."""

    since: int | None = None
    """The pull requests the sessions that were updated since this instant; None: all sessions."""
    started_at: int | None = None
    """When the first page was requested; None before that."""
    cursor: str | None = None
    """The cursor after the last stored page; None for the first page."""


async def read_checkpoint(database: Database, org_id: str, source: str) -> Checkpoint:
    """Return the checkpoint of an organization and a source; an empty one if there is none.

    Raises:
        Unavailable: the database is unavailable.
    """
    statement = sa.select(
        sync_checkpoints.c.since, sync_checkpoints.c.started_at, sync_checkpoints.c.cursor
    ).where(sync_checkpoints.c.org_id == org_id, sync_checkpoints.c.source == source)
    async with database.connect() as connection:
        row = (await connection.execute(statement)).first()
    return Checkpoint() if row is None else Checkpoint._make(row)


async def write_checkpoint(
    database: Database, org_id: str, source: str, checkpoint: Checkpoint
) -> None:
    """Store a checkpoint. The sessions before it must be committed.

    Raises:
        Unavailable: the database cannot be written to.
    """
    async with database.transaction(sessions_lock=None) as connection:
        await database.dialect.insert_rows(
            connection,
            insert_or_replace_checkpoint(database.dialect),
            [(org_id, source, *checkpoint)],
        )


@lru_cache
def insert_or_replace_checkpoint(dialect: DatabaseDialect) -> CompiledStatement:
    """Return the statement that inserts or replaces a checkpoint."""
    key = sync_checkpoints.primary_key.columns.keys()
    return dialect.compile_insert(sync_checkpoints, key, "replace")
