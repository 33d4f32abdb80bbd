"""Sessions in ClickHouse, without roll-ups. Organizations stay in the database."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from metrics_graphql.core.periods import MAX_INSTANT, MIN_INSTANT
from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.storage.clickhouse import deletion as deletion_statements
from metrics_graphql.storage.clickhouse.client import ClickHouseClient, ClickHouseError
from metrics_graphql.storage.clickhouse.ingest import UpsertBuffer
from metrics_graphql.storage.clickhouse.tables import (
    ADDED_COLUMNS,
    COLUMNS,
    add_columns,
    create_table,
)
from metrics_graphql.storage.clickhouse.verification import find_duplicates
from metrics_graphql.storage.database import Database, SessionsLock
from metrics_graphql.storage.dialects import CompiledStatement, Dialect, Rows
from metrics_graphql.storage.migrations.runner import require_head
from metrics_graphql.storage.organizations import (
    bump_known_data_version,
    list_organizations,
)
from metrics_graphql.storage.schema import SchemaMismatch, SchemaStatus
from metrics_graphql.storage.session_store import Deletion, Upsert, VerificationUnit
from metrics_graphql.storage.tables import sessions


class ClickHouseSessionStore:
    """A `SessionStore` in ClickHouse.

    A transaction of the database orders the writers of an organization and bumps its data version.
    It commits after the insert into ClickHouse, so that a reader who sees a new version sees its
    sessions: docs/decisions/0008.
    """

    setting: Final = "METRICS_SESSIONS_URL"
    # Each batch reads the ids of whole organizations.
    batch_size: Final = 100_000
    inconsistencies: Final = "sessions that are stored more than once"

    def __init__(self, client: ClickHouseClient, database: Database) -> None:
        self.client = client
        self._database = database

    @property
    def dialect(self) -> Dialect:
        """The dialect of ClickHouse."""
        return self.client.dialect

    @property
    def is_embedded(self) -> bool:
        """Whether the engine is chdb."""
        return self.client.is_embedded

    async def fetch(self, statement: CompiledStatement, values: dict[str, Any]) -> Rows:
        """Return the rows of a statement."""
        return await self.client.fetch(statement, values)

    @asynccontextmanager
    async def transaction(self, *, exclusive: bool = False) -> AsyncGenerator[Upsert]:
        """Buffer upserts, and insert them at the end of the block."""
        lock: SessionsLock = "exclusive" if exclusive else "shared"
        async with self._database.transaction(sessions_lock=lock) as connection:
            await require_head(connection)
            buffer = UpsertBuffer(self.client, connection, self._database.dialect)
            yield buffer.upsert
            await buffer.flush()

    async def delete(self, deletion: Deletion) -> int:
        """Hide sessions by tombstones. Merges remove their rows later."""
        async with self._exclusive_transaction(deletion.org_id):
            return await deletion_statements.delete_sessions(self.client, deletion)

    async def erase_user(self, org_id: str, user_id: str) -> int:
        """Insert rows without the id. Merges remove the ones before."""
        async with self._exclusive_transaction(org_id):
            return await deletion_statements.erase_user(self.client, org_id, user_id)

    @asynccontextmanager
    async def _exclusive_transaction(self, org_id: str) -> AsyncGenerator[None]:
        async with self._database.transaction(sessions_lock="exclusive") as connection:
            await require_head(connection)
            await bump_known_data_version(connection, org_id)
            yield

    async def analyze(self) -> None:
        """Do nothing: ClickHouse does not choose between plans by statistics."""

    async def ping(self) -> None:
        """Check that ClickHouse and all its shards answer."""
        await self.client.ping()

    async def clock(self) -> float:
        """Return the time of the server."""
        return await self.client.clock()

    async def newest_session_at(self) -> None:
        """Return None: without an index by time alone, it would read a column of all sessions."""

    async def migrate(self) -> None:
        """Create or upgrade the table."""
        await create_sessions(self.client)

    async def schema_status(self) -> SchemaStatus:
        """Return the status of the table."""
        return status_of(await self.client.describe_sessions())

    async def verification_units(self) -> Sequence[VerificationUnit]:
        """Return a unit for each organization: duplicates of a session differ in their time."""
        return [
            VerificationUnit(org_id, MIN_INSTANT, MAX_INSTANT + 1)
            for org_id in await list_organizations(self._database)
        ]

    async def sample_units(self, count: int) -> Sequence[VerificationUnit]:
        """Return none: verifying an organization reads the ids of all its sessions."""
        del count
        return ()

    async def verify(self, unit: VerificationUnit) -> list[str]:
        """Describe each session that is in the table more than once."""
        duplicates = await find_duplicates(self.client, unit.org_id)
        return [f"{unit.org_id}, {session_id}: stored more than once" for session_id in duplicates]

    async def repair(self, unit: VerificationUnit) -> None:
        """Delete all rows of duplicates but the newest."""
        duplicates = await find_duplicates(self.client, unit.org_id)
        async with self.transaction() as upsert:
            # An upsert of a session deletes its older rows, even if it changes nothing.
            await upsert([SessionUpdate(unit.org_id, each, {}) for each in duplicates])

    async def close(self) -> None:
        """Close every connection."""
        await self.client.close()


async def create_sessions(client: ClickHouseClient) -> None:
    """Create the sessions table, or add the columns that one of the previous version lacks.

    Raises:
        SchemaMismatch: it exists with other columns, or is that of a cluster and lacks columns.
        Unavailable: ClickHouse cannot be reached or cannot create it.
    """
    await client.execute(create_table())
    columns = await client.describe_sessions()
    if status_of(columns) is SchemaStatus.OUTDATED and {*columns, *ADDED_COLUMNS} == set(COLUMNS):
        if await client.sessions_engine() == "Distributed":
            raise SchemaMismatch(
                "The tables of the ClickHouse cluster have pending migrations."
                " Run: metrics-graphql migrate --cluster NAME"
            )
        await client.execute(add_columns(sessions.name))
        columns = await client.describe_sessions()
    if status_of(columns) is not SchemaStatus.CURRENT:
        raise SchemaMismatch(
            "The sessions table in ClickHouse does not have the columns of this version."
        ) from ClickHouseError(f"its columns are {', '.join(columns)}")


def status_of(columns: Sequence[str]) -> SchemaStatus:
    """Return the status of a table with these columns; without any, there is none."""
    if not columns:
        return SchemaStatus.MISSING
    if tuple(columns) == COLUMNS:
        return SchemaStatus.CURRENT
    return SchemaStatus.NEWER if set(columns) > set(COLUMNS) else SchemaStatus.OUTDATED
