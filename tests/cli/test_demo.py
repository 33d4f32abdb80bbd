"""`demo`: the printed commands."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from metrics_graphql.ingestion.demo_data import DEMO_ORGANIZATIONS
from tests.serving import free_port


@pytest.fixture(params=["", "/our/sessions"])
def demo(tmp_path: Path, request: pytest.FixtureRequest) -> Generator[str]:
    """Run a small demo, with and without a path prefix; return its instructions."""
    port = free_port()
    arguments = ("demo", "--sessions", "2000", "--port", str(port))
    with subprocess.Popen(
        [sys.executable, "-m", "metrics_graphql", *arguments],
        cwd=tmp_path,
        env={**os.environ, "METRICS_PATH_PREFIX": request.param},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout
            printed = ""
            while "Ctrl-C" not in printed:
                line = server.stdout.readline()
                assert line, f"the demo exited, after {printed!r}"
                printed += line
            while server.poll() is None:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.05)
            yield printed
        finally:
            server.terminate()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the printed commands use curl")
def test_the_printed_commands_work(demo: str, tmp_path: Path) -> None:
    """Run by a shell, both return the metrics of the same sessions."""
    commands = re.findall(r"^  (curl .*?)\n\n", demo, re.DOTALL | re.MULTILINE)
    assert len(commands) == 2
    assert DEMO_ORGANIZATIONS[0] in commands[0]
    assert DEMO_ORGANIZATIONS[0] in commands[1]

    graphql_response, rest_response = [
        json.loads(
            subprocess.run(
                ["sh", "-c", command],  # noqa: S607 - any shell
                env={**os.environ, "NO_PROXY": "*"},
                capture_output=True,
                check=True,
            ).stdout
        )
        for command in commands
    ]

    metrics = graphql_response["data"]["sessionMetrics"]
    assert 0 < metrics["sessionsCreatedCount"] < 2_000
    assert metrics == {
        "sessionsCreatedCount": rest_response["sessions_created_count"],
        "sessionsWithMergedPrsCount": rest_response["sessions_with_merged_prs_count"],
        "avgAcusPerSession": rest_response["avg_acus_per_session"],
    }
    assert [file.name for file in tmp_path.iterdir()] == [".metrics-demo"]


def run_demo(folder: Path, port: int) -> subprocess.CompletedProcess[str]:
    """Run a demo that is expected to exit by itself."""
    return subprocess.run(
        [sys.executable, "-m", "metrics_graphql", "demo", "--sessions", "10", "--port", str(port)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.mark.parametrize("demo", [""], indirect=True)
@pytest.mark.parametrize("is_same_port", [True, False])
def test_a_second_demo_in_a_directory_leaves_the_first_one_alone(
    demo: str, tmp_path: Path, *, is_same_port: bool
) -> None:
    """It names the URL of the first one, whose token and database still work."""
    url = re.findall(r"(http://127.0.0.1:(\d+)\S*?)/\?org=", demo)[0]
    second = run_demo(tmp_path, int(url[1]) if is_same_port else free_port())
    token = re.findall(r"^Token: +(\S+)", demo, re.MULTILINE)[0]
    response = httpx.get(f"{url[0]}/v3/self", headers={"Authorization": f"Bearer {token}"})

    assert second.returncode == 1
    assert second.stderr == (
        f"metrics-graphql: a demo is already running in this directory, at {url[0]}/\n"
    )
    assert response.status_code == 200


def test_a_port_that_is_in_use_is_one_line_and_creates_nothing(tmp_path: Path) -> None:
    """The line has an option that helps."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        failed = run_demo(tmp_path, port)

    assert failed.returncode == 1
    assert failed.stderr.startswith(f"metrics-graphql: cannot listen on port {port}: ")
    assert failed.stderr.endswith(f"--port {port % 65_535 + 1}\n")
    assert list(tmp_path.iterdir()) == []
