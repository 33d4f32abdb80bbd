"""The command line: what each command prints, what it leaves behind, and its exit status."""

import asyncio
import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema
from typer.testing import CliRunner, Result

from metrics_graphql import __version__, auth, cli
from metrics_graphql.domain.periods import DAY
from metrics_graphql.loading.demo import DEMO_ORGANIZATIONS
from tests.conftest import Gateway, only_sqlite
from tests.engines import Engine

DEFAULT_URL = "sqlite:///metrics.db"
WHOLE: dict[str, Any] = {"time_after": 0, "time_before": 2**62}
SUMMARY = re.compile(
    r"([\d,]+) rows read: ([\d,]+) inserted, ([\d,]+) updated, ([\d,]+) unchanged, "
    r"([\d,]+) rejected; [\d,]+ rows/s\n"
)
PAGE = b"""{
  "items": [{"session_id": "a", "created_at": 5}, {"session_id": "b", "created_at": 6}],
  "total": 2
}"""

Run = Callable[..., Result]


@pytest.fixture
def run(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Lend the command line, in an empty folder and with no settings but that of the engine."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("METRICS_"):
            monkeypatch.delenv(name)
    if engine.name != "sqlite":
        monkeypatch.setenv("METRICS_DATABASE_URL", engine.new_database(tmp_path))

    def run(*arguments: str | Path) -> Result:
        result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
        # Anything else than an exit would have been a traceback.
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    return run


@contextmanager
def served() -> Generator[Gateway]:
    """Lend a gateway over the database that the command line uses."""
    with asyncio.Runner() as runner:
        gateway = Gateway(runner, os.environ.get("METRICS_DATABASE_URL", DEFAULT_URL))
        gateway.run(gateway.start())
        yield gateway
        # Otherwise it might hold a write transaction on while nothing runs it.
        gateway.run(gateway.stop())


def python_m(tmp_path: Path, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    """Run the program in a process of its own; return its status and its two outputs."""
    finished = subprocess.run(
        [sys.executable, "-m", "metrics_graphql", *arguments],
        cwd=tmp_path,
        env={**os.environ, "METRICS_DATABASE_URL": "sqlite:///here.db"},
        input=stdin,
        capture_output=True,
        check=False,
    )
    return finished.returncode, finished.stdout.decode(), finished.stderr.decode()


def counts(stdout: str) -> list[int]:
    """Return the rows read, inserted, updated, unchanged and rejected of a summary.

    It must be one line, and the only one.
    """
    summary = SUMMARY.fullmatch(stdout)
    assert summary, stdout
    return [int(number.replace(",", "")) for number in summary.groups()]


def write(path: Path, *rows: object) -> Path:
    """Write newline-delimited JSON; a text goes in as it is."""
    path.write_text("".join(f"{r if isinstance(r, str) else json.dumps(r)}\n" for r in rows))
    return path


def sessions(org_id: str = "org-1") -> int:
    """Return how many sessions of an organization are counted."""
    with served() as gateway:
        answer = gateway.rest(org_id, gateway.token(org_id), **WHOLE)
    return int(answer.json()["sessions_created_count"])


def status(token: str, org_id: str = "org-1") -> int:
    """Return the HTTP status of a question asked with a token."""
    with served() as gateway:
        return gateway.rest(org_id, token, **WHOLE).status_code


def created(run: Run, *options: str) -> tuple[str, str]:
    """Create a service user; return its id and its token."""
    result = run("service-user", "create", "a name", *options)
    assert result.exit_code == 0, result.output
    found = re.search(r"service-user-[0-9a-f]+", result.stdout)
    assert found
    return found[0], result.stdout.splitlines()[-1]


def refused(result: Result) -> str:
    """Return why a command ended: one line on standard error, with status 1."""
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("metrics-graphql: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


# Loading


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.ndjson", b'{"session_id": "a", "created_at": 5}\n{"session_id": "b", "created_at": 6}'),
        ("a.json", PAGE),
        ("a.csv", b"session_id,created_at\na,5\nb,1970-01-01T00:00:06Z\n"),
    ],
    ids=["ndjson", "page", "csv"],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_load_takes_every_format(
    run: Run, name: str, content: bytes, pack: Callable[[bytes], bytes]
) -> None:
    """It prints its counts in one line, and nothing else on standard output."""
    file = Path(name)
    file.write_bytes(pack(content))

    first, second = run("load", file, "--org", "org-1"), run("load", file, "--org", "org-1")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert counts(first.stdout) == [2, 2, 0, 0, 0]
    assert counts(second.stdout) == [2, 0, 0, 2, 0]
    assert sessions() == 2


def test_load_takes_several_files(run: Run) -> None:
    """The counts are those of all of them; `--org` is that of rows that name none."""
    a = write(Path("a.ndjson"), {"session_id": "a", "created_at": 5})
    b = write(Path("b.ndjson"), {"session_id": "a", "created_at": 5, "org_id": "org-2"})

    result = run("load", a, b, a, "--org", "org-1")

    assert result.exit_code == 0
    assert counts(result.stdout) == [3, 2, 0, 1, 0]
    assert (sessions(), sessions("org-2")) == (1, 1)


def test_load_counts_inserts_and_updates(run: Run) -> None:
    """Thousands are set apart by commas."""
    rows = [{"session_id": str(at), "created_at": at, "org_id": "org-1"} for at in range(2_500)]
    run("load", write(Path("rows"), *rows))

    newer = [{**row, "origin": "slack"} for row in rows[:1_200]] + rows[1_200:]
    result = run("load", write(Path("rows"), *newer, {**rows[0], "session_id": "new"}))

    assert counts(result.stdout) == [2_501, 1, 1_200, 1_300, 0]
    assert result.stdout.startswith("2,501 rows read: 1 inserted, 1,200 updated, 1,300 unchanged")


def test_an_empty_file_is_no_error(run: Run) -> None:
    """There was nothing to do, and that was done."""
    result = run("load", write(Path("empty")))

    assert result.exit_code == 0
    assert counts(result.stdout) == [0, 0, 0, 0, 0]


def test_bad_rows_are_reported_and_the_good_ones_kept(run: Run) -> None:
    """On standard error with file, line and reason; the exit status is 1."""
    rows = write(
        Path("rows"),
        {"session_id": "a", "created_at": 5},
        {"session_id": "b", "created_at": 1735689600000},
        "junk",
        {"session_id": "c"},
        {"session_id": "d", "created_at": 6, "acus_consumed": -1},
        {"session_id": "e", "created_at": 7},
    )
    result = run("load", rows, "--org", "org-1")

    assert result.exit_code == 1
    assert counts(result.stdout) == [6, 2, 0, 0, 4]
    reported = [line for line in result.stderr.splitlines() if line.startswith("rows: line ")]
    assert len(reported) == 4
    for number, field in ((2, "created_at"), (3, "Invalid JSON"), (4, "created_at"), (5, "acus")):
        assert any(line.startswith(f"rows: line {number}: {field}") for line in reported)
    assert sessions() == 2


def test_rows_without_an_organization_are_rejected(run: Run) -> None:
    """The reason names the option that would have helped."""
    result = run("load", write(Path("rows"), {"session_id": "a", "created_at": 5}))

    assert result.exit_code == 1
    assert counts(result.stdout) == [1, 0, 0, 0, 1]
    assert "--org" in result.stderr


def test_a_strict_load_keeps_nothing_of_a_file_with_a_bad_row(run: Run) -> None:
    """The status is 1, every bad row is reported, and nothing is claimed to be inserted."""
    rows = [{"session_id": str(at), "created_at": at} for at in range(2_500)]
    file = write(Path("rows"), *rows, "junk", {"session_id": "new"})

    result = run("load", "--strict", file, "--org", "org-1")

    assert result.exit_code == 1
    assert "inserted" not in result.stdout
    assert "rows: line 2501: " in result.stderr
    assert "rows: line 2502: " in result.stderr
    assert "metrics-graphql: nothing was loaded" in result.stderr
    assert sessions() == 0


def test_a_strict_load_of_good_rows_is_like_any_other(run: Run) -> None:
    """It prints the same summary."""
    result = run(
        "load", "--strict", write(Path("rows"), {"session_id": "a", "created_at": 5}), "--org", "o"
    )

    assert result.exit_code == 0
    assert counts(result.stdout) == [1, 1, 0, 0, 0]


def test_a_truncated_gzip_keeps_what_came_before(run: Run) -> None:
    """The status is 1 and the reason names the file; loading the whole file resumes."""
    rows = [{"session_id": f"{at:032x}", "created_at": at} for at in range(6_000)]
    packed = gzip.compress(write(Path("rows"), *rows).read_bytes())
    file = Path("rows.gz")
    file.write_bytes(packed[: len(packed) * 3 // 4])

    result = run("load", file, "--org", "org-1")

    assert result.exit_code == 1
    assert "metrics-graphql: rows.gz: " in result.stderr
    kept = sessions()
    assert 2_000 <= kept < 6_000
    file.write_bytes(packed)
    assert counts(run("load", file, "--org", "org-1").stdout) == [6_000, 6_000 - kept, 0, kept, 0]


def test_a_strict_load_keeps_nothing_of_a_truncated_gzip(run: Run) -> None:
    """All rows or none: some of them did not come."""
    rows = [{"session_id": f"{at:032x}", "created_at": at} for at in range(6_000)]
    packed = gzip.compress(write(Path("rows"), *rows).read_bytes())
    Path("rows.gz").write_bytes(packed[:-8])

    result = run("load", "--strict", "rows.gz", "--org", "org-1")

    assert result.exit_code == 1
    assert "rows.gz: " in result.stderr
    assert sessions() == 0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"hello\n", "session_id"),
        (b"created_at\n5\n", "session_id"),
        (b"[]", "JSON"),
        (b'{"items": 5}', "JSON"),
        (b"\x1f\x8b", "gzip"),
        (b"\x1f\x8bnot gzip at all", "gzip"),
    ],
)
def test_a_file_in_no_format_is_refused(run: Run, content: bytes, why: str) -> None:
    """The status is 1, and one line says which file it is and what is missing."""
    Path("odd").write_bytes(content)
    result = run("load", "odd", "--org", "org-1")

    assert result.exit_code == 1
    (reason,) = [line for line in result.stderr.splitlines() if line.startswith("metrics-graphql")]
    assert reason.startswith("metrics-graphql: odd: ")
    assert why in reason


def test_a_folder_is_no_file(run: Run) -> None:
    """It is named in one line."""
    Path("folder").mkdir()
    result = run("load", "folder")

    assert result.exit_code == 1
    assert re.search(r"^metrics-graphql: .*folder", result.stderr, re.MULTILINE)


def test_load_reads_standard_input(tmp_path: Path) -> None:
    """As `-`, gzipped too, though a pipe can't be rewound; its rows are placed by their line."""
    rows = b'{"session_id": "a", "created_at": 5}\n\n{"session_id": "b"}\n'

    status, stdout, stderr = python_m(
        tmp_path, "load", "-", "--org", "org-1", stdin=gzip.compress(rows)
    )

    assert status == 1
    assert counts(stdout) == [2, 1, 0, 0, 1]
    assert "-: line 3: created_at" in stderr


# Databases and settings


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://someone:s3cret@host/db",
        "oracle+thin://someone:s3cret@host:1521/db",
        "postgresql://someone:s3cret@host:port/db",
        "someone:s3cret@host",
        "s3cret",
    ],
)
@pytest.mark.parametrize("command", [("migrate",), ("service-user", "list"), ("load", "rows")])
def test_a_database_that_can_not_be_used_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, url: str, command: tuple[str, ...]
) -> None:
    """In one line, which names the setting and never prints a password."""
    write(Path("rows"))
    monkeypatch.setenv("METRICS_DATABASE_URL", url)
    result = run(*command)

    assert "s3cret" not in result.output
    assert result.exit_code == 1
    assert re.fullmatch(r"metrics-graphql: METRICS_DATABASE_URL\b.+\n", result.stderr)


def test_a_setting_that_can_not_be_read_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of its variable."""
    monkeypatch.setenv("METRICS_LOG_LEVEL", "loud")

    assert "METRICS_LOG_LEVEL" in refused(run("migrate"))


@only_sqlite
def test_where_the_database_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """In metrics.db, unless `.env` says otherwise, unless the variable does."""
    run("migrate")
    assert [file.name for file in Path().glob("*.db")] == ["metrics.db"]

    Path(".env").write_text("METRICS_DATABASE_URL=sqlite:///from-env-file.db\n")
    run("migrate")
    assert Path("from-env-file.db").exists()

    monkeypatch.setenv("METRICS_DATABASE_URL", "sqlite:///from-variable.db")
    run("migrate")
    assert Path("from-variable.db").exists()


def test_migrating_twice_changes_nothing(run: Run) -> None:
    """The second time the sessions are still there."""
    assert run("migrate").exit_code == 0
    rows = write(Path("rows"), {"session_id": "a", "created_at": 5, "org_id": "org-1"})
    assert counts(run("load", rows).stdout) == [1, 1, 0, 0, 0]

    assert run("migrate").exit_code == 0
    assert counts(run("load", rows).stdout) == [1, 0, 0, 1, 0]


# Service users


def test_a_token_is_alone_on_the_last_line(run: Run) -> None:
    """It is well formed and opens its organization at once, and no other."""
    run("load", write(Path("rows"), {"session_id": "a", "created_at": 5}), "--org", "org-2")
    result = run("service-user", "create", "reader", "--org", "org-1")
    token = result.stdout.splitlines()[-1]

    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.count(token) == 1
    assert auth.is_well_formed(token)
    assert (status(token), status(token, "org-2")) == (200, 403)


def test_an_enterprise_token_opens_every_organization(run: Run) -> None:
    """Those that exist."""
    run("load", write(Path("rows"), {"session_id": "a", "created_at": 5}), "--org", "org-2")
    _, token = created(run, "--enterprise")

    assert (status(token, "org-2"), status(token, "org-3")) == (200, 403)


@pytest.mark.parametrize("options", [(), ("--org", "org-1", "--enterprise")])
def test_a_service_user_has_one_level(run: Run, options: tuple[str, ...]) -> None:
    """Neither none nor both; nothing is created."""
    reason = refused(run("service-user", "create", "a", *options))

    assert "--org" in reason
    assert "--enterprise" in reason
    assert run("service-user", "list").stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("", "--org", "org-1"), "name"),
        ((" ", "--org", "org-1"), "name"),
        (("a", "--org", ""), "org"),
        (("a", "--org", "org-1", "--permission", ""), "permission"),
    ],
)
def test_a_service_user_of_nothing_is_refused(
    run: Run, arguments: tuple[str, ...], why: str
) -> None:
    """The reason names what is empty; nothing is created."""
    assert why in refused(run("service-user", "create", *arguments))
    assert run("service-user", "list").stdout.count("\n") == 1


def test_permissions_are_as_given(run: Run) -> None:
    """Each `--permission` is one of them; a token that can't read metrics comes with a warning."""
    options = ("--permission", "ViewOrgSessions", "--permission")
    _, reader = created(run, "--org", "org-1", *options, "ViewOrgMetrics")
    result = run("service-user", "create", "other", "--org", "org-1", *options, "ManageBilling")

    assert status(reader) == 200
    assert status(result.stdout.splitlines()[-1]) == 403
    assert "ViewOrgMetrics" in result.stderr
    assert "ViewOrgSessions,ViewOrgMetrics" in run("service-user", "list").stdout


def test_a_token_expires(run: Run) -> None:
    """After the given days, of which none is a day that is over."""
    before = int(time.time())
    _, ended = created(run, "--org", "org-1", "--expires-in-days", "0")
    result = run("service-user", "create", "b", "--org", "org-1", "--expires-in-days", "1.5")
    after = int(time.time())

    assert status(ended) == 401
    assert status(result.stdout.splitlines()[-1]) == 200
    expires = re.search(r"expires: (\S+)", result.stdout)
    assert expires
    assert before <= datetime.fromisoformat(expires[1]).timestamp() - 1.5 * DAY <= after


def test_rotating_overlaps(run: Run) -> None:
    """Both tokens work for a day, and the older one ends at once if there is to be no overlap."""
    name, first = created(run, "--org", "org-1")
    rotated = run("service-user", "rotate", name)
    second = rotated.stdout.splitlines()[-1]

    assert rotated.exit_code == 0
    assert auth.is_well_formed(second)
    assert (status(first), status(second)) == (200, 200)

    other, first = created(run, "--org", "org-1")
    second = run("service-user", "rotate", other, "--overlap-hours", "0").stdout.splitlines()[-1]

    assert (status(first), status(second)) == (401, 200)


def test_revoking_ends_every_token(run: Run) -> None:
    """For good: there is no rotating after it. Revoking again is no error."""
    name, first = created(run, "--org", "org-1")
    second = run("service-user", "rotate", name).stdout.splitlines()[-1]
    _, bystander = created(run, "--org", "org-1")

    assert run("service-user", "revoke", name).exit_code == 0
    assert (status(first), status(second)) == (401, 401)
    assert status(bystander) == 200
    refused(run("service-user", "rotate", name))
    assert run("service-user", "revoke", name).exit_code == 0


@pytest.mark.parametrize("command", ["rotate", "revoke"])
def test_an_unknown_service_user_is_refused(run: Run, command: str) -> None:
    """In one line, with status 1."""
    created(run, "--org", "org-1")

    assert "service user" in refused(run("service-user", command, "service-user-0"))


def test_listing_service_users(run: Run) -> None:
    """One line each under a header, tab-separated, with no token and none of its hash."""
    first, token = created(run, "--org", "org-1", "--expires-in-days", "1")
    second, _ = created(run, "--enterprise", "--permission", "ViewOrgMetrics")
    run("service-user", "revoke", first)

    result = run("service-user", "list")
    header, *rows = [line.split("\t") for line in result.stdout.splitlines()]

    assert result.exit_code == 0
    assert token not in result.stdout
    users = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    assert users.keys() == {first, second}
    assert users[first]["covers"] == "org-1"
    assert users[first]["permissions"] == "ViewAccountMetrics"
    assert users[second]["covers"] == "every organization"
    assert users[second]["permissions"] == "ViewOrgMetrics"
    assert datetime.fromisoformat(users[first]["revoked"]).tzinfo
    assert users[second]["revoked"] == "never"
    assert {user["last used"] for user in users.values()} == {"never"}


# Schemas, help, and the demo


@pytest.mark.parametrize("arguments", [(), ("graphql",)])
def test_export_schema_prints_the_graphql_schema(run: Run, arguments: tuple[str, ...]) -> None:
    """Unless told otherwise; it needs no database, and makes none."""
    result = run("export-schema", *arguments)
    schema = build_schema(result.stdout)

    assert result.exit_code == 0
    assert schema.query_type
    assert "sessionMetrics" in schema.query_type.fields
    assert list(Path().iterdir()) == []


def test_export_schema_prints_the_openapi_document(run: Run) -> None:
    """As JSON, with the path of the v3 API."""
    document = json.loads(run("export-schema", "openapi").stdout)

    assert "/v3/organizations/{org_id}/metrics/sessions" in document["paths"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("export-schema", "sdl"),
        ("load",),
        ("service-user", "create"),
        ("service-user", "create", "a", "--org", "o", "--expires-in-days", "-1"),
        ("service-user", "rotate", "a", "--overlap-hours", "-1"),
        ("serve", "--port", "65536"),
        ("demo", "--sessions", "0"),
        ("nothing",),
    ],
    ids=" ".join,
)
def test_wrong_arguments_have_a_status_of_their_own(run: Run, arguments: tuple[str, ...]) -> None:
    """2, as is usual; nothing is printed that could be taken for an answer, no database made."""
    result = run(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert list(Path().iterdir()) == []


def test_the_package_is_a_program(tmp_path: Path) -> None:
    """`python -m metrics_graphql` is the command line, and lists its commands."""
    status, stdout, stderr = python_m(tmp_path, "--help")

    assert (status, stderr) == (0, "")
    for command in ("serve", "demo", "load", "migrate", "service-user", "export-schema"):
        assert re.search(rf"\b{command}\b", stdout)


def test_the_version_is_that_of_the_package(run: Run) -> None:
    """Which is told in one place, and is that of what is installed."""
    result = run("--version")

    assert result.exit_code == 0
    assert result.stdout == f"metrics-graphql {__version__}\n"
    assert __version__ == metadata.version("metrics-graphql")


@pytest.fixture(params=["", "/our/sessions"])
def demo(tmp_path: Path, request: pytest.FixtureRequest) -> Generator[str]:
    """Run a small demo below a prefix for a test; lend what it prints before it serves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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
                assert line, f"the demo ended early, after {printed!r}"
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


@pytest.mark.skipif(shutil.which("curl") is None, reason="the printed commands call curl")
def test_the_demo_prints_commands_that_work(demo: str, tmp_path: Path) -> None:
    """Pasted into a shell, both ask about the same sessions and get the same numbers."""
    commands = re.findall(r"^  (curl .*?)\n\n", demo, re.DOTALL | re.MULTILINE)
    assert len(commands) == 2
    assert DEMO_ORGANIZATIONS[0] in commands[0]
    assert DEMO_ORGANIZATIONS[0] in commands[1]

    over_graphql, over_rest = [
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

    metrics = over_graphql["data"]["sessionMetrics"]
    assert 0 < metrics["sessionsCreatedCount"] < 2_000
    assert metrics == {
        "sessionsCreatedCount": over_rest["sessions_created_count"],
        "sessionsWithMergedPrsCount": over_rest["sessions_with_merged_prs_count"],
        "avgAcusPerSession": over_rest["avg_acus_per_session"],
    }
    assert [file.name for file in tmp_path.glob("*.db")] == ["metrics-demo.db"]
