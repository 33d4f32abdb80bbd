"""The faults of the suite, one after the other, as a table."""

from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import uvloop

from scripts.benchmarks.faults.clocks import clock_jumps
from scripts.benchmarks.faults.databases import (
    file_is_moved,
    more_questions_than_connections,
    no_connection_is_left,
    postgresql_crashes,
    tables_are_locked,
    way_is_slow,
    writer_holds_its_lock,
)
from scripts.benchmarks.faults.loads import disk_is_full, load_is_killed, two_servers_on_one_file
from scripts.benchmarks.faults.mixed import mixed_load
from scripts.benchmarks.faults.watching import Watch
from tests.engines import Engine, OwnPostgreSQL, SQLiteFiles, postgresql

Row = dict[str, Any]
SECONDS: Final = 3.0
"""How long a fault lasts."""
SESSIONS: Final = 100_000
KILLS: Final = 10


class Fault(NamedTuple):
    """What goes wrong, with which database, and how it is made to."""

    name: str
    engine: Engine
    happen: Callable[[str, Path], Coroutine[Any, Any, Watch]]


def faults(server: OwnPostgreSQL, minutes: float) -> list[Fault]:
    """Return the faults of the suite."""
    files = SQLiteFiles()
    killed = partial(load_is_killed, kills=KILLS, sessions=SESSIONS)
    full = partial(disk_is_full, seconds=SECONDS, sessions=SESSIONS)
    two = partial(two_servers_on_one_file, sessions=SESSIONS)
    slow = partial(way_is_slow, delay=0.2, seconds=SECONDS)
    many = partial(more_questions_than_connections, seconds=SECONDS)
    jumps = partial(clock_jumps, seconds=SECONDS)
    mixed = partial(mixed_load, minutes=minutes)
    return [
        Fault("killed load", files, killed),
        Fault("killed load", server, killed),
        Fault("full disk", files, full),
        Fault("database gone", files, partial(file_is_moved, seconds=SECONDS)),
        Fault("database gone", server, partial(postgresql_crashes, server, seconds=SECONDS)),
        Fault("slow database", files, partial(writer_holds_its_lock, seconds=SECONDS)),
        Fault("slow database", server, partial(tables_are_locked, seconds=SECONDS)),
        Fault("slow network", server, slow),
        Fault("pool exhausted", server, many),
        Fault("no connection left", server, partial(no_connection_is_left, seconds=SECONDS)),
        Fault("clock jumps", files, jumps),
        Fault("two servers, one file", files, two),
        Fault("mixed load", files, mixed),
        Fault("mixed load", server, mixed),
    ]


def measure(minutes: float) -> Iterator[Row]:
    """Yield a row for each fault; the mixed loads take so many minutes each."""
    with postgresql() as server, TemporaryDirectory() as temporary:
        for number, fault in enumerate(faults(server, minutes)):
            folder = Path(temporary) / str(number)
            folder.mkdir()
            watch = uvloop.run(fault.happen(fault.engine.new_database(folder), folder))
            yield watch.row(f"{fault.name}, {fault.engine.name}")


def markdown(row: Row) -> str:
    """Return a row of a table in Markdown."""
    return f"| {' | '.join(map(str, row.values()))} |"


def heading(row: Row) -> str:
    """Return the heading of a table that has rows like this one."""
    return f"| {' | '.join(row)} |\n|{'---|' * len(row)}"
