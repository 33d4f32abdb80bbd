"""Rows per second of ingest: with roll-ups, without them, and by the bare driver."""

import sqlite3
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from random import Random
from typing import Any, Final
from unittest.mock import patch

import asyncpg

from metrics_graphql.core.sessions import Session, SessionUpdate
from metrics_graphql.storage import ingest
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.migrations.runner import migrate
from metrics_graphql.storage.organizations import ensure_organizations
from metrics_graphql.storage.rollups import RollupDeltas
from scripts.benchmarks.dataset import ORG, batched, sessions

Row = dict[str, Any]
Insert = Callable[[list[Session]], Awaitable[object]]
LATE_SHARE: Final = 0.3
BATCH_SIZES: Final = (100, 1_000, 10_000)
DATABASES: Final = 3 * len(BATCH_SIZES)
"""With roll-ups, without them, and for the bare driver."""
INSERT: Final = f"INSERT INTO sessions VALUES ({', '.join('?' * len(Session._fields))})"  # noqa: S608 - placeholders


async def measure(size: int, urls: Sequence[str]) -> list[Row]:
    """Return a row for each batch size and kind of load.

    The sessions are the first of a year of a million. Loads with and without roll-ups take turns,
    batch by batch, so that other programs slow both. The bare driver follows. `urls` are those of
    `DATABASES` new databases.
    """
    stored = [each for _, each in zip(range(size), sessions(1_000_000), strict=False)]
    new = [full_update(each) for each in stored]
    for url in urls:
        async with Database(url) as database:
            await migrate(database)
    rows = []
    for batch_size, (with_url, without_url, bare_url) in zip(
        BATCH_SIZES, batched(urls, 3), strict=True
    ):
        async with (
            Database(with_url) as with_rollups,
            Database(without_url) as without,
            bare_driver(bare_url) as insert,
        ):
            for kind, updates in (("new", new), ("30 % late updates", with_late_updates(new))):
                seconds = await time_updates(with_rollups, without, updates, batch_size)
                if kind == "new":
                    seconds["bare driver"] = await time_inserts(insert, stored, batch_size)
                rows.append(row_of(kind, batch_size, len(updates), seconds))
    return rows


def full_update(session: Session) -> SessionUpdate:
    """Return an update of all fields of a session."""
    values = session._asdict()
    return SessionUpdate(values.pop("org_id"), values.pop("session_id"), values)


def with_late_updates(stored: list[SessionUpdate]) -> list[SessionUpdate]:
    """Return as many rows, of which 30 % update stored sessions and the others are new."""
    rng = Random(3)  # noqa: S311 - synthetic data
    return [
        SessionUpdate(row.org_id, row.session_id, {"has_merged_pr": True, "acus": 5_000_000})
        if rng.random() < LATE_SHARE
        else SessionUpdate(row.org_id, f"later-{row.session_id}", row.values)
        for row in stored
    ]


@asynccontextmanager
async def bare_driver(url: str) -> AsyncGenerator[Insert]:
    """Return a function that inserts new sessions with the driver alone, durably.

    SQLite gets `executemany`, PostgreSQL COPY.
    """
    async with Database(url) as database, database.transaction() as connection:
        await ensure_organizations(connection, database.dialect, [ORG])
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            file.execute("PRAGMA synchronous = FULL")

            async def insert(rows: list[Session]) -> None:
                with file:
                    file.executemany(INSERT, rows)

            yield insert
        return
    server: Any = await asyncpg.connect(url)

    async def copy(rows: list[Session]) -> object:
        return await server.copy_records_to_table("sessions", records=rows, columns=Session._fields)

    yield copy
    await server.close()


async def time_updates(
    with_rollups: Database, without: Database, updates: list[SessionUpdate], batch_size: int
) -> dict[str, float]:
    """Return the seconds that updates take with and without roll-ups."""
    seconds = {"with roll-ups": 0.0, "without roll-ups": 0.0}
    for batch in batched(updates, batch_size):
        seconds["with roll-ups"] += await time_batch(with_rollups, batch)
        with patch.object(ingest, "rollup_deltas", lambda _changes: RollupDeltas([], [])):
            seconds["without roll-ups"] += await time_batch(without, batch)
    return seconds


async def time_batch(database: Database, batch: list[SessionUpdate]) -> float:
    """Return the seconds that a batch takes, including its commit."""
    started = time.perf_counter()
    async with database.transaction() as connection:
        await ingest.upsert_sessions(connection, database.dialect, batch)
    return time.perf_counter() - started


async def time_inserts(insert: Insert, stored: list[Session], batch_size: int) -> float:
    """Return the seconds that the bare driver takes for sessions, including the commits."""
    started = time.perf_counter()
    for batch in batched(stored, batch_size):
        await insert(batch)
    return time.perf_counter() - started


def row_of(kind: str, batch_size: int, size: int, seconds: dict[str, float]) -> Row:
    """Return rows per second of each alternative, and the ratio with and without roll-ups."""
    bare = seconds.get("bare driver")
    return {
        "rows": kind,
        "batch": batch_size,
        "with roll-ups rows/s": size / seconds["with roll-ups"],
        "without roll-ups rows/s": size / seconds["without roll-ups"],
        "bare driver rows/s": size / bare if bare else "",
        "with / without": seconds["without roll-ups"] / seconds["with roll-ups"],
    }
