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
    assert [file.name for file in tmp_path.glob("*.db")] == ["metrics-demo.db"]
