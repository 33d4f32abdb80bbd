"""Hostile requests. SECURITY.md names these tests next to the threats."""

import select
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics_graphql.core.tokens import generate_token, hash_token
from metrics_graphql.storage.database import Database
from tests.conftest import Gateway, only_sqlite
from tests.serving import served

pytestmark = only_sqlite

PERIOD = "filters: {timeAfter: 0, timeBefore: 10}"
THEIRS = f'sessionMetrics(orgId: "org-2", {PERIOD}) {{ sessionsCreatedCount }}'
OVERLOADED = {
    "aliases": "{ " + " ".join(f"a{n}: __typename" for n in range(3_000)) + " }",
    "fields": "{ " + "__typename " * 8_000 + "}",
    "directives": "{ __typename " + "@skip(if: false) " * 1_500 + "}",
    "unknown": "{ __typename " + "@unknown " * 900 + "}",
    "nesting": "{" + "viewer{" * 900,
    "variables": "query(" + " ".join(f"$v{n}: Int" for n in range(900)) + ") { __typename }",
    "lists": "{ viewer { organizations(first: " + "[" * 900 + "]" * 900 + ") { id } } }",
    "costs": "{ " + " ".join(f"a{n}: {THEIRS}" for n in range(40)) + " }",
}
"""Documents whose execution would be expensive."""
ENDLESS = [
    "{ ...F } fragment F on Query { ...F ...F }",
    "{ ...F } fragment F on Query { ...G ...G } fragment G on Query { ...F ...F }",
    "{ ...F } fragment F on Query { viewer { ...G } } fragment G on Viewer { id ... { ...G } }",
]
"""Fragments that contain themselves, directly or through others."""
FORMS = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; b=x"]
"""Content types that a browser sends across origins without a preflight request."""


def code_of(response: Any) -> str:  # noqa: ANN401 - httpx's own
    """Return the code of the only error in a GraphQL response."""
    (error,) = response.json()["errors"]
    code: str = error["extensions"]["code"]
    return code


@pytest.mark.parametrize("query", OVERLOADED.values(), ids=OVERLOADED.keys())
def test_overloaded_documents_are_refused(gateway: Gateway, query: str) -> None:
    """Each with a code, and nothing of them is executed."""
    response = gateway.graphql(query, gateway.token("org-1"))

    assert response.status_code == 200
    assert set(response.json()) == {"errors"}
    codes = {error["extensions"]["code"] for error in response.json()["errors"]}
    assert codes <= {"QUERY_TOO_EXPENSIVE", "BAD_USER_INPUT"}


def test_fragments_that_contain_themselves_are_refused(gateway: Gateway) -> None:
    """Directly, or through others."""
    for query in ENDLESS:
        response = gateway.graphql(query, gateway.token("org-1"))
        assert {error["extensions"]["code"] for error in response.json()["errors"]} == {
            "BAD_USER_INPUT"
        }


def test_a_batch_is_refused(gateway: Gateway) -> None:
    """Many guesses in one request would count as one against the rate limit."""
    batch = [{"query": "{ __typename }"}] * 2

    response = gateway.request("POST", "/graphql", gateway.token("org-1"), json=batch)

    assert response.status_code == 400
    assert response.json()["errors"][0]["message"] == "The body must be a JSON object."


@pytest.mark.parametrize("content_type", FORMS)
def test_a_cross_site_form_is_refused(gateway: Gateway, content_type: str) -> None:
    """A request that needs no preflight is not executed, even with a token."""
    response = gateway.request(
        "POST",
        "/graphql",
        gateway.token("org-1"),
        content='{"query": "{ __typename }"}',
        headers={"content-type": content_type},
    )

    assert response.status_code == 415


def test_a_token_in_a_url_or_a_cookie_is_ignored(gateway: Gateway) -> None:
    """URLs are logged and stored in many places. Only the `Authorization` header counts."""
    token = gateway.token("org-1")
    for name in ("access_token", "token", "authorization"):
        parameters = {"query": "{ __typename }", name: token}
        assert gateway.request("GET", "/graphql", None, params=parameters).status_code == 401
    cookie = {"cookie": f"token={token}; authorization=Bearer {token}"}
    assert gateway.request("GET", "/graphql", None, headers=cookie).status_code == 401


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (f"{{ a: {THEIRS} }}", {}),
        (f"query ($o: ID!) {{ sessionMetrics(orgId: $o, {PERIOD}) {{ __typename }} }}",
         {"o": "org-2"}),
        (f'query ($o: ID! = "org-2") {{ sessionMetrics(orgId: $o, {PERIOD}) {{ __typename }} }}',
         {}),
        (f"{{ ...F }} fragment F on Query {{ {THEIRS} }}", {}),
        (f'{{ sessionMetrics(orgId: "org-2", {PERIOD}) {{ byUser {{ totalCount }} }} }}', {}),
        (f'{{ sessionMetrics(orgId: "org-2", {PERIOD}) {{ previousPeriod {{ __typename }} }} }}',
         {}),
        (f"{{ {THEIRS[:-1]} timeSeries(interval: DAY) {{ __typename }} }} }}", {}),
    ],
    ids=["alias", "variable", "default", "fragment", "breakdown", "previous", "series"],
)  # fmt: skip
def test_no_form_of_a_query_reads_another_organization(
    gateway: Gateway, query: str, variables: dict[str, Any]
) -> None:
    """However its id is written."""
    gateway.load([{"org_id": "org-2", "session_id": "a", "created_at": 1}])

    response = gateway.graphql(query, gateway.token("org-1"), variables)

    assert code_of(response) == "FORBIDDEN"
    assert set(response.json()["data"].values()) == {None}


def test_filters_do_not_match_sessions_of_other_organizations(gateway: Gateway) -> None:
    """Users and playbooks are matched within the organization of the query."""
    gateway.load(
        [{"org_id": "org-2", "session_id": "a", "created_at": 1, "user_id": "u",
          "playbook_id": "p"}]
    )  # fmt: skip
    token = gateway.token("org-1")
    for filters in ({"user_ids": "u"}, {"playbook_id": "p"}):
        response = gateway.rest("org-1", token, time_after=0, time_before=10, **filters)
        assert response.json()["sessions_created_count"] == 0


def test_a_token_with_a_wrong_character_costs_no_read(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checksum is wrong. A well-formed token is looked up by its hash."""
    token = gateway.token("org-1")
    lookups: list[bytes] = []
    fetch = Database.fetch

    async def recorded(self: Database, statement: Any, values: Any) -> Any:  # noqa: ANN401 - passed on
        lookups.append(values["sha256"])
        return await fetch(self, statement, values)

    monkeypatch.setattr(Database, "fetch", recorded)
    for position in range(4, len(token)):
        wrong = token[:position] + ("a" if token[position] != "a" else "b") + token[position + 1 :]
        assert gateway.rest("org-1", wrong, time_after=0, time_before=1).status_code == 401
    assert lookups == []
    unknown = generate_token()
    assert gateway.rest("org-1", unknown, time_after=0, time_before=1).status_code == 401
    assert lookups == [hash_token(unknown)]


def test_slow_bodies_time_out_and_hold_no_permits(gateway: Gateway, tmp_path: Path) -> None:
    """There are more of them than permits; other requests are served meanwhile."""
    token = gateway.token("org-1")
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    )
    settings = {"body_timeout": 2, "max_concurrency": 2}
    with served(gateway.database_url, tmp_path / "log", **settings) as server:
        slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        for connection in slow:
            connection.sendall(head.encode())
        response = httpx.get(
            f"{server.url}/graphql",
            params={"query": "{ __typename }"},
            headers={"Authorization": f"Bearer {token}"},
        )
        ended_early, _, _ = select.select(slow, [], [], 0)
        endings = [connection.makefile("rb").read() for connection in slow]
        for connection in slow:
            connection.close()

    assert response.status_code == 200
    assert ended_early == []
    for ending in endings:
        assert ending.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in ending.lower()
        assert b"The body must arrive in 2 seconds." in ending


@pytest.mark.parametrize("suggestions", [True, False])
def test_schema_names_are_suggested_to_authenticated_callers_only(
    gateway: Gateway, *, suggestions: bool
) -> None:
    """Only if the setting allows it."""
    query = "{ sessionMetric { sessionsCreatedCoun } }"
    with gateway.configured(suggestions=suggestions) as other:
        authenticated = other.graphql(query, other.token("org-1")).text
        anonymous = other.graphql(query, None).text

    assert ("Did you mean" in authenticated) is suggestions
    assert "Did you mean" not in anonymous
    assert "sessionMetrics" not in anonymous


def test_introspection_needs_a_token(gateway: Gateway) -> None:
    """Like every other query."""
    response = gateway.graphql("{ __schema { types { name } } }", None)

    assert response.status_code == 401
    assert code_of(response) == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ " + "x" * 50_000 + " }", {}),
        ("{ viewer { id(" + "x" * 50_000 + ": 1) } }", {}),
        ('{ viewer { organizations(first: "' + "x y " * 10_000 + '") { id } } }', {}),
        ("query ($n: Int!) { viewer { organizations(first: $n) { id } } }", {"n": "x y " * 10_000}),
        ("query ($n: Int!) { viewer { organizations(first: $n) { id } } }", {"n": "x" * 50_000}),
        ('"' + "x" * 50_000, {}),
        ("query A { __typename } query B { __typename }", {}),
    ],
    ids=["field", "argument", "literal", "words", "variable", "string", "none"],
)
def test_errors_shorten_long_values(
    gateway: Gateway, query: str, variables: dict[str, Any]
) -> None:
    """They repeat at most 100 characters of the request in a row."""
    response = gateway.graphql(query, gateway.token("org-1"), variables)

    for error in response.json()["errors"]:
        assert "x" * 101 not in error["message"]
        assert "x y " * 26 not in error["message"]
        assert len(error["message"]) <= 301


def test_unknown_and_forbidden_organizations_take_the_same_statements(
    gateway: Gateway, statements: list[str]
) -> None:
    """Neither the response nor its time reveals which of the two it is."""
    gateway.load([{"org_id": "org-2", "session_id": "a", "created_at": 1}])
    token = gateway.token("org-1")
    gateway.rest("org-none", token, time_after=0, time_before=10)
    executed = []
    for org_id in ["org-none", "org-2"]:
        statements.clear()
        assert gateway.rest(org_id, token, time_after=0, time_before=10).status_code == 403
        executed.append(tuple(statements))

    assert len(set(executed)) == 1
