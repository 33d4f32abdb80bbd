"""Queries and upserts on clusters of chdb, also while a shard cannot be reached."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from scripts.benchmarks import embedded_cluster
from scripts.benchmarks.cluster_scenario import Row, Scenario


def measure() -> list[Row]:
    """Return a row for each observation."""
    with TemporaryDirectory() as folder:
        return uvloop.run(embedded_cluster.measure(Path(folder), Scenario()))


def conclusions(rows: list[Row]) -> Iterator[str]:
    """Yield what the observations show and do not show."""
    yield "Shown: blocks and queries through Distributed tables, and that a shard that cannot be"
    yield "  reached is an error, never a lower count."
    yield "Not shown: rows on two shards; replicas and Keeper, so neither ON CLUSTER nor quorums."
    wrong = [row["observation"] for row in rows if row["as expected"].startswith("NO")]
    yield f"Not as expected: {'; '.join(wrong) or 'nothing'}"
