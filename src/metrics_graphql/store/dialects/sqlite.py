"""SQLite through aiosqlite."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from metrics_graphql.store.dialects.base import (
    OnConflict,
    Prepared,
    RollingUp,
    Run,
    compiled,
    resolved,
)
from metrics_graphql.store.inline import InlineReader

WAL_SECONDS: Final = 60.0
"""How long opening a file waits for others that open it."""


class SQLite(RollingUp):
    """SQLite through aiosqlite, in WAL mode."""

    name = "sqlite"
    driver_errors = (sqlite3.DatabaseError,)

    def is_unavailable(self, error: BaseException) -> bool:
        """Tell a lock, a full disk or a damaged file, which has no kind of its own, from faults."""
        return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError

    def exists(self, url: sa.URL) -> bool:
        """Return whether there is a file."""
        return Path(str(url.database)).is_file()

    def create_engine(self, url: sa.URL, *, connections: int, wait_seconds: float) -> AsyncEngine:
        """Open a file that exists. Every acknowledged commit is on the disk (`synchronous=FULL`).

        Opening one that was taken away would make an empty one in its place, and end what the log
        beside it still holds of the other.
        """
        engine = create_async_engine(
            sa.URL.create(
                "sqlite+aiosqlite",
                database=f"file:{quote(str(url.database))}",
                query={"mode": "rw", "uri": "true"},
            ),
            connect_args={"timeout": wait_seconds},
            pool_size=connections,
            max_overflow=0,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            # Reads leave nothing to reset, and a write transaction ends with its block.
            pool_reset_on_return=None,
        )

        @sa.event.listens_for(engine.sync_engine, "connect")
        def set_pragmas(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI's
            connection.run_async(self._set_pragmas)

        @sa.event.listens_for(engine.sync_engine, "begin")
        def begin(connection: sa.Connection) -> None:
            # A deferred transaction that reads first can't always become a writer: SQLite then
            # fails at once, whatever the busy timeout. IMMEDIATE waits in line at its begin.
            if connection.get_execution_options().get("writes"):
                connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def create(self, url: sa.URL) -> None:
        """Make an empty file, unless the log of one that was taken away waits for it."""
        file, log = Path(str(url.database)), Path(f"{url.database}-wal")
        try:
            if file.exists():
                return
            if log.exists() and log.stat().st_size:
                raise sqlite3.OperationalError(
                    f"{file} is gone, but {log.name} beside it holds sessions:"
                    " put the file back, or move its log away, too"
                )
            file.touch()
        except OSError as error:
            raise sqlite3.OperationalError(f"unable to open database file: {error}") from error

    def writer(self, engine: AsyncEngine) -> AsyncEngine:
        """Mark its connections, so that they begin as writers."""
        return engine.execution_options(writes=True)

    async def begin(self, connection: AsyncConnection, *, alone: bool) -> None:
        """Do nothing more: a writer is always alone."""

    async def _set_pragmas(self, connection: Any) -> None:  # noqa: ANN401 - what the driver calls one
        give_up = time.monotonic() + WAL_SECONDS
        while True:
            try:
                await connection.execute_fetchall("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                # Somebody opens a new file at the same time: here SQLite does not wait by itself.
                is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not is_busy or time.monotonic() > give_up:
                    raise
                await asyncio.sleep(0.01)
            else:
                break
        await connection.execute_fetchall("PRAGMA synchronous=FULL")
        await connection.execute_fetchall("PRAGMA foreign_keys=ON")

    async def fetch(
        self,
        connection: Any,  # noqa: ANN401 - what the driver calls a connection
        prepared: Prepared,
        values: dict[str, Any],
    ) -> Sequence[Sequence[Any]]:
        """Execute and fetch in one hop to the connection's thread."""
        try:
            rows: Sequence[Sequence[Any]] = await connection.execute_fetchall(
                prepared.sql, prepared.bound(values)
            )
        except asyncio.CancelledError:
            await self._interrupt(connection)
            raise
        return rows

    async def explain(self, connection: AsyncConnection, prepared: Prepared) -> list[str]:
        """Ask with nulls: what is bound changes nothing."""
        nothing = (None,) * len(prepared.order)
        rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {prepared.sql}", nothing)
        return [row[-1] for row in rows]

    async def _interrupt(self, connection: Any) -> None:  # noqa: ANN401 - what the driver calls one
        """Stop what the connection's thread works on, and wait until it has."""
        idle = asyncio.ensure_future(connection.commit())
        while not idle.done():
            # Again and again: it may not have begun yet.
            await connection.interrupt()
            await asyncio.wait([idle], timeout=0.01)
        idle.exception()

    def is_open(self, connection: Any) -> bool:  # noqa: ANN401 - what the driver calls one
        """Return True: nobody else ends it."""
        del connection
        return True

    async def learn_sizes(self, connection: AsyncConnection) -> None:
        """Do nothing: its planner goes by the indexes, and chooses what is meant."""

    def inline_reader(self, url: sa.URL) -> InlineReader | None:
        """Read the same file on the event loop, as long as it is quickly done."""
        try:
            return InlineReader(str(url.database))
        except (OSError, sqlite3.Error):
            return None

    def prepare(self, statement: sa.ClauseElement) -> Prepared:
        """Return a statement with `?` for each parameter."""
        return compiled(statement, sqlite.dialect())

    def one_of(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        """Unpack a JSON array, so that the statement is the same for any number of ids."""
        ids = sa.func.json_each(sa.bindparam(parameter)).table_valued("value")
        return column.in_(sa.select(ids.c.value))

    def bind_ids(self, ids: Iterable[str]) -> str:
        """Return the ids as a JSON array, sorted so that equal sets bind equal values."""
        return json.dumps(sorted(ids))

    def runs(self, parameter: str) -> sa.CTE:
        """Unpack a JSON array of arrays."""
        run = sa.func.json_each(sa.bindparam(parameter)).table_valued("value").c.value
        columns = [
            sa.func.json_extract(run, f"$[{position}]").label(name)
            for position, name in enumerate(Run._fields)
        ]
        return sa.select(*columns).cte(parameter).prefix_with("MATERIALIZED")

    def bind_runs(self, runs: Iterable[Run]) -> str:
        """Return the runs as a JSON array of arrays."""
        return json.dumps(list(runs))

    def sum(self, column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """Sum integers, which makes an integer."""
        return sa.func.sum(column)

    def now(self) -> sa.ColumnElement[int]:
        """Return the time of this machine."""
        return sa.cast(sa.func.strftime("%s", "now"), sa.Integer)

    def insert(self, table: sa.Table, key: Iterable[str], on_conflict: OnConflict) -> Prepared:
        """Use ON CONFLICT, for one row."""
        insert = sqlite.insert(table).values({name: sa.bindparam(name) for name in table.c.keys()})  # noqa: SIM118 - iterating a ColumnCollection gives columns
        return self.prepare(resolved(insert, key, on_conflict))

    async def insert_rows(
        self, connection: AsyncConnection, insert: Prepared, rows: Sequence[Sequence[Any]]
    ) -> int:
        """Execute it for each row.

        As plain tuples: SQLAlchemy would spend longer on naming each value than SQLite does on
        storing the row.
        """
        if not rows:
            return 0
        return (await connection.exec_driver_sql(insert.sql, list(rows))).rowcount


def check_file(url: sa.URL) -> None:
    """Check that a URL names a file in a folder that exists.

    Raises:
        ValueError: it does not. A database in memory is none: no two connections could share it.
    """
    database = url.database or ":memory:"
    if database.startswith((":memory:", "file:")) or url.host or url.query:
        raise ValueError("a SQLite database is a file, as in sqlite:///metrics.db, and no more")
    if not Path(database).absolute().parent.is_dir():
        raise ValueError(f"there is no folder for the SQLite database {database}")
