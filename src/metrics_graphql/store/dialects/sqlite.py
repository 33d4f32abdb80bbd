"""What differs between database engines, and nothing else. One class an engine."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, Protocol, cast

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.sql.compiler import SQLCompiler

from metrics_graphql.store.inline import InlineReader

WRITER_WAIT_SECONDS: Final = 60.0
"""How long a writer waits for the one before it."""


class Prepared(NamedTuple):
    """A statement as the driver takes it: SQLAlchemy has done its part, once."""

    sql: str
    order: tuple[str, ...]
    """The name of each parameter, in the order of their places."""
    constants: dict[str, Any]
    """The values of those that are always the same."""

    def bound(self, values: dict[str, Any]) -> tuple[Any, ...]:
        """Return the values in the order of their places."""
        everything = self.constants | values
        return tuple([everything[name] for name in self.order])


class Run(NamedTuple):
    """Buckets, or a stretch of raw sessions, that one of the questions of a statement adds up."""

    question: int
    grain: int
    """0 for raw sessions."""
    start: int
    end: int


class Dialect(Hashable, Protocol):
    """How one engine is opened, and how it spells what SQLAlchemy leaves to it."""

    driver_error: ClassVar[type[Exception]]
    """What all errors of the driver are."""

    def is_unavailable(self, error: Exception) -> bool:
        """Return whether an error of the driver says that the database can't answer."""

    def create_engine(
        self, url: sa.URL, *, connections: int = 15, wait_seconds: float = WRITER_WAIT_SECONDS
    ) -> AsyncEngine:
        """Return an engine with so many connections at most, which wait so long for a lock.

        They read in autocommit.
        A connection with the execution option `writes` holds a write transaction from its begin.
        """

    async def fetch(
        self,
        connection: Any,  # noqa: ANN401 - what the driver calls a connection
        prepared: Prepared,
        values: dict[str, Any],
    ) -> Sequence[Sequence[Any]]:
        """Return the rows of a statement, in one trip on a connection of the driver.

        When cancelled, the database stops working on it before this ends.
        """

    def inline_reader(self, url: sa.URL) -> InlineReader | None:
        """Return what reads without a thread, of a database that is open; None if nothing does."""

    def prepare(self, statement: sa.ClauseElement) -> Prepared:
        """Return a statement as the driver takes it."""

    def one_of(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        """Return a condition: the column is one of the ids bound to `parameter`.

        Its SQL is the same for any number of ids.
        """

    def bind_ids(self, ids: Iterable[str]) -> object:
        """Return what to bind to the parameter of `one_of`."""

    def runs(self, parameter: str) -> sa.CTE:
        """Return the runs bound to `parameter` as a table with the columns of `Run`."""

    def bind_runs(self, runs: Iterable[Run]) -> object:
        """Return what to bind to the parameter of `runs`."""

    def upsert(self, table: sa.Table, key: Iterable[str], *, add: bool = False) -> sa.Insert:
        """Return an insert that replaces the row with the same key, or is added to it."""

    def insert_missing(self, table: sa.Table) -> sa.Insert:
        """Return an insert that leaves a row that is already there alone."""


class SQLite:
    """SQLite through aiosqlite, in WAL mode."""

    driver_error: ClassVar[type[Exception]] = sqlite3.DatabaseError

    def is_unavailable(self, error: Exception) -> bool:
        """Tell a lock, a full disk or a damaged file, which has no kind of its own, from faults."""
        return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError

    def create_engine(
        self, url: sa.URL, *, connections: int = 15, wait_seconds: float = WRITER_WAIT_SECONDS
    ) -> AsyncEngine:
        """Open a file. Every acknowledged commit is on the disk (`synchronous=FULL`)."""
        engine = create_async_engine(
            url.set(drivername="sqlite+aiosqlite"),
            connect_args={"timeout": wait_seconds},
            pool_size=connections,
            max_overflow=0,
            isolation_level="AUTOCOMMIT",
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

    async def _set_pragmas(self, connection: Any) -> None:  # noqa: ANN401 - what the driver calls one
        give_up = time.monotonic() + WRITER_WAIT_SECONDS
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

    async def _interrupt(self, connection: Any) -> None:  # noqa: ANN401 - what the driver calls one
        """Stop what the connection's thread works on, and wait until it has."""
        idle = asyncio.ensure_future(connection.commit())
        while not idle.done():
            # Again and again: it may not have begun yet.
            await connection.interrupt()
            await asyncio.wait([idle], timeout=0.01)
        idle.exception()

    def inline_reader(self, url: sa.URL) -> InlineReader | None:
        """Read the same file on the event loop, as long as it is quickly done."""
        try:
            return InlineReader(str(url.database))
        except sqlite3.Error:
            return None

    def prepare(self, statement: sa.ClauseElement) -> Prepared:
        """Return a statement with `?` for each parameter."""
        compiled = cast("SQLCompiler", statement.compile(dialect=sqlite.dialect()))
        constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        return Prepared(compiled.string, tuple(compiled.positiontup or ()), constants)

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

    def upsert(self, table: sa.Table, key: Iterable[str], *, add: bool = False) -> sa.Insert:
        """Use ON CONFLICT DO UPDATE."""
        insert = sqlite.insert(table)
        names = {column.name for column in table.c}.difference(key)
        others = {
            name: table.c[name] + insert.excluded[name] if add else insert.excluded[name]
            for name in table.c.keys()  # noqa: SIM118 - iterating a ColumnCollection gives columns
            if name in names
        }
        return insert.on_conflict_do_update(index_elements=list(key), set_=others)

    def insert_missing(self, table: sa.Table) -> sa.Insert:
        """Use ON CONFLICT DO NOTHING."""
        return sqlite.insert(table).on_conflict_do_nothing()


def dialect_for(url: sa.URL) -> Dialect:
    """Return the dialect of a database URL.

    Raises:
        ValueError: an engine that is not supported; or a SQLite database that is not a file in a
            folder that exists. One in memory is none: no two connections could share it.
    """
    if url.drivername not in {"sqlite", "sqlite+aiosqlite"}:
        raise ValueError(f"{url.drivername} is not a supported database; use sqlite:///FILE")
    database = url.database or ":memory:"
    if database.startswith((":memory:", "file:")) or url.host or url.query:
        raise ValueError("a SQLite database is a file, as in sqlite:///metrics.db, and no more")
    if not Path(database).absolute().parent.is_dir():
        raise ValueError(f"there is no folder for the SQLite database {database}")
    return SQLite()
