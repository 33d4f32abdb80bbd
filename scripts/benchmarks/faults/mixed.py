"""All at once for a long time: questions, a writer, and attacks; and the memory that it takes."""

import asyncio
import time
from collections import Counter
from itertools import cycle, islice
from pathlib import Path
from statistics import linear_regression
from typing import Final

from scripts.benchmarks.faults.attacks import Attack, attacks, send
from scripts.benchmarks.faults.watching import Watch, watching

ATTACKERS: Final = 4
WARM_UP: Final = 0.25
"""The share of the time after which whatever is kept is as much as is ever kept."""
MAX_GROWTH: Final = 5.0
"""MB by which memory may grow over the rest."""
LONG: Final = 5.0
"""Minutes from which on that is judged: before, much is still kept for the first time."""
REFUSALS: Final = {"503", "504"}
"""What begins with a 5 and is no fault of ours."""


async def mixed_load(url: str, folder: Path, *, minutes: float) -> Watch:
    """Attack a server that has clients and a writer."""
    hostile = attacks()
    async with watching(url, folder, clients=4, pause=0.2, body_timeout=2) as watch:
        answers: Counter[str] = Counter()
        with watch.fault(""):
            end = time.monotonic() + minutes * 60
            async with asyncio.TaskGroup() as tasks:
                sampling = tasks.create_task(memory(watch.servers[0].process.pid, end))
                for first in range(0, len(hostile), len(hostile) // ATTACKERS):
                    each = islice(cycle(hostile), first, None)
                    tasks.create_task(attack(watch, each, answers, end))
    growth, most = growth_of(sampling.result())
    statuses = ", ".join(f"{n:,} x {what}" for what, n in sorted(answers.items()))
    watch.done = (
        f"{minutes:g} minutes of clients, a writer and {sum(answers.values()):,} attacks, which got"
        f" {statuses}; memory at most {most:.0f} MB, {growth:+.1f} MB by its slope after the first"
        " quarter"
    )
    if growth > MAX_GROWTH and minutes >= LONG:
        watch.wrong.append(f"memory grew by {growth:.1f} MB")
    return watch


async def attack(
    watch: Watch, hostile: "islice[Attack]", answers: "Counter[str]", end: float
) -> None:
    """Send one attack after the other."""
    port = watch.servers[0].port
    while time.monotonic() < end:
        try:
            status = await send(port, next(hostile), watch.token)
        except OSError as error:
            watch.wrong.append(f"an attack met {error!r}")
            continue
        answers[status] += 1
        if status.startswith("5") and status not in REFUSALS:
            watch.wrong.append(f"an attack got {status}")


async def memory(process: int, end: float) -> list[tuple[float, float]]:
    """Return the memory of a process at each half second, in MB."""
    sampled = []
    while time.monotonic() < end:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])  # noqa: ASYNC240 - memory
        sampled.append((time.monotonic(), pages * 4_096 / 1e6))
        await asyncio.sleep(0.5)
    return sampled


def growth_of(sampled: list[tuple[float, float]]) -> tuple[float, float]:
    """Return by how much memory grew after the warm-up, as a line through it has it, and the most.

    A line, as memory goes up and down with what is being answered.
    """
    rest = sampled[int(len(sampled) * WARM_UP) :]
    times, sizes = zip(*rest, strict=True)
    slope, _ = linear_regression(times, sizes)
    return slope * (times[-1] - times[0]), max(sizes)
