"""SQLite through aiosqlite, in WAL mode."""

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from metrics_graphql.storage.dialects.base import (
    CompiledStatement,
    OnConflict,
    RangeRows,
    RangeScan,
    Rows,
    TimeRange,
    add_on_conflict,
    compile_statement,
)
from metrics_graphql.storage.dialects.pooled_reader import MAX_READERS, READ_LOCK_TIMEOUT
from metrics_graphql.storage.dialects.rollup_dialect import (
    RANGE_COLUMNS,
    CrossJoin,
    RollupDialect,
    merge_ranges,
)
from metrics_graphql.storage.dialects.sqlite_reader import SQLiteReader

ROWS_PER_STATEMENT: Final = 500
"""Rows of an insert. SQLite allows 32,766 parameters, and the widest table has 32 columns."""
WAL_TIMEOUT: Final = 60.0
"""Seconds that opening a file waits for other processes to switch it to WAL mode."""


class SQLite(RollupDialect):
    """A SQLite file. Every acknowledged commit is on disk (`synchronous=FULL`)."""

    name = "sqlite"

    def __init__(self, url: str) -> None:
        """Check the URL, without connecting.

        Raises:
            ValueError: the URL does not name a file, or the directory of the file does not exist.
        """
        rest = url.partition(":")[2]
        if not rest.startswith("///"):
            raise ValueError(
                "the URL of a SQLite database has three slashes before a relative path, as in"
                " sqlite:///metrics.db, and four before an absolute one"
            )
        path, _, query = rest.removeprefix("///").partition("?")
        if query:
            raise ValueError(
                "the URL of a SQLite database has no parameters: remove ? and the rest"
            )
        # Connections to a database in memory would each see a different one.
        if not path or path.startswith((":memory:", "file:")):
            raise ValueError(
                "a SQLite database is the path of a file, as in sqlite:///metrics.db; databases in"
                " memory and file: URIs are not supported"
            )
        if re.search("%[0-9A-Fa-f]{2}", path):
            raise ValueError("the path of a SQLite database is not percent-encoded")
        self.file = Path(path)
        if self.file.is_dir():
            raise ValueError(f"the SQLite database {path} is a directory")
        if not self.file.absolute().parent.is_dir():
            raise ValueError(f"the directory of the SQLite database {path} does not exist")

    def is_unavailable(self, error: BaseException) -> bool:
        """Return whether the cause is the file or a lock on it, not the statement.

        Locks and full disks are an `OperationalError`. A damaged file is a `DatabaseError` that is
        of no subclass.
        """
        return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError

    def create_file(self) -> None:
        """Create an empty file, unless the file is missing but its write-ahead log is there.

        SQLite would delete the log next to an empty file, with the commits in it.
        """
        log = self.file.with_name(f"{self.file.name}-wal")
        try:
            if self.file.exists():
                return
            if log.exists() and log.stat().st_size:
                raise sqlite3.OperationalError(
                    f"{self.file} is missing, but its write-ahead log {log.name} has data:"
                    " restore the file, or move the log away as well"
                )
            self.file.touch()
        except OSError as error:
            raise sqlite3.OperationalError(f"unable to open database file: {error}") from error

    def create_engine(self, *, pool_size: int, lock_timeout: float) -> AsyncEngine:
        """Return an engine that opens an existing file (`mode=rw`) and never creates one.

        A file created in place of one that was moved away would destroy the log that the latter
        still needs: docs/decisions/0012.
        """
        engine = create_async_engine(
            sa.URL.create(
                "sqlite+aiosqlite",
                database=f"file:{quote(str(self.file))}",
                query={"mode": "rw", "uri": "true"},
            ),
            connect_args={"timeout": lock_timeout},
            pool_size=pool_size,
            max_overflow=0,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            # Reads leave nothing to reset, and a write transaction ends with its block.
            pool_reset_on_return=None,
        )

        @sa.event.listens_for(engine.sync_engine, "connect")
        def set_pragmas(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's class
            connection.run_async(self._set_pragmas)

        @sa.event.listens_for(engine.sync_engine, "begin")
        def begin(connection: sa.Connection) -> None:
            # A deferred transaction that reads first cannot always become a writer: SQLite then
            # fails at once, whatever the busy timeout. An IMMEDIATE one waits when it begins.
            if connection.get_execution_options().get("writes"):
                connection.exec_driver_sql("BEGIN IMMEDIATE")

        @sa.event.listens_for(engine.sync_engine, "invalidate")
        def roll_back(connection: Any, _record: object, _error: object) -> None:  # noqa: ANN401 - the driver's class
            # A cancelled statement leaves its cursor to the garbage collector. Until then, SQLite
            # keeps the closed connection open, with the lock of its transaction.
            with suppress(sqlite3.Error):
                connection.rollback()

        return engine

    async def _set_pragmas(self, connection: Any) -> None:  # noqa: ANN401 - the driver's class
        deadline = time.monotonic() + WAL_TIMEOUT
        while True:
            try:
                await connection.execute_fetchall("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                # Another process opens a new file at the same time. SQLite's busy timeout does
                # not apply to a change of the journal mode.
                is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not is_busy or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.01)
            else:
                break
        await connection.execute_fetchall("PRAGMA synchronous=FULL")
        await connection.execute_fetchall("PRAGMA foreign_keys=ON")

    def create_reader(self) -> SQLiteReader:
        """Return a reader that executes short statements on the event loop."""
        engine = self.create_engine(pool_size=MAX_READERS, lock_timeout=READ_LOCK_TIMEOUT)
        return SQLiteReader(engine, str(self.file))

    def for_writing(self, engine: AsyncEngine) -> AsyncEngine:
        """Mark connections for the `begin` listener above."""
        return engine.execution_options(writes=True)

    async def lock_sessions(self, connection: AsyncConnection, *, exclusive: bool) -> None:
        """Do nothing: a write transaction excludes all others."""

    async def explain(self, connection: AsyncConnection, statement: CompiledStatement) -> list[str]:
        """Bind nulls: the plan does not depend on the values."""
        nulls = (None,) * len(statement.parameter_names)
        rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.sql}", nulls)
        return [row[-1] for row in rows]

    async def analyze(self, connection: AsyncConnection) -> None:
        """Do nothing: without statistics, the planner already chooses the intended indexes."""

    def compile(self, statement: sa.ClauseElement) -> CompiledStatement:
        """Return a statement with `?` for each parameter."""
        return compile_statement(statement, sqlite.dialect())

    def in_ids(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        """Unpack a JSON array."""
        ids = sa.func.json_each(sa.bindparam(parameter)).table_valued("value")
        return column.in_(sa.select(ids.c.value))

    def bind_ids(self, ids: Iterable[str]) -> str:
        """Return the ids as a JSON array, sorted so that equal sets bind equal values."""
        return json.dumps(sorted(ids))

    def range_columns(self, parameter: str) -> Sequence[sa.ColumnElement[int]]:
        """Unpack a JSON array of arrays."""
        time_range = sa.func.json_each(sa.bindparam(parameter)).table_valued("value").c.value
        return [
            sa.func.json_extract(time_range, f"$[{position}]", type_=sa.Integer).label(name)
            for position, name in enumerate(RANGE_COLUMNS)
        ]

    def ids_table(self, parameter: str) -> sa.CTE:
        """Unpack a JSON array."""
        value = sa.func.json_each(sa.bindparam(parameter)).table_valued("value").c.value
        return sa.select(value.label("id")).cte(parameter).prefix_with("MATERIALIZED")

    def join_rows(
        self,
        outer: sa.FromClause,
        scan: RangeScan,
        conditions: Sequence[sa.ColumnElement[bool]],
    ) -> RangeRows:
        """Loop over the outer relation, and look rows up in the index."""
        rows: sa.Select[*tuple[Any, ...]] = sa.select(sa.literal_column("1")).select_from(
            CrossJoin(outer, scan.table, scan.index_name)
        )
        return RangeRows(rows.where(*conditions), scan.table.c)

    def ranges_value(self, ranges: Iterable[TimeRange]) -> str:
        """Return the ranges as a JSON array of arrays."""
        return json.dumps(merge_ranges(ranges))

    def sum(self, column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """Return the sum, which is an integer."""
        return sa.func.sum(column)

    def current_time(self) -> sa.ColumnElement[int]:
        """Return the time of this machine."""
        return sa.cast(sa.func.strftime("%s", "now"), sa.Integer)

    def compile_insert(
        self, table: sa.Table, key: Collection[str], on_conflict: OnConflict
    ) -> CompiledStatement:
        """Return an insert of one row."""
        names = [column.name for column in table.c]
        insert = sqlite.insert(table).values({name: sa.bindparam(name) for name in names})
        return self.compile(add_on_conflict(insert, key, on_conflict))

    async def insert_rows(
        self, connection: AsyncConnection, insert: CompiledStatement, rows: Rows
    ) -> int:
        """Insert up to `ROWS_PER_STATEMENT` rows per statement.

        While SQLite executes a statement, the thread that parses the next rows can run. Between two
        statements, the driver waits until that thread releases the interpreter's lock. Rows are
        plain tuples: SQLAlchemy would take longer to name their values than SQLite to store them.
        """
        row = f"({', '.join('?' * len(insert.parameter_names))})"
        remaining, count = iter(rows), 0
        while values := [*chain.from_iterable(islice(remaining, ROWS_PER_STATEMENT))]:
            repeated = ", ".join([row] * (len(values) // len(insert.parameter_names)))
            statement = insert.sql.replace(row, repeated, 1)
            count += (await connection.exec_driver_sql(statement, tuple(values))).rowcount
        return count
