"""Authentication at the APIs: which tokens are valid, and what checking them costs."""

from collections.abc import Callable
from typing import Any

import pytest

from metrics_graphql.core.errors import BadUserInput
from metrics_graphql.core.periods import DAY
from metrics_graphql.core.tokens import hash_token, is_well_formed
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.service_users import (
    fetch_callers,
    list_service_users,
    revoke_service_user,
    rotate_token,
)
from tests.conftest import Gateway, only_sqlite

PERIOD = {"time_after": 0, "time_before": 100}


def count_reads(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, org_id: str, token: str) -> int:
    """Return how often a request reads from the database."""
    reads = 0

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: object) -> object:
            nonlocal reads
            reads += 1
            return method(*args)

        return call

    with monkeypatch.context() as patch:
        for name in ("connect", "fetch"):
            patch.setattr(Database, name, counted(getattr(Database, name)))
        gateway.rest(org_id, token, **PERIOD)
    return reads


@pytest.mark.parametrize("token", ["", "cog_", "cog_x", "apk_" + "a" * 38, "cog_" + "é" * 38])
def test_malformed_tokens_are_refused_without_a_read(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """Without a connection to the database, too."""
    assert not is_well_formed(token)
    ascii_token = token.encode("ascii", "ignore").decode()
    assert count_reads(gateway, monkeypatch, "org-1", ascii_token) == 0


@only_sqlite
def test_only_the_hash_of_a_token_is_stored(gateway: Gateway) -> None:
    """The token's secret is in neither the database file nor its write-ahead log."""
    token = gateway.token("org-1")
    path = gateway.database_url.removeprefix("sqlite:///")

    for suffix in ("", "-wal"):
        with open(path + suffix, "rb") as file:  # noqa: PTH123 - a suffix, not a path's
            assert token[4:].encode() not in file.read()


def test_an_expired_token_is_refused(gateway: Gateway) -> None:
    """Its service user still exists; the response is that to any token that is not valid."""
    response = gateway.rest("org-1", gateway.token("org-1", days=-1), **PERIOD)

    assert response.status_code == 401
    assert response.json() == {"detail": "The token is not valid"}
    assert response.headers["www-authenticate"] == "Bearer"


def test_all_tokens_of_a_revoked_service_user_are_refused(gateway: Gateway) -> None:
    """The first token and the rotated one; it cannot be rotated again."""
    first = gateway.token("org-1")
    (user,) = gateway.run(list_service_users(gateway.database))
    second = gateway.run(
        rotate_token(gateway.database, user.service_user_id, overlap_seconds=60)
    ).token
    assert gateway.rest("org-1", first, **PERIOD).status_code == 200
    assert gateway.rest("org-1", second, **PERIOD).status_code == 200

    gateway.run(revoke_service_user(gateway.database, user.service_user_id))

    assert gateway.rest("org-1", first, **PERIOD).status_code == 401
    assert gateway.rest("org-1", second, **PERIOD).status_code == 401
    with pytest.raises(BadUserInput):
        gateway.run(rotate_token(gateway.database, user.service_user_id, overlap_seconds=60))


def test_a_rotation_without_overlap_expires_the_old_token_at_once(gateway: Gateway) -> None:
    """The new token has the lifetime of the old one."""
    old = gateway.token("org-1", days=30)
    (user,) = gateway.run(list_service_users(gateway.database))
    new = gateway.run(rotate_token(gateway.database, user.service_user_id, overlap_seconds=0))

    assert gateway.rest("org-1", old, **PERIOD).status_code == 401
    assert gateway.rest("org-1", new.token, **PERIOD).status_code == 200
    key = hash_token(new.token)
    stored = gateway.run(fetch_callers(gateway.database, [key])).get(key)
    assert stored is not None
    assert stored.token_expires_at == new.expires_at
    assert stored.token_lifetime == 30 * DAY


def test_the_last_use_is_stored_before_a_shutdown_ends(gateway: Gateway) -> None:
    """A service user that never sent a request has none."""
    token = gateway.token("org-1")
    (before,) = gateway.run(list_service_users(gateway.database))
    gateway.rest("org-1", token, **PERIOD)
    gateway.run(gateway.stop())
    (after,) = gateway.run(list_service_users(gateway.database))
    gateway.run(gateway.start())

    assert before.last_used_at is None
    assert after.last_used_at is not None
    assert after.last_used_at >= after.created_at


@pytest.mark.parametrize("level", ["org-1", None])
def test_an_unknown_organization_costs_as_many_reads_as_a_forbidden_one(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, level: str | None
) -> None:
    """Neither the response nor its time reveals which of the two it is."""
    gateway.token("org-2")
    without_permission = gateway.token(level, "ViewOrgSessions")
    for token in (gateway.token(level), without_permission):
        known = count_reads(gateway, monkeypatch, "org-2", token)
        unknown = count_reads(gateway, monkeypatch, "org-3", token)
        readable = gateway.rest("org-2", token, **PERIOD).status_code == 200
        assert known - (1 if readable else 0) == unknown
