"""A database that is open: connections to read from and to write with."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from time import perf_counter
from typing import Any, Final, Protocol, Self

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.util import greenlet_spawn

from metrics_graphql.deadlines import within_deadline
from metrics_graphql.errors import Unavailable
from metrics_graphql.seen import saw_statement
from metrics_graphql.store.dialects import Dialect, Prepared, dialect_for
from metrics_graphql.store.inline import InlineReader
from metrics_graphql.store.tables import organizations

MAX_WRITERS: Final = 15
"""Connections of one process that write, or read what is not a request's."""
WRITER_WAIT_SECONDS: Final = 60.0
"""How long a writer waits for the one before it."""
MAX_READERS: Final = 16
"""Statements that one process has at work at once."""
READER_WAIT_SECONDS: Final = 1.0
"""How long a read waits for a lock; in the usual modes of the engines there is none."""


class Reader(Protocol):
    """What questions about sessions are put to."""

    @property
    def dialect(self) -> Dialect:
        """How they are spelled."""

    async def fetch(self, prepared: Prepared, values: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the rows of a statement.

        Raises:
            Unavailable: the engine can't be reached or can't answer.
            TimedOut: the request at hand is due; the engine works on the statement no more.
        """


class Database:
    """One engine and its dialect. Each statement of a request takes a connection of its own."""

    def __init__(self, url: str) -> None:
        """Prepare to open a database; nothing is connected yet.

        Raises:
            ValueError: the URL can't be read, or names an engine that is not supported.
        """
        try:
            parsed = sa.make_url(url)
        except (ArgumentError, ValueError):
            # Without the cause, which would print the URL and a password in it.
            raise ValueError(
                "not a database URL; it should look like sqlite:///metrics.db"
            ) from None
        self.dialect = dialect_for(parsed)
        self._engine = self.dialect.create_engine(
            parsed, connections=MAX_WRITERS, wait_seconds=WRITER_WAIT_SECONDS
        )
        self._writer = self.dialect.writer(self._engine)
        self._readers = self.dialect.create_engine(
            parsed, connections=MAX_READERS, wait_seconds=READER_WAIT_SECONDS
        )
        self._places = asyncio.Semaphore(MAX_READERS)
        self._idle: list[sa.PoolProxiedConnection] = []
        self._url = parsed
        self._inline: InlineReader | None = None
        self._closed = False
        # Of a table, so that the file is really read.
        self._ping = self.dialect.prepare(sa.select(organizations.c.data_version).limit(1))

    def create(self) -> None:
        """Make an empty database where that is for us to do, and none is there.

        Raises:
            Unavailable: it can't be made.
        """
        with self._failures_as_unavailable():
            self.dialect.create(self._url)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection]:
        """Lend a connection in autocommit.

        Raises:
            Unavailable: the database can't be reached or can't answer.
        """
        with self._failures_as_unavailable():
            async with self._engine.connect() as connection:
                yield connection

    async def fetch(self, prepared: Prepared, values: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the rows of a statement, on a connection of its own and in one trip.

        Rows are as the driver gives them, for statements whose columns need no conversion.

        Raises:
            Unavailable: the database can't be reached or can't answer.
            TimedOut: the request at hand is due; the database works on the statement no more.
        """
        started = perf_counter()
        try:
            return await self._read(prepared, values)
        finally:
            explain = partial(self.explain, prepared)
            saw_statement(self.dialect.name, prepared.sql, started, explain)

    async def _read(self, prepared: Prepared, values: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """Read on the event loop what is quickly read, the rest beside it."""
        if self._inline is not None:
            if self._inline.is_current():
                found = self._inline.fetch(prepared.sql, prepared.bound(values))
                if found is not None:
                    return found
            else:
                await self._forget()
        with self._failures_as_unavailable():
            async with within_deadline():
                await self._places.acquire()
            try:
                return await self._fetch(prepared, values)
            finally:
                self._places.release()

    async def _fetch(self, prepared: Prepared, values: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """Read on a connection that is kept open: taking one from a pool costs as much again."""
        connection = await self._kept_open()
        try:
            async with within_deadline():
                connection = connection or await self._readers.raw_connection()
                rows = await self.dialect.fetch(connection.driver_connection, prepared, values)
        except BaseException:
            if connection is not None:
                await greenlet_spawn(connection.invalidate)
            raise
        if self._closed:
            await greenlet_spawn(connection.close)
        else:
            self._idle.append(connection)
            # Now that there is a file, and its mode is set.
            self._inline = self._inline or self.dialect.inline_reader(self._url)
        return rows

    async def _kept_open(self) -> sa.PoolProxiedConnection | None:
        """Return a connection that was kept and is still open, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if self.dialect.is_open(connection.driver_connection):
                return connection
            await greenlet_spawn(connection.invalidate)
        return None

    async def _forget(self) -> None:
        """Read from the file that is there now: the one that was open is gone."""
        if self._inline is not None:
            self._inline.close()
            self._inline = None
        idle, self._idle = self._idle, []
        for connection in idle:
            await greenlet_spawn(connection.invalidate)

    async def explain(self, prepared: Prepared) -> list[str]:
        """Return how the database goes about a statement, whatever is bound to it.

        Raises:
            Unavailable: the database can't be reached or can't answer.
        """
        async with self.reading() as connection:
            return await self.dialect.explain(connection, prepared)

    async def clock(self) -> float:
        """Return what time it is there, in Unix seconds.

        Raises:
            Unavailable: the database can't be reached or can't answer.
        """
        rows = await self.fetch(self.dialect.prepare(sa.select(self.dialect.now())), {})
        return float(rows[0][0])

    def exists(self) -> bool:
        """Return whether there is something to open, which opening would make otherwise."""
        return self.dialect.exists(self._url)

    async def ping(self) -> None:
        """Find out whether the database answers.

        Raises:
            Unavailable: it does not.
            TimedOut: it takes longer than the request at hand may.
        """
        await self.fetch(self._ping, {})

    @asynccontextmanager
    async def writing(
        self, *, alone: bool = False, sessions: bool = True
    ) -> AsyncGenerator[AsyncConnection]:
        """Lend a connection in a write transaction, which commits at the end of the block.

        Others may write meanwhile where the engine lets them. One that is to be `alone` waits for
        those that write `sessions`, and they for it.

        Raises:
            Unavailable: as `reading`; nothing of the block is kept then.
        """
        with self._failures_as_unavailable():
            async with self._writer.begin() as connection:
                if sessions:
                    await self.dialect.begin(connection, alone=alone)
                yield connection

    async def learn_sizes(self) -> None:
        """Let the planner know of a bulk load, where it has to be told.

        Raises:
            Unavailable: the database can't be reached.
        """
        async with self.reading() as connection:
            await self.dialect.learn_sizes(connection)

    @contextmanager
    def _failures_as_unavailable(self) -> Generator[None]:
        """Turn an engine's "can't" into `Unavailable`, which keeps the reason as its cause."""
        try:
            yield
        except PoolTimeout as error:
            raise Unavailable from error
        except DBAPIError as error:
            if error.orig is None or not self.dialect.is_unavailable(error.orig):
                raise
            raise Unavailable from error
        except self.dialect.driver_errors as error:
            if not self.dialect.is_unavailable(error):
                raise
            raise Unavailable from error

    async def close(self) -> None:
        """Close every connection; one that is reading is closed when it has read."""
        self._closed = True
        if self._inline:
            self._inline.close()
        while self._idle:
            await greenlet_spawn(self._idle.pop().close)
        await self._readers.dispose()
        await self._engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
