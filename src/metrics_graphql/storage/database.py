"""A SQL database: reads of requests, and connections for everything else."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Literal, Self

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.core.errors import Unavailable
from metrics_graphql.storage.dialects import (
    CompiledStatement,
    DatabaseDialect,
    Rows,
)
from metrics_graphql.storage.dialects.from_url import dialect_for
from metrics_graphql.storage.tables import organizations
from metrics_graphql.telemetry.request_record import Statement, StatementObserver

POOL_SIZE: Final = 15
"""Connections of a process for transactions, and for reads other than those of requests."""
WRITE_LOCK_TIMEOUT: Final = 60.0
"""Seconds that a transaction waits for a lock of another one."""

SessionsLock = Literal["shared", "exclusive"]
"""The lock that a transaction holds on all sessions: shared with other writers, or exclusive."""


class Database:
    """A SQL database, with its dialect and its connections."""

    def __init__(self, url: str, on_statement: StatementObserver = lambda _statement: None) -> None:
        """Configure a database, without connecting.

        `on_statement` is called with each statement of `fetch` when it ends.

        Raises:
            ValueError: the URL is malformed, or names an engine that is not supported.
        """
        self.dialect = dialect_for(url)
        self._on_statement = on_statement
        self._reader = self.dialect.create_reader()
        self._engine = self.dialect.create_engine(
            pool_size=POOL_SIZE, lock_timeout=WRITE_LOCK_TIMEOUT
        )
        self._write_engine = self.dialect.for_writing(self._engine)
        self._errors = ErrorTranslator(self.dialect)
        # It reads a table: SQLite would not read the file for a SELECT without one.
        self._ping = self.dialect.compile(sa.select(organizations.c.data_version).limit(1))

    @property
    def is_embedded(self) -> bool:
        """Whether the engine runs in this process, on a file."""
        return self.dialect.file is not None

    def exists(self) -> bool:
        """Return whether an embedded database exists; True for one on a server."""
        return self.dialect.file is None or self.dialect.file.is_file()

    def create(self) -> None:
        """Create an empty database if it is embedded and does not exist.

        Raises:
            Unavailable: the file cannot be created.
        """
        with self._errors:
            self.dialect.create_file()

    async def fetch(self, statement: CompiledStatement, values: dict[str, Any]) -> Rows:
        """Return the rows of a statement, on a connection of its own and in one round trip.

        Values are as the driver returns them, without SQLAlchemy's conversions.

        Raises:
            Unavailable: the database is unavailable.
            TimedOut: the request passed its deadline. The database has stopped the statement.
        """
        started_at = perf_counter()
        try:
            with self._errors:
                return await self._reader.fetch(statement, values)
        finally:
            self._on_statement(
                Statement(
                    self.dialect.name,
                    statement.sql,
                    started_at,
                    perf_counter() - started_at,
                    statement.data_source,
                    partial(self.explain, statement),
                )
            )

    async def explain(self, statement: CompiledStatement) -> list[str]:
        """Return the query plan of a statement, which does not depend on its values.

        Raises:
            Unavailable: the database is unavailable.
        """
        async with self.connect() as connection:
            return await self.dialect.explain(connection, statement)

    async def clock(self) -> float:
        """Return the time of the database, in Unix seconds.

        Raises:
            Unavailable: the database is unavailable.
        """
        statement = self.dialect.compile(sa.select(self.dialect.current_time()))
        return float((await self.fetch(statement, {}))[0][0])

    async def ping(self) -> None:
        """Check that the database responds.

        Raises:
            Unavailable: the database is unavailable.
            TimedOut: the database does not respond before the deadline.
        """
        await self.fetch(self._ping, {})

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[AsyncConnection]:
        """Open a connection in autocommit.

        Raises:
            Unavailable: the database is unavailable.
        """
        with self._errors:
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def transaction(
        self, *, sessions_lock: SessionsLock | None = "shared"
    ) -> AsyncGenerator[AsyncConnection]:
        """Open a write transaction, which commits at the end of the block.

        A transaction that writes sessions holds a lock on all of them until it ends: shared with
        other writers, or exclusive. Without a lock, `None`, it must not write sessions. So a token
        can be revoked while a long load holds the lock (docs/decisions/0007).

        Raises:
            Unavailable: the database is unavailable. Nothing is committed.
        """
        with self._errors:
            async with self._write_engine.begin() as connection:
                if sessions_lock is not None:
                    is_exclusive = sessions_lock == "exclusive"
                    await self.dialect.lock_sessions(connection, exclusive=is_exclusive)
                yield connection

    async def analyze(self) -> None:
        """Update the planner's statistics after a bulk load, if the planner depends on them.

        Raises:
            Unavailable: the database is unavailable.
        """
        async with self.connect() as connection:
            await self.dialect.analyze(connection)

    async def close(self) -> None:
        """Close every connection; one that is in use closes when its statement ends."""
        await self._reader.close()
        await self._engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class ErrorTranslator:
    """A context manager that raises `Unavailable` from errors of the engine that mean it."""

    def __init__(self, dialect: DatabaseDialect) -> None:
        self._dialect = dialect

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if error is not None and self._is_unavailable(error):
            raise Unavailable from error

    def _is_unavailable(self, error: BaseException) -> bool:
        if isinstance(error, PoolTimeout):
            return True
        cause = error.orig if isinstance(error, DBAPIError) else error
        return cause is not None and self._dialect.is_unavailable(cause)
