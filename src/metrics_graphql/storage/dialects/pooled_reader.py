"""Reads on driver connections that stay checked out of SQLAlchemy's pool between statements.

The pool has to ping a PostgreSQL connection that it hands out, which costs a third of the processor
time of a query: docs/decisions/0013. SQLAlchemy still compiles every statement.
"""

import asyncio
from abc import ABC, abstractmethod
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from metrics_graphql.core.deadline import enforce_deadline
from metrics_graphql.storage.dialects.base import CompiledStatement, Rows

MAX_READERS: Final = 16
"""Statements that one process executes at once."""
READ_LOCK_TIMEOUT: Final = 1.0
"""Seconds that a read waits for a lock. In the engines' usual modes, reads need none."""


class PooledReader(ABC):
    """A `Reader` on at most `MAX_READERS` connections, which stay open between statements."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._read_slots = asyncio.Semaphore(MAX_READERS)
        self._idle_connections: list[sa.PoolProxiedConnection] = []
        self._is_closed = False

    @abstractmethod
    async def execute(
        self,
        connection: Any,  # noqa: ANN401 - the driver's class
        statement: CompiledStatement,
        values: dict[str, Any],
    ) -> Rows:
        """Return the rows of a statement, in one round trip on a connection of the driver.

        If it is cancelled, it must wait until the database has stopped the statement.
        """

    def is_open(self, connection: Any) -> bool:  # noqa: ANN401 - the driver's class
        """Return whether an idle connection can still be used."""
        del connection
        return True

    async def fetch(self, statement: CompiledStatement, values: dict[str, Any]) -> Rows:
        """Wait for a read slot, then execute a statement; both end at the deadline."""
        async with enforce_deadline():
            await self._read_slots.acquire()
        try:
            return await self._fetch(statement, values)
        finally:
            self._read_slots.release()

    async def _fetch(self, statement: CompiledStatement, values: dict[str, Any]) -> Rows:
        connection = await self._take_idle_connection()
        try:
            async with enforce_deadline():
                connection = connection or await self._engine.raw_connection()
                rows = await self.execute(connection.driver_connection, statement, values)
        except BaseException:
            # It may be broken, or in the middle of a statement.
            if connection is not None:
                await greenlet_spawn(connection.invalidate)
            raise
        if self._is_closed:
            await greenlet_spawn(connection.close)
        else:
            self._idle_connections.append(connection)
        return rows

    async def _take_idle_connection(self) -> sa.PoolProxiedConnection | None:
        while self._idle_connections:
            connection = self._idle_connections.pop()
            if self.is_open(connection.driver_connection):
                return connection
            await greenlet_spawn(connection.invalidate)
        return None

    async def drop_idle_connections(self) -> None:
        """Close every idle connection, for the next reads to open new ones."""
        connections, self._idle_connections = self._idle_connections, []
        for connection in connections:
            await greenlet_spawn(connection.invalidate)

    async def close(self) -> None:
        """Close every connection; one that is in use closes when its statement ends."""
        self._is_closed = True
        while self._idle_connections:
            await greenlet_spawn(self._idle_connections.pop().close)
        await self._engine.dispose()
