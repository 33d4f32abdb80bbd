"""Callers of the GraphQL API: how they authenticate, and which organizations they may read."""

from typing import Any

import httpx
import pytest

from metrics_graphql.core.tokens import generate_token
from metrics_graphql.storage.service_users import list_service_users, revoke_service_user
from tests.conftest import Gateway
from tests.graphql_api.client import COUNT, JSON_TYPE, RESPONSE_TYPE, TYPENAME, error_of, post
from tests.graphql_api.conftest import Execute


def request_headers(response: httpx.Response) -> dict[str, str]:
    """Return the headers that differ between any two responses."""
    return {name: response.headers[name] for name in ("x-request-id", "ratelimit")}


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Token {token}",
        "{token}",
        "Bearer x",
        "Bearer {token}x",
        "Bearer {token} x",
        "Bearer {mistyped}",
        "Bearer cog_",
        "Bearer é",
        "Bearer Bearer {token}",
    ],
)
@pytest.mark.parametrize("accept", [JSON_TYPE, RESPONSE_TYPE])
def test_a_request_without_a_valid_token_is_refused(
    shared: Gateway, token: str, authorization: str | None, accept: str
) -> None:
    """With 401, whatever the body is; the token is not in the response."""
    mistyped = token[:-1] + ("a" if token[-1] != "a" else "b")
    headers = {"accept": accept.encode()}
    if authorization is not None:
        value = authorization.format(token=token, mistyped=mistyped)
        headers["authorization"] = value.encode()
    bodies: list[dict[str, Any]] = [
        {"json": {"query": "{ __typename }"}},
        {"json": {"query": "{"}},
        {"json": 1},
        {"content": b"\xff" * 1_000},
        {},
    ]
    for body in bodies:
        response = shared.request("POST", "/graphql", None, headers=headers, **body)

        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.headers["content-type"] == accept
        assert error_of(response)["extensions"] == {"code": "UNAUTHENTICATED"}
        assert set(response.json()) == {"errors"}
        assert "cog_" not in response.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_a_bearer_token_is_accepted(shared: Gateway, token: str, scheme: str) -> None:
    """The name of the scheme is not case-sensitive (RFC 9110)."""
    response = shared.request(
        "POST",
        "/graphql",
        None,
        json={"query": "{ __typename }"},
        headers={"authorization": f"{scheme} {token}"},
    )
    assert response.json() == TYPENAME


def test_an_expired_token_is_refused(shared: Gateway) -> None:
    """The response is that to an unknown token."""
    expired = post(shared, shared.token("org-1", days=-1), "{ __typename }")
    unknown = post(shared, generate_token(), "{ __typename }")

    assert expired.status_code == unknown.status_code == 401
    assert expired.content == unknown.content
    assert {**expired.headers, "x-request-id": unknown.headers["x-request-id"]} == unknown.headers


def test_a_revoked_token_is_refused(gateway: Gateway) -> None:
    """From then on; the tokens of other service users stay valid."""
    token = gateway.token("org-1")
    (service_user,) = gateway.run(list_service_users(gateway.database))
    other = gateway.token("org-1")
    assert post(gateway, token, "{ __typename }").json() == TYPENAME

    gateway.run(revoke_service_user(gateway.database, service_user.service_user_id))

    assert error_of(post(gateway, token, "{ __typename }"))["extensions"] == {
        "code": "UNAUTHENTICATED"
    }
    assert post(gateway, other, "{ __typename }").json() == TYPENAME


@pytest.mark.parametrize("organization", ["org-1", "org-2", "unknown", "org-1 ", "ORG-1", "", "%"])
@pytest.mark.parametrize("caller", ["of org-3", "without permission", "of the enterprise"])
def test_a_forbidden_organization_is_like_an_unknown_one(
    shared: Gateway, organization: str, caller: str
) -> None:
    """The responses are equal byte for byte, and so are the headers but for those of a request."""
    token = {
        "of org-3": lambda: shared.token("org-3"),
        "without permission": lambda: shared.token("org-1", "ManageBilling"),
        "of the enterprise": lambda: shared.token(None),
    }[caller]()
    known = caller == "of the enterprise" and organization in {"org-1", "org-2"}

    unknown = shared.graphql(COUNT, token, {"org": "never-heard-of"})
    response = shared.graphql(COUNT, token, {"org": organization})

    assert unknown.json()["data"] == {"sessionMetrics": None}
    assert error_of(unknown)["message"] == "You may not read the metrics of this organization."
    assert error_of(unknown)["extensions"] == {"code": "FORBIDDEN"}
    if known:
        assert "errors" not in response.json()
    else:
        assert response.content == unknown.content
        assert response.headers == {**unknown.headers, **request_headers(response)}
        assert response.status_code == unknown.status_code == 200


def test_a_refused_field_leaves_the_others_intact(execute: Execute) -> None:
    """Each error has the path of its alias; those of the two organizations are equal otherwise."""
    body = execute("""
        {
          theirs: sessionMetrics(orgId: "org-2", filters: { timeAfter: 0, timeBefore: 10 }) {
            sessionsCreatedCount
          }
          mine: sessionMetrics(orgId: "org-1", filters: { timeAfter: 0, timeBefore: 10 }) {
            sessionsCreatedCount
          }
          nobodys: sessionMetrics(orgId: "org-9", filters: { timeAfter: 0, timeBefore: 10 }) {
            sessionsCreatedCount
          }
          wrong: sessionMetrics(orgId: "org-1", filters: { timeAfter: 10, timeBefore: 0 }) {
            sessionsCreatedCount
          }
        }
    """)

    assert body["data"] == {
        "theirs": None,
        "mine": {"sessionsCreatedCount": 10},
        "nobodys": None,
        "wrong": None,
    }
    errors = {error["path"][0]: error for error in body["errors"]}
    assert set(errors) == {"theirs", "nobodys", "wrong"}
    assert errors["wrong"]["extensions"]["code"] == "BAD_USER_INPUT"
    for error in (errors["theirs"], errors["nobodys"]):
        del error["path"]
        error["locations"][0].pop("line")
    assert errors["theirs"] == errors["nobodys"]
