"""Runs commands, in this process or in their own, and queries the database that they leave."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from metrics_graphql import cli
from tests.conftest import Gateway

DEFAULT_URL = "sqlite:///metrics.db"
ALL_TIME: dict[str, Any] = {"time_after": 0, "time_before": 2**62}

Run = Callable[..., Result]
"""Runs a command with some arguments."""


def invoke(*arguments: str | Path) -> Result:
    """Run a command in this process. It must not end with a traceback."""
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def python_m(tmp_path: Path, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    """Run a command in its own process; return its exit status, standard output and error."""
    finished = subprocess.run(
        [sys.executable, "-m", "metrics_graphql", *arguments],
        cwd=tmp_path,
        env={**os.environ, "METRICS_DATABASE_URL": "sqlite:///here.db"},
        input=stdin,
        capture_output=True,
        check=False,
    )
    return finished.returncode, finished.stdout.decode(), finished.stderr.decode()


def error_line(result: Result, status: int = 1) -> str:
    """Return the only line of output of a failed command, which must have an exit status."""
    assert result.exit_code == status
    assert result.stdout == ""
    assert result.stderr.startswith("metrics-graphql: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def write_rows(path: Path, *rows: object) -> Path:
    """Write newline-delimited JSON; a string is written unchanged."""
    path.write_text("".join(f"{r if isinstance(r, str) else json.dumps(r)}\n" for r in rows))
    return path


@contextmanager
def running_gateway() -> Generator[Gateway]:
    """Run a gateway on the database of the commands."""
    with asyncio.Runner() as runner:
        gateway = Gateway(runner, os.environ.get("METRICS_DATABASE_URL", DEFAULT_URL))
        gateway.run(gateway.start())
        yield gateway
        # An open gateway may hold a write transaction while its event loop is not running.
        gateway.run(gateway.stop())


def count_sessions(org_id: str = "org-1") -> int:
    """Return the number of sessions of an organization, by the REST API."""
    with running_gateway() as gateway:
        response = gateway.rest(org_id, gateway.token(org_id), **ALL_TIME)
    return int(response.json()["sessions_created_count"])


def http_status(token: str, org_id: str = "org-1") -> int:
    """Return the status of a REST request with a token."""
    with running_gateway() as gateway:
        return gateway.rest(org_id, token, **ALL_TIME).status_code
