"""`copy`: sessions and metrics in ClickHouse after complete, repeated and killed copies."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import Result

from metrics_graphql.storage.clickhouse import copy as clickhouse_copy
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.migration import migrate
from tests import oracle
from tests.cli.commands import invoke
from tests.conftest import Gateway
from tests.engines import ClickHouseDatabases
from tests.serving import served

KILLS = int(os.environ.get("METRICS_TEST_KILLS", "1"))
DAY = 86_400


def row(number: int, **values: Any) -> dict[str, Any]:  # noqa: ANN401 - any column's value
    """Return a session with all fields, of one of three organizations."""
    return {
        "org_id": f"org-{number % 3}",
        "session_id": f"{number * 7919 % 100_003:06}",
        "created_at": number * DAY // 100,
        "origin": ["slack", "api", None][number % 3],
        "size": ["xs", "m", "xl", None][number % 4],
        "user_id": f"user-{number % 5}",
        "service_user_id": None,
        "playbook_id": "p" if number % 2 else None,
        "used_search": number % 5 == 0,
        "has_merged_pr": number % 7 == 0,
        "acus": number * 1_001,
        **values,
    }


ROWS = [row(number) for number in range(6_000)]


@pytest.fixture
def target(clickhouse: ClickHouseDatabases) -> str:
    """Return the URL of an empty ClickHouse database."""
    return clickhouse.new_sessions()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pages smaller than the number of sessions at one second."""
    monkeypatch.setattr(clickhouse_copy, "PAGE_SIZE", 7)


def run_copy(gateway: Gateway, url: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Copy the sessions of a gateway's database."""
    monkeypatch.setenv("METRICS_DATABASE_URL", gateway.database_url)
    return invoke("copy", "--to", url)


def query_all(gateway: Gateway, sessions_url: str = "") -> list[Any]:
    """Return totals, users and series of each organization, from the database or ClickHouse."""
    other = Gateway(gateway._runner, gateway.database_url, sessions_url)  # noqa: SLF001 - the same loop
    other.run(other.start())
    token = other.token()
    period = {"timeAfter": 0, "timeBefore": 100 * DAY}
    found = [
        other.metrics(
            "{ sessionsCreatedCount avgAcusPerSession sessionsWithMergedPrsBySize { xs s m l xl }"
            " byUser(first: 9) { totalCount nodes { user { id } sessionsCreatedWithSearchCount } }"
            " timeSeries(interval: DAY) { sessionsCreatedByOrigin { api slack } } }",
            org_id,
            token,
            period,
        )
        for org_id in ("org-0", "org-1", "org-2")
    ]
    other.run(other.stop())
    return found


def test_metrics_are_equal_after_a_copy(
    gateway: Gateway, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The summary says so."""
    gateway.load(ROWS)

    copied = run_copy(gateway, target, monkeypatch)

    assert copied.exit_code == 0, copied.output
    assert "6,000 sessions of 3 organizations are in ClickHouse" in copied.stdout
    assert query_all(gateway, target) == query_all(gateway)


@pytest.mark.usefixtures("small_pages")
def test_a_second_copy_transfers_changes(
    gateway: Gateway, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New and changed sessions, also those whose `created_at` is on another page."""
    gateway.load(row(number, created_at=1_000 + number // 40) for number in range(120))
    assert run_copy(gateway, target, monkeypatch).exit_code == 0
    gateway.load([row(5, acus=9), row(6, created_at=3), row(7, created_at=90 * DAY), row(200)])

    assert run_copy(gateway, target, monkeypatch).exit_code == 0
    assert query_all(gateway, target) == query_all(gateway)


def test_different_metrics_are_an_error(
    gateway: Gateway, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit status is 1. The output names the period, the measure and both values."""

    async def copy_nothing(*_: object) -> AsyncGenerator[int]:
        yield 0

    gateway.load([row(0)])
    monkeypatch.setattr(clickhouse_copy, "copy_organization", copy_nothing)

    copied = run_copy(gateway, target, monkeypatch)

    assert copied.exit_code == 1
    assert "sessions_created_count is 1 in the database, 0 in ClickHouse" in copied.stderr
    assert "copy again" in copied.stderr


def test_copy_refuses_with_sessions_in_clickhouse(
    gateway: Gateway, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older sessions of the database would replace newer ones."""
    monkeypatch.setenv("METRICS_SESSIONS_URL", target)

    copied = run_copy(gateway, target, monkeypatch)

    assert copied.exit_code == 1
    assert "METRICS_SESSIONS_URL is set" in copied.stderr


@pytest.mark.parametrize("url", ["sqlite:///here.db", "nonsense", "clickhouse://host/db"])
def test_an_invalid_target(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """The error names the option."""
    copied = run_copy(gateway, url, monkeypatch)

    assert copied.exit_code == 2
    assert "--to: not a ClickHouse URL" in copied.stderr


@pytest.mark.engines("sqlite")
def test_a_killed_copy_is_resumed(gateway: Gateway, tmp_path: Path) -> None:
    """After SIGKILL at random times, the metrics are those of the oracle."""
    gateway.load(ROWS)
    url = f"clickhousedb:///default?interface=chdb&path={tmp_path / 'clickhouse'}"
    environment = {**os.environ, "METRICS_DATABASE_URL": gateway.database_url}
    command = [
        sys.executable,
        "-c",
        # Many pages, so that it is killed between two of them.
        (
            "from metrics_graphql.storage.clickhouse import copy; copy.PAGE_SIZE = 200;"
            f"from metrics_graphql import cli; cli.app(['copy', '--to', {url!r}])"
        ),
    ]
    rng = random.Random(KILLS)  # noqa: S311 - delays
    for _ in range(KILLS):
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            wait_for_parts(tmp_path / "clickhouse", process)
            time.sleep(rng.uniform(0, 0.5))
            process.send_signal(signal.SIGKILL)

    subprocess.run(command, env=environment, check=True, capture_output=True)

    token = gateway.token()
    log = tmp_path / "log"
    with served(gateway.database_url, log, sessions_url=url) as server:
        for org_id in ("org-0", "org-1", "org-2"):
            response = httpx.get(
                f"{server.url}/v3/organizations/{org_id}/metrics/sessions",
                params={"time_after": 0, "time_before": 100 * DAY},
                headers={"Authorization": f"Bearer {token}"},
            )
            assert response.json() == oracle.rest(ROWS, org_id, 0, 100 * DAY)


def wait_for_parts(directory: Path, process: "subprocess.Popen[bytes]") -> None:
    """Return when a part is stored, or the process has ended."""
    while process.poll() is None and not list(directory.glob("store/*/*/*_*_*_*/data.bin")):
        time.sleep(0.01)


def test_pages_split_sessions_of_the_same_second(
    gateway: Gateway, clickhouse: ClickHouseDatabases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is copied once."""
    gateway.load(row(3 * number, created_at=50) for number in range(23))
    monkeypatch.setattr(clickhouse_copy, "PAGE_SIZE", 7)

    async def copy_pages() -> list[int]:
        source = gateway.database
        async with ClickHouseClient(clickhouse.new_sessions()) as target:
            await migrate(target)
            pages = clickhouse_copy.copy_organization(source, target, "org-0")
            sizes = [size async for size in pages]
            periods = (await clickhouse_copy.periods_to_compare(source))["org-0"]
            assert not await clickhouse_copy.compare_organization(source, target, "org-0", periods)
            return sizes

    assert gateway.run(copy_pages()) == [7, 7, 7, 2]
