"""`delete`: what it deletes, confirmation, and arguments."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from metrics_graphql.cli import app
from tests.cli.commands import Run, count_sessions, error_line, running_gateway, write_rows
from tests.conftest import only_sqlite
from tests.engines import migrated_file

pytestmark = only_sqlite

EXPECTED = "must be ISO 8601 with an offset, like 2025-01-31T00:00:00Z, or Unix seconds"


@pytest.fixture
def loaded(run: Run) -> None:
    """Load three sessions of one user, created at 10, 20 and 30."""
    Path("metrics.db").write_bytes(migrated_file())
    rows = [{"session_id": f"s{at}", "created_at": at, "user_id": "u"} for at in (10, 20, 30)]
    assert run("load", write_rows(Path("rows"), *rows), "--org", "org-1").exit_code == 0


def answer(text: str, *arguments: str) -> Result:
    """Run `delete` with a text as standard input."""
    return CliRunner().invoke(app, ["delete", "--org", "org-1", *arguments], input=text)


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("options", "deleted"),
    [
        ((), 3),
        (("--session", "s20"), 1),
        (("--session", "unknown"), 0),
        (("--before", "20"), 1),
        (("--before", " 21 "), 2),
        (("--before", "1970-01-01T00:00:20Z"), 1),
        (("--before", "1970-01-01T01:00:20.5+01:00"), 2),
        (("--before", "9999-12-31T23:59:59.5Z"), 3),
        (("--before", "253402300799"), 3),
    ],
)
def test_deleted_sessions(run: Run, options: tuple[str, ...], deleted: int) -> None:
    """All, one, or those created before a time. Deleting again deletes none."""
    first = run("delete", "--org", "org-1", *options, "--yes")
    second = run("delete", "--org", "org-1", *options, "--yes", "--json")

    is_unknown = "unknown" in options
    assert first.exit_code == 0
    assert first.stderr == ("no session of org-1 has this id\n" if is_unknown else "")
    assert first.stdout == f"{deleted} sessions deleted\n"
    assert json.loads(second.stdout) == {"deleted": 0}
    assert count_sessions() == 3 - deleted


@pytest.mark.usefixtures("loaded")
def test_a_user_is_removed(run: Run) -> None:
    """From the sessions, which stay; the name is removed, too."""
    run("names", "load", write_rows(Path("n"), {"kind": "user", "id": "u", "name": "Ada"}))
    result = run("delete", "--org", "org-1", "--user", "u", "--yes", "--json")

    assert json.loads(result.stdout) == {"changed": 3}
    assert json.loads(run("names", "list", "--json").stdout) == {"names": []}
    assert count_sessions() == 3
    again = run("delete", "--org", "org-1", "--user", "u", "--yes")
    assert again.stdout == "0 sessions changed\n"


@pytest.mark.usefixtures("loaded")
def test_an_unknown_organization_has_no_sessions(run: Run) -> None:
    """It stays unknown."""
    for options in ((), ("--session", "s10"), ("--before", "20")):
        result = run("delete", "--org", "typo", *options, "--yes")
        assert (result.exit_code, result.stdout) == (0, "0 sessions deleted\n")
    assert run("delete", "--org", "typo", "--user", "u", "--yes").stdout == "0 sessions changed\n"

    with running_gateway() as gateway:
        assert gateway.run(gateway.storage.list_organizations(10)) == ["org-1"]
    assert count_sessions() == 3


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("options", "prompt"),
    [
        ((), "Delete all sessions of org-1?"),
        (("--session", "s10"), "Delete the session s10 of org-1?"),
        (("--before", "20"), "Delete all sessions of org-1 created before 1970-01-01T00:00:20Z?"),
        (("--user", "u"), "Remove the user id u from all sessions of org-1?"),
    ],
    ids=["all", "session", "before", "user"],
)
@pytest.mark.parametrize("text", ["n\n", "\n", ""], ids=["no", "default", "end"])
def test_a_deletion_is_confirmed(options: tuple[str, ...], prompt: str, text: str) -> None:
    """On standard error. Without a yes, nothing is deleted, and the status is 1."""
    result = answer(text, *options)

    assert (result.exit_code, result.stdout) == (1, "")
    # A terminal echoes the input, and its line break.
    assert result.stderr == (
        f"{prompt} [y/N]: {'' if text else chr(10)}"
        "metrics-graphql: nothing was deleted; --yes deletes without confirmation\n"
    )
    with running_gateway() as gateway:
        assert gateway.run(gateway.storage.newest_session_at()) == 30


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("text", ["y\n", "YES\n", " y"])
def test_a_confirmed_deletion(text: str) -> None:
    """With `--json`, the document is alone on standard output."""
    result = answer(text, "--session", "s10", "--json")

    assert (result.exit_code, result.stdout) == (0, '{"deleted": 1}\n')
    assert count_sessions() == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "Missing option '--org'"),
        (("--org", ""), "'--org': must not be empty"),
        (("--org", "a\nb"), "'--org': must not contain control characters"),
        (("--org", "a,b"), "'--org': must not contain a comma"),
        (("--org", "o", "--session", " "), "'--session': must not be empty"),
        (("--org", "o", "--session", "s" * 257), "'--session': must have at most 256 characters"),
        (("--org", "o", "--user", ""), "'--user': must not be empty"),
        (("--org", "o", "--user", "\ud800"), "'--user': must not contain NUL or unpaired"),
        (("--org", "o", "--before", "yesterday"), f"'--before': {EXPECTED}"),
        (("--org", "o", "--before", ""), f"'--before': {EXPECTED}"),
        (("--org", "o", "--before", "-5"), f"'--before': {EXPECTED}"),
        (("--org", "o", "--before", "\u0665"), f"'--before': {EXPECTED}"),
        (("--org", "o", "--before", "2025-01-31"), f"'--before': {EXPECTED}"),
        (("--org", "o", "--before", "1735689600000"), "'--before': Unix seconds are expected, not"),
        (("--org", "o", "--before", "9" * 5_000), "'--before': Unix seconds are expected, not"),
        (("--org", "o", "--before", "1969-12-31T23:59:59Z"), "'--before': must not be before 1970"),
        (
            ("--org", "o", "--before", "5", "--user", "u"),
            "'--before' / '--user': give only one of them",
        ),
        (("--org", "o", "--session", "s", "--user", "u"), "'--session' / '--user': give only one"),
    ],
)
def test_invalid_arguments(run: Run, arguments: tuple[str, ...], reason: str) -> None:
    """One line, without a prompt. No database is created."""
    assert reason in error_line(run("delete", *arguments, "--yes"), status=2)
    assert not any(Path().iterdir())


def test_a_missing_database(run: Run) -> None:
    """It is not created."""
    assert "does not exist" in error_line(run("delete", "--org", "org-1", "--yes"))
    assert not any(Path().iterdir())
