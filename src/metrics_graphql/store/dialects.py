"""What differs between database engines, and nothing else. One class an engine."""

import json
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


class Dialect(Hashable, Protocol):
    """How one engine is opened, and how it spells what SQLAlchemy leaves to it."""

    def create_engine(self, url: sa.URL) -> AsyncEngine:
        """Return an engine whose connections read in autocommit.

        A connection with the execution option `writes` holds a write transaction from its begin.
        """

    def one_of(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        """Return a condition: the column is one of the ids bound to `parameter`.

        Its SQL is the same for any number of ids.
        """

    def bind_ids(self, ids: Iterable[str]) -> object:
        """Return what to bind to the parameter of `one_of`."""

    def upsert(self, table: sa.Table, key: tuple[str, ...]) -> sa.Insert:
        """Return an insert that replaces the row with the same key."""

    def insert_missing(self, table: sa.Table) -> sa.Insert:
        """Return an insert that leaves a row that is already there alone."""

    def render(self, statement: sa.ClauseElement) -> str:
        """Return a statement as the driver takes it, with a place for each parameter, in order."""


class SQLite:
    """SQLite through aiosqlite, in WAL mode."""

    busy_timeout = 60.0
    """Seconds a writer waits for the one before it."""

    def create_engine(self, url: sa.URL) -> AsyncEngine:
        """Open a file. Every acknowledged commit is on the disk (`synchronous=FULL`)."""
        engine = create_async_engine(
            url.set(drivername="sqlite+aiosqlite"),
            connect_args={"timeout": self.busy_timeout},
            isolation_level="AUTOCOMMIT",
        )

        @sa.event.listens_for(engine.sync_engine, "connect")
        def set_pragmas(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI's
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.close()

        @sa.event.listens_for(engine.sync_engine, "begin")
        def begin(connection: sa.Connection) -> None:
            # A deferred transaction that reads first can't always become a writer: SQLite then
            # fails at once, whatever the busy timeout. IMMEDIATE waits in line at its begin.
            if connection.get_execution_options().get("writes"):
                connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def one_of(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        """Unpack a JSON array, so that the statement is the same for any number of ids."""
        return column.in_(
            sa.select(sa.func.json_each(sa.bindparam(parameter)).table_valued("value").c.value)
        )

    def bind_ids(self, ids: Iterable[str]) -> str:
        """Return the ids as a JSON array, sorted so that equal sets bind equal values."""
        return json.dumps(sorted(ids))

    def upsert(self, table: sa.Table, key: tuple[str, ...]) -> sa.Insert:
        """Use ON CONFLICT DO UPDATE."""
        insert = sqlite.insert(table)
        others = {column.name: insert.excluded[column.name] for column in table.c}
        for name in key:
            del others[name]
        return insert.on_conflict_do_update(index_elements=key, set_=others)

    def insert_missing(self, table: sa.Table) -> sa.Insert:
        """Use ON CONFLICT DO NOTHING."""
        return sqlite.insert(table).on_conflict_do_nothing()

    def render(self, statement: sa.ClauseElement) -> str:
        """Return a statement with `?` for each parameter."""
        return str(statement.compile(dialect=sqlite.dialect()))


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
