"""Rows per second of ingest: new rows and late updates, with and without roll-ups."""

import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

from metrics_graphql.core.sessions import Session, SessionUpdate
from metrics_graphql.storage import ingest
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.migrations.runner import migrate
from metrics_graphql.storage.rollups import RollupDeltas
from scripts.benchmarks.dataset import batched, sessions

Row = dict[str, Any]
LATE_SHARE: Final = 0.3


async def measure(count: int) -> list[Row]:
    """Return a row for each batch size and kind of load.

    The sessions are the first of a year of a million. Both sides take turns, batch by batch, so
    that other load on the machine slows both.
    """
    new = [full_update(each) for _, each in zip(range(count), sessions(1_000_000), strict=False)]
    rows = []
    for batch_size in (100, 1_000, 10_000):
        with TemporaryDirectory() as folder:
            async with (
                Database(f"sqlite:///{Path(folder) / 'with.db'}") as with_rollups,
                Database(f"sqlite:///{Path(folder) / 'without.db'}") as without,
            ):
                await migrate(with_rollups)
                await migrate(without)
                for kind, updates in (("new", new), ("30 % late updates", with_late_updates(new))):
                    speeds = await time_both(with_rollups, without, updates, batch_size)
                    rows.append({"rows": kind, "batch": batch_size, **speeds})
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


async def time_both(
    with_rollups: Database, without: Database, updates: list[SessionUpdate], batch_size: int
) -> Row:
    """Return rows per second with and without roll-ups, and their ratio."""
    seconds = {"with": 0.0, "without": 0.0}
    for batch in batched(updates, batch_size):
        seconds["with"] += await time_batch(with_rollups, batch)
        with patch.object(ingest, "rollup_deltas", lambda _changes: RollupDeltas([], [])):
            seconds["without"] += await time_batch(without, batch)
    speed = {name: len(updates) / total for name, total in seconds.items()}
    return {
        "with roll-ups rows/s": speed["with"],
        "without roll-ups rows/s": speed["without"],
        "with / without": speed["with"] / speed["without"],
    }


async def time_batch(database: Database, batch: list[SessionUpdate]) -> float:
    """Return the seconds that a batch takes, including its commit."""
    started = time.perf_counter()
    async with database.transaction() as connection:
        await ingest.upsert_sessions(connection, database.dialect, batch)
    return time.perf_counter() - started
