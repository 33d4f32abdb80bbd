"""`sync` on the command line: what it prints, its exit status, and how it is ended."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from metrics_graphql import cli
from tests.loading.v3_server import TOKEN, V3Server, problem
from tests.serving import STARTING_SECONDS

Run = Callable[..., Result]


@pytest.fixture
def run(v3: V3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Lend `sync` from the server, in an empty folder and with no settings but the token."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("METRICS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("METRICS_SYNC_TOKEN", TOKEN)
    v3.add(30)

    def run(*options: str) -> Result:
        arguments = ["sync", "--org", "org-1", "--base-url", v3.url, *options]
        result = CliRunner().invoke(cli.app, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        assert TOKEN not in result.output
        return result

    return run


def test_it_says_what_it_did(run: Run, v3: V3Server) -> None:
    """In one line; the second time there is nothing to do, and `--full` looks at all again."""
    results = [run("--page-size", "7"), run(), run("--full")]

    assert [result.exit_code for result in results] == [0, 0, 0]
    assert [result.output for result in results] == [
        "30 sessions pulled: 30 inserted, 0 updated, 0 unchanged\n",
        "0 sessions pulled: 0 inserted, 0 updated, 0 unchanged\n",
        "30 sessions pulled: 0 inserted, 0 updated, 30 unchanged\n",
    ]
    assert {query["first"] for query in v3.queries[:5]} == {"7"}


def test_what_fails_is_told(run: Run, v3: V3Server) -> None:
    """In one line, with status 1; the pages before it stay."""
    v3.faults = [None, problem(403, f"not with {TOKEN}")]
    result = run("--page-size", "10")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"metrics-graphql: {v3.url}/v3/organizations/org-1/sessions/")
    assert "403 Forbidden" in result.stderr
    assert result.stderr.count("\n") == 1
    assert run().output.startswith("20 sessions pulled")


@pytest.mark.parametrize("token", ["", f"{TOKEN} {TOKEN}"])
def test_a_token_is_needed(run: Run, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    """The setting is named; nothing is asked."""
    monkeypatch.setenv("METRICS_SYNC_TOKEN", token)
    result = run()

    assert result.exit_code == 1
    assert result.stderr.startswith("metrics-graphql: METRICS_SYNC_TOKEN ")


@pytest.mark.parametrize(
    "options",
    [
        ("--page-size", "0"),
        ("--page-size", "201"),
        ("--every", "0s"),
        ("--every", "5"),
        ("--every", "soon"),
    ],
    ids=" ".join,
)
def test_wrong_options_have_a_status_of_their_own(
    run: Run, v3: V3Server, options: tuple[str, ...]
) -> None:
    """2, as is usual; nothing is asked."""
    assert run(*options).exit_code == 2
    assert v3.asked == []


def told_to_end(v3: V3Server, folder: Path, number: signal.Signals, at: int) -> tuple[str, str]:
    """Let it go on until it asks for the page of a number, and end it; return what it printed."""
    v3.add(30)
    asked = threading.Event()
    v3.before = lambda page: asked.set() if page == at else None
    command = [sys.executable, "-m", "metrics_graphql", "sync", "--org", "org-1"]
    command += ["--base-url", v3.url, "--every", "1s"]
    environment = {
        **os.environ,
        "METRICS_DATABASE_URL": "sqlite:///here.db",
        "METRICS_SYNC_TOKEN": TOKEN,
        "METRICS_LOG_LEVEL": "debug",
    }
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert asked.wait(STARTING_SECONDS)
        program.send_signal(number)
        stdout, stderr = program.communicate(timeout=STARTING_SECONDS)
    assert program.returncode == 0
    assert "Traceback" not in stderr
    assert TOKEN not in stdout + stderr
    return stdout, stderr


def test_it_goes_on_until_it_is_told_to_end(v3: V3Server, tmp_path: Path) -> None:
    """Also after a failure, of which it tells; no log line has the token."""
    v3.faults = [problem(403, f"not with {TOKEN}")]

    stdout, stderr = told_to_end(v3, tmp_path, signal.SIGTERM, at=2)

    assert stdout.startswith("30 sessions pulled: 30 inserted")
    assert stderr.startswith(f"metrics-graphql: {v3.url}/v3/organizations/org-1/sessions/insights ")
    assert ": not with …\n" in stderr


def test_it_ends_in_the_middle_of_a_pull(v3: V3Server, tmp_path: Path) -> None:
    """As well as between two."""
    told_to_end(v3, tmp_path, signal.SIGINT, at=0)
