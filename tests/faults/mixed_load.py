"""Queries, a writer and attacks at the same time, for long; and the memory of the server."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from statistics import linear_regression
from typing import Final

from tests.faults.attacks import Attack, attacks, send
from tests.faults.observer import Observer, observe

ATTACKERS: Final = 4
WARM_UP: Final = 0.25
"""The share of the time in which caches fill."""
MAX_GROWTH: Final = 5.0
"""MB by which memory may grow after the warm-up."""
MIN_MINUTES: Final = 5.0
"""The duration from which on memory is judged: before, caches still fill."""
REFUSALS: Final = {"503", "504"}
"""Statuses from 500 on that are not bugs."""


async def mixed_load(url: str, folder: Path, *, minutes: float) -> Observer:
    """Attack a server that clients query and a writer stores sessions for."""
    hostile = attacks()
    async with observe(url, folder, clients=4, pause=0.2, body_timeout=2) as observer:
        outcomes: Counter[str] = Counter()
        with observer.injecting(""):
            end = time.monotonic() + minutes * 60
            async with asyncio.TaskGroup() as tasks:
                sampling = tasks.create_task(sample_memory(observer.servers[0].process.pid, end))
                for first in range(0, len(hostile), len(hostile) // ATTACKERS):
                    share = islice(cycle(hostile), first, None)
                    tasks.create_task(run_attacker(observer, share, outcomes, end))
    growth, maximum = memory_growth(sampling.result())
    counts = ", ".join(f"{n:,} x {outcome}" for outcome, n in sorted(outcomes.items()))
    observer.injected = (
        f"{minutes:g} minutes of queries, a writer and {outcomes.total():,} attacks: {counts};"
        f" memory at most {maximum:.0f} MB, {growth:+.1f} MB by its slope after the first quarter"
    )
    if growth > MAX_GROWTH and minutes >= MIN_MINUTES:
        observer.violations.append(f"memory grew by {growth:.1f} MB")
    return observer


async def run_attacker(
    observer: Observer, hostile: Iterator[Attack], outcomes: "Counter[str]", end: float
) -> None:
    """Send one attack after the other."""
    port = observer.servers[0].port
    while time.monotonic() < end:
        try:
            outcome = await send(port, next(hostile), observer.token)
        except OSError as error:
            observer.violations.append(f"an attack ended with {error!r}")
            continue
        outcomes[outcome] += 1
        if outcome.startswith("5") and outcome not in REFUSALS:
            observer.violations.append(f"an attack got {outcome}")


async def sample_memory(process: int, end: float) -> list[tuple[float, float]]:
    """Return the resident memory of a process, in MB, every half second."""
    samples = []
    while time.monotonic() < end:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])  # noqa: ASYNC240 - quick
        samples.append((time.monotonic(), pages * 4_096 / 1e6))
        await asyncio.sleep(0.5)
    return samples


def memory_growth(samples: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the growth of memory after the warm-up, by linear regression, and the maximum.

    By regression, because memory rises and falls with the requests in progress.
    """
    times, sizes = zip(*samples[int(len(samples) * WARM_UP) :], strict=True)
    slope, _ = linear_regression(times, sizes)
    return slope * (times[-1] - times[0]), max(sizes)
