"""What is read without a thread: the short, and nothing else."""

import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from metrics_graphql.errors import Unavailable
from metrics_graphql.store.inline import InlineReader
from tests.conftest import Gateway, only_sqlite

ENDLESS = """
    WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted)
    SELECT count(*) FROM counted
"""
COUNT_TO = "SELECT count(*) FROM generated WHERE n < ?"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with a table of a hundred thousand rows."""
    path = tmp_path / "some.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE generated (n INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO generated VALUES (?)", ((n,) for n in range(100_000)))
    connection.close()
    return path


def test_a_short_statement_is_answered_however_often(file: Path) -> None:
    """The budget is each statement's own: what ran before does not count."""
    reader = InlineReader(str(file))

    assert [reader.fetch(COUNT_TO, (1_000,)) for _ in range(200)] == [[(1_000,)]] * 200
    reader.close()


def test_a_long_statement_is_given_up_and_the_next_one_is_answered(file: Path) -> None:
    """One that would never end, and one that reads all rows."""
    reader = InlineReader(str(file))

    assert reader.fetch(ENDLESS, ()) is None
    assert reader.fetch(COUNT_TO, (100_000,)) is None
    assert reader.fetch(COUNT_TO, (10,)) == [(10,)]
    reader.close()


def test_a_locked_file_is_not_waited_for(file: Path) -> None:
    """Not for a moment, as the event loop stands still meanwhile: another waits for seconds."""
    reader = InlineReader(str(file))
    with sqlite3.connect(file) as other:
        other.execute("BEGIN EXCLUSIVE")
        released = threading.Timer(0.5, other.interrupt)
        released.start()

        assert reader.fetch(COUNT_TO, (10,)) is None
        assert released.is_alive()
        released.cancel()
    other.close()
    reader.close()


def test_nothing_is_written_and_no_file_is_made(file: Path) -> None:
    """It reads what is there."""
    reader = InlineReader(str(file))

    assert reader.fetch("DELETE FROM generated", ()) is None
    assert reader.fetch(COUNT_TO, (1_000,)) == [(1_000,)]
    reader.close()
    with pytest.raises(FileNotFoundError):
        InlineReader(str(file.with_name("other.db")))
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@only_sqlite
def test_a_file_that_takes_the_place_of_another_is_read(gateway: Gateway, tmp_path: Path) -> None:
    """Whoever restores a copy under a running server gets answers from it, and from it alone."""
    gateway.load([{"org_id": "org-1", "session_id": "a", "created_at": 1}])
    token = gateway.token("org-1")

    def count() -> int:
        answer = gateway.rest("org-1", token, time_after=0, time_before=9)
        return int(answer.json()["sessions_created_count"])

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
def test_a_database_answers_short_and_long_statements_alike(gateway: Gateway) -> None:
    """And says why it can't answer one, in the usual way."""
    database = gateway.database
    counted = database.dialect.prepare(
        sa.text("""
            WITH RECURSIVE counted (n) AS
                (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < :n)
            SELECT count(*) FROM counted
        """)
    )
    wrong = database.dialect.prepare(sa.text("SELECT nothing FROM sessions"))

    def answer(last: int) -> int:
        ((count,),) = gateway.run(database.fetch(counted, {"n": last}))
        return int(count)

    assert [answer(last) for last in (3, 100_000, 3)] == [3, 100_000, 3]
    with pytest.raises(Unavailable) as raised:
        gateway.run(database.fetch(wrong, {}))
    assert "nothing" in str(raised.value.__cause__)
