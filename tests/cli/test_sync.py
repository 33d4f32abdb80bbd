"""`sync`: printed summaries, exit status, and signals."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from typer.testing import Result

from metrics_graphql.cli.sync import UnknownReporter
from metrics_graphql.ingestion.unknown_input import UnknownInput
from tests.cli.commands import Run, error_line, invoke
from tests.ingestion.connections import Certificates, TunnelProxy
from tests.ingestion.v3_server import TOKEN, V3Server, error_response
from tests.serving import STARTING_SECONDS


@pytest.fixture
def sync(v3: V3Server, empty_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `sync` from the server. Its output must not contain the token."""
    monkeypatch.setenv("METRICS_SYNC_TOKEN", TOKEN)

    def sync(*options: str) -> Result:
        result = invoke("sync", "--org", "org-1", "--base-url", v3.url, *options)
        assert TOKEN not in result.output
        return result

    return sync


def test_summaries(sync: Run, v3: V3Server) -> None:
    """The second pull finds no changes; `--full` pulls all sessions again."""
    results = [sync("--page-size", "7"), sync(), sync("--full")]

    assert [result.exit_code for result in results] == [0, 0, 0]
    assert [result.output for result in results] == [
        "30 sessions pulled: 30 inserted, 0 updated, 0 unchanged\n",
        "0 sessions pulled: 0 inserted, 0 updated, 0 unchanged\n",
        "30 sessions pulled: 0 inserted, 0 updated, 30 unchanged\n",
    ]
    assert {query["first"] for query in v3.queries[:5]} == {"7"}


def test_a_failed_pull(sync: Run, v3: V3Server) -> None:
    """One line, with status 1. The pages before it are stored."""
    v3.faults = [None, error_response(403, f"not with {TOKEN}")]
    result = sync("--page-size", "10")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"metrics-graphql: {v3.url}/v3/organizations/org-1/sessions/")
    assert "403 Forbidden" in result.stderr
    assert result.stderr.endswith("; the 10 sessions before it are stored\n")
    assert result.stderr.count("\n") == 1
    assert sync().output.startswith("20 sessions pulled")


def test_unknown_fields_and_values(sync: Run, v3: V3Server) -> None:
    """Reported once per pull, as `load` does, and not once per page. Documented fields are not."""
    for session_id in list(v3.sessions):
        v3.put(session_id, ACUS=1, origin="fax", pull_requests=[{"pr_state": "open", "pr_id": 1}])
    v3.put("s00001", session_size="huge", user_name="Ä\n", status_detail="", parent_session_id="s")
    result = sync("--page-size", "7")

    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        'ignored: field "pull_requests.pr_id" (30 rows)',
        'ignored: field "ACUS" (30 rows; did you mean acus_consumed?)',
        'ignored: field "user_name" (1 row; did you mean user_id?)',
        'unknown: origin "fax" (30 rows)',
        'unknown: session_size "huge" (1 row; known are xs, s, m, l, xl)',
    ]
    assert result.stdout.startswith("30 sessions pulled: 30 inserted")


def test_later_pulls_report_new_names_only(capsys: pytest.CaptureFixture[str]) -> None:
    """With `--every`, a field that stays unknown is not reported again."""
    reporter = UnknownReporter()
    for names in (["one"], ["one"], ["two", "one"]):
        unknown = UnknownInput()
        unknown.count_names("field", names)
        unknown.count_value("origin", "fax")
        reporter.report(unknown)

    assert capsys.readouterr().err.splitlines() == [
        'ignored: field "one" (1 row)',
        'unknown: origin "fax" (1 row)',
        'ignored: field "two" (1 row)',
    ]


def test_a_certificate_that_is_not_trusted(sync: Run, tls_v3: V3Server) -> None:
    """One line that names the variable, at once."""
    line = error_line(sync("--base-url", tls_v3.url))

    assert "the certificate of localhost cannot be verified" in line
    assert "set SSL_CERT_FILE to a PEM file" in line


def test_a_proxy(
    sync: Run,
    tls_v3: V3Server,
    certificates: Certificates,
    proxy: TunnelProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The option names it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    result = sync("--base-url", f"{tls_v3.url}/v3", "--proxy", proxy.address)

    assert result.output.startswith("1 sessions pulled")
    assert len(proxy.heads) == 1


@pytest.mark.parametrize("token", ["", f"{TOKEN} {TOKEN}"])
def test_the_token_is_required(sync: Run, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    """The error names the setting."""
    monkeypatch.setenv("METRICS_SYNC_TOKEN", token)
    result = sync()

    assert result.exit_code == 1
    assert result.stderr.startswith("metrics-graphql: METRICS_SYNC_TOKEN ")


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--org", "a,b", "must not contain a comma"),
        ("--base-url", "http://api.example.com", "must be https"),
        ("--base-url", "api.example.com", "must look like https://api.example.com"),
        ("--proxy", "socks5://proxy.example.com", "must look like http://proxy.example.com:3128"),
    ],
)
def test_refused_values(sync: Run, v3: V3Server, option: str, value: str, reason: str) -> None:
    """The error names the option. No request is sent."""
    assert error_line(sync(option, value)).startswith(f"metrics-graphql: {option} {reason}")
    assert v3.requests == []


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
def test_invalid_options(sync: Run, v3: V3Server, options: tuple[str, ...]) -> None:
    """The exit status is 2, as usual. No request is sent."""
    assert sync(*options).exit_code == 2
    assert v3.requests == []


def signalled_sync(
    v3: V3Server, directory: Path, number: signal.Signals, at: int
) -> tuple[str, str]:
    """Run `sync --every`, send a signal at the request of a number, and return its output."""
    reached = threading.Event()
    v3.before_request = lambda page: reached.set() if page == at else None
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
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert reached.wait(STARTING_SECONDS)
        program.send_signal(number)
        stdout, stderr = program.communicate(timeout=STARTING_SECONDS)
    assert program.returncode == 0
    assert "Traceback" not in stderr
    assert TOKEN not in stdout + stderr
    return stdout, stderr


def test_sync_repeats_until_sigterm(v3: V3Server, tmp_path: Path) -> None:
    """After a failure, too, which is printed. No log line contains the token."""
    v3.faults = [error_response(403, f"not with {TOKEN}")]

    stdout, stderr = signalled_sync(v3, tmp_path, signal.SIGTERM, at=2)

    assert stdout.startswith("30 sessions pulled: 30 inserted")
    assert stderr.startswith(f"metrics-graphql: {v3.url}/v3/organizations/org-1/sessions/insights ")
    assert ": not with …\n" in stderr


def test_sync_stops_during_a_pull(v3: V3Server, tmp_path: Path) -> None:
    """At a signal."""
    signalled_sync(v3, tmp_path, signal.SIGINT, at=0)
