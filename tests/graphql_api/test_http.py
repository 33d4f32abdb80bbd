"""GraphQL over HTTP: statuses, operations and methods."""

from typing import Any

import pytest

from tests.conftest import Gateway, only_sqlite
from tests.graphql_api.client import (
    COUNT,
    JSON_TYPE,
    RESPONSE_TYPE,
    TYPENAME,
    error_of,
    post,
    post_body,
)
from tests.graphql_api.conftest import Execute

pytestmark = only_sqlite


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
def test_an_invalid_document_is_not_executed(
    shared: Gateway, token: str, query: str, named: str
) -> None:
    """The response has no data. Its status is 400, or 200 in the older media type."""
    for accept, status in ((JSON_TYPE, 200), (RESPONSE_TYPE, 400)):
        response = post(shared, token, query, accept)

        assert response.status_code == status
        assert response.headers["content-type"] == accept
        assert set(response.json()) == {"errors"}
        for error in response.json()["errors"]:
            assert error["extensions"] == {"code": "BAD_USER_INPUT"}
            assert error["locations"]
        assert named in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "query",
    [
        "{" + "... {" * 600 + "__typename" + "}" * 601,
        "{ ...F0 } "
        + " ".join(
            f"fragment F{link} on Query {{ ... {{ ... {{ ...F{link + 1} }} }} }}"
            for link in range(100)
        )
        + " fragment F100 on Query { __typename }",
    ],
    ids=["inline fragments", "fragments"],
)
def test_a_document_that_is_nested_too_deep_is_refused(
    shared: Gateway, token: str, query: str
) -> None:
    """The recursion limit is not a bug."""
    response = post(shared, token, query)

    assert set(response.json()) == {"errors"}
    assert error_of(response)["extensions"] == {"code": "BAD_USER_INPUT"}


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
def test_all_operations_of_a_document_must_be_valid(
    shared: Gateway, token: str, query: str, named: str
) -> None:
    """Also those that are not executed."""
    body = {"query": query, "operationName": "A"}
    response = shared.request("POST", "/graphql", token, json=body)

    assert set(response.json()) == {"errors"}
    assert error_of(response)["extensions"] == {"code": "BAD_USER_INPUT"}
    assert named in error_of(response)["message"]


@pytest.mark.parametrize("accept", [JSON_TYPE, RESPONSE_TYPE])
def test_a_response_with_data_and_errors_has_the_status_200(
    shared: Gateway, token: str, accept: str
) -> None:
    """The operation was executed, though its field is null."""
    response = post(shared, token, COUNT.replace("($org: ID!)", "").replace("$org", '"x"'), accept)

    assert response.status_code == 200
    assert response.headers["content-type"] == accept
    assert response.json()["data"] == {"sessionMetrics": None}
    assert error_of(response)["extensions"] == {"code": "FORBIDDEN"}


def test_the_named_operation_is_executed(shared: Gateway, token: str) -> None:
    """Of several, or of one."""
    query = "query A { a: __typename } query B { b: __typename }"
    for text, name in ((query, "A"), (query, "B"), ("query B { b: __typename }", "B")):
        body = {"query": text, "operationName": name}
        response = shared.request("POST", "/graphql", token, json=body)

        assert response.json() == {"data": {name.lower(): "Query"}}


def test_the_only_operation_needs_no_name(execute: Execute) -> None:
    """Whether or not it has a name."""
    assert execute("query Named { __typename }") == TYPENAME
    assert execute("query { __typename }") == TYPENAME
    assert execute("{ __typename }") == TYPENAME


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"query": "{ __typename }", "operationName": "B"}, "B"),
        ({"query": "query A { __typename }", "operationName": "B"}, "B"),
        ({"query": "query A { __typename }", "operationName": "a"}, "a"),
        ({"query": "query A { a: __typename } query B { b: __typename }"}, "operation"),
        ({"query": "query A { __typename }", "operationName": "\0"}, "peration"),
        ({"query": "fragment F on Query { __typename }"}, "'F'"),
        ({"query": "type Session { id: ID }"}, "'Session'"),
        ({"query": "mutation { load }"}, "utation"),
        ({"query": "mutation { __typename }"}, "utation"),
        ({"query": "subscription { sessions }"}, "ubscription"),
        ({"query": "query A { __typename } mutation B { a }", "operationName": "B"}, "utation"),
    ],
)
def test_a_request_without_an_operation_is_refused(
    shared: Gateway, token: str, body: dict[str, Any], named: str
) -> None:
    """The operation is unknown, ambiguous, missing, or not a query, as the error says."""
    for accept, status in ((JSON_TYPE, {200, 400}), (RESPONSE_TYPE, {400})):
        response = post_body(shared, token, body, accept)

        assert response.status_code in status
        (error,) = response.json()["errors"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT"}
        assert named in error["message"]
        assert set(response.json()) == {"errors"}


@pytest.mark.parametrize("query", ["mutation { load }", "subscription { sessions }"])
def test_a_get_executes_queries_only(shared: Gateway, token: str, query: str) -> None:
    """Other operations are refused."""
    response = shared.request("GET", "/graphql", token, params={"query": query})

    assert response.status_code in {200, 400, 405}
    assert response.json()["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } types { name kind fields { name description } } } }",
        '{ __type(name: "SessionMetrics") { fields { name args { name } } } }',
    ],
)
def test_the_schema_can_be_introspected(execute: Execute, query: str) -> None:
    """By every caller."""
    body = execute(query)

    assert "errors" not in body
    assert "sessionsCreatedCount" in str(body)


@pytest.mark.parametrize(
    "method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY"]
)
@pytest.mark.parametrize("authenticated", [False, True])
def test_other_methods_are_not_allowed(
    shared: Gateway, token: str, method: str, *, authenticated: bool
) -> None:
    """The response names those that are."""
    response = shared.request(method, "/graphql", token if authenticated else None)

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"
    if method != "HEAD":
        assert error_of(response)["extensions"] == {"code": "BAD_USER_INPUT"}


def test_a_client_that_disconnects_is_not_logged_as_an_error(
    shared: Gateway, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The request just ends."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [
            (b"authorization", f"Bearer {token}".encode()),
            (b"content-type", JSON_TYPE.encode()),
        ],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_message: object) -> None:
        pass

    async def disconnect() -> None:
        await shared.app(scope, receive, send)

    shared.run(disconnect())

    assert not [record for record in caplog.records if record.levelname == "ERROR"]
