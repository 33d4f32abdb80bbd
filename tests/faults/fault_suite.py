"""The fault suite: all faults, one after the other, as a table."""

from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import uvloop

from tests.engines import Engine, OwnPostgreSQL, SQLiteFiles, own_postgresql
from tests.faults import clock_faults, database_faults, load_faults
from tests.faults.mixed_load import mixed_load
from tests.faults.observer import Observer

Row = dict[str, Any]
SECONDS: Final = 3.0
"""The duration of a fault."""
KILLS: Final = 10


class Fault(NamedTuple):
    """A fault, the engine that it concerns, and the function that injects it."""

    name: str
    engine: Engine
    inject: Callable[[str, Path], Coroutine[Any, Any, Observer]]


def faults(server: OwnPostgreSQL, minutes: float, sessions: int) -> list[Fault]:
    """Return the faults of the suite."""
    sqlite = SQLiteFiles()
    killed_load = partial(load_faults.killed_load, kills=KILLS, sessions=sessions)
    full_disk = partial(load_faults.full_disk, seconds=SECONDS, sessions=sessions)
    two_servers = partial(load_faults.two_servers, sessions=sessions)
    missing_file = partial(database_faults.missing_file, seconds=SECONDS)
    crash = partial(database_faults.postgresql_crash, server, seconds=SECONDS)
    write_lock = partial(database_faults.write_lock, seconds=SECONDS)
    locked_tables = partial(database_faults.locked_tables, seconds=SECONDS)
    slow_network = partial(database_faults.slow_network, delay=0.2, seconds=SECONDS)
    exhausted_pool = partial(database_faults.exhausted_pool, seconds=SECONDS)
    no_connections = partial(database_faults.no_connections, seconds=SECONDS)
    clock_jumps = partial(clock_faults.clock_jumps, seconds=SECONDS)
    mixed = partial(mixed_load, minutes=minutes)
    return [
        Fault("killed load", sqlite, killed_load),
        Fault("killed load", server, killed_load),
        Fault("full disk", sqlite, full_disk),
        Fault("missing database", sqlite, missing_file),
        Fault("missing database", server, crash),
        Fault("locked database", sqlite, write_lock),
        Fault("locked database", server, locked_tables),
        Fault("slow network", server, slow_network),
        Fault("exhausted pool", server, exhausted_pool),
        Fault("no connections", server, no_connections),
        Fault("clock jumps", sqlite, clock_jumps),
        Fault("two servers on one file", sqlite, two_servers),
        Fault("mixed load", sqlite, mixed),
        Fault("mixed load", server, mixed),
    ]


def run(minutes: float, sessions: int) -> Iterator[Row]:
    """Yield a row for each fault. Mixed loads take `minutes`; other loads have `sessions` rows."""
    with own_postgresql() as server, TemporaryDirectory() as temporary:
        for number, fault in enumerate(faults(server, minutes, sessions)):
            folder = Path(temporary) / str(number)
            folder.mkdir()
            observer = uvloop.run(fault.inject(fault.engine.new_database(folder), folder))
            yield observer.row(f"{fault.name}, {fault.engine.name}")


def markdown(row: Row) -> str:
    """Return a row of a table in Markdown."""
    return f"| {' | '.join(map(str, row.values()))} |"


def markdown_heading(row: Row) -> str:
    """Return the heading of a table with the columns of a row."""
    return f"| {' | '.join(row)} |\n|{'---|' * len(row)}"
