"""`metrics-graphql doctor`: what it finds, what it says to do, and that it only looks."""

import os
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from metrics_graphql import cli
from metrics_graphql.store.migrate import REVISIONS
from tests.conftest import Gateway, on_every_engine, only_clickhouse, only_sqlite

NOWHERE = "postgresql://metrics:secret@127.0.0.1:1/metrics"


@pytest.fixture
def examined(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """Lend a gateway on whose database the command line works."""
    for name in os.environ:
        if name.startswith("METRICS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("METRICS_DATABASE_URL", gateway.database_url)
    if gateway.sessions_url:
        monkeypatch.setenv("METRICS_SESSIONS_URL", gateway.sessions_url)
    gateway.load(
        {"org_id": org_id, "session_id": "s", "created_at": 1_735_689_600}
        for org_id in ("org-1", "org-2")
    )
    return gateway


def doctor() -> tuple[int, dict[str, str]]:
    """Run it; return its status, and by what it looked at what it says of that."""
    result = CliRunner().invoke(cli.app, ["doctor"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    said = {}
    for line in result.stdout.splitlines():
        level, _, rest = line.partition("  ")
        what, _, found = rest.strip().partition(": ")
        said[what] = f"{level.strip()} {found}"
    return result.exit_code, said


def run(gateway: Gateway, statement: str) -> None:
    """Change something behind the program's back."""

    async def change() -> None:
        async with gateway.database.writing() as connection:
            await connection.execute(sa.text(statement))

    gateway.run(change())


@on_every_engine
def test_all_is_well(examined: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A line for each check."""
    (tmp_path / "assets").mkdir()
    monkeypatch.setattr("metrics_graphql.web.pages.BUILT", tmp_path)
    status, said = doctor()

    assert {text.partition(" ")[0] for text in said.values()} == {"ok"}, said
    assert status == 0
    assert {"settings", "database", "clock", "tables", "roll-ups", "pages", "time zones"} <= set(
        said
    )
    assert ("ClickHouse" in said) is bool(examined.sessions_url)
    assert "metrics-graphql verify looks at all" in said["roll-ups"]


def test_rollups_that_differ_are_found(examined: Gateway) -> None:
    """And how to repair them is said; nothing is repaired."""
    run(examined, "DELETE FROM rollups WHERE org_id = 'org-2'")

    for _ in range(2):
        status, said = doctor()
        assert status == 1
        assert said["roll-ups"] == (
            "fail the newest of org-2 differ from their sessions -> metrics-graphql verify --repair"
        )


@pytest.mark.parametrize(
    ("revision", "to_do"),
    [(REVISIONS[0], "metrics-graphql migrate"), ("9999", "install the version that made them")],
)
def test_tables_of_another_version_are_left_as_they_are(
    examined: Gateway, revision: str, to_do: str
) -> None:
    """What to do depends on whose they are."""
    run(examined, f"UPDATE alembic_version SET version_num = '{revision}'")  # noqa: S608

    for _ in range(2):
        status, said = doctor()
        assert status == 1
        assert said["tables"].startswith("fail ")
        assert said["tables"].endswith(f" -> {to_do}")


@only_sqlite
def test_a_database_that_is_not_there_is_not_made(
    examined: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It only says how."""
    missing = tmp_path / "missing.db"
    monkeypatch.setenv("METRICS_DATABASE_URL", f"sqlite:///{missing}")
    status, said = doctor()

    assert status == 1
    assert "metrics-graphql migrate" in said["database"]
    assert not missing.exists()


@only_sqlite
def test_what_can_not_be_reached_is_said(
    examined: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its password; the other checks go on."""
    monkeypatch.setenv("METRICS_DATABASE_URL", NOWHERE)
    monkeypatch.setenv("METRICS_SESSIONS_URL", "clickhousedb://user:secret@127.0.0.1:1/metrics")
    status, said = doctor()

    assert status == 1
    assert said["database"].startswith("fail The database is not available.")
    assert said["ClickHouse"].startswith("fail ")
    assert said["time zones"].startswith("ok")
    assert "secret" not in str(said)


@only_sqlite
@pytest.mark.parametrize(
    ("setting", "finding"),
    [
        ("METRICS_TIMEOUT=soon", "settings: fail METRICS_TIMEOUT: "),
        (
            "METRICS_TRUSTED_DOCUMENTS=/nowhere",
            "settings: fail the trusted documents can't be read",
        ),
        ("METRICS_TIMEOUTS=1", "settings: warn nothing reads METRICS_TIMEOUTS"),
        ("METRICS_DATABASE_URL=mysql://x/y", "database: fail METRICS_DATABASE_URL: mysql is not"),
    ],
)
def test_a_setting_that_can_not_work_is_named(
    examined: Gateway, monkeypatch: pytest.MonkeyPatch, setting: str, finding: str
) -> None:
    """So is one that is mistyped, which does no harm."""
    monkeypatch.setenv(*setting.split("="))
    status, said = doctor()
    what, _, beginning = finding.partition(": ")

    assert said[what].startswith(beginning)
    assert status == (" fail " in finding)


@only_sqlite
def test_a_clock_that_is_wrong_and_pages_that_are_missing_are_warned_of(
    examined: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing fails for them."""
    monkeypatch.setattr("metrics_graphql.web.pages.BUILT", tmp_path / "nowhere")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 60)
    status, said = doctor()

    assert status == 0
    assert said["pages"].startswith("warn the dashboard was not built")
    assert said["clock"].startswith("warn ")


@only_clickhouse
def test_the_clock_of_clickhouse_is_compared_too(examined: Gateway) -> None:
    """It stamps what is written to it."""
    assert examined.store.clickhouse is not None
    there = examined.run(examined.store.clickhouse.clock())

    assert abs(there - time.time()) < 60
