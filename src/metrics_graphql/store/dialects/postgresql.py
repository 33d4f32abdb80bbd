"""PostgreSQL through asyncpg."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from metrics_graphql.store.dialects.base import (
    OnConflict,
    Prepared,
    RollingUp,
    Run,
    compiled,
    resolved,
)

COMPILER: Final = sa.make_url("postgresql+asyncpg://").get_dialect()()
BROKEN: Final = (asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises of a connection that is not what it was: the second where the server has said
that it ends it, and the connection is used before it has ended."""
ASYNCPGS: Final = (asyncpg.PostgresError, *BROKEN, ConnectionResetError)
"""What asyncpg raises. Not every `OSError`: who writes may read files meanwhile."""
CONNECT_SECONDS: Final = 5.0
"""How long connecting may take; a request has its own deadline beside it."""
PLANS: Final = {
    # Compiling a statement of so many sums takes longer than running it.
    "jit": "off",
    # Planning it, too; its plan is the same whatever is bound.
    "plan_cache_mode": "force_generic_plan",
    # The planner can't know how short runs are, and would read whole tables rather than look up
    # their few rows.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""Settings under which each statement is planned once, and as it is meant."""
WRITERS: Final = 0x6D657472
"""The advisory lock that all who write share, and that whoever writes alone has."""
AWAY: Final = (
    *("08", "28", "3D", "53", "57", "58", "XX"),  # the way to it, its doors, resources, and disk
    *("25006", "25P03", "40", "55"),  # a standby, and transactions that collide or took too long
    *("42501", "42703", "42P01"),  # rights that were not given, tables of another version
)
"""How an SQLSTATE begins that says that the database can't answer now, or not us."""
URL_PARAMETERS: Final = frozenset(
    {"host", "port", "user", "password", "dbname", "passfile", "target_session_attrs"}
    | {"sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"}
)
"""What may stand in the query of a URL: the parameters of libpq that asyncpg knows."""


class PostgreSQL(RollingUp):
    """PostgreSQL 14 or newer."""

    name = "postgresql"
    driver_errors = (*ASYNCPGS, AsyncAdapt_asyncpg_dbapi.Error)

    def is_unavailable(self, error: BaseException) -> bool:
        """Tell what the server, or the way to it, can't do from what we ask wrongly."""
        # SQLAlchemy's way to it has errors of its own, with the driver's as their cause.
        cause = error if isinstance(error, ASYNCPGS) else error.__cause__
        if isinstance(cause, asyncpg.PostgresError):
            return (cause.sqlstate or "").startswith(AWAY)
        return isinstance(cause, (*BROKEN, OSError))

    def exists(self, url: sa.URL) -> bool:
        """Return True: a server makes nothing."""
        del url
        return True

    def create_engine(self, url: sa.URL, *, connections: int, wait_seconds: float) -> AsyncEngine:
        """Connect as libpq would: asyncpg reads the URL itself, and the `PG*` variables."""
        dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        settings = {
            **PLANS,
            "application_name": "metrics-graphql",
            "lock_timeout": str(int(wait_seconds * 1000)),
        }

        async def connect() -> Any:  # noqa: ANN401 - what the driver calls a connection
            try:
                return await asyncpg.connect(
                    dsn,
                    server_settings=settings,
                    timeout=CONNECT_SECONDS,
                    # As many shapes of questions as are usual, for as long as the connection lives.
                    statement_cache_size=512,
                    max_cached_statement_lifetime=0,
                )
            except OSError as error:
                raise asyncpg.PostgresConnectionError(str(error)) from error

        return create_async_engine(
            "postgresql+asyncpg://",
            async_creator=connect,
            pool_size=connections,
            max_overflow=0,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            # Reads leave nothing to reset, and a write transaction ends with its block.
            pool_reset_on_return=None,
            # After the server was away, none of them is what it was.
            pool_pre_ping=True,
        )

    def create(self, url: sa.URL) -> None:
        """Do nothing: databases are made by who administers the server."""

    def writer(self, engine: AsyncEngine) -> AsyncEngine:
        """Let each statement see what was committed before it."""
        return engine.execution_options(isolation_level="READ COMMITTED")

    async def begin(self, connection: AsyncConnection, *, alone: bool) -> None:
        """Share a lock with the others who write, or have it alone."""
        lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
        if alone:
            # It waits for all who write, and they for it, however long a migration takes.
            await connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        await connection.execute(sa.select(getattr(sa.func, lock)(WRITERS)))

    async def fetch(
        self,
        connection: Any,  # noqa: ANN401 - what the driver calls a connection
        prepared: Prepared,
        values: dict[str, Any],
    ) -> Sequence[Sequence[Any]]:
        """Execute a statement that the connection prepares once; asyncpg cancels on the server."""
        rows: Sequence[Sequence[Any]] = await connection.fetch(
            prepared.sql, *prepared.bound(values)
        )
        return rows

    async def explain(self, connection: AsyncConnection, prepared: Prepared) -> list[str]:
        """Ask for the plan that is the same for all values, and so has none in it."""
        driver: Any = (await connection.get_raw_connection()).driver_connection
        nulls = ", ".join(["NULL"] * len(prepared.order))
        await driver.execute(f"PREPARE explained AS {prepared.sql}")
        try:
            rows = await driver.fetch(f"EXPLAIN EXECUTE explained{nulls and f'({nulls})'}")
        finally:
            await driver.execute("DEALLOCATE explained")
        return [row[0] for row in rows]

    def is_open(self, connection: Any) -> bool:  # noqa: ANN401 - what the driver calls one
        """Return whether the server has not ended it meanwhile."""
        return not connection.is_closed()

    async def learn_sizes(self, connection: AsyncConnection) -> None:
        """Do at once what the autovacuum daemon does a minute later.

        Until then the planner takes the tables for small, and reads all of an organization.
        """
        await connection.exec_driver_sql("ANALYZE sessions, rollups")

    def inline_reader(self, url: sa.URL) -> None:
        """Return nothing: there is a network in between."""

    def prepare(self, statement: sa.ClauseElement) -> Prepared:
        """Return a statement with `$1` and so on for the parameters."""
        return compiled(statement, COMPILER)

    def one_of(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        """Compare with an array."""
        return column == sa.any_(sa.bindparam(parameter, type_=postgresql.ARRAY(sa.Text)))

    def bind_ids(self, ids: Iterable[str]) -> list[str]:
        """Return the ids, sorted so that equal sets bind equal values."""
        return sorted(ids)

    def runs(self, parameter: str) -> sa.CTE:
        """Unpack a JSON array of objects."""
        run = sa.func.jsonb_to_recordset(
            sa.cast(sa.bindparam(parameter, type_=sa.Text), postgresql.JSONB)
        ).table_valued(
            sa.column("question", sa.Integer),
            sa.column("grain", sa.Integer),
            sa.column("start", sa.BigInteger),
            sa.column("end", sa.BigInteger),
        )
        columns = run.render_derived(name=f"each_{parameter}", with_types=True).c
        return sa.select(*columns).cte(parameter).prefix_with("MATERIALIZED")

    def bind_runs(self, runs: Iterable[Run]) -> str:
        """Return the runs as a JSON array of objects."""
        return json.dumps([run._asdict() for run in runs])

    def sum(self, column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """Sum integers, which PostgreSQL makes a number of any length."""
        return sa.cast(sa.func.sum(column), sa.BigInteger)

    def now(self) -> sa.ColumnElement[int]:
        """Return the server's time."""
        return sa.cast(sa.extract("epoch", sa.func.now()), sa.BigInteger)

    def insert(self, table: sa.Table, key: Iterable[str], on_conflict: OnConflict) -> Prepared:
        """Use ON CONFLICT, for all rows at once: an array for each column."""
        arrays = [
            sa.bindparam(column.name, type_=postgresql.ARRAY(array_type(column)))
            for column in table.c
        ]
        names = [column.name for column in table.c]
        rows = sa.func.unnest(*arrays).table_valued(*names).render_derived(name="new")
        insert = postgresql.insert(table).from_select(names, sa.select(*rows.c))
        return self.prepare(resolved(insert, key, on_conflict))

    async def insert_rows(
        self, connection: AsyncConnection, insert: Prepared, rows: Sequence[Sequence[Any]]
    ) -> int:
        """Send all rows in one statement, by columns."""
        if not rows:
            return 0
        columns = tuple(map(list, zip(*rows, strict=True)))
        return (await connection.exec_driver_sql(insert.sql, columns)).rowcount


def check_parameters(url: sa.URL) -> None:
    """Check that a URL has no parameters that nobody would read.

    Raises:
        ValueError: it has.
    """
    unknown = sorted(url.query.keys() - URL_PARAMETERS)
    if unknown:
        raise ValueError(
            f"a PostgreSQL URL has no parameter {unknown[0]}; libpq's own may be given"
        )


def array_type(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    """Return the type of the elements of an array of a column's values."""
    return sa.Text() if isinstance(column.type, sa.Text) else column.type
