"""Load faults: a load is killed, the disk is full, two servers read the file that is loaded."""

import asyncio
import json
import os
import re
import resource
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Final

from tests.faults.numbered_sessions import ORG, file_row
from tests.faults.observer import Observer, observe

MAX_FILE_BYTES: Final = 1_000_000
"""The size of files at which the disk counts as full."""


class LoadProcess:
    """A `load` in a process of its own. Batches that it reports as committed are acknowledged."""

    def __init__(self, process: Process, observer: Observer) -> None:
        self.process = process
        self.has_committed = asyncio.Event()
        """Set after the first commit, or when the process has ended."""
        self.last_line = ""
        self._reading = asyncio.create_task(self._read_log(observer))

    async def _read_log(self, observer: Observer) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.last_line = line.decode().strip()
            if match := re.search(r"\bcommitted (\d+) rows", self.last_line):
                observer.acknowledge(int(match[1]))
                self.has_committed.set()
        self.has_committed.set()

    async def wait(self) -> None:
        """Wait until the process has ended, and all of its log is read."""
        await self._reading
        await self.process.wait()

    @property
    def outcome(self) -> str:
        """How the process ended: its exit status and last line."""
        return f"a load ended with {self.process.returncode}: {self.last_line}"


@asynccontextmanager
async def start_load(observer: Observer, url: str, file: Path) -> AsyncGenerator[LoadProcess]:
    """Start to load a file; wait for the end when the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "metrics_graphql", "load", str(file)),
        env={**os.environ, "METRICS_DATABASE_URL": url, "METRICS_LOG_LEVEL": "debug"},
        stdout=PIPE,
        stderr=PIPE,
    )
    load = LoadProcess(process, observer)
    try:
        yield load
    except BaseException:
        process.kill()
        raise
    finally:
        await load.wait()


async def complete_load(observer: Observer, url: str, file: Path) -> None:
    """Load a file to its end."""
    async with start_load(observer, url, file) as load:
        pass
    if load.process.returncode or observer.acknowledged < observer.max_stored:
        observer.violations.append(load.outcome)


def write_file(observer: Observer, folder: Path, sessions: int) -> Path:
    """Write a file with a number of sessions, all of which may be stored from now on."""
    file = folder / f"{ORG}.ndjson"
    with file.open("w") as lines:
        for number in range(sessions):
            lines.write(json.dumps(file_row(number)) + "\n")
    observer.max_stored = sessions
    return file


async def killed_load(url: str, folder: Path, *, kills: int, sessions: int) -> Observer:
    """Kill a load several times, then complete it."""
    rng = Random(kills)  # noqa: S311 - test data
    async with observe(url, folder, stores_batches=False) as observer:
        file = write_file(observer, folder, sessions)
        with observer.injecting(
            f"a load of {sessions:,} sessions killed {kills} times (SIGKILL) at random moments,"
            " then completed"
        ):
            for _ in range(kills):
                async with start_load(observer, url, file) as load:
                    await load.has_committed.wait()
                    await asyncio.sleep(rng.uniform(0, 0.5))
                    if load.process.returncode is None:
                        load.process.kill()
                await observer.check_storage()
            await complete_load(observer, url, file)
    return observer


async def full_disk(url: str, folder: Path, *, seconds: float, sessions: int) -> Observer:
    """Limit the size of files for a server and a load, then lift the limit and load again."""
    async with observe(url, folder, stores_batches=False) as observer:
        file = write_file(observer, folder, sessions)
        (server,) = observer.servers
        with observer.injecting(
            f"files limited to {MAX_FILE_BYTES / 1e6:g} MB (RLIMIT_FSIZE of server and load) while"
            f" {sessions:,} sessions are loaded; the limit lifted {seconds:g} s later, and the load"
            " repeated"
        ):
            limit_file_size(server.process.pid, MAX_FILE_BYTES)
            async with start_load(observer, url, file) as load:
                limit_file_size(load.process.pid, MAX_FILE_BYTES)
            if load.process.returncode != 1 or "not available" not in load.last_line:
                observer.violations.append(load.outcome)
            await observer.check_storage()
            await asyncio.sleep(seconds)
            limit_file_size(server.process.pid, resource.RLIM_INFINITY)
            await complete_load(observer, url, file)
    return observer


def limit_file_size(process: int, size: int) -> None:
    """Limit the size of the files that a process writes."""
    _, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, hard))


async def two_servers(url: str, folder: Path, *, sessions: int) -> Observer:
    """Load a file while two servers read the same database."""
    async with observe(url, folder, servers=2, stores_batches=False) as observer:
        file = write_file(observer, folder, sessions)
        with observer.injecting(f"two servers queried in turn while {sessions:,} sessions load"):
            await complete_load(observer, url, file)
    return observer
