"""Faults of a load: it is killed, it finds the disk full, it has two servers beside it."""

import asyncio
import json
import os
import re
import resource
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Final

from scripts.benchmarks.faults.numbered import ORG, line
from scripts.benchmarks.faults.watching import Watch, watching

FULL: Final = 1_000_000
"""Bytes that a file may have when the disk counts as full."""


class Loading:
    """A load in a process of its own: what it says is committed is acknowledged."""

    def __init__(self, process: Process, watch: Watch) -> None:
        self.process = process
        self.first = asyncio.Event()
        """Whether it has committed something, or has ended."""
        self.said = ""
        self._reading = asyncio.create_task(self._read(watch))

    async def _read(self, watch: Watch) -> None:
        assert self.process.stderr is not None  # noqa: S101 - it was asked for
        async for text in self.process.stderr:
            self.said = text.decode().strip()
            if committed := re.search(r"\bcommitted (\d+) rows", self.said):
                watch.acknowledge(int(committed[1]))
                self.first.set()
        self.first.set()

    async def end(self) -> int:
        """Return its exit status, once it has ended and all that it said was read."""
        await self._reading
        return await self.process.wait()


@asynccontextmanager
async def loading(watch: Watch, url: str, file: Path) -> AsyncGenerator[Loading]:
    """Start a load of a file; it has ended when the block has."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "metrics_graphql", "load", str(file)),
        env={**os.environ, "METRICS_DATABASE_URL": url, "METRICS_LOG_LEVEL": "debug"},
        stdout=PIPE,
        stderr=PIPE,
    )
    load = Loading(process, watch)
    try:
        yield load
    except BaseException:
        process.kill()
        raise
    finally:
        await load.end()


async def load_all(watch: Watch, url: str, file: Path) -> None:
    """Load a file to its end."""
    async with loading(watch, url, file) as load:
        pass
    if load.process.returncode or watch.acknowledged < watch.begun:
        watch.wrong.append(f"a load ended with {load.process.returncode}: {load.said}")


def write_file(watch: Watch, folder: Path, sessions: int) -> Path:
    """Write a file with so many sessions, all of which may be stored from now on."""
    file = folder / f"{ORG}.ndjson"
    with file.open("w") as lines:
        for number in range(sessions):
            lines.write(json.dumps(line(number)) + "\n")
    watch.begun = sessions
    return file


async def load_is_killed(url: str, folder: Path, *, kills: int, sessions: int) -> Watch:
    """Kill a load again and again, and run it to its end."""
    chance = Random(kills)  # noqa: S311 - moments
    async with watching(url, folder, writes=False) as watch:
        file = write_file(watch, folder, sessions)
        with watch.fault(
            f"a load of {sessions:,} sessions killed (-9) {kills} times at random moments, then run"
            " to its end"
        ):
            for _ in range(kills):
                async with loading(watch, url, file) as load:
                    await load.first.wait()
                    await asyncio.sleep(chance.uniform(0, 0.5))
                    if load.process.returncode is None:
                        load.process.send_signal(signal.SIGKILL)
                await watch.check()
            await load_all(watch, url, file)
    return watch


async def disk_is_full(url: str, folder: Path, *, seconds: float, sessions: int) -> Watch:
    """Let no file grow any more, for the server and for a load; then let them, and load again."""
    async with watching(url, folder, writes=False) as watch:
        file = write_file(watch, folder, sessions)
        (server,) = watch.servers
        with watch.fault(
            f"no file may grow beyond {FULL / 1e6:g} MB (RLIMIT_FSIZE of server and load) while"
            f" {sessions:,} sessions are loaded; {seconds:g} s later it may, and they are loaded"
            " again"
        ):
            limit(server.process.pid, FULL)
            async with loading(watch, url, file) as load:
                limit(load.process.pid, FULL)
            if load.process.returncode != 1 or "not available" not in load.said:
                watch.wrong.append(f"the load ended with {load.process.returncode}: {load.said}")
            await watch.check()
            await asyncio.sleep(seconds)
            limit(server.process.pid, resource.RLIM_INFINITY)
            await load_all(watch, url, file)
    return watch


def limit(process: int, size: int) -> None:
    """Let a process write no file beyond a size."""
    _, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, hard))


async def two_servers_on_one_file(url: str, folder: Path, *, sessions: int) -> Watch:
    """Load a file while two servers answer from the same database."""
    async with watching(url, folder, servers=2, writes=False) as watch:
        file = write_file(watch, folder, sessions)
        with watch.fault(f"two servers asked in turns while {sessions:,} sessions are loaded"):
            await load_all(watch, url, file)
    return watch
