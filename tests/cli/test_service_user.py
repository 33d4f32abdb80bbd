"""`service-user`: printed tokens, and the access that they grant."""

import re
import time
from datetime import datetime
from pathlib import Path

import pytest

from metrics_graphql.core.periods import DAY
from metrics_graphql.core.tokens import is_well_formed
from tests.cli.commands import Run, error_line, http_status, write_rows


@pytest.fixture(autouse=True)
def schema(run: Run) -> None:
    """Create the tables, which `service-user` does not."""
    assert run("migrate").exit_code == 0


def create(run: Run, *options: str) -> tuple[str, str]:
    """Create a service user; return its id and its token."""
    result = run("service-user", "create", "a name", *options)
    assert result.exit_code == 0, result.output
    found = re.search(r"service-user-[0-9a-f]+", result.stdout)
    assert found
    return found[0], result.stdout.splitlines()[-1]


def test_a_token_is_alone_on_the_last_line(run: Run) -> None:
    """It is well formed, and grants access to its organization only."""
    run("load", write_rows(Path("rows"), {"session_id": "a", "created_at": 5}), "--org", "org-2")
    result = run("service-user", "create", "reader", "--org", "org-1")
    token = result.stdout.splitlines()[-1]

    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.count(token) == 1
    assert is_well_formed(token)
    assert (http_status(token), http_status(token, "org-2")) == (200, 403)


def test_an_enterprise_token_grants_access_to_every_organization(run: Run) -> None:
    """To every one that exists."""
    run("load", write_rows(Path("rows"), {"session_id": "a", "created_at": 5}), "--org", "org-2")
    _, token = create(run, "--enterprise")

    assert (http_status(token, "org-2"), http_status(token, "org-3")) == (200, 403)


@pytest.mark.parametrize("options", [(), ("--org", "org-1", "--enterprise")])
def test_a_service_user_has_one_level(run: Run, options: tuple[str, ...]) -> None:
    """An organization or the enterprise, not both. Nothing is created."""
    error = error_line(run("service-user", "create", "a", *options))

    assert "--org" in error
    assert "--enterprise" in error
    assert run("service-user", "list").stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        (("", "--org", "org-1"), "NAME"),
        ((" ", "--org", "org-1"), "NAME"),
        (("a", "--org", ""), "--org"),
        (("a", "--org", "org-1", "--permission", ""), "--permission"),
    ],
)
def test_empty_arguments_are_refused(run: Run, arguments: tuple[str, ...], argument: str) -> None:
    """The error names the argument. Nothing is created."""
    error = error_line(run("service-user", "create", *arguments))
    assert error == f"metrics-graphql: {argument} must not be empty\n"
    assert run("service-user", "list").stdout.count("\n") == 1


def test_permissions(run: Run) -> None:
    """`--permission` may be repeated. A token that cannot read metrics comes with a warning."""
    options = ("--permission", "ViewOrgSessions", "--permission")
    _, reader = create(run, "--org", "org-1", *options, "ViewOrgMetrics")
    result = run("service-user", "create", "other", "--org", "org-1", *options, "ManageBilling")

    assert http_status(reader) == 200
    assert http_status(result.stdout.splitlines()[-1]) == 403
    assert "ViewOrgMetrics" in result.stderr
    assert "ViewOrgSessions,ViewOrgMetrics" in run("service-user", "list").stdout


def test_expiry(run: Run) -> None:
    """After the given number of days. A token of 0 days is expired at once."""
    before = int(time.time())
    _, expired = create(run, "--org", "org-1", "--expires-in-days", "0")
    result = run("service-user", "create", "b", "--org", "org-1", "--expires-in-days", "1.5")
    after = int(time.time())

    assert http_status(expired) == 401
    assert http_status(result.stdout.splitlines()[-1]) == 200
    expires = re.search(r"expires: (\S+)", result.stdout)
    assert expires
    assert before <= datetime.fromisoformat(expires[1]).timestamp() - 1.5 * DAY <= after


def test_rotation_overlaps(run: Run) -> None:
    """Both tokens are valid for a day. Without overlap, the older one expires at once."""
    name, first = create(run, "--org", "org-1")
    rotated = run("service-user", "rotate", name)
    second = rotated.stdout.splitlines()[-1]

    assert rotated.exit_code == 0
    assert is_well_formed(second)
    assert (http_status(first), http_status(second)) == (200, 200)

    other, first = create(run, "--org", "org-1")
    second = run("service-user", "rotate", other, "--overlap-hours", "0").stdout.splitlines()[-1]

    assert (http_status(first), http_status(second)) == (401, 200)


def test_revocation(run: Run) -> None:
    """All tokens become invalid, and none can be issued. Revoking again is no error."""
    name, first = create(run, "--org", "org-1")
    second = run("service-user", "rotate", name).stdout.splitlines()[-1]
    _, other = create(run, "--org", "org-1")

    assert run("service-user", "revoke", name).exit_code == 0
    assert (http_status(first), http_status(second)) == (401, 401)
    assert http_status(other) == 200
    error_line(run("service-user", "rotate", name))
    assert run("service-user", "revoke", name).exit_code == 0


@pytest.mark.parametrize("command", ["rotate", "revoke"])
def test_an_unknown_service_user(run: Run, command: str) -> None:
    """In one line, with status 1."""
    create(run, "--org", "org-1")

    assert "ID is not the id of" in error_line(run("service-user", command, "service-user-0"))


def test_list(run: Run) -> None:
    """One line each under a header, tab-separated, without tokens."""
    first, token = create(run, "--org", "org-1", "--expires-in-days", "1")
    second, _ = create(run, "--enterprise", "--permission", "ViewOrgMetrics")
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
