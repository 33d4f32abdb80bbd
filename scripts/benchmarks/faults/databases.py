"""Faults of a database: gone and back, slow, or out of connections."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg

from metrics_graphql.store.engine import Database
from scripts.benchmarks.faults.proxy import proxied
from scripts.benchmarks.faults.watching import Watch, watching
from tests.engines import OwnPostgreSQL

MANY: Final = 64
"""Clients that ask at once: more than a process has connections."""
LOCK: Final = "LOCK TABLE organizations, sessions, rollups, tokens IN ACCESS EXCLUSIVE MODE"


class Fault(Protocol):
    """Does something to a database for some seconds."""

    async def __call__(self, url: str, folder: Path, *, seconds: float) -> Watch:
        """Return what was seen meanwhile."""


async def postgresql_crashes(
    server: OwnPostgreSQL, url: str, folder: Path, *, seconds: float
) -> Watch:
    """Take the database server away under load, and bring it back."""
    async with watching(url, folder) as watch:
        with watch.fault(f"PostgreSQL ended as by a crash, and started again {seconds:g} s later"):
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(seconds)
            await asyncio.to_thread(server.start)
    return watch


async def file_is_moved(url: str, folder: Path, *, seconds: float) -> Watch:
    """Take the file away from where it is looked for, and bring it back."""
    file = Path(url.removeprefix("sqlite:///"))
    async with watching(url, folder) as watch:
        with watch.fault(f"the file renamed, not the log beside it, and back {seconds:g} s later"):
            away = file.rename(file.with_suffix(".away"))  # noqa: ASYNC240 - a moment
            await asyncio.sleep(seconds)
            if file.exists():  # noqa: ASYNC240 - a moment
                watch.wrong.append("a new file was made in its place")
            away.rename(file)
    return watch


async def tables_are_locked(url: str, folder: Path, *, seconds: float) -> Watch:
    """Hold a lock that keeps everybody from reading."""
    async with watching(url, folder) as watch:
        with watch.fault(f"all tables locked (ACCESS EXCLUSIVE) for {seconds:g} s"):
            async with connected(url) as connection, connection.transaction():
                await connection.execute(LOCK)
                await asyncio.sleep(seconds)
    return watch


async def writer_holds_its_lock(url: str, folder: Path, *, seconds: float) -> Watch:
    """Hold the one write lock of a file: who reads does not notice."""
    async with watching(url, folder) as watch:
        with watch.fault(f"another writer holds the write lock for {seconds:g} s"):
            async with Database(url) as other, other.writing():
                await asyncio.sleep(seconds)
    return watch


async def way_is_slow(url: str, folder: Path, *, delay: float, seconds: float) -> Watch:
    """Let everything that a server and its database say to each other take its time."""
    async with (
        proxied(url) as proxy,
        watching(url, folder, served_url=proxy.url, timeout=2) as watch,
    ):
        with watch.fault(
            f"each packet between server and database {delay:g} s late for {seconds:g} s, then"
            f" none at all for {seconds:g} s; the deadline is 2 s"
        ):
            proxy.delay = delay
            await asyncio.sleep(seconds)
            proxy.open.clear()
            await asyncio.sleep(seconds)
            proxy.open.set()
            proxy.delay = 0.0
    return watch


async def more_questions_than_connections(url: str, folder: Path, *, seconds: float) -> Watch:
    """Ask more at once than a process has connections, each of which takes its time."""
    async with (
        proxied(url) as proxy,
        watching(url, folder, served_url=proxy.url, clients=MANY, max_concurrency=MANY) as watch,
    ):
        with watch.fault(
            f"{MANY} questions at once over 16 connections, each packet 0.1 s late for"
            f" {seconds:g} s"
        ):
            proxy.delay = 0.1
            await asyncio.sleep(seconds)
            proxy.delay = 0.0
    return watch


async def no_connection_is_left(url: str, folder: Path, *, seconds: float) -> Watch:
    """Take every connection that the database server has, those of our server, too."""
    async with watching(url, folder) as watch:
        taken: list[Any] = []
        with watch.fault(
            f"every connection of PostgreSQL taken by others for {seconds:g} s, ours ended"
        ):
            async with connected(url) as first:
                until = asyncio.get_running_loop().time() + seconds
                while asyncio.get_running_loop().time() < until:
                    await first.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'metrics-graphql'"
                    )
                    taken += await as_many_as_there_are(url)
                    await asyncio.sleep(0.1)
                for connection in taken:
                    await connection.close()
        watch.done += f" ({len(taken)} of them)"
    return watch


async def as_many_as_there_are(url: str) -> list[Any]:
    """Return connections, until there are no more to be had."""
    taken = []
    while True:
        try:
            taken.append(await asyncpg.connect(url))
        except asyncpg.TooManyConnectionsError:
            return taken


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[Any]:
    """Lend a connection of the driver's own."""
    connection: Any = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()
