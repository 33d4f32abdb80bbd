"""Rows per second of ingest: new rows and late updates, with and without roll-ups."""

import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from metrics_graphql.domain.sessions import Session, SessionUpdate
from metrics_graphql.store import ingest
from metrics_graphql.store.engine import Database
from metrics_graphql.store.migrate import migrate
from scripts.benchmarks.data import sessions

Row = dict[str, Any]


async def measure(count: int) -> list[Row]:
    """Return a row for each batch size and kind of load.

    The sessions are the first of a year of a million. Both sides run in turns, batch by batch, so
    that what else the machine does falls on both.
    """
    new = [whole(session) for _, session in zip(range(count), sessions(1_000_000), strict=False)]
    rows = []
    for batch_size in (100, 1_000, 10_000):
        with TemporaryDirectory() as folder:
            async with (
                Database(f"sqlite:///{Path(folder) / 'with.db'}") as with_rollups,
                Database(f"sqlite:///{Path(folder) / 'without.db'}") as without,
            ):
                await migrate(with_rollups)
                await migrate(without)
                for kind, updates in (("new", new), ("30 % late updates", late(new))):
                    both = await timed(with_rollups, without, updates, batch_size)
                    rows.append({"rows": kind, "batch": batch_size, **both})
    return rows


def whole(session: Session) -> SessionUpdate:
    """Return an update that says everything of a session."""
    values = session._asdict()
    return SessionUpdate(values.pop("org_id"), values.pop("session_id"), values)


def late(known: list[SessionUpdate]) -> list[SessionUpdate]:
    """Return as many rows, 30 % of them merges of known sessions, the others new ones."""
    chance = Random(3)  # noqa: S311 - data
    return [
        SessionUpdate(row.org_id, row.session_id, {"has_merged_pr": True, "acus": 5_000_000})
        if chance.random() < 0.3  # noqa: PLR2004 - 30 %
        else SessionUpdate(row.org_id, f"later-{row.session_id}", row.values)
        for row in known
    ]


async def timed(
    with_rollups: Database, without: Database, updates: list[SessionUpdate], size: int
) -> Row:
    """Return rows per second of both sides, and their ratio."""
    seconds = {"with": 0.0, "without": 0.0}
    for first in range(0, len(updates), size):
        batch = updates[first : first + size]
        seconds["with"] += await one_batch(with_rollups, batch)
        with patch.object(ingest, "fold", lambda _changes: []):
            seconds["without"] += await one_batch(without, batch)
    speed = {name: len(updates) / taken for name, taken in seconds.items()}
    return {
        "with roll-ups rows/s": speed["with"],
        "without rows/s": speed["without"],
        "with / without": speed["with"] / speed["without"],
    }


async def one_batch(database: Database, batch: list[SessionUpdate]) -> float:
    """Return how many seconds a batch takes, its commit included."""
    started = time.perf_counter()
    async with database.writing() as connection:
        await ingest.write_sessions(connection, database.dialect, batch)
    return time.perf_counter() - started
