"""What somebody hostile sends: SECURITY.md names these tests beside the threats."""

import select
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics_graphql import auth
from metrics_graphql.store.engine import Database
from tests.conftest import Gateway
from tests.serving import served

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
"""Documents that would take long, were they run."""
ENDLESS = [
    "{ ...F } fragment F on Query { ...F ...F }",
    "{ ...F } fragment F on Query { ...G ...G } fragment G on Query { ...F ...F }",
    "{ ...F } fragment F on Query { viewer { ...G } } fragment G on Viewer { id ... { ...G } }",
]
"""Fragments that contain themselves, directly or by way of others."""
FORMS = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; b=x"]
"""What a browser sends for any page."""


def code_of(response: Any) -> str:  # noqa: ANN401 - httpx's own
    """Return the code of the one error of a GraphQL answer."""
    (error,) = response.json()["errors"]
    code: str = error["extensions"]["code"]
    return code


@pytest.mark.parametrize("query", OVERLOADED.values(), ids=OVERLOADED.keys())
def test_overloaded_documents_are_refused(gateway: Gateway, query: str) -> None:
    """Each with a code, and none of them runs."""
    response = gateway.graphql(query, gateway.token("org-1"))

    assert response.status_code == 200
    assert set(response.json()) == {"errors"}
    codes = {error["extensions"]["code"] for error in response.json()["errors"]}
    assert codes <= {"QUERY_TOO_EXPENSIVE", "BAD_USER_INPUT"}


def test_fragments_that_contain_themselves_are_refused(gateway: Gateway) -> None:
    """Directly, and by way of others."""
    for query in ENDLESS:
        response = gateway.graphql(query, gateway.token("org-1"))
        assert {error["extensions"]["code"] for error in response.json()["errors"]} == {
            "BAD_USER_INPUT"
        }


def test_a_batch_is_refused(gateway: Gateway) -> None:
    """Many guesses in one request would be one to the limits."""
    batch = [{"query": "{ __typename }"}] * 2

    response = gateway.request("POST", "/graphql", gateway.token("org-1"), json=batch)

    assert response.status_code == 400
    assert response.json()["errors"][0]["message"] == "The body must be a JSON object."


@pytest.mark.parametrize("content_type", FORMS)
def test_a_form_of_another_site_asks_nothing(gateway: Gateway, content_type: str) -> None:
    """What a browser sends without asking first is not taken, even with a token."""
    response = gateway.request(
        "POST",
        "/graphql",
        gateway.token("org-1"),
        content='{"query": "{ __typename }"}',
        headers={"content-type": content_type},
    )

    assert response.status_code == 415


def test_a_token_in_the_address_opens_nothing(gateway: Gateway) -> None:
    """Addresses are written down everywhere; only the header counts, and no cookie."""
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
def test_no_way_of_asking_reads_another_organization(
    gateway: Gateway, query: str, variables: dict[str, Any]
) -> None:
    """Whatever spells its name."""
    gateway.load([{"org_id": "org-2", "session_id": "a", "created_at": 1}])

    response = gateway.graphql(query, gateway.token("org-1"), variables)

    assert code_of(response) == "FORBIDDEN"
    assert set(response.json()["data"].values()) == {None}


def test_ids_of_another_organization_find_nothing(gateway: Gateway) -> None:
    """Users and playbooks are looked for inside the organization that was asked about."""
    gateway.load(
        [{"org_id": "org-2", "session_id": "a", "created_at": 1, "user_id": "u",
          "playbook_id": "p"}]
    )  # fmt: skip
    token = gateway.token("org-1")
    for filters in ({"user_ids": "u"}, {"playbook_id": "p"}):
        answer = gateway.rest("org-1", token, time_after=0, time_before=10, **filters)
        assert answer.json()["sessions_created_count"] == 0


def test_a_token_that_is_almost_right_costs_no_read(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checksum tells; a well-formed one is looked up by its hash, which no guess comes near."""
    token = gateway.token("org-1")
    asked: list[bytes] = []
    fetch = Database.fetch

    async def noted(self: Database, prepared: Any, values: Any) -> Any:  # noqa: ANN401 - passed on
        asked.append(values["sha256"])
        return await fetch(self, prepared, values)

    monkeypatch.setattr(Database, "fetch", noted)
    for position in range(4, len(token)):
        wrong = token[:position] + ("a" if token[position] != "a" else "b") + token[position + 1 :]
        assert gateway.rest("org-1", wrong, time_after=0, time_before=1).status_code == 401
    assert asked == []
    unknown = auth.generate_token()
    assert gateway.rest("org-1", unknown, time_after=0, time_before=1).status_code == 401
    assert asked == [auth.sha256(unknown)]


def test_a_slow_body_is_cut_off_and_holds_nobody_up(gateway: Gateway, tmp_path: Path) -> None:
    """More of them than there are places: others are answered meanwhile."""
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
        answer = httpx.get(
            f"{server.url}/graphql",
            params={"query": "{ __typename }"},
            headers={"Authorization": f"Bearer {token}"},
        )
        cut_off_before_that, _, _ = select.select(slow, [], [], 0)
        endings = [connection.makefile("rb").read() for connection in slow]
        for connection in slow:
            connection.close()

    assert answer.status_code == 200
    assert cut_off_before_that == []
    for ending in endings:
        assert ending.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in ending.lower()
        assert b"The body must arrive in 2 seconds." in ending


@pytest.mark.parametrize("suggestions", [True, False])
def test_names_are_suggested_only_where_they_may_be(gateway: Gateway, *, suggestions: bool) -> None:
    """To callers with a valid token, unless the setting says no; to strangers never."""
    query = "{ sessionMetric { sessionsCreatedCoun } }"
    with gateway.configured(suggestions=suggestions) as door:
        ours = door.graphql(query, door.token("org-1")).text
        strange = door.graphql(query, None).text

    assert ("Did you mean" in ours) is suggestions
    assert "Did you mean" not in strange
    assert "sessionMetrics" not in strange


def test_a_stranger_learns_nothing_of_the_schema(gateway: Gateway) -> None:
    """Introspection needs a token."""
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
def test_an_error_repeats_at_most_a_hundred_characters_at_a_stretch(
    gateway: Gateway, query: str, variables: dict[str, Any]
) -> None:
    """Of what it was sent."""
    response = gateway.graphql(query, gateway.token("org-1"), variables)

    for error in response.json()["errors"]:
        assert "x" * 101 not in error["message"]
        assert "x y " * 26 not in error["message"]
        assert len(error["message"]) <= 301


def test_unknown_and_foreign_organizations_take_the_same_work(
    gateway: Gateway, statements: list[str]
) -> None:
    """The same statements run: neither answer nor time tells which it was."""
    gateway.load([{"org_id": "org-2", "session_id": "a", "created_at": 1}])
    token = gateway.token("org-1")
    gateway.rest("org-none", token, time_after=0, time_before=10)
    ran = []
    for asked in ["org-none", "org-2"]:
        statements.clear()
        assert gateway.rest(asked, token, time_after=0, time_before=10).status_code == 403
        ran.append(tuple(statements))

    assert len(set(ran)) == 1
