"""Where everything is kept: one database, or ClickHouse for the sessions and one for the rest."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from metrics_graphql.domain.sessions import SessionUpdate
from metrics_graphql.store.engine import Database, Reader
from metrics_graphql.store.ingest import Written, write_sessions
from metrics_graphql.store.migrate import Age, age_of_tables, check_revision, migrate
from metrics_graphql.store.organizations import newest_session

if TYPE_CHECKING:
    from metrics_graphql.store.clickhouse.connection import ClickHouseSessions

DATABASE_BLOCK: Final = 2_000
CLICKHOUSE_BLOCK: Final = 100_000

Write = Callable[[Sequence[SessionUpdate]], Awaitable[Written]]
"""Inserts or updates sessions by `(org_id, session_id)`, the last update of one winning. An update
that can't be applied is rejected and leaves the others standing."""


class UnusableURL(ValueError):
    """A URL that can't be used. The setting is named."""


class Store:
    """A database and, where they are not in it, the sessions in ClickHouse."""

    def __init__(self, database: Database, clickhouse: "ClickHouseSessions | None" = None) -> None:
        self.database = database
        """Service users and organizations, and the sessions if there is no ClickHouse."""
        self.clickhouse = clickhouse
        self.sessions: Reader = clickhouse or database
        """What questions about sessions are put to."""

    async def migrate(self) -> None:
        """Create or upgrade the tables.

        Raises:
            Unavailable: an engine can't be reached, or a newer version of this program made its
                tables.
        """
        await migrate(self.database)
        if self.clickhouse:
            await self.clickhouse.migrate()

    @property
    def block_rows(self) -> int:
        """How many rows to write at once: more are faster, and fewer acknowledged sooner.

        ClickHouse reads the ids of whole organizations for each block.
        """
        return CLICKHOUSE_BLOCK if self.clickhouse else DATABASE_BLOCK

    @asynccontextmanager
    async def writing(self, *, alone: bool = False) -> AsyncGenerator[Write]:
        """Lend a way to write sessions, all of which are kept at the end of the block.

        Others may write meanwhile where the engine lets them. One that is to be `alone` waits for
        them, and they for it. On ClickHouse, what a block writes is held in memory until its end,
        and is then kept row by row; a failure there may keep some, and writing the same again
        completes them.

        Raises:
            Unavailable: an engine can't be reached or can't answer, or a newer version of this
                program has upgraded the tables meanwhile.
        """
        database = self.database
        async with database.writing(alone=alone) as connection:
            await check_revision(connection)
            if self.clickhouse is None:
                yield partial(write_sessions, connection, database.dialect)
                return
            from metrics_graphql.store.clickhouse.ingest import Block  # noqa: PLC0415 - an extra

            block = Block(self.clickhouse, connection, database.dialect)
            yield block.add
            await block.store()

    async def learn_sizes(self) -> None:
        """Let a planner know of a bulk load, where it has to be told.

        Raises:
            Unavailable: the database can't be reached.
        """
        if self.clickhouse is None:
            await self.database.learn_sizes()

    async def ping(self) -> None:
        """Find out whether questions would be answered.

        Raises:
            Unavailable: an engine does not answer.
            TimedOut: one takes longer than the request at hand may.
        """
        await self.database.ping()
        if self.clickhouse:
            await self.clickhouse.ping()

    async def age_of_tables(self) -> Age:
        """Return whether the database's tables are those of this program.

        Raises:
            Unavailable: the database does not answer, or has no tables.
            TimedOut: it takes longer than the request at hand may.
        """
        return await age_of_tables(self.database)

    async def newest_session(self) -> int | None:
        """Return when the newest session was created; None if there is none.

        ClickHouse is not asked: it would read a column of all sessions.

        Raises:
            Unavailable: the database does not answer.
            TimedOut: it takes longer than the request at hand may.
        """
        return None if self.clickhouse else await newest_session(self.database)

    async def close(self) -> None:
        """Close every connection."""
        if self.clickhouse:
            await self.clickhouse.close()
        await self.database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def open_store(database_url: str, sessions_url: str = "") -> Store:
    """Return the store of two URLs, or of one; nothing is connected yet.

    Raises:
        UnusableURL: one can't be used.
    """
    try:
        database = Database(database_url)
    except ValueError as error:
        raise UnusableURL(f"METRICS_DATABASE_URL: {error}") from None
    if not sessions_url:
        return Store(database)
    try:
        return Store(database, open_clickhouse(sessions_url))
    except ValueError as error:
        raise UnusableURL(f"METRICS_SESSIONS_URL: {error}") from None


def open_clickhouse(url: str) -> "ClickHouseSessions":
    """Return the sessions in ClickHouse; nothing is connected yet.

    Raises:
        ValueError: the URL can't be used, or the driver is not installed.
    """
    try:
        from metrics_graphql.store.clickhouse.connection import (  # noqa: PLC0415 - an extra
            ClickHouseSessions,
        )
    except ImportError:
        raise ValueError(
            "ClickHouse needs its driver: pip install 'metrics-graphql[clickhouse]'"
        ) from None
    return ClickHouseSessions(url)
