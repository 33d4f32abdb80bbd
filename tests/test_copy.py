"""`copy`: sessions move from a database to ClickHouse, in as many attempts as it takes."""

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
from typer.testing import CliRunner

from metrics_graphql import cli
from metrics_graphql.store.clickhouse import copying
from metrics_graphql.store.clickhouse.connection import ClickHouseSessions
from tests import oracle
from tests.conftest import Gateway
from tests.engines import ClickHouseDatabases
from tests.serving import served

KILLS = int(os.environ.get("METRICS_TEST_KILLS", "3"))
DAY = 86_400


def row(number: int, **values: Any) -> dict[str, Any]:  # noqa: ANN401 - any column's value
    """Return a session that says everything, of one of three organizations."""
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
    """Return the URL of an empty database of ClickHouse."""
    return clickhouse.new_sessions()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a page have fewer sessions than there are at one second."""
    monkeypatch.setattr(copying, "PAGE_ROWS", 7)


def copy(gateway: Gateway, url: str, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - click's
    """Copy the sessions of a gateway's database."""
    monkeypatch.setenv("METRICS_DATABASE_URL", gateway.database_url)
    return CliRunner().invoke(cli.app, ["copy", "--to", url])


def answers(gateway: Gateway, sessions_url: str = "") -> list[Any]:
    """Return what a gateway on some sessions answers for each organization, in all and by user."""
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


def test_every_answer_is_the_same_after_a_copy(
    gateway: Gateway, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it says so."""
    gateway.load(ROWS)

    copied = copy(gateway, target, monkeypatch)

    assert copied.exit_code == 0, copied.output
    assert "6,000 sessions of 3 organizations are in ClickHouse" in copied.stdout
    assert answers(gateway, target) == answers(gateway)


@pytest.mark.usefixtures("small_pages")
def test_a_second_copy_brings_what_changed_since(
    gateway: Gateway, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New sessions, changed ones, and those that moved to where there was none before or after."""
    gateway.load(row(number, created_at=1_000 + number // 40) for number in range(120))
    assert copy(gateway, target, monkeypatch).exit_code == 0
    gateway.load([row(5, acus=9), row(6, created_at=3), row(7, created_at=90 * DAY), row(200)])

    assert copy(gateway, target, monkeypatch).exit_code == 0
    assert answers(gateway, target) == answers(gateway)


def test_a_copy_that_differs_at_the_end_is_refused(
    gateway: Gateway, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With where, what and how much; the exit status is 1."""

    async def forgets(*_: object) -> AsyncGenerator[int]:
        yield 0

    gateway.load([row(0)])
    monkeypatch.setattr(copying, "copy", forgets)

    copied = copy(gateway, target, monkeypatch)

    assert copied.exit_code == 1
    assert "sessions_created_count is 1 in the database, 0 in ClickHouse" in copied.stderr
    assert "copy again" in copied.stderr


def test_sessions_that_are_in_clickhouse_already_are_not_overwritten(
    gateway: Gateway, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the database had before would take the place of newer ones."""
    monkeypatch.setenv("METRICS_SESSIONS_URL", target)

    copied = copy(gateway, target, monkeypatch)

    assert copied.exit_code == 1
    assert "METRICS_SESSIONS_URL is set" in copied.stderr


@pytest.mark.parametrize("url", ["sqlite:///here.db", "nonsense", "clickhouse://host/db"])
def test_a_target_that_is_no_clickhouse_is_named(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """The option is, too."""
    copied = copy(gateway, url, monkeypatch)

    assert copied.exit_code == 1
    assert "--to: not a ClickHouse URL" in copied.stderr


@pytest.mark.engines("sqlite")
def test_a_copy_that_is_killed_is_resumed_by_running_it_again(
    gateway: Gateway, tmp_path: Path
) -> None:
    """After kill -9 at random moments, what the copy answers is what the oracle says."""
    gateway.load(ROWS)
    url = f"clickhousedb:///default?interface=chdb&path={tmp_path / 'clickhouse'}"
    environment = {**os.environ, "METRICS_DATABASE_URL": gateway.database_url}
    command = [
        sys.executable,
        "-c",
        # Many pages, so that it is killed between some.
        (
            "from metrics_graphql.store.clickhouse import copying; copying.PAGE_ROWS = 200;"
            f"from metrics_graphql import cli; cli.app(['copy', '--to', {url!r}])"
        ),
    ]
    chance = random.Random(KILLS)  # noqa: S311 - moments
    for _ in range(KILLS):
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as copying_now:
            wait_for_parts(tmp_path / "clickhouse", copying_now)
            time.sleep(chance.uniform(0, 0.5))
            copying_now.send_signal(signal.SIGKILL)

    subprocess.run(command, env=environment, check=True, capture_output=True)

    token = gateway.token()
    log = tmp_path / "log"
    with served(gateway.database_url, log, sessions_url=url) as server:
        for org_id in ("org-0", "org-1", "org-2"):
            answer = httpx.get(
                f"{server.url}/v3/organizations/{org_id}/metrics/sessions",
                params={"time_after": 0, "time_before": 100 * DAY},
                headers={"Authorization": f"Bearer {token}"},
            )
            assert answer.json() == oracle.rest(ROWS, org_id, 0, 100 * DAY)


def wait_for_parts(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    """Return when something is stored, or there is nobody left to store it."""
    while process.poll() is None and not list(folder.glob("store/*/*/*_*_*_*/data.bin")):
        time.sleep(0.01)


def test_a_page_ends_within_a_second_that_many_sessions_share(
    gateway: Gateway, clickhouse: ClickHouseDatabases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them are copied, each once."""
    gateway.load(row(3 * number, created_at=50) for number in range(23))
    monkeypatch.setattr(copying, "PAGE_ROWS", 7)

    async def pages() -> list[int]:
        async with ClickHouseSessions(clickhouse.new_sessions()) as target:
            await target.migrate()
            sizes = [rows async for rows in copying.copy(gateway.database, target, "org-0")]
            periods = (await copying.periods_with_sessions(gateway.database))["org-0"]
            assert not await copying.differences(gateway.database, target, "org-0", periods)
            return sizes

    assert gateway.run(pages()) == [7, 7, 7, 2]


def test_the_statements_of_a_cluster_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """They shard by session, so that one organization's are on every shard; nothing is run."""
    monkeypatch.setenv("METRICS_SESSIONS_URL", "clickhousedb://nobody:secret@127.0.0.1:1/metrics")

    printed = CliRunner().invoke(cli.app, ["migrate", "--cluster", "all`shards", "--print"])

    of_shard, of_all = printed.stdout.splitlines()
    assert printed.exit_code == 0
    assert "`sessions_of_shard` ON CLUSTER `all\\`shards` (" in of_shard
    assert "Engine ReplicatedReplacingMergeTree(version, is_deleted)" in of_shard
    assert "`sessions` ON CLUSTER `all\\`shards` (" in of_all
    assert of_all.endswith(
        "Engine Distributed(`all\\`shards`, `metrics`, sessions_of_shard,"
        " sipHash64(`org_id`, `session_id`));"
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [(["--print"], "--cluster would run"), (["--cluster", "c"], "needs METRICS_SESSIONS_URL")],
)
def test_options_of_a_cluster_that_do_not_fit_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str], reason: str
) -> None:
    """With what is missing."""
    monkeypatch.chdir(tmp_path)

    refused = CliRunner().invoke(cli.app, ["migrate", *options])

    assert refused.exit_code == 1
    assert reason in refused.stderr
