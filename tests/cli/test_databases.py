"""Settings and databases of all commands, and `migrate`."""

import json
import re
import socket
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.cli.commands import Run, error_line, invoke, write_rows
from tests.conftest import only_sqlite
from tests.engines import PostgreSQLServer


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "sqlite://",
        "postgresql://someone:s3cret@one,two/db?channel_binding=require",
        "mysql://someone:s3cret@host/db",
        "oracle+thin://someone:s3cret@host:1521/db",
        "postgresql://someone:s3cret@host:port/db",
        "someone:s3cret@host",
        "s3cret",
    ],
)
@pytest.mark.parametrize("command", [("migrate",), ("service-user", "list"), ("load", "rows")])
def test_an_invalid_database_url_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, url: str, command: tuple[str, ...]
) -> None:
    """In one line, which names the setting and does not repeat a password."""
    write_rows(Path("rows"))
    monkeypatch.setenv("METRICS_DATABASE_URL", url)
    result = run(*command)

    assert "s3cret" not in result.output
    assert result.exit_code == 1
    assert re.fullmatch(r"metrics-graphql: METRICS_DATABASE_URL\b.+\n", result.stderr)


def test_an_invalid_setting_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of its variable."""
    monkeypatch.setenv("METRICS_LOG_LEVEL", "loud")

    assert "METRICS_LOG_LEVEL" in error_line(run("migrate"))


@pytest.mark.usefixtures("empty_directory")
@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"METRICS_TIMEOUT": "abc"}, 'METRICS_TIMEOUT must be .*, not "abc"'),
        ({"METRICS_TRUSTED_DOCUMENTS": "missing.json"}, "METRICS_TRUSTED_DOCUMENTS cannot be read"),
        ({"METRICS_OTEL": "true", "OTEL_BSP_SCHEDULE_DELAY": "-1"}, "OTEL_BSP_SCHEDULE_DELAY must"),
        (
            {"METRICS_PROMETHEUS": "true", "PROMETHEUS_MULTIPROC_DIR": "missing"},
            "PROMETHEUS_MULTIPROC_DIR must be a directory",
        ),
    ],
)
@pytest.mark.parametrize(
    "command",
    [("migrate",), ("service-user", "list"), ("demo",), ("serve", "--workers", "2")],
    ids=" ".join,
)
def test_a_setting_that_cannot_be_used_ends_every_command(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    named: str,
    command: tuple[str, ...],
) -> None:
    """Before anything is created, and before workers start."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert re.match(f"metrics-graphql: {named}", error_line(invoke(*command)))
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_in_use_ends_serve(run: Run, workers: int) -> None:
    """In one line, before workers start."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        line = error_line(run("serve", "--port", port, "--workers", str(workers)))

    assert f"cannot listen on --host 127.0.0.1 --port {port}: " in line


def test_a_host_without_an_address_ends_serve(run: Run) -> None:
    """It may be misspelled."""
    line = error_line(run("serve", "--host", "256.0.0.1"))

    assert "cannot listen on --host 256.0.0.1" in line


@only_sqlite
def test_a_misspelled_setting_is_a_warning(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each, in the environment and in `.env`; the command continues."""
    monkeypatch.setenv("METRICS_TIMOUT", "3")
    Path(".env").write_text("METRICS_DATABSE_URL=sqlite:///other.db\n")
    result = run("migrate")

    assert result.exit_code == 0
    assert result.stderr == (
        "metrics-graphql: warning: METRICS_DATABSE_URL is not a setting;"
        " did you mean METRICS_DATABASE_URL?\n"
        "metrics-graphql: warning: METRICS_TIMOUT is not a setting; did you mean METRICS_TIMEOUT?\n"
    )


@only_sqlite
@pytest.mark.parametrize("end", ["\r", "\r\n", " "], ids=repr)
def test_a_url_with_white_space_at_its_end_names_the_same_database(
    run: Run, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """As in a file that was written on Windows."""
    monkeypatch.setenv("METRICS_DATABASE_URL", f"sqlite:///t.db{end}")
    run("migrate")

    assert [file.name for file in Path().glob("*.db*")] == ["t.db"]


@pytest.mark.usefixtures("empty_directory")
@pytest.mark.parametrize("place", ["environment", "file"])
def test_variables_of_postgresql_complete_the_url(
    postgresql: PostgreSQLServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """In the environment or in `.env`, which may name everything that the URL leaves out."""
    url = sa.make_url(postgresql.new_database(tmp_path))
    variables = {
        "METRICS_DATABASE_URL": "postgresql://",
        "PGHOST": str(url.query.get("host") or url.host),
        "PGPORT": str(url.port or 5432),
        "PGUSER": str(url.username),
        "PGPASSWORD": str(url.password or ""),
        "PGDATABASE": str(url.database),
    }
    if place == "file":
        Path(".env").write_text("".join(f"{name}={each}\r\n" for name, each in variables.items()))
    else:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    result = invoke("service-user", "list")
    assert (result.exit_code, result.stderr) == (0, "")


@only_sqlite
def test_the_default_database(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`metrics.db`. A variable takes precedence over `.env`, and both over the default."""
    run("migrate")
    assert [file.name for file in Path().glob("*.db")] == ["metrics.db"]

    Path(".env").write_text("METRICS_DATABASE_URL=sqlite:///from-env-file.db\n")
    run("migrate")
    assert Path("from-env-file.db").exists()

    monkeypatch.setenv("METRICS_DATABASE_URL", "sqlite:///from-variable.db")
    run("migrate")
    assert Path("from-variable.db").exists()


def test_migrating_twice_changes_nothing(run: Run) -> None:
    """Stored sessions remain."""
    assert run("migrate").exit_code == 0
    rows = write_rows(Path("rows"), {"session_id": "a", "created_at": 5, "org_id": "org-1"})
    assert "1 inserted" in run("load", rows).stdout

    assert run("migrate").exit_code == 0
    assert "1 unchanged" in run("load", rows).stdout


@only_sqlite
@pytest.mark.parametrize("command", [("service-user", "list"), ("verify",)], ids=" ".join)
def test_other_commands_do_not_create_a_database(run: Run, command: tuple[str, ...]) -> None:
    """The error says to run `migrate`."""
    assert "metrics-graphql migrate" in error_line(run(*command))
    assert list(Path().iterdir()) == []


@only_sqlite
@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("junk", ()),
        ('{"session_id": "a"}', ()),
        ('{"session_id": "a", "created_at": 5}\njunk', ("--strict",)),
        ('{"session_id": "a", "created_at": 5}\n{"session_id": "b"}', ("--strict",)),
        ('{"session_id": "a", "created_at": 5, "foo": 1}', ("--strict",)),
        ('{"session_id": "a", "created_at": 5}', ("--dry-run",)),
        ('{"session_id": "a", "created_at": 5}', ("--rejects", "no/such")),
        (None, ()),
    ],
)
def test_a_load_that_stores_nothing_creates_no_database(
    run: Run, content: str | None, options: tuple[str, ...]
) -> None:
    """Rejected rows, a missing file, and a dry run."""
    if content is not None:
        Path("rows").write_text(content)
    result = run("load", "rows", "--org", "org-1", *options)

    assert result.exit_code == ("--dry-run" not in options)
    assert [each.name for each in Path().iterdir()] == (["rows"] if content is not None else [])


@only_sqlite
def test_a_load_that_stores_something_creates_the_database(run: Run) -> None:
    """All rows are counted once, rejected ones too."""
    Path("rows").write_text('{"session_id": "b"}\n{"session_id": "a", "created_at": 5}\n')
    result = run("load", "rows", "--org", "org-1")

    assert result.stdout.startswith("2 rows read: 1 inserted, 0 updated, 0 unchanged, 1 rejected")
    assert result.stderr.count("rows: line 1: ") == 1
    assert Path("metrics.db").exists()


@only_sqlite
def test_load_creates_an_embedded_database(run: Run) -> None:
    """So do `serve`, `demo` and `sync`, which the tests of these commands run without `migrate`."""
    assert run("load", write_rows(Path("rows"))).exit_code == 0
    assert Path("metrics.db").exists()


@pytest.mark.usefixtures("empty_directory")
@pytest.mark.parametrize(
    "command",
    [
        ("load", "rows"),
        ("serve", "--port", "0"),
        ("service-user", "list"),
        ("sync", "--org", "o", "--base-url", "https://api.example.com"),
        ("verify",),
    ],
    ids=lambda command: command[0],
)
def test_only_migrate_changes_the_schema_of_a_server(
    postgresql: PostgreSQLServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    """On PostgreSQL, every other command refuses a database without a schema."""
    url = postgresql.new_database(tmp_path, migrated=False)
    monkeypatch.setenv("METRICS_DATABASE_URL", url)
    write_rows(Path("rows"))

    for _ in range(2):
        assert "metrics-graphql migrate" in error_line(invoke(*command))
    assert invoke("migrate").exit_code == 0
    assert invoke("service-user", "list").exit_code == 0


@pytest.mark.usefixtures("empty_directory")
def test_cluster_statements_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order: the tables of a shard, the view between them, and the tables over all shards.

    Rows are inserted into a shard by its number, so that no table has a sharding key. None is
    executed.
    """
    monkeypatch.setenv("METRICS_SESSIONS_URL", "clickhousedb://nobody:secret@127.0.0.1:1/metrics")

    printed = invoke("migrate", "--cluster", "all`shards", "--print")

    assert printed.exit_code == 0
    facts_of_shard, changes_of_shard, view, facts, changes = printed.stdout.splitlines()
    on_cluster = "ON CLUSTER `all\\`shards`"
    assert facts_of_shard.startswith(f"CREATE TABLE IF NOT EXISTS facts_of_shard {on_cluster} (")
    assert "ENGINE = ReplicatedSummingMergeTree" in facts_of_shard
    assert changes_of_shard.endswith("ENGINE = Null;")
    assert f" changes_to_facts {on_cluster} TO facts_of_shard AS " in view
    for of_all, table in (facts, "facts_of_shard"), (changes, "changes_of_shard"):
        assert on_cluster in of_all
        assert of_all.endswith(f"ENGINE = Distributed(`all\\`shards`, `metrics`, {table});")


@pytest.mark.usefixtures("empty_directory")
@pytest.mark.parametrize(
    ("options", "reason", "status"),
    [
        (["--print"], "'--print': requires --cluster", 2),
        (["--cluster", "c"], "requires METRICS_SESSIONS_URL", 1),
    ],
)
def test_cluster_options_require_each_other(options: list[str], reason: str, status: int) -> None:
    """The error names what is missing."""
    assert reason in error_line(invoke("migrate", *options), status)


@only_sqlite
def test_migrate_as_json(run: Run) -> None:
    """The document has the status of the tables."""
    assert json.loads(run("migrate", "--json").stdout) == {"status": "current"}
