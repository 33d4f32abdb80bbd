"""`doctor`: results of checks, suggested actions, and no side effects."""

import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from metrics_graphql.storage.migrations.runner import REVISIONS
from tests.cli.commands import invoke
from tests.conftest import Gateway, on_every_engine, only_clickhouse, only_sqlite

UNREACHABLE = "postgresql://metrics:secret@127.0.0.1:1/metrics"


@pytest.fixture
def examined(gateway: Gateway, empty_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """Return a gateway with a session of each of two organizations, on the commands' database."""
    monkeypatch.setenv("METRICS_DATABASE_URL", gateway.database_url)
    if gateway.sessions_url:
        monkeypatch.setenv("METRICS_SESSIONS_URL", gateway.sessions_url)
    gateway.load(
        {"org_id": org_id, "session_id": "s", "created_at": 1_735_689_600}
        for org_id in ("org-1", "org-2")
    )
    return gateway


def run_doctor() -> tuple[int, dict[str, str]]:
    """Return the exit status, and the level, result and action of each check by its subject."""
    result = invoke("doctor")
    checks = {}
    for line in result.stdout.splitlines():
        level, _, rest = line.partition("  ")
        subject, _, text = rest.strip().partition(": ")
        checks[subject] = f"{level.strip()} {text}"
    return result.exit_code, checks


def execute(gateway: Gateway, statement: str) -> None:
    """Execute a statement on the gateway's database."""

    async def run() -> None:
        async with gateway.database.transaction() as connection:
            await connection.execute(sa.text(statement))

    gateway.run(run())


@on_every_engine
def test_all_checks_pass(
    examined: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """There is one line per check."""
    (tmp_path / "assets").mkdir()
    monkeypatch.setattr("metrics_graphql.web.pages.BUILT", tmp_path)
    status, checks = run_doctor()

    assert {text.partition(" ")[0] for text in checks.values()} == {"ok"}, checks
    assert status == 0
    engines = {engine.dialect.name for engine in examined.storage.engines.values()}
    assert checks.keys() == {
        *("settings", "clock", "schema", "sessions", "pages", "time zones"),
        *engines,
    }
    assert ("clickhouse" in engines) is bool(examined.sessions_url)
    assert "metrics-graphql verify checks all" in checks["sessions"]


def test_inconsistent_rollups_fail(examined: Gateway) -> None:
    """The action is to repair them; `doctor` does not."""
    execute(examined, "DELETE FROM rollups WHERE org_id = 'org-2'")

    for _ in range(2):
        status, checks = run_doctor()
        assert status == 1
        assert checks["sessions"] == (
            "fail org-2 has roll-ups that differ from their sessions"
            " -> run metrics-graphql verify --repair"
        )


@pytest.mark.parametrize(
    ("revision", "action"),
    [(REVISIONS[0], "Run: metrics-graphql migrate"), ("9999", "Install that version.")],
)
def test_another_schema_fails(examined: Gateway, revision: str, action: str) -> None:
    """The action depends on whether it is older or newer; `doctor` does not migrate."""
    execute(examined, f"UPDATE alembic_version SET version_num = '{revision}'")  # noqa: S608

    for _ in range(2):
        status, checks = run_doctor()
        assert status == 1
        assert checks["schema"].startswith("fail ")
        assert action in checks["schema"]


@only_sqlite
def test_a_missing_database_is_not_created(
    examined: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The action is to run `migrate`."""
    missing = tmp_path / "missing.db"
    monkeypatch.setenv("METRICS_DATABASE_URL", f"sqlite:///{missing}")
    status, checks = run_doctor()

    assert status == 1
    assert "metrics-graphql migrate" in checks["database"]
    assert not missing.exists()


@only_sqlite
def test_unreachable_engines_fail(examined: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results do not contain passwords. The other checks run."""
    monkeypatch.setenv("METRICS_DATABASE_URL", UNREACHABLE)
    monkeypatch.setenv("METRICS_SESSIONS_URL", "clickhousedb://user:secret@127.0.0.1:1/metrics")
    status, checks = run_doctor()

    assert status == 1
    assert checks["postgresql"].startswith("fail The database is not available.")
    assert checks["postgresql"].endswith("correct METRICS_DATABASE_URL")
    assert checks["clickhouse"].startswith("fail ")
    assert checks["clickhouse"].endswith("correct METRICS_SESSIONS_URL")
    assert checks["time zones"].startswith("ok")
    assert "secret" not in str(checks)


@only_sqlite
@pytest.mark.parametrize(
    ("setting", "check"),
    [
        ("METRICS_TIMEOUT=soon", "settings: fail METRICS_TIMEOUT must be a number of seconds "),
        ("METRICS_TRUSTED_DOCUMENTS=/nowhere", "settings: fail METRICS_TRUSTED_DOCUMENTS"),
        (
            "METRICS_TIMEOUTS=1",
            "settings: warn METRICS_TIMEOUTS is not a setting; did you mean METRICS_TIMEOUT?",
        ),
        ("METRICS_DATABASE_URL=mysql://x/y", "database: fail METRICS_DATABASE_URL: mysql is not"),
    ],
)
def test_an_invalid_setting_is_named(
    examined: Gateway, monkeypatch: pytest.MonkeyPatch, setting: str, check: str
) -> None:
    """It fails. An unknown variable, which may be misspelled, is a warning."""
    monkeypatch.setenv(*setting.split("="))
    status, checks = run_doctor()
    subject, _, beginning = check.partition(": ")

    assert checks[subject].startswith(beginning)
    assert status == (" fail " in check)


@only_sqlite
def test_clock_skew_and_missing_pages_are_warnings(
    examined: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The exit status is 0."""
    monkeypatch.setattr("metrics_graphql.web.pages.BUILT", tmp_path / "nowhere")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 60)
    status, checks = run_doctor()

    assert status == 0
    assert checks["pages"].startswith("warn the dashboard was not built")
    assert checks["clock"].startswith("warn ")


@only_clickhouse
def test_the_clock_of_clickhouse(examined: Gateway) -> None:
    """It is compared, too: it timestamps what is inserted."""
    clock = examined.run(examined.storage.sessions.clock())

    assert abs(clock - time.time()) < 60
