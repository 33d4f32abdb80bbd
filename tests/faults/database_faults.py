"""Database faults: it stops and is started again, is locked or slow, or has no connection left."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg

from metrics_graphql.storage.database import Database
from tests.engines import OwnPostgreSQL
from tests.faults.observer import Observer, observe
from tests.faults.tcp_proxy import proxy_to

CLIENTS: Final = 64
"""Concurrent clients: more than a process has connections."""
LOCK_TABLES: Final = "LOCK TABLE organizations, sessions, rollups, tokens IN ACCESS EXCLUSIVE MODE"
TERMINATE_CONNECTIONS: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'metrics-graphql'
"""


class DatabaseFault(Protocol):
    """Injects a fault into a database for some seconds."""

    async def __call__(self, url: str, folder: Path, *, seconds: float) -> Observer:
        """Return what was observed meanwhile."""


async def postgresql_crash(
    server: OwnPostgreSQL, url: str, folder: Path, *, seconds: float
) -> Observer:
    """Stop PostgreSQL without closing its connections, and start it again."""
    async with observe(url, folder) as observer:
        with observer.injecting(
            f"PostgreSQL stopped as by a crash, and started again {seconds:g} s later"
        ):
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(seconds)
            await asyncio.to_thread(server.start)
    return observer


async def missing_file(url: str, folder: Path, *, seconds: float) -> Observer:
    """Rename the SQLite file, and rename it back."""
    file = Path(url.removeprefix("sqlite:///"))
    async with observe(url, folder) as observer:
        with observer.injecting(
            f"the file renamed without its write-ahead log, and back {seconds:g} s later"
        ):
            renamed = file.rename(file.with_suffix(".renamed"))  # noqa: ASYNC240 - quick
            await asyncio.sleep(seconds)
            if file.exists():  # noqa: ASYNC240 - quick
                observer.violations.append("a new file was created in its place")
            renamed.rename(file)
    return observer


async def locked_tables(url: str, folder: Path, *, seconds: float) -> Observer:
    """Hold a lock that blocks reads."""
    async with observe(url, folder) as observer:
        with observer.injecting(f"all tables locked (ACCESS EXCLUSIVE) for {seconds:g} s"):
            async with connect(url) as connection, connection.transaction():
                await connection.execute(LOCK_TABLES)
                await asyncio.sleep(seconds)
    return observer


async def write_lock(url: str, folder: Path, *, seconds: float) -> Observer:
    """Hold the write lock of a SQLite file, which does not block reads."""
    async with observe(url, folder) as observer:
        with observer.injecting(f"the write lock held by another process for {seconds:g} s"):
            async with Database(url) as database, database.transaction():
                await asyncio.sleep(seconds)
    return observer


async def slow_network(url: str, folder: Path, *, delay: float, seconds: float) -> Observer:
    """Delay the packets between server and database, then hold them back."""
    async with (
        proxy_to(url) as proxy,
        observe(url, folder, served_url=proxy.url, timeout=2) as observer,
    ):
        with observer.injecting(
            f"each packet between server and database {delay:g} s late for {seconds:g} s, then"
            f" held back for {seconds:g} s; the deadline is 2 s"
        ):
            proxy.delay = delay
            await asyncio.sleep(seconds)
            proxy.is_open.clear()
            await asyncio.sleep(seconds)
            proxy.is_open.set()
            proxy.delay = 0.0
    return observer


async def exhausted_pool(url: str, folder: Path, *, seconds: float) -> Observer:
    """Send more concurrent requests than a process has connections, on a slow network."""
    async with (
        proxy_to(url) as proxy,
        observe(
            url, folder, served_url=proxy.url, clients=CLIENTS, max_concurrency=CLIENTS
        ) as observer,
    ):
        with observer.injecting(
            f"{CLIENTS} concurrent requests over 16 connections, each packet 0.1 s late for"
            f" {seconds:g} s"
        ):
            proxy.delay = 0.1
            await asyncio.sleep(seconds)
            proxy.delay = 0.0
    return observer


async def no_connections(url: str, folder: Path, *, seconds: float) -> Observer:
    """Open every connection that PostgreSQL allows, and terminate those of the server."""
    async with observe(url, folder) as observer:
        opened: list[Any] = []
        with observer.injecting(
            f"all connections of PostgreSQL taken by other clients for {seconds:g} s, those of the"
            " server terminated"
        ):
            async with connect(url) as first:
                end = asyncio.get_running_loop().time() + seconds
                while asyncio.get_running_loop().time() < end:
                    await first.execute(TERMINATE_CONNECTIONS)
                    opened += await connect_until_refused(url)
                    await asyncio.sleep(0.1)
                for connection in opened:
                    await connection.close()
        observer.injected += f" ({len(opened)} connections)"
    return observer


async def connect_until_refused(url: str) -> list[Any]:
    """Open connections until there are too many."""
    connections = []
    while True:
        try:
            connections.append(await asyncpg.connect(url))
        except asyncpg.TooManyConnectionsError:
            return connections


@asynccontextmanager
async def connect(url: str) -> AsyncGenerator[Any]:
    """Open a connection of the driver."""
    connection: Any = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()
