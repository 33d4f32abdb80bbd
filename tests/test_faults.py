"""A sample of each fault of `scripts/bench faults`: nothing lost, wrong or 500, and it passes."""

from functools import partial
from pathlib import Path

import pytest
import uvloop

from scripts.benchmarks.faults import clocks, databases, loads, mixed
from scripts.benchmarks.faults.watching import Watch
from tests.engines import Engine, OwnPostgreSQL, PostgreSQLServer

on_sqlite = pytest.mark.engines("sqlite")
SECONDS = 0.5
SESSIONS = 6_000
ANSWERED = {"200"}
BUSY = {"503"}
"""What a machine that has much else to do may let a client see; never what a fault does."""


@pytest.fixture
def url(engine: Engine, tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    return engine.new_database(tmp_path)


@pytest.fixture
def own(postgresql: PostgreSQLServer) -> OwnPostgreSQL:
    """Lend a PostgreSQL server that may be mistreated."""
    if not isinstance(postgresql, OwnPostgreSQL):
        pytest.skip("the server that METRICS_TEST_POSTGRES_URL names is not ours to break")
    return postgresql


def statuses(watch: Watch) -> set[str]:
    """Return what clients saw; that nothing was wrong has been asserted by then."""
    assert watch.wrong == []
    assert watch.acknowledged > 0
    return {seen.what for seen in watch.seen}


def test_a_killed_load_loses_nothing_that_it_acknowledged(url: str, tmp_path: Path) -> None:
    """Nor does a server beside it answer of half a batch."""
    watch = uvloop.run(loads.load_is_killed(url, tmp_path, kills=1, sessions=SESSIONS))

    assert ANSWERED <= statuses(watch) <= ANSWERED | BUSY
    assert watch.acknowledged == SESSIONS


@on_sqlite
def test_a_full_disk_stops_a_load_and_no_answer(url: str, tmp_path: Path) -> None:
    """The load says why it ends; what was acknowledged is there, and loading again goes on."""
    watch = uvloop.run(loads.disk_is_full(url, tmp_path, seconds=0, sessions=SESSIONS))

    assert ANSWERED <= statuses(watch) <= ANSWERED | BUSY
    assert watch.acknowledged == SESSIONS


@on_sqlite
def test_two_servers_answer_from_one_file_while_it_is_loaded(url: str, tmp_path: Path) -> None:
    """Both know of what was acknowledged as soon as `METRICS_FRESHNESS` promises."""
    watch = uvloop.run(loads.two_servers_on_one_file(url, tmp_path, sessions=SESSIONS))

    assert ANSWERED <= statuses(watch) <= ANSWERED | BUSY


@on_sqlite
def test_a_file_that_is_gone_is_back_as_it_was(url: str, tmp_path: Path) -> None:
    """Nobody makes a new one in its place, for which SQLite would drop the log beside it."""
    watch = uvloop.run(databases.file_is_moved(url, tmp_path, seconds=1.5))

    assert "503" in statuses(watch)


def test_a_crash_of_postgresql_costs_nothing_that_was_acknowledged(
    own: OwnPostgreSQL, tmp_path: Path
) -> None:
    """Questions get 503 meanwhile, and never 500; afterwards they are answered again."""
    url = own.new_database(tmp_path)
    watch = uvloop.run(databases.postgresql_crashes(own, url, tmp_path, seconds=1.5))

    assert "503" in statuses(watch)


@on_sqlite
def test_who_reads_does_not_wait_for_who_writes(url: str, tmp_path: Path) -> None:
    """On SQLite there is one writer at a time."""
    watch = uvloop.run(databases.writer_holds_its_lock(url, tmp_path, seconds=SECONDS))

    assert ANSWERED <= statuses(watch) <= ANSWERED | BUSY


@pytest.mark.parametrize(
    "fault",
    [
        databases.tables_are_locked,
        partial(databases.way_is_slow, delay=0.1),
        databases.more_questions_than_connections,
        databases.no_connection_is_left,
    ],
    ids=["locked", "slow", "pool", "connections"],
)
def test_a_postgresql_that_can_not_answer_in_time_is_waited_for_or_said_to_be_away(
    own: OwnPostgreSQL, tmp_path: Path, fault: databases.Fault
) -> None:
    """Locked tables, a slow network, more questions than connections, no connections at all."""
    watch = uvloop.run(fault(own.new_database(tmp_path), tmp_path, seconds=SECONDS))

    assert "200" in statuses(watch)


@on_sqlite
def test_a_clock_that_jumps_expires_tokens_and_keeps_no_answer(url: str, tmp_path: Path) -> None:
    """A token opens nothing once its time has come; what was read a moment ago is read again."""
    watch = uvloop.run(clocks.clock_jumps(url, tmp_path, seconds=SECONDS))

    assert ANSWERED <= statuses(watch) <= ANSWERED | BUSY


@on_sqlite
def test_questions_are_answered_beside_a_writer_and_attacks(url: str, tmp_path: Path) -> None:
    """Right, all of them; `scripts/bench faults` goes on for long, and looks at the memory."""
    watch = uvloop.run(mixed.mixed_load(url, tmp_path, minutes=0.03))

    assert "200" in statuses(watch)
