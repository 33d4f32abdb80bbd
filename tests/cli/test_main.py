"""Help, version, arguments, and `export-schema`."""

import json
import os
import re
import shlex
import subprocess
import sys
from importlib import metadata
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest
from graphql import build_schema

from metrics_graphql import __version__
from metrics_graphql.cli import app, main
from tests.cli.commands import error_line, invoke, python_m, write_rows

COMMANDS = [
    (),
    *((name,) for name in ("serve", "demo", "load", "sync", "copy", "delete", "verify")),
    *((name,) for name in ("migrate", "doctor", "export-schema", "names", "service-user")),
    *(("names", name) for name in ("load", "list")),
    *(("service-user", name) for name in ("create", "rotate", "revoke", "list")),
]

pytestmark = pytest.mark.usefixtures("empty_directory")


@pytest.mark.parametrize("arguments", [(), ("graphql",)])
def test_export_schema_prints_the_graphql_schema(arguments: tuple[str, ...]) -> None:
    """By default. It needs no database, and creates none."""
    result = invoke("export-schema", *arguments)
    schema = build_schema(result.stdout)

    assert result.exit_code == 0
    assert schema.query_type
    assert "sessionMetrics" in schema.query_type.fields
    assert list(Path().iterdir()) == []


def test_export_schema_prints_the_openapi_document() -> None:
    """As JSON, with the path of the v3 API."""
    document = json.loads(invoke("export-schema", "openapi").stdout)

    assert "/v3/organizations/{org_id}/metrics/sessions" in document["paths"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("export-schema", "sdl"),
        ("load",),
        ("names", "load"),
        ("service-user", "create"),
        ("service-user", "create", "a", "--org", "o", "--expires-in-days", "-1"),
        ("service-user", "rotate", "a", "--overlap-hours", "-1"),
        ("serve", "--port", "65536"),
        ("demo", "--sessions", "0"),
        ("nothing",),
        ("serve", "--workers", "0"),
        ("serve", "--workers", "100000000"),
        ("service-user", "create", "a", "--org", "o", "--expires-in-days", "nan"),
        ("load", "rows", "--org", " "),
        ("load", "rows", "--org", "a\nb"),
        ("sync", "--org", "o", "--base-url", "https://example.com", "--every", "0"),
        ("migrate", "--cluster", ""),
    ],
    ids=" ".join,
)
def test_invalid_arguments(arguments: tuple[str, ...]) -> None:
    """One line, which names the option. No output, and no database is created."""
    result = invoke(*arguments)
    named = [f"'{argument}'" for argument in arguments if argument.startswith("--")]

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert not named or named[-1] in result.stderr
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (("loda", "rows"), "'load'"),
        (("service-user", "lst"), "'list'"),
        (("serve", "--prot", "1"), "--port"),
    ],
)
def test_a_similar_name_is_suggested(arguments: tuple[str, ...], suggestion: str) -> None:
    """Of a command or an option."""
    assert suggestion in error_line(invoke(*arguments), status=2)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help(command: tuple[str, ...]) -> None:
    """`-h` prints it, too. Its placeholders are upper case, and no summary is cut off."""
    short, long = invoke(*command, "-h"), invoke(*command, "--help")

    assert (short.exit_code, short.stdout) == (0, long.stdout)
    assert "..." not in long.stdout.partition("Commands:")[2]
    for option, placeholder in re.findall(r"^  (--[a-z-]+) (\S+)", long.stdout, re.MULTILINE):
        assert placeholder == placeholder.upper(), option


@pytest.mark.parametrize("group", [(), ("names",), ("service-user",)], ids=" ".join)
def test_a_group_without_a_command_prints_the_help(group: tuple[str, ...]) -> None:
    """To standard error, as a usage error."""
    result = invoke(*group)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == invoke(*group, "--help").stdout


def test_completion(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """The shell gets the commands that begin with a text."""
    monkeypatch.setenv("_METRICS_GRAPHQL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "metrics-graphql se")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit):
        app(prog_name="metrics-graphql")

    assert capfd.readouterr().out.split() == ["serve", "service-user"]


@pytest.mark.parametrize(
    "arguments",
    [("doctor",), ("service-user", "list"), ("export-schema",), ("--help",), ("--version",)],
    ids=" ".join,
)
def test_a_closed_pipe_ends_a_command(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """As by `head`. Nothing is printed about it."""
    invoke("migrate")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "stderr", stderr := StringIO())
        monkeypatch.setattr(sys, "argv", ["metrics-graphql", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()

    assert ended.value.code == 1
    assert stderr.getvalue() == ""


def test_a_closed_standard_error_ends_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by `load rows 2>&1 | head`."""
    write_rows(Path("rows"), *["junk"] * 20)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        monkeypatch.setattr(sys, "argv", ["metrics-graphql", "load", "rows"])
        with pytest.raises(SystemExit) as ended:
            main()

    assert ended.value.code == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, as on Linux")
def test_output_that_cannot_be_written_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a full disk."""
    with Path("/dev/full").open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "argv", ["metrics-graphql", "export-schema"])
        with pytest.raises(SystemExit) as ended:
            main()

    assert ended.value.code == 1
    assert capsys.readouterr().err == "metrics-graphql: No space left on device\n"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_characters_that_a_terminal_does_not_have_are_escaped(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    """In standard output and standard error."""
    invoke("migrate")
    invoke("service-user", "create", "robot 🤖", "--enterprise")
    written = BytesIO()
    with TextIOWrapper(written, encoding=encoding) as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "argv", ["metrics-graphql", "service-user", "list"])
        with pytest.raises(SystemExit) as ended:
            main()
        output = written.getvalue()

    assert ended.value.code == 0
    assert b"robot \\U0001f916" in output


def test_commands_start_without_graphql() -> None:
    """Importing the schema would double the time of most commands."""
    script = (
        "import sys, metrics_graphql.cli; print({'graphql', 'strawberry'} & sys.modules.keys())"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert finished.stdout == "set()\n"


def test_closed_streams(tmp_path: Path) -> None:
    """Output is discarded, and reading fails."""
    write_rows(tmp_path / "rows", {"session_id": "a", "created_at": 5})
    python = shlex.quote(sys.executable)
    script = f"{python} -m metrics_graphql load rows --org o >&- 2>&- && echo loaded; "
    script += f"{python} -m metrics_graphql load - --org o <&-"
    finished = subprocess.run(
        ["sh", "-c", script],  # noqa: S607 - any shell
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 1
    assert finished.stdout.startswith("loaded\n0 rows read")
    assert finished.stderr == "metrics-graphql: -: bad file descriptor\n"


def test_python_m(tmp_path: Path) -> None:
    """`python -m metrics_graphql` is the command line; its help lists all commands."""
    status, stdout, stderr = python_m(tmp_path, "--help")

    assert (status, stderr) == (0, "")
    for command in (
        *("serve", "demo", "load", "sync", "copy", "delete", "verify", "migrate", "doctor"),
        *("names", "service-user", "export-schema"),
    ):
        assert re.search(rf"\b{command}\b", stdout)


def test_version() -> None:
    """It is the version of the installed package."""
    result = invoke("--version")

    assert result.exit_code == 0
    assert result.stdout == f"metrics-graphql {__version__}\n"
    assert __version__ == metadata.version("metrics-graphql")
