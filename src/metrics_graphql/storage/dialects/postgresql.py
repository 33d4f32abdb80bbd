"""PostgreSQL through asyncpg. docs/decisions/0007 has the measurements."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from metrics_graphql.environment import read_environment
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
from metrics_graphql.storage.dialects.pooled_reader import (
    MAX_READERS,
    READ_LOCK_TIMEOUT,
    PooledReader,
)
from metrics_graphql.storage.dialects.postgresql_url import read_options
from metrics_graphql.storage.dialects.rollup_dialect import (
    RANGE_COLUMNS,
    CrossJoin,
    RollupDialect,
    merge_ranges,
)

COMPILER: Final = sa.make_url("postgresql+asyncpg://").get_dialect()()
CONNECTION_ERRORS: Final = (asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Errors of a broken connection. asyncpg raises `InternalClientError` if a connection is used after
the server announced that it will close it, and before it is closed."""
ASYNCPG_ERRORS: Final = (asyncpg.PostgresError, *CONNECTION_ERRORS, ConnectionResetError)
"""The errors of asyncpg itself. Of the subclasses of `OSError` it has only one: the code in the
block of a transaction may read files, and raise others."""
NEXT_HOST_ERRORS: Final = (asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched)
"""After these errors, the next host is tried, as after an `OSError`."""
PLANNER_SETTINGS: Final = {
    # Compiling a statement with so many sums takes longer than executing it.
    "jit": "off",
    # So does planning it, and the plan does not depend on the values.
    "plan_cache_mode": "force_generic_plan",
}
"""Settings with which a connection plans each statement once."""
SESSIONS_LOCK: Final = 0x6D657472
"""The advisory lock that writers of sessions share. Migrations, repairs and strict loads hold it
exclusively. So they see whole transactions only."""
UNAVAILABLE_SQLSTATES: Final = (
    *("08", "28", "3D", "53", "57", "58", "XX"),  # connections, access, resources, disk
    *("25006", "25P03", "40", "55"),  # read-only standby, timeouts, conflicting transactions
    *("42501", "42703", "42P01"),  # missing privileges, tables of another schema revision
)
"""Prefixes of the SQLSTATEs that mean `Unavailable`: the cause is the server, its configuration or
its tables, not the statement."""


class PostgreSQL(RollupDialect):
    """A database of PostgreSQL 14 or newer."""

    name = "postgresql"
    file = None

    def __init__(self, url: str) -> None:
        """Read the URL and the `PG*` variables, without connecting.

        Raises:
            ValueError: a parameter or a variable cannot be used.
        """
        self._options = read_options(url, read_environment())

    def is_unavailable(self, error: BaseException) -> bool:
        """Return whether the cause is the server or the connection, not the statement."""
        # SQLAlchemy's adapter raises its own errors, with asyncpg's as their cause.
        if isinstance(error, AsyncAdapt_asyncpg_dbapi.Error):
            cause = error.__cause__
        else:
            cause = error if isinstance(error, ASYNCPG_ERRORS) else None
        if isinstance(cause, asyncpg.PostgresError):
            return (cause.sqlstate or "").startswith(UNAVAILABLE_SQLSTATES)
        return isinstance(cause, (*CONNECTION_ERRORS, OSError))

    def create_file(self) -> None:
        """Do nothing: the administrator of the server creates databases."""

    def create_engine(self, *, pool_size: int, lock_timeout: float) -> AsyncEngine:
        """Return an engine that connects to the first host that accepts, as libpq does."""
        settings = {
            **self._options.server_settings,
            **PLANNER_SETTINGS,
            "lock_timeout": str(int(lock_timeout * 1000)),
        }

        async def connect() -> Any:  # noqa: ANN401 - the driver's class
            failure: Exception | None = None
            for arguments in self._options.attempts():
                try:
                    return await asyncpg.connect(
                        **arguments,
                        server_settings=settings,
                        # A plan takes about half a megabyte of the server: decision 7.
                        statement_cache_size=100,
                        # 0: for as long as the connection lives.
                        max_cached_statement_lifetime=0,
                        # 0: no limit. Long breakdowns exceed the default of 15 KiB. asyncpg
                        # would prepare, and PostgreSQL plan (5 ms), each execution.
                        max_cacheable_statement_size=0,
                    )
                except OSError as error:
                    failure = asyncpg.PostgresConnectionError(str(error) or "connection timed out")
                    failure.__cause__ = error
                except NEXT_HOST_ERRORS as error:
                    failure = error
            raise failure or asyncpg.PostgresConnectionError("no host")

        return create_async_engine(
            "postgresql+asyncpg://",
            async_creator=connect,
            pool_size=pool_size,
            max_overflow=0,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            # Reads leave nothing to reset, and a write transaction ends with its block.
            pool_reset_on_return=None,
            # After a restart of the server, every pooled connection is broken.
            pool_pre_ping=True,
        )

    def create_reader(self) -> "PostgreSQLReader":
        """Return a reader on connections of asyncpg."""
        return PostgreSQLReader(
            self.create_engine(pool_size=MAX_READERS, lock_timeout=READ_LOCK_TIMEOUT)
        )

    def for_writing(self, engine: AsyncEngine) -> AsyncEngine:
        """Return an engine whose statements see what was committed before each of them."""
        return engine.execution_options(isolation_level="READ COMMITTED")

    async def lock_sessions(self, connection: AsyncConnection, *, exclusive: bool) -> None:
        """Take the advisory lock, shared or exclusive."""
        if exclusive:
            # It waits for every writer, and they for it, however long a migration takes.
            await connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        lock = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
        await connection.execute(sa.select(getattr(sa.func, lock)(SESSIONS_LOCK)))

    async def explain(self, connection: AsyncConnection, statement: CompiledStatement) -> list[str]:
        """Return the generic plan, which has no values in it."""
        driver: Any = (await connection.get_raw_connection()).driver_connection
        nulls = ", ".join(["NULL"] * len(statement.parameter_names))
        await driver.execute(f"PREPARE explained AS {statement.sql}")
        try:
            rows = await driver.fetch(f"EXPLAIN EXECUTE explained{nulls and f'({nulls})'}")
        finally:
            await driver.execute("DEALLOCATE explained")
        return [row[0] for row in rows]

    async def analyze(self, connection: AsyncConnection) -> None:
        """Do now what the autovacuum daemon does about a minute after a load.

        Queries of metrics read index ranges without statistics, too. Other statements, such as the
        recount of `verify`, are planned by them.
        """
        await connection.exec_driver_sql("ANALYZE sessions, rollups, category_rollups")

    def compile(self, statement: sa.ClauseElement) -> CompiledStatement:
        """Return a statement with `$1`, `$2`... for the parameters."""
        return compile_statement(statement, COMPILER)

    def in_ids(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        """Compare with an array."""
        return column == sa.any_(sa.bindparam(parameter, type_=postgresql.ARRAY(sa.Text)))

    def bind_ids(self, ids: Iterable[str]) -> list[str]:
        """Return the ids, sorted so that equal sets bind equal values."""
        return sorted(ids)

    def range_columns(self, parameter: str) -> Sequence[sa.ColumnElement[int]]:
        """Unpack a JSON array of objects."""
        ranges = sa.func.jsonb_to_recordset(
            sa.cast(sa.bindparam(parameter, type_=sa.Text), postgresql.JSONB)
        ).table_valued(
            sa.column("query_index", sa.Integer),
            sa.column("grain", sa.Integer),
            sa.column("start", sa.BigInteger),
            sa.column("end", sa.BigInteger),
            sa.column("step", sa.BigInteger),
        )
        return list(ranges.render_derived(name=f"each_{parameter}", with_types=True).c)

    def ids_table(self, parameter: str) -> sa.FromClause:
        """Unpack an array."""
        ids = sa.func.unnest(sa.bindparam(parameter, type_=postgresql.ARRAY(sa.Text)))
        return ids.table_valued("id").render_derived(name=parameter)

    def join_rows(
        self,
        outer: sa.FromClause,
        scan: RangeScan,
        conditions: Sequence[sa.ColumnElement[bool]],
    ) -> RangeRows:
        """Look rows up in a subquery that the planner cannot merge with the outer relation.

        OFFSET 0 keeps it separate. The values it compares with are then parameters to the planner,
        which expects few rows in a range, and reads the index. In a join, it would expect a ninth
        of all rows in each.
        """
        names = scan.columns | {scan.instant.name}
        rows = (
            sa.select(*(scan.table.c[name] for name in sorted(names)))
            .where(*conditions)
            .correlate_except(scan.table)
            .offset(sa.literal_column("0"))
            .lateral("rows")
        )
        return RangeRows(
            sa.select(sa.literal_column("1")).select_from(CrossJoin(outer, rows)), rows.c
        )

    def ranges_value(self, ranges: Iterable[TimeRange]) -> str:
        """Return the ranges as a JSON array of objects."""
        return json.dumps(
            [dict(zip(RANGE_COLUMNS, row, strict=True)) for row in merge_ranges(ranges)]
        )

    def sum(self, column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """Cast the sum, which PostgreSQL makes NUMERIC."""
        return sa.cast(sa.func.sum(column), sa.BigInteger)

    def current_time(self) -> sa.ColumnElement[int]:
        """Return the time of the server."""
        return sa.cast(sa.extract("epoch", sa.func.now()), sa.BigInteger)

    def compile_insert(
        self, table: sa.Table, key: Collection[str], on_conflict: OnConflict
    ) -> CompiledStatement:
        """Return an insert of any number of rows, bound as an array for each column."""
        arrays = [
            sa.bindparam(column.name, type_=postgresql.ARRAY(element_type(column)))
            for column in table.c
        ]
        names = [column.name for column in table.c]
        rows = sa.func.unnest(*arrays).table_valued(*names).render_derived(name="new")
        insert = postgresql.insert(table).from_select(names, sa.select(*rows.c))
        return self.compile(add_on_conflict(insert, key, on_conflict))

    async def insert_rows(
        self, connection: AsyncConnection, insert: CompiledStatement, rows: Rows
    ) -> int:
        """Send all rows in one statement, by column."""
        if not rows:
            return 0
        columns = tuple(map(list, zip(*rows, strict=True)))
        return (await connection.exec_driver_sql(insert.sql, columns)).rowcount


class PostgreSQLReader(PooledReader):
    """Reads through asyncpg, which prepares a statement once per connection."""

    async def execute(
        self,
        connection: Any,  # noqa: ANN401 - the driver's class
        statement: CompiledStatement,
        values: dict[str, Any],
    ) -> Rows:
        """Execute a statement; when cancelled, asyncpg cancels it on the server."""
        rows: Rows = await connection.fetch(statement.sql, *statement.bind(values))
        return rows

    def is_open(self, connection: Any) -> bool:  # noqa: ANN401 - the driver's class
        """Return whether the server has not closed the connection."""
        return not connection.is_closed()


def element_type(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    """Return the type of the elements in an array of a column's values, without a collation."""
    return sa.Text() if isinstance(column.type, sa.Text) else column.type
