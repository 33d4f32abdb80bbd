"""The SQLite reader: short statements on the event loop, all others in a thread."""

import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from metrics_graphql.core.errors import Unavailable
from metrics_graphql.storage.dialects.sqlite_reader import InlineConnection
from tests.conftest import Gateway, only_sqlite

ENDLESS = """
    WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted)
    SELECT count(*) FROM counted
"""
COUNT_TO = "SELECT count(*) FROM numbers WHERE n < ?"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with a table of a hundred thousand rows."""
    path = tmp_path / "numbers.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO numbers VALUES (?)", ((n,) for n in range(100_000)))
    connection.close()
    return path


def test_the_budget_is_per_statement(file: Path) -> None:
    """Any number of short statements is executed inline."""
    inline = InlineConnection(str(file))

    assert [inline.fetch(COUNT_TO, (1_000,)) for _ in range(200)] == [[(1_000,)]] * 200
    inline.close()


def test_a_long_statement_is_interrupted(file: Path) -> None:
    """One that never ends and one that reads all rows; the next short one is executed."""
    inline = InlineConnection(str(file))

    assert inline.fetch(ENDLESS, ()) is None
    assert inline.fetch(COUNT_TO, (100_000,)) is None
    assert inline.fetch(COUNT_TO, (10,)) == [(10,)]
    inline.close()


def test_inline_reads_do_not_wait_for_locks(file: Path) -> None:
    """They would block the event loop."""
    inline = InlineConnection(str(file))
    with sqlite3.connect(file) as other:
        other.execute("BEGIN EXCLUSIVE")
        released = threading.Timer(0.5, other.interrupt)
        released.start()

        assert inline.fetch(COUNT_TO, (10,)) is None
        assert released.is_alive()
        released.cancel()
    other.close()
    inline.close()


def test_an_inline_connection_neither_writes_nor_creates_a_file(file: Path) -> None:
    """It is read-only, and opens existing files."""
    inline = InlineConnection(str(file))

    assert inline.fetch("DELETE FROM numbers", ()) is None
    assert inline.fetch(COUNT_TO, (1_000,)) == [(1_000,)]
    inline.close()
    with pytest.raises(FileNotFoundError):
        InlineConnection(str(file.with_name("other.db")))
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@only_sqlite
def test_a_replaced_file_is_reopened(gateway: Gateway, tmp_path: Path) -> None:
    """After a backup is restored under a running server, all reads are from it."""
    gateway.load([{"org_id": "org-1", "session_id": "a", "created_at": 1}])
    token = gateway.token("org-1")

    def count() -> int:
        response = gateway.rest("org-1", token, time_after=0, time_before=9)
        return int(response.json()["sessions_created_count"])

    assert [count() for _ in range(3)] == [1, 1, 1]
    path = Path(gateway.database_url.removeprefix("sqlite:///"))
    with sqlite3.connect(path) as source, sqlite3.connect(tmp_path / "copy.db") as copy:
        source.backup(copy)
        copy.execute("DELETE FROM sessions")
        copy.execute("DELETE FROM rollups")
        copy.execute("UPDATE organizations SET data_version = data_version + 1")
    source.close()
    copy.close()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    (tmp_path / "copy.db").replace(path)

    assert [count() for _ in range(3)] == [0, 0, 0]


@only_sqlite
def test_short_and_long_statements_have_the_same_results(gateway: Gateway) -> None:
    """A failing one raises its error from the thread."""
    database = gateway.database
    count = database.dialect.compile(
        sa.text("""
            WITH RECURSIVE counted (n) AS
                (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < :n)
            SELECT count(*) FROM counted
        """)
    )
    failing = database.dialect.compile(sa.text("SELECT missing FROM sessions"))

    def count_to(last: int) -> int:
        ((counted,),) = gateway.run(database.fetch(count, {"n": last}))
        return int(counted)

    assert [count_to(last) for last in (3, 100_000, 3)] == [3, 100_000, 3]
    with pytest.raises(Unavailable) as raised:
        gateway.run(database.fetch(failing, {}))
    assert "missing" in str(raised.value.__cause__)
