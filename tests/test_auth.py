"""Tokens, and who may read what."""

import string
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql import auth
from metrics_graphql.domain.periods import DAY
from metrics_graphql.errors import BadUserInput
from metrics_graphql.store import accounts
from metrics_graphql.store.engine import Database
from tests.conftest import Gateway, only_sqlite

QUESTION = {"time_after": 0, "time_before": 100}


def trips_of(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, org: str, token: str) -> int:
    """Return how many times a question goes to the database to read."""
    taken = 0

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: object) -> object:
            nonlocal taken
            taken += 1
            return method(*args)

        return call

    with monkeypatch.context() as patch:
        for name in ("reading", "fetch"):
            patch.setattr(Database, name, counted(getattr(Database, name)))
        gateway.rest(org, token, **QUESTION)
    return taken


def test_a_token_has_a_prefix_a_secret_and_a_checksum() -> None:
    """`cog_`, 32 base62 characters, and 6 more that follow from them."""
    token = auth.generate_token()

    assert token.startswith("cog_")
    assert len(token) == 4 + 32 + 6
    assert set(token[4:]) <= set(string.ascii_letters + string.digits)
    assert auth.is_well_formed(token)
    assert auth.generate_token() != token


@given(position=st.integers(4, 41), character=st.sampled_from(auth.BASE62))
def test_one_wrong_character_is_always_noticed(position: int, character: str) -> None:
    """A CRC finds every error of one character, so a mistyped token is refused unread."""
    token = auth.generate_token()
    mistyped = token[:position] + character + token[position + 1 :]

    assert auth.is_well_formed(mistyped) is (mistyped == token)


@pytest.mark.parametrize("token", ["", "cog_", "cog_x", "apk_" + "a" * 38, "cog_" + "é" * 38])
def test_what_could_not_be_a_token_is_refused_without_a_read(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """No connection is taken for it."""
    assert not auth.is_well_formed(token)
    ascii_token = token.encode("ascii", "ignore").decode()
    assert trips_of(gateway, monkeypatch, "org-1", ascii_token) == 0


@only_sqlite
def test_only_the_hash_of_a_token_is_stored(gateway: Gateway) -> None:
    """The token's secret is nowhere in the database file or its log."""
    token = gateway.token("org-1")
    path = gateway.database_url.removeprefix("sqlite:///")

    for suffix in ("", "-wal"):
        with open(path + suffix, "rb") as file:  # noqa: PTH123 - a suffix, not a path's
            assert token[4:].encode() not in file.read()


def test_an_expired_token_opens_nothing(gateway: Gateway) -> None:
    """Its service user still exists; the answer is that of any token that is not valid."""
    response = gateway.rest("org-1", gateway.token("org-1", days=-1), **QUESTION)

    assert response.status_code == 401
    assert response.json() == {"detail": "The token is not valid"}
    assert response.headers["www-authenticate"] == "Bearer"


def test_a_revoked_service_user_is_refused_with_every_token(gateway: Gateway) -> None:
    """Both the first token and the rotated one end with it."""
    first = gateway.token("org-1")
    (user,) = gateway.run(accounts.list_service_users(gateway.database))
    second = gateway.run(
        auth.rotate_token(gateway.database, user.service_user_id, overlap_seconds=60)
    ).token
    assert gateway.rest("org-1", first, **QUESTION).status_code == 200
    assert gateway.rest("org-1", second, **QUESTION).status_code == 200

    gateway.run(auth.revoke_service_user(gateway.database, user.service_user_id))

    assert gateway.rest("org-1", first, **QUESTION).status_code == 401
    assert gateway.rest("org-1", second, **QUESTION).status_code == 401
    with pytest.raises(BadUserInput):
        gateway.run(auth.rotate_token(gateway.database, user.service_user_id, overlap_seconds=60))


def test_a_rotation_without_overlap_ends_the_old_token_at_once(gateway: Gateway) -> None:
    """And the new token lives as long as the old one was meant to."""
    old = gateway.token("org-1", days=30)
    (user,) = gateway.run(accounts.list_service_users(gateway.database))
    new = gateway.run(auth.rotate_token(gateway.database, user.service_user_id, overlap_seconds=0))

    assert gateway.rest("org-1", old, **QUESTION).status_code == 401
    assert gateway.rest("org-1", new.token, **QUESTION).status_code == 200
    key = auth.sha256(new.token)
    stored = gateway.run(accounts.find_tokens(gateway.database, [key])).get(key)
    assert stored is not None
    assert stored.expires_at == new.expires_at
    assert stored.service_user.token_lifetime == 30 * DAY


def test_a_last_use_in_the_future_is_not_recent(gateway: Gateway) -> None:
    """Where the clock was set back, the last use is recorded again."""
    gateway.token("org-1")
    (user,) = gateway.run(accounts.list_service_users(gateway.database))
    used = replace(user, last_used_at=int(time.time()))

    assert auth.use_is_recorded(used)
    assert not auth.use_is_recorded(replace(used, last_used_at=int(time.time()) + DAY))


def test_the_last_use_is_remembered(gateway: Gateway) -> None:
    """A service user that never asked has none; one that asked has one when the server stops."""
    token = gateway.token("org-1")
    (before,) = gateway.run(accounts.list_service_users(gateway.database))
    gateway.rest("org-1", token, **QUESTION)
    gateway.run(gateway.stop())
    (after,) = gateway.run(accounts.list_service_users(gateway.database))
    gateway.run(gateway.start())

    assert before.last_used_at is None
    assert after.last_used_at is not None
    assert after.last_used_at >= after.created_at


@pytest.mark.parametrize("permission", ["ViewAccountMetrics", "ViewOrgMetrics"])
@pytest.mark.parametrize("level", ["org-1", None])
def test_either_name_of_the_permission_reads(
    gateway: Gateway, permission: str, level: str | None
) -> None:
    """On the organization itself, or at enterprise level."""
    gateway.token("org-1")

    token = gateway.token(level, permission)
    assert gateway.rest("org-1", token, **QUESTION).status_code == 200


def test_another_permission_does_not_read(gateway: Gateway) -> None:
    """Neither on the organization itself nor at enterprise level."""
    for level in ("org-1", None):
        token = gateway.token(level, "ViewOrgSessions")
        assert gateway.rest("org-1", token, **QUESTION).status_code == 403


@pytest.mark.parametrize("level", ["org-1", None])
def test_an_unknown_organization_costs_as_many_reads_as_a_forbidden_one(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, level: str | None
) -> None:
    """So that neither the answer nor its time tells which of the two it was."""
    gateway.token("org-2")
    forbidden_to_read = gateway.token(level, "ViewOrgSessions")
    for token in (gateway.token(level), forbidden_to_read):
        known = trips_of(gateway, monkeypatch, "org-2", token)
        unknown = trips_of(gateway, monkeypatch, "org-3", token)
        readable = gateway.rest("org-2", token, **QUESTION).status_code == 200
        assert known - (1 if readable else 0) == unknown


ENTERPRISE = """
    query ($orgs: [ID!]) {
      enterpriseSessionMetrics(orgIds: $orgs, filters: {timeAfter: 0, timeBefore: 100}) {
        sessionsCreatedCount
        byOrganization { nodes { organization { id } } totalCount }
      }
    }
"""


@pytest.mark.parametrize("org_ids", [None, [], ["org-1"], ["org-1", "org-2"], ["org-unknown"]])
@pytest.mark.parametrize(
    "who", [("org-1", "ViewAccountMetrics"), ("org-1", "ViewOrgMetrics"), (None, "ReadAccountMeta")]
)
def test_the_enterprise_is_forbidden_to_those_who_are_not_of_it(
    gateway: Gateway, who: tuple[str | None, str], org_ids: list[str] | None
) -> None:
    """The same answer whichever organizations are named, their own and unknown ones too."""
    gateway.load([{"org_id": "org-2", "session_id": "a", "created_at": 10}])
    token = gateway.token(*who)
    named = {} if org_ids is None else {"org_ids": ",".join(org_ids)}
    over_rest = gateway.enterprise(token, **QUESTION, **named)
    over_graphql = gateway.graphql(ENTERPRISE, token, {"orgs": org_ids}).json()

    message = "You may not read the metrics of the enterprise."
    assert (over_rest.status_code, over_rest.json()) == (403, {"detail": message})
    assert over_graphql["data"] == {"enterpriseSessionMetrics": None}
    (error,) = over_graphql["errors"]
    assert error["message"] == message
    assert error["extensions"] == {"code": "FORBIDDEN"}


@pytest.mark.parametrize("permission", ["ViewAccountMetrics", "ViewOrgMetrics"])
def test_either_name_of_the_permission_reads_the_enterprise(
    gateway: Gateway, permission: str
) -> None:
    """At enterprise level."""
    gateway.load([{"org_id": "org-2", "session_id": "a", "created_at": 10}])
    token = gateway.token(None, permission)

    assert gateway.enterprise(token, **QUESTION).json()["sessions_created_count"] == 1
    answer = gateway.graphql(ENTERPRISE, token).json()["data"]["enterpriseSessionMetrics"]
    assert answer["byOrganization"]["nodes"] == [{"organization": {"id": "org-2"}}]


def test_the_enterprise_needs_a_token(gateway: Gateway) -> None:
    """Before it is looked at what is asked, or by whom."""
    for token in (None, gateway.token(days=-1)):
        assert gateway.enterprise(token, time_after="x").status_code == 401
        assert gateway.request("GET", "/v3/self", token).status_code == 401


def test_nobody_reads_what_they_may_not(gateway: Gateway) -> None:
    """N tokens by M organizations, through both doors, alone and as aliases of one request."""
    organizations = ["org-1", "org-2", "org-3"]
    for number, org in enumerate(organizations, start=1):
        gateway.load(
            {"org_id": org, "session_id": str(session), "created_at": 10}
            for session in range(number)
        )
    rights = {gateway.token(org): {org} for org in organizations}
    rights |= {gateway.token("org-1", "ViewOrgSessions"): set(), gateway.token(): {*organizations}}
    counts = {"org-1": 1, "org-2": 2, "org-3": 3, "org-unknown": None}

    for (token, readable), org in product(rights.items(), counts):
        response = gateway.rest(org, token, **QUESTION)
        assert response.status_code == (200 if org in readable else 403)
        if org in readable:
            assert response.json()["sessions_created_count"] == counts[org]

    aliases = " ".join(
        f"a{at}: sessionMetrics(orgId: $o{at}, filters: $f) {{ ...counted }}"
        for at in range(len(counts))
    )
    declared = " ".join(f"$o{at}: ID!" for at in range(len(counts)))
    query = (
        f"query ($f: SessionMetricsFilters! {declared}) {{ {aliases} }}"
        " fragment counted on SessionMetrics { sessionsCreatedCount }"
    )
    variables = {f"o{at}": org for at, org in enumerate(counts)}
    for token, readable in rights.items():
        answer = gateway.graphql(
            query, token, {**variables, "f": {"timeAfter": 0, "timeBefore": 100}}
        ).json()
        seen = {
            org: (answer["data"][f"a{at}"] or {}).get("sessionsCreatedCount")
            for at, org in enumerate(counts)
        }
        assert seen == {org: counts[org] if org in readable else None for org in counts}
        refused = {error["path"][0] for error in answer.get("errors", [])}
        assert refused == {f"a{at}" for at, org in enumerate(counts) if org not in readable}
