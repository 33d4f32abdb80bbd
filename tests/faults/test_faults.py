"""Short runs of each fault of `scripts/bench faults`: no data is lost, and servers recover."""

from functools import partial
from pathlib import Path

import pytest
import uvloop

from tests.conftest import only_sqlite
from tests.engines import Engine, OwnPostgreSQL, PostgreSQLServer
from tests.faults import clock_faults, database_faults, load_faults
from tests.faults.mixed_load import mixed_load
from tests.faults.observer import Observer

SECONDS = 0.5
SESSIONS = 3_000
SESSIONS_OF_FULL_DISK = 6_000
SUCCESS = {"200"}
OVERLOADED = {"503"}
"""The outcome of requests that are shed on a busy machine, whatever the fault."""


@pytest.fixture
def url(engine: Engine, tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    return engine.new_database(tmp_path)


@pytest.fixture
def own_postgresql(postgresql: PostgreSQLServer) -> OwnPostgreSQL:
    """Return a PostgreSQL server that may be stopped."""
    if not isinstance(postgresql, OwnPostgreSQL):
        pytest.skip("METRICS_TEST_POSTGRES_URL names a server that tests must not stop")
    return postgresql


def outcomes(observer: Observer) -> set[str]:
    """Return the outcomes of all requests, after checking that nothing was violated."""
    assert observer.violations == []
    assert observer.acknowledged > 0
    return {request.outcome for request in observer.requests}


def test_a_killed_load_loses_no_acknowledged_session(url: str, tmp_path: Path) -> None:
    """A server meanwhile never reads part of a batch."""
    observer = uvloop.run(load_faults.killed_load(url, tmp_path, kills=1, sessions=SESSIONS))

    assert SUCCESS <= outcomes(observer) <= SUCCESS | OVERLOADED
    assert observer.acknowledged == SESSIONS


@only_sqlite
def test_a_full_disk_stops_a_load_and_no_read(url: str, tmp_path: Path) -> None:
    """The load reports an error. Acknowledged sessions are stored, and a repeated load succeeds."""
    observer = uvloop.run(
        load_faults.full_disk(url, tmp_path, seconds=0, sessions=SESSIONS_OF_FULL_DISK)
    )

    assert SUCCESS <= outcomes(observer) <= SUCCESS | OVERLOADED
    assert observer.acknowledged == SESSIONS_OF_FULL_DISK


@only_sqlite
def test_two_servers_read_a_file_during_a_load(url: str, tmp_path: Path) -> None:
    """Both see acknowledged sessions within `METRICS_CACHE_TTL`."""
    observer = uvloop.run(load_faults.two_servers(url, tmp_path, sessions=SESSIONS))

    assert SUCCESS <= outcomes(observer) <= SUCCESS | OVERLOADED


@only_sqlite
def test_a_missing_file_is_not_created_again(url: str, tmp_path: Path) -> None:
    """SQLite would delete the write-ahead log that it finds next to a new file."""
    observer = uvloop.run(database_faults.missing_file(url, tmp_path, seconds=1.5))

    assert "503" in outcomes(observer)


def test_a_crash_of_postgresql_loses_no_acknowledged_session(
    own_postgresql: OwnPostgreSQL, tmp_path: Path
) -> None:
    """Meanwhile requests get 503; afterwards they succeed without a restart of the server."""
    url = own_postgresql.new_database(tmp_path)
    observer = uvloop.run(
        database_faults.postgresql_crash(own_postgresql, url, tmp_path, seconds=1.5)
    )

    assert "503" in outcomes(observer)


@only_sqlite
def test_reads_do_not_wait_for_a_writer(url: str, tmp_path: Path) -> None:
    """SQLite has one writer at a time."""
    observer = uvloop.run(database_faults.write_lock(url, tmp_path, seconds=SECONDS))

    assert SUCCESS <= outcomes(observer) <= SUCCESS | OVERLOADED


@pytest.mark.parametrize(
    "fault",
    [
        database_faults.locked_tables,
        partial(database_faults.slow_network, delay=0.1),
        database_faults.exhausted_pool,
        database_faults.no_connections,
    ],
    ids=["locked-tables", "slow-network", "exhausted-pool", "no-connections"],
)
def test_requests_wait_for_postgresql_or_get_503(
    own_postgresql: OwnPostgreSQL, tmp_path: Path, fault: database_faults.DatabaseFault
) -> None:
    """Or 504 at the deadline."""
    url = own_postgresql.new_database(tmp_path)
    observer = uvloop.run(fault(url, tmp_path, seconds=SECONDS))

    assert "200" in outcomes(observer)


@only_sqlite
def test_clock_jumps_expire_tokens_and_no_response(url: str, tmp_path: Path) -> None:
    """An expired token is refused, and cached responses are as fresh as ever."""
    observer = uvloop.run(clock_faults.clock_jumps(url, tmp_path, seconds=SECONDS))

    assert SUCCESS <= outcomes(observer) <= SUCCESS | OVERLOADED


@only_sqlite
def test_queries_are_correct_during_writes_and_attacks(url: str, tmp_path: Path) -> None:
    """`scripts/bench faults` runs this for minutes, and checks the memory of the server."""
    observer = uvloop.run(mixed_load(url, tmp_path, minutes=0.03))

    assert "200" in outcomes(observer)
