"""`service-user`: printed tokens, and the access that they grant."""

import json
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest

from metrics_graphql.core.callers import VIEW_METRICS
from metrics_graphql.core.periods import DAY
from metrics_graphql.core.tokens import is_well_formed
from tests.cli.commands import Run, error_line, http_status, write_rows

INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


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
    rows = write_rows(Path("rows"), {"session_id": "a", "created_at": 5})
    for org_id in ("org-1", "org-2"):
        run("load", rows, "--org", org_id)
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
    error = error_line(run("service-user", "create", "a", *options), status=2)

    assert "--org" in error
    assert "--enterprise" in error
    assert run("service-user", "list").stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        (("", "--org", "org-1"), "NAME"),
        ((" ", "--org", "org-1"), "NAME"),
        (("a", "--org", ""), "--org"),
        (("a", "--org", "org\n1"), "--org"),
        (("a\x1b", "--org", "org-1"), "NAME"),
        (("a", "--org", "org-1", "--permission", ""), "--permission"),
        (("a", "--org", "org-1", "--permission", "ManageBilling"), "--permission"),
    ],
)
def test_unusable_arguments_are_refused(
    run: Run, arguments: tuple[str, ...], argument: str
) -> None:
    """The error names the argument. Nothing is created."""
    error = error_line(run("service-user", "create", *arguments), status=2)
    assert f"'{argument}': " in error
    assert run("service-user", "list").stdout.count("\n") == 1


def test_permissions(run: Run) -> None:
    """`--permission` may be repeated. The help lists its values, and the error does."""
    options = ("--permission", "ViewOrgMetrics", "--permission", "ViewAccountMetrics")
    _, reader = create(run, "--org", "org-1", *options)
    refused = run("service-user", "create", "other", "--org", "org-1", "--permission", "View")
    help_text = run("service-user", "create", "--help").stdout

    assert http_status(reader) == 200
    assert "ViewOrgMetrics,ViewAccountMetrics" in run("service-user", "list").stdout
    for permission in VIEW_METRICS:
        assert permission in help_text
        assert permission in refused.stderr


def test_an_organization_without_sessions_is_a_warning(run: Run) -> None:
    """It may be misspelled. The token is printed all the same."""
    run("load", write_rows(Path("rows"), {"session_id": "a", "created_at": 5}), "--org", "org-1")
    run("service-user", "create", "first", "--org", "org1")
    run("names", "load", write_rows(Path("names"), {"kind": "user", "id": "a", "name": "b"}))
    known, unknown, enterprise = (
        run("service-user", "create", "a", *options)
        for options in (("--org", "org-1"), ("--org", "org1"), ("--enterprise",))
    )

    assert known.stderr == enterprise.stderr == ""
    assert unknown.stderr == "warning: org1 has no sessions; check the spelling, or load them\n"
    assert unknown.exit_code == 0
    assert is_well_formed(unknown.stdout.splitlines()[-1])


@pytest.mark.parametrize("command", ["rotate", "revoke"])
def test_a_unique_name_can_be_given_instead_of_an_id(run: Run, command: str) -> None:
    """An active service user takes precedence over a revoked one of the same name."""
    revoked, _ = create(run, "--org", "org-1")
    run("service-user", "revoke", revoked)
    active, token = create(run, "--org", "org-1")
    result = run("service-user", command, "a name")

    assert result.exit_code == 0
    assert active in result.stdout
    assert http_status(token) == (401 if command == "revoke" else 200)


@pytest.mark.parametrize("command", ["rotate", "revoke"])
def test_an_ambiguous_name_is_an_error_with_the_ids(run: Run, command: str) -> None:
    """Nothing is changed."""
    (first, one), (second, two) = create(run, "--org", "org-1"), create(run, "--org", "org-1")
    error = error_line(run("service-user", command, "a name"))

    assert first in error
    assert second in error
    assert (http_status(one), http_status(two)) == (200, 200)


def test_json(run: Run) -> None:
    """Each command prints one document, with instants in UTC."""

    def document(*arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(run("service-user", *arguments, "--json").stdout)
        return found

    created = document("create", "reader", "--org", "org-1", "--expires-in-days", "1")
    rotated = document("rotate", "reader", "--overlap-hours", "0")
    (listed,) = document("list")["service_users"]
    revoked = document("revoke", "reader")
    (after,) = document("list")["service_users"]

    assert created.keys() == {"id", "name", "token", "expires_at"}
    assert rotated.keys() == {*created, "older_tokens_expire_at"}
    assert (http_status(created["token"]), created["id"]) == (401, rotated["id"])
    assert revoked.keys() == {"id", "name", "revoked_at"}
    assert INSTANT.fullmatch(listed["created_at"])
    (token,) = listed["tokens"]
    assert token["expires_at"] == rotated["expires_at"]
    assert INSTANT.fullmatch(token["created_at"])
    assert {key: listed[key] for key in ("id", "name", "org_id", "permissions")} == {
        "id": created["id"],
        "name": "reader",
        "org_id": "org-1",
        "permissions": ["ViewAccountMetrics"],
    }
    assert (listed["last_used_at"], listed["revoked_at"]) == (None, None)
    assert (after["revoked_at"], after["tokens"]) == (revoked["revoked_at"], [])


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
    third, _ = create(run, "--org", "org-1", "--expires-in-days", "1")
    run("service-user", "rotate", third)
    run("service-user", "revoke", first)

    result = run("service-user", "list")
    header, *rows = [line.split("\t") for line in result.stdout.splitlines()]

    assert result.exit_code == 0
    assert token not in result.stdout
    users = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    assert users.keys() == {first, second, third}
    assert users[first]["covers"] == "org-1"
    assert users[first]["permissions"] == "ViewAccountMetrics"
    assert users[second]["covers"] == "every organization"
    assert users[second]["permissions"] == "ViewOrgMetrics"
    for column in ("created", "revoked"):
        assert INSTANT.fullmatch(users[first][column])
    assert (users[first]["live tokens"], users[first]["expires"]) == ("0", "-")
    assert (users[second]["live tokens"], users[second]["expires"]) == ("1", "never")
    assert (users[third]["live tokens"], users[third]["expires"][-1]) == ("2", "Z")
    assert users[second]["revoked"] == "never"
    assert {user["last used"] for user in users.values()} == {"never"}
