"""Sessions in the database, with roll-ups."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.storage import verification
from metrics_graphql.storage.database import Database, SessionsLock
from metrics_graphql.storage.deletion import delete_sessions, erase_user
from metrics_graphql.storage.dialects import CompiledStatement, Dialect, Rows
from metrics_graphql.storage.ingest import upsert_sessions
from metrics_graphql.storage.migrations.runner import require_head
from metrics_graphql.storage.organizations import bump_data_versions
from metrics_graphql.storage.schema import SchemaStatus
from metrics_graphql.storage.session_store import Deletion, Upsert, VerificationUnit
from metrics_graphql.storage.tables import organizations, sessions


class DatabaseSessionStore:
    """A `SessionStore` in the tables of the database.

    A transaction writes sessions, their roll-ups and data versions. Verification recounts the
    sessions, and compares the result with the roll-ups.
    """

    setting: Final = "METRICS_DATABASE_URL"
    batch_size: Final = 10_000
    inconsistencies: Final = "roll-ups that differ from their sessions"

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def dialect(self) -> Dialect:
        """The dialect of the database."""
        return self._database.dialect

    @property
    def is_embedded(self) -> bool:
        """Whether the database is a file."""
        return self._database.is_embedded

    async def fetch(self, statement: CompiledStatement, values: dict[str, Any]) -> Rows:
        """Return the rows of a statement."""
        return await self._database.fetch(statement, values)

    @asynccontextmanager
    async def transaction(self, *, exclusive: bool = False) -> AsyncGenerator[Upsert]:
        """Open a transaction of the database."""
        lock: SessionsLock = "exclusive" if exclusive else "shared"
        async with self._database.transaction(sessions_lock=lock) as connection:
            await require_head(connection)
            yield partial(upsert_sessions, connection, self._database.dialect)

    async def delete(self, deletion: Deletion) -> int:
        """Delete sessions and their share of the roll-ups in one transaction."""
        async with self._exclusive_transaction() as connection:
            return await delete_sessions(connection, self._database.dialect, deletion)

    async def erase_user(self, org_id: str, user_id: str) -> int:
        """Remove a user's id from sessions, and the roll-ups of the user."""
        async with self._exclusive_transaction() as connection:
            return await erase_user(connection, org_id, user_id)

    @asynccontextmanager
    async def _exclusive_transaction(self) -> AsyncGenerator[AsyncConnection]:
        async with self._database.transaction(sessions_lock="exclusive") as connection:
            await require_head(connection)
            yield connection

    async def analyze(self) -> None:
        """Update the planner's statistics."""
        await self._database.analyze()

    async def ping(self) -> None:
        """Do nothing: sessions can be read when the database can."""

    async def clock(self) -> float:
        """Return the time of the database."""
        return await self._database.clock()

    async def newest_session_at(self) -> int | None:
        """Return when the newest session of all organizations was created."""
        newest: int | None = (await self.fetch(select_newest_session(self.dialect), {}))[0][0]
        return newest

    async def migrate(self) -> None:
        """Do nothing: all tables are the database's."""

    async def schema_status(self) -> SchemaStatus:
        """Return `CURRENT`: all tables are the database's."""
        return SchemaStatus.CURRENT

    async def warnings(self) -> Sequence[tuple[str, str]]:
        """Return none: there is nothing to check in a database."""
        return ()

    async def verification_units(self) -> Sequence[VerificationUnit]:
        """Return a unit for every 30 days of every organization."""
        return await verification.list_units(self._database)

    async def sample_units(self, count: int) -> Sequence[VerificationUnit]:
        """Return the newest 30 days of the organizations with the newest sessions."""
        units = sorted(await self.verification_units(), key=lambda unit: unit.start)
        newest = {unit.org_id: unit for unit in units}
        return sorted(newest.values(), key=lambda unit: -unit.start)[:count]

    async def verify(self, unit: VerificationUnit) -> list[str]:
        """Describe each roll-up that differs from a recount."""
        return [str(each) for each in await verification.find_mismatches(self._database, unit)]

    async def repair(self, unit: VerificationUnit) -> None:
        """Rebuild the roll-ups of a unit."""
        async with self._exclusive_transaction() as connection:
            await verification.rebuild(connection, self._database.dialect, unit)
            await bump_data_versions(connection, self._database.dialect, [unit.org_id])

    async def close(self) -> None:
        """Do nothing: the database has the connections."""


@lru_cache
def select_newest_session(dialect: Dialect) -> CompiledStatement:
    """Return the statement for the newest `created_at`.

    It reads one session of each organization, the last one in the order of the primary key.
    """
    same_organization = sessions.c.org_id == organizations.c.org_id
    newest = sa.select(sa.func.max(sessions.c.created_at)).where(same_organization)
    each = sa.select(newest.scalar_subquery().label("newest")).select_from(organizations)
    return dialect.compile(sa.select(sa.func.max(each.subquery().c.newest)))
