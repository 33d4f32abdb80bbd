"""The README is true: its example is run, its settings and its codes are compared with the code."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from metrics_graphql import errors
from metrics_graphql.settings import Settings
from tests.engines import PostgreSQLServer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(sh|json)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_example_answers_what_the_readme_says(tmp_path: Path, port: int) -> None:
    """Its commands, run by a shell in their order, print the documented answers."""
    setup, *questions = [text for kind, text in BLOCKS if kind == "sh"]
    expected: list[Any] = [json.loads(text) for kind, text in BLOCKS if kind == "json"]
    wait = "for i in $(seq 100); do curl -s -o /dev/null localhost:8000 && break; sleep 0.1; done\n"
    script = setup.replace("serve --port 8000 &", "serve --port 8000 >&2 &")
    script += "trap 'kill %1' EXIT\n" + wait + "\necho '#'\n".join(questions)

    finished = subprocess.run(
        ["bash", "-ec", script.replace("8000", str(port))],  # noqa: S607 - any bash
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded, *answers = finished.stdout.split("\n", 1)
    assert loaded.startswith("3 rows read: 3 inserted, 0 updated, 0 unchanged, 0 rejected")
    assert [json.loads(answer) for answer in answers[0].split("#")] == expected


def test_the_commands_for_postgresql_work(postgresql: PostgreSQLServer, tmp_path: Path) -> None:
    """From an empty database to loaded sessions; what serves them is the same as above."""
    section = README.partition("## On PostgreSQL")[2].partition("\n## ")[0]
    commands = re.findall(r"^    ((?:export|metrics-graphql) .*)$", section, re.MULTILINE)
    url = postgresql.new_database(tmp_path, template="template0")
    script = "\n".join(command for command in commands if " serve " not in command)
    script, found = re.subn(r"(?<=METRICS_DATABASE_URL=)\S+", f"'{url}'", script)
    (tmp_path / "sessions.ndjson").write_text('{"session_id": "s1", "created_at": 1735689600}\n')

    finished = subprocess.run(
        ["bash", "-ec", script],  # noqa: S607 - any bash
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (found, len(commands)) == (1, 5)
    assert "1 row read: 1 inserted" in finished.stdout or "1 rows read: 1 ins" in finished.stdout


def test_every_setting_is_in_the_readme() -> None:
    """With its default."""
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = ",".join(default) if isinstance(default, list) else str(default)
        code = f" `{shown}` " if shown else " "
        assert f"| `METRICS_{name.upper()}` |{code}|" in README


def test_every_error_code_is_in_the_readme() -> None:
    """With its status."""
    known: list[type[errors.MetricsError]] = [errors.MetricsError]
    for error in known + errors.MetricsError.__subclasses__() + [errors.TooManyBuckets]:
        assert f"| `{error.code}` | {error.status} |" in README


def test_every_test_that_security_names_exists() -> None:
    """A defence without its test would be a promise only."""
    named = set(re.findall(r"test_\w+(?=`)", (ROOT / "SECURITY.md").read_text()))
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }

    assert named
    assert named <= defined
