"""GraphQL over HTTP: who may ask, in which way, and what an answer looks like when it can't be."""

import logging
import re
from typing import Any

import httpx
import pytest

from metrics_graphql import auth
from metrics_graphql.service import MetricsService
from metrics_graphql.store import accounts, questions
from tests.conftest import Gateway
from tests.graphql_api.conftest import Ask

RESPONSE_JSON = "application/graphql-response+json"

NAME = {"data": {"__typename": "Query"}}

QUESTION = """
    query ($org: ID!) {
      sessionMetrics(orgId: $org, filters: { timeAfter: 0, timeBefore: 10 }) {
        sessionsCreatedCount
      }
    }
"""

SECRET = "SELECT password FROM secrets"


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Return the one error of a response."""
    (error,) = response.json()["errors"]
    found: dict[str, Any] = error
    return found


def own(response: httpx.Response) -> dict[str, str]:
    """Return what is of each response alone."""
    return {"x-request-id": response.headers["x-request-id"]}


def post(gateway: Gateway, token: str | None, query: str, accept: str = "*/*") -> httpx.Response:
    """Ask by POST, for an answer in a media type."""
    return gateway.request(
        "POST", "/graphql", token, json={"query": query}, headers={"accept": accept}
    )


# Media types and statuses


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("application/json", "application/json"),
        (RESPONSE_JSON, RESPONSE_JSON),
        (f"{RESPONSE_JSON}; charset=utf-8", RESPONSE_JSON),
        (f"{RESPONSE_JSON}, application/json;q=0.9", RESPONSE_JSON),
        (f"{RESPONSE_JSON}; charset=utf-8, application/json; charset=utf-8", RESPONSE_JSON),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
    ],
)
def test_the_media_type_of_an_answer(
    shared: Gateway, token: str, accept: str, answered: str
) -> None:
    """A client that names the newer type gets it; everyone else gets JSON as it always was."""
    parameters = {"query": "{ __typename }"}
    headers = {"accept": accept}
    by_post = post(shared, token, "{ __typename }", accept)
    by_get = shared.request("GET", "/graphql", token, params=parameters, headers=headers)

    for response in (by_post, by_get):
        assert (response.status_code, response.json()) == (200, NAME)
        assert response.headers["content-type"] == answered


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("{", "Syntax Error"),
        (" ", "Syntax Error"),
        ("# nothing", "Syntax Error"),
        ("{ sessions }", "'sessions'"),
        ("{ sessionMetrics { __typename } }", "orgId"),
        ("{ sessionMetrics }", "selection of subfields"),
        ("{ __typename { x } }", "__typename"),
        ("{ __typename @cached }", "@cached"),
        ("{ __typename @skip }", "@skip(if:)"),
        ("{ ...Missing }", "'Missing'"),
        ("{ ...F } fragment F on Query { ...F }", "'F'"),
        ("{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }", "'F'"),
        ("{ __typename } fragment F on Query { __typename }", "'F'"),
        ("{ ...F } fragment F on SessionMetrics { __typename }", "'F'"),
        ("{ ... on Session { __typename } }", "'Session'"),
        ("{ a: __typename a: __schema { __typename } }", "'a'"),
        ("query ($a: Int) { __typename }", "'$a'"),
        ("query ($a: Sessions) { __typename @skip(if: $a) }", "'Sessions'"),
        ("query ($a: SessionMetrics) { __typename @skip(if: $a) }", "'SessionMetrics'"),
        ("query ($a: Boolean!) { __typename @skip(if: $a) }", "'$a'"),
        ("{ __typename } type Session { id: ID }", "'Session'"),
        ("{ __typename } extend type Query { id: ID }", "'Query'"),
    ],
)
def test_a_request_of_which_nothing_runs(
    shared: Gateway, token: str, query: str, named: str
) -> None:
    """It has errors and no data; its status is 400, but 200 in JSON as it always was."""
    for accept, status in (("application/json", 200), (RESPONSE_JSON, 400)):
        response = post(shared, token, query, accept)

        assert response.status_code == status
        assert response.headers["content-type"] == accept
        assert set(response.json()) == {"errors"}
        for error in response.json()["errors"]:
            assert error["extensions"] == {"code": "BAD_USER_INPUT"}
            assert error["locations"]
        assert named in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("query A { __typename } query A { __typename }", "'A'"),
        ("query A { __typename } { __typename }", "anonymous"),
        ("query A { __typename } mutation B { load }", "mutation"),
        ("query A { __typename } subscription B { load }", "subscription"),
        ("query A { __typename } query B { load }", "'load'"),
    ],
)
def test_operations_beside_the_one_to_run_must_be_valid_too(
    shared: Gateway, token: str, query: str, named: str
) -> None:
    """A document is valid as a whole, or nothing of it runs."""
    body = {"query": query, "operationName": "A"}
    response = shared.request("POST", "/graphql", token, json=body)

    assert set(response.json()) == {"errors"}
    assert error_of(response)["extensions"] == {"code": "BAD_USER_INPUT"}
    assert named in error_of(response)["message"]


@pytest.mark.parametrize("accept", ["application/json", RESPONSE_JSON])
def test_an_answer_with_an_error_in_it_is_a_200(shared: Gateway, token: str, accept: str) -> None:
    """Something ran, so there is data, though a field of it is null."""
    response = post(
        shared, token, QUESTION.replace("($org: ID!)", "").replace("$org", '"x"'), accept
    )

    assert response.status_code == 200
    assert response.headers["content-type"] == accept
    assert response.json()["data"] == {"sessionMetrics": None}
    assert error_of(response)["extensions"] == {"code": "FORBIDDEN"}


def test_the_operation_that_is_named_runs(shared: Gateway, token: str) -> None:
    """Of several, and also of one."""
    query = "query A { a: __typename } query B { b: __typename }"
    for text, name in ((query, "A"), (query, "B"), ("query B { b: __typename }", "B")):
        body = {"query": text, "operationName": name}
        response = shared.request("POST", "/graphql", token, json=body)

        assert response.json() == {"data": {name.lower(): "Query"}}


def test_the_only_operation_needs_no_name(ask: Ask) -> None:
    """Whether it has one or not."""
    assert ask("query Named { __typename }") == NAME
    assert ask("query { __typename }") == NAME
    assert ask("{ __typename }") == NAME


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } types { name kind fields { name description } } } }",
        '{ __type(name: "SessionMetrics") { fields { name args { name } } } }',
    ],
)
def test_the_schema_can_be_asked_for(ask: Ask, query: str) -> None:
    """By whoever has a token: it tells nothing of any organization."""
    answered = ask(query)

    assert "errors" not in answered
    assert "sessionsCreatedCount" in str(answered)


# Methods, and the page


@pytest.mark.parametrize(
    "method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY"]
)
@pytest.mark.parametrize("authenticated", [False, True])
def test_other_methods_are_not_allowed(
    shared: Gateway, token: str, method: str, *, authenticated: bool
) -> None:
    """The refusal says which are."""
    response = shared.request(method, "/graphql", token if authenticated else None)

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"
    if method != "HEAD":
        assert error_of(response)["extensions"] == {"code": "BAD_USER_INPUT"}


@pytest.mark.parametrize(
    "accept", ["text/html", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"]
)
def test_a_browser_gets_a_page_to_explore_with(shared: Gateway, accept: str) -> None:
    """Without a token: the page asks for its own."""
    response = shared.request("GET", "/graphql", None, headers={"accept": accept})

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "graphiql" in response.text.lower()


@pytest.mark.parametrize("accept", ["*/*", "application/json", RESPONSE_JSON])
def test_only_a_browser_gets_the_page(shared: Gateway, token: str, accept: str) -> None:
    """A program that asks nothing is told so, in JSON."""
    headers = {"accept": accept}

    assert shared.request("GET", "/graphql", None, headers=headers).status_code == 401
    response = shared.request("GET", "/graphql", token, headers=headers)
    assert response.status_code == 400
    assert "`query`" in error_of(response)["message"]


def test_a_browser_that_asks_gets_an_answer(shared: Gateway, token: str) -> None:
    """A question in the address is a question, and needs a token, whoever sends it."""
    headers = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    parameters = {"query": "{ __typename }"}

    def get(token: str | None) -> httpx.Response:
        return shared.request("GET", "/graphql", token, params=parameters, headers=headers)

    assert get(token).json() == NAME
    assert get(None).status_code == 401


# Who is asking


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
@pytest.mark.parametrize("accept", ["application/json", RESPONSE_JSON])
def test_without_a_good_token_nothing_is_looked_at(
    shared: Gateway, token: str, authorization: str | None, accept: str
) -> None:
    """401 and how to authenticate, whatever the body is; the token is not repeated."""
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
def test_a_bearer_token_is_taken(shared: Gateway, token: str, scheme: str) -> None:
    """The name of the scheme has no case."""
    response = shared.request(
        "POST",
        "/graphql",
        None,
        json={"query": "{ __typename }"},
        headers={"authorization": f"{scheme} {token}"},
    )
    assert response.json() == NAME


def test_an_expired_token_opens_nothing(shared: Gateway) -> None:
    """It is refused as one that never was."""
    expired = post(shared, shared.token("org-1", days=-1), "{ __typename }")
    unknown = post(shared, auth.generate_token(), "{ __typename }")

    assert expired.status_code == unknown.status_code == 401
    assert expired.content == unknown.content
    assert {**expired.headers, **own(unknown)} == unknown.headers


def test_a_revoked_token_opens_nothing_from_then_on(gateway: Gateway) -> None:
    """It answered until then; other service users keep their tokens."""
    token = gateway.token("org-1")
    (service_user,) = gateway.run(accounts.list_service_users(gateway.database))
    other = gateway.token("org-1")
    assert post(gateway, token, "{ __typename }").json() == NAME

    gateway.run(auth.revoke_service_user(gateway.database, service_user.service_user_id))

    assert error_of(post(gateway, token, "{ __typename }"))["extensions"] == {
        "code": "UNAUTHENTICATED"
    }
    assert post(gateway, other, "{ __typename }").json() == NAME


# What they may read


@pytest.mark.parametrize("organization", ["org-1", "org-2", "unknown", "org-1 ", "ORG-1", "", "%"])
@pytest.mark.parametrize("caller", ["of org-3", "without permission", "of the enterprise"])
def test_nothing_tells_an_organization_of_others_from_an_unknown_one(
    shared: Gateway, organization: str, caller: str
) -> None:
    """The answer is the same to the byte, and so are its headers but for the request's own."""
    token = {
        "of org-3": lambda: shared.token("org-3"),
        "without permission": lambda: shared.token("org-1", "ManageBilling"),
        "of the enterprise": lambda: shared.token(None),
    }[caller]()
    known = caller == "of the enterprise" and organization in {"org-1", "org-2"}

    unknown = shared.graphql(QUESTION, token, {"org": "never-heard-of"})
    response = shared.graphql(QUESTION, token, {"org": organization})

    assert unknown.json()["data"] == {"sessionMetrics": None}
    assert error_of(unknown)["message"] == "You may not read the metrics of this organization."
    assert error_of(unknown)["extensions"] == {"code": "FORBIDDEN"}
    if known:
        assert "errors" not in response.json()
    else:
        assert response.content == unknown.content
        counted = {"ratelimit": response.headers["ratelimit"]}
        assert response.headers == {**unknown.headers, **counted, **own(response)}
        assert response.status_code == unknown.status_code == 200


def test_a_refused_alias_leaves_its_neighbours_answer(ask: Ask) -> None:
    """Each refusal is at its alias; the two differ in nothing else."""
    answered = ask("""
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

    assert answered["data"] == {
        "theirs": None,
        "mine": {"sessionsCreatedCount": 10},
        "nobodys": None,
        "wrong": None,
    }
    errors = {error["path"][0]: error for error in answered["errors"]}
    assert set(errors) == {"theirs", "nobodys", "wrong"}
    assert errors["wrong"]["extensions"]["code"] == "BAD_USER_INPUT"
    for error in (errors["theirs"], errors["nobodys"]):
        del error["path"]
        error["locations"][0].pop("line")
    assert errors["theirs"] == errors["nobodys"]


# What goes wrong on our side


async def fail(*_: object) -> None:
    """Raise what nobody expects."""
    raise RuntimeError(SECRET)


def logged_id(caplog: pytest.LogCaptureFixture) -> str:
    """Return the id of the one error in the log, which must say everything of it."""
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == SECRET
    return record.getMessage().removeprefix("Unexpected error ")


@pytest.mark.parametrize("room", [MetricsService, questions])
def test_an_unexpected_error_of_a_field_is_masked(
    shared: Gateway,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    room: object,
) -> None:
    """The field is null, and its error an id that the log explains; its neighbour answers."""
    monkeypatch.setattr(room, "session_metrics", fail)
    query = QUESTION.replace("sessionMetrics", "__typename mine: sessionMetrics")
    response = shared.graphql(query, token, {"org": "org-1"})

    assert response.status_code == 200
    assert response.json()["data"] == {"__typename": "Query", "mine": None}
    error = error_of(response)
    assert error["extensions"] == {"code": "INTERNAL"}
    assert error["path"] == ["mine"]
    assert logged_id(caplog) in error["message"]
    assert "SELECT" not in response.text
    assert "RuntimeError" not in response.text


def test_two_unexpected_errors_have_two_ids(
    shared: Gateway, token: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is found in the log by its own."""
    monkeypatch.setattr(MetricsService, "session_metrics", fail)
    field = 'sessionMetrics(orgId: "org-1", filters: { timeAfter: 0, timeBefore: 1 })'
    query = f"{{ a: {field} {{ __typename }} b: {field} {{ __typename }} }}"
    errors = post(shared, token, query).json()["errors"]

    logged = [record.getMessage().split()[-1] for record in caplog.records if record.exc_info]
    assert len(set(logged)) == 2
    for error in errors:
        assert any(error_id in error["message"] for error_id in logged)


@pytest.mark.parametrize("accept", ["application/json", RESPONSE_JSON])
def test_an_unexpected_error_before_anything_ran_is_a_masked_500(
    shared: Gateway,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    accept: str,
) -> None:
    """Here, while it is found out who asks."""
    monkeypatch.setattr(MetricsService, "authenticate", fail)
    response = post(shared, token, "{ __typename }", accept)

    assert response.status_code == 500
    assert response.headers["content-type"] == accept
    assert set(response.json()) == {"errors"}
    assert error_of(response)["extensions"] == {"code": "INTERNAL"}
    assert logged_id(caplog) in error_of(response)["message"]
    assert "SELECT" not in response.text


def test_errors_of_callers_are_not_logged_as_ours(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong document, a wrong argument and a refusal leave no error and no text in the log."""
    ask("{ nonsense }")
    ask(QUESTION, {"org": "somebody-else"})
    ask(QUESTION, {"org": "\0"})
    ask(QUESTION, {"org": 1.5})

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert "nonsense" not in caplog.text


def hide(gateway: Gateway, table: str) -> None:
    """Let every statement that reads a table fail from now on."""

    async def rename() -> None:
        async with gateway.database.writing() as connection:
            await connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO hidden_{table}")

    gateway.run(rename())


def test_a_database_that_can_not_answer_a_field_makes_it_null(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller is told to try again later; the log says why, and the answer does not."""
    token = gateway.token("org-1")
    hide(gateway, "sessions")
    caplog.clear()
    query = QUESTION.replace("sessionMetrics", "__typename mine: sessionMetrics")
    response = gateway.graphql(query, token, {"org": "org-1"})

    assert response.status_code == 200
    assert response.json()["data"] == {"__typename": "Query", "mine": None}
    error = error_of(response)
    assert error["message"] == "The database is not available. Try again later."
    assert error["extensions"] == {"code": "UNAVAILABLE"}
    assert error["path"] == ["mine"]
    for word in ("SELECT", "sessions ", "sqlite", "no such table"):
        assert word not in response.text
    assert re.search("no such table|does not exist", caplog.text)


@pytest.mark.parametrize("accept", ["application/json", RESPONSE_JSON])
def test_a_database_that_can_not_tell_who_asks_is_a_503(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, accept: str
) -> None:
    """Not a 401, which would send the caller to look for another token."""
    token = gateway.token("org-1")
    hide(gateway, "tokens")
    caplog.clear()
    response = post(gateway, token, "{ __typename }", accept)

    assert response.status_code == 503
    assert response.headers["content-type"] == accept
    assert "www-authenticate" not in response.headers
    assert response.json() == {
        "errors": [
            {
                "message": "The database is not available. Try again later.",
                "extensions": {"code": "UNAVAILABLE"},
            }
        ]
    }
    assert re.search("no such table|does not exist", caplog.text)


def test_a_mistyped_token_is_known_for_one_without_the_database(gateway: Gateway) -> None:
    """Its checksum is wrong, so there is nothing to look up."""
    token = gateway.token("org-1")
    hide(gateway, "tokens")

    assert post(gateway, token.swapcase(), "{ __typename }").status_code == 401
