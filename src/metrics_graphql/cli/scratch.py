"""Loads into a database that does not exist yet: one that stores nothing does not create it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.ingestion.loader import Loader
from metrics_graphql.ingestion.rows import ParsedRow, Row
from metrics_graphql.storage.repository import Storage, open_storage
from metrics_graphql.storage.schema import SchemaStatus

HEAD_SIZE: Final = 2_000
"""Rows that are read before a database is created. Longer input creates one in any case."""


async def is_missing(storage: Storage) -> bool:
    """Return whether the database is a file that does not exist, or has no tables."""
    return storage.database.is_embedded and (await storage.schema_status() is SchemaStatus.MISSING)


@asynccontextmanager
async def scratch_storage(sessions_url: str) -> AsyncGenerator[Storage]:
    """Open storage on a new temporary database."""
    with TemporaryDirectory(prefix="metrics-graphql-") as directory:
        async with open_storage(
            f"sqlite:///{Path(directory) / 'scratch.db'}", sessions_url
        ) as storage:
            await storage.ensure_schema(upgrade_embedded=True)
            yield storage


async def stores_nothing(
    sessions_url: str, head: Sequence[Row[SessionUpdate]], *, strict: bool, is_refused: bool
) -> bool:
    """Return whether a load that begins with these rows stores nothing in a new database.

    `is_refused` means that files were not read to their end, or columns or fields were ignored.
    """
    # A new session requires `created_at`.
    insertable = (isinstance(row, ParsedRow) and "created_at" in row.update.values for row in head)
    if len(head) == HEAD_SIZE or (all(insertable) and not is_refused):
        return False
    async with scratch_storage(sessions_url) as scratch:
        loader = Loader(scratch.sessions)
        await loader.dry_run(head)
    if strict:
        return is_refused or loader.summary.rejected > 0
    return loader.summary.read == loader.summary.rejected
