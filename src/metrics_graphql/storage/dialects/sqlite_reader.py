"""Reads a SQLite file: short statements on the event loop, long ones in a thread.

Handing a statement to a connection's thread and its rows back takes longer than most statements
do. So each is tried on the event loop first, within a budget of instructions and without waiting
for locks; one that exceeds it is executed again in a thread, where deadlines interrupt it. See
docs/decisions/0006.
"""

import asyncio
import os
import sqlite3
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncEngine

from metrics_graphql.storage.dialects.base import CompiledStatement, Rows
from metrics_graphql.storage.dialects.pooled_reader import PooledReader

VM_STEPS_PER_CALLBACK: Final = 5_000
"""Instructions of SQLite's virtual machine between two calls of the progress handler."""
MAX_CALLBACKS: Final = 16
"""Calls that a statement may take. The next one, after 85,000 instructions, interrupts it. All
measures of 365 days in UTC take fewer. An interrupted statement is executed again in a thread,
where it takes longer than the attempt did. So the attempt at most doubles its time."""


class SQLiteReader(PooledReader):
    """Tries each statement on an inline connection, then on a pooled one in a thread."""

    def __init__(self, engine: AsyncEngine, path: str) -> None:
        super().__init__(engine)
        self._path = path
        self._inline: InlineConnection | None = None

    async def fetch(self, statement: CompiledStatement, values: dict[str, Any]) -> Rows:
        """Return the rows of a statement, read inline if that is quick."""
        if self._inline is not None:
            if self._inline.is_current():
                inline_rows = self._inline.fetch(statement.sql, statement.bind(values))
                if inline_rows is not None:
                    return inline_rows
            else:
                await self._reopen()
        rows = await super().fetch(statement, values)
        if self._inline is None and not self._is_closed:
            # Only now does the file exist for certain, in the journal mode that it should have.
            self._inline = open_inline(self._path)
        return rows

    async def execute(
        self,
        connection: Any,  # noqa: ANN401 - the driver's class
        statement: CompiledStatement,
        values: dict[str, Any],
    ) -> Rows:
        """Execute and fetch in one call to the connection's thread."""
        try:
            rows: Rows = await connection.execute_fetchall(statement.sql, statement.bind(values))
        except asyncio.CancelledError:
            await interrupt(connection)
            raise
        return rows

    async def close(self) -> None:
        """Close every connection."""
        if self._inline is not None:
            self._inline.close()
        await super().close()

    async def _reopen(self) -> None:
        """Close the connections to a file that was replaced; the next reads open the new one."""
        if self._inline is not None:
            self._inline.close()
            self._inline = None
        await self.drop_idle_connections()


class InlineConnection:
    """A connection used on the event loop, which executes short statements only."""

    def __init__(self, path: str) -> None:
        """Open a file that exists.

        Raises:
            OSError: the file does not exist.
            sqlite3.Error: the file cannot be opened.
        """
        self._path = path
        self._identity = file_identity(path)
        self._connection = sqlite3.connect(
            f"file:{quote(path)}?mode=rw", uri=True, timeout=0, isolation_level=None
        )
        self._connection.execute("PRAGMA query_only=ON")
        self._callbacks = 0
        self._connection.set_progress_handler(self._is_over_budget, VM_STEPS_PER_CALLBACK)

    def fetch(self, sql: str, values: Sequence[Any]) -> list[Sequence[Any]] | None:
        """Return the rows of a statement; None if it failed or exceeded its budget.

        The caller then executes it again in a thread, where an error is raised.
        """
        self._callbacks = 0
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error:
            return None

    def is_current(self) -> bool:
        """Return whether the path still names the file that was opened."""
        try:
            return file_identity(self._path) == self._identity
        except OSError:
            return False

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _is_over_budget(self) -> bool:
        self._callbacks += 1
        return self._callbacks > MAX_CALLBACKS


def open_inline(path: str) -> InlineConnection | None:
    """Return an inline connection; None if the file cannot be opened now."""
    try:
        return InlineConnection(path)
    except (OSError, sqlite3.Error):
        return None


def file_identity(path: str) -> tuple[int, int]:
    """Return the device and inode of a file, which differ from those of its replacement.

    Raises:
        OSError: the file does not exist.
    """
    status = os.stat(path)  # noqa: PTH116 - a tenth of the time of pathlib's
    return status.st_dev, status.st_ino


async def interrupt(connection: Any) -> None:  # noqa: ANN401 - the driver's class
    """Interrupt a connection's statement, and wait until its thread is idle."""
    # The thread executes calls one by one: a commit, which does nothing in autocommit, ends after
    # the statement.
    idle = asyncio.ensure_future(connection.commit())
    while not idle.done():
        # Repeatedly: an interrupt before the statement has started has no effect on it.
        await connection.interrupt()
        await asyncio.wait([idle], timeout=0.01)
    idle.exception()
