"""Requests that can't be read as GraphQL: each is told what is wrong with it, and none is a 500."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from metrics_graphql.graphql_api.bodies import MAX_BODY_BYTES, MAX_NESTING
from tests.conftest import Gateway

JSON = {"content-type": "application/json"}
MEDIA_TYPES = ["application/json", "application/graphql-response+json"]

ASK_NAME = '"query": "{ __typename }"'
NAME = {"data": {"__typename": "Query"}}


def post(
    gateway: Gateway, token: str, body: bytes | str, accept: str = "*/*", **headers: str
) -> httpx.Response:
    """Send bytes as JSON, whatever they are."""
    return gateway.request(
        "POST", "/graphql", token, content=body, headers=JSON | {"accept": accept} | headers
    )


def refused(response: httpx.Response, status: int, *words: str) -> None:
    """Check that a response is one error of the caller's, with these words in its message."""
    assert response.status_code == status
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    for word in words:
        assert word in error["message"]
    assert set(response.json()) == {"errors"}


NOT_OBJECTS = ["1", "-0.5", '"x"', "null", "true", "false", "[]", f"[{{{ASK_NAME}}}]"]


@pytest.mark.parametrize("accept", MEDIA_TYPES)
@pytest.mark.parametrize("body", NOT_OBJECTS)
def test_json_that_is_not_an_object_is_refused(
    shared: Gateway, token: str, body: str, accept: str
) -> None:
    """Batches, too, which are a list."""
    response = post(shared, token, body, accept)

    refused(response, 400, "The body must be a JSON object.")
    assert response.headers["content-type"] == accept


@pytest.mark.parametrize("accept", MEDIA_TYPES)
@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "query",
        "{ __typename }",
        f"{{{ASK_NAME}",
        f"{{{ASK_NAME},}}",
        f"{{{ASK_NAME}}} {{}}",
        "{'query': '{ __typename }'}",
        '{"query": "{ __typename }\n"}',
        '{"query": "\\ud80"}',
        '{"query": "\\x41"}',
        # Numbers that Python reads or writes, and JSON does not know.
        "NaN",
        "Infinity",
        f'{{{ASK_NAME}, "variables": {{"a": NaN}}}}',
        f'{{{ASK_NAME}, "variables": {{"a": Infinity}}}}',
        f'{{{ASK_NAME}, "variables": {{"a": -Infinity}}}}',
        f'{{{ASK_NAME}, "variables": {{"a": 01}}}}',
        f'{{{ASK_NAME}, "variables": {{"a": +1}}}}',
        # An integer of more digits than Python reads.
        "1" * 5000,
        f'{{{ASK_NAME}, "variables": {{"a": {"1" * 5000}}}}}',
        f'{{{ASK_NAME}, "variables": {{"a": -{"1" * 5000}}}}}',
        f'{{{ASK_NAME}, "extensions": {{"a": {"1" * 5000}}}}}',
    ],
    ids=lambda body: body[:50],
)
def test_a_body_that_is_not_json_is_refused(
    shared: Gateway, token: str, body: str, accept: str
) -> None:
    """What RFC 8259 does not allow is not allowed, whatever Python would read."""
    response = post(shared, token, body, accept)

    refused(response, 400, "The body must be JSON")
    assert response.headers["content-type"] == accept


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b'{"query": "\xff"}',
        b'{"query": "{ __typename #\xc3( }"}',
        b"\xed\xa0\x80",
        f"{{{ASK_NAME}}}".encode("utf-16"),
        f"{{{ASK_NAME}}} é".encode("latin-1"),
    ],
)
def test_bytes_that_are_not_utf_8_are_refused(shared: Gateway, token: str, body: bytes) -> None:
    """Bad sequences, halves of surrogate pairs, and other encodings."""
    refused(post(shared, token, body), 400, "The body must be UTF-8.")


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        "[" * 50_000 + "]" * 50_000,
        '{"a":' * 16_000 + "1" + "}" * 16_000,
        f'{{{ASK_NAME}, "variables": {{"a": {"[" * 40_000}{"]" * 40_000}}}}}',
        f'{{{ASK_NAME}, "variables": {{"a": {"[" * MAX_NESTING}{"]" * MAX_NESTING}}}}}',
    ],
    ids=["open", "arrays", "objects", "variable", "just-too-deep"],
)
def test_json_nested_too_deep_is_refused(shared: Gateway, token: str, body: str) -> None:
    """Long before it would overflow a parser."""
    refused(post(shared, token, body), 400, f"must not be nested more than {MAX_NESTING} deep")


def test_json_nested_as_deep_as_allowed_is_read(shared: Gateway, token: str) -> None:
    """Two objects and 62 lists: the limit itself is allowed."""
    nested = "[" * (MAX_NESTING - 2) + "]" * (MAX_NESTING - 2)

    assert post(shared, token, f'{{{ASK_NAME}, "variables": {{"a": {nested}}}}}').json() == NAME


@pytest.mark.parametrize("accept", MEDIA_TYPES)
@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({}, "`query`"),
        ({"query": ""}, "`query`"),
        ({"query": None}, "`query`"),
        ({"query": 1}, "`query`"),
        ({"query": True}, "`query`"),
        ({"query": ["{ __typename }"]}, "`query`"),
        ({"query": {"text": "{ __typename }"}}, "`query`"),
        ({"Query": "{ __typename }"}, "`query`"),
        ({"query": "{ __typename }", "variables": []}, "`variables`"),
        ({"query": "{ __typename }", "variables": ""}, "`variables`"),
        ({"query": "{ __typename }", "variables": "{}"}, "`variables`"),
        ({"query": "{ __typename }", "variables": 0}, "`variables`"),
        ({"query": "{ __typename }", "variables": False}, "`variables`"),
        ({"query": "{ __typename }", "operationName": 1}, "`operationName`"),
        ({"query": "{ __typename }", "operationName": []}, "`operationName`"),
        ({"query": "{ __typename }", "operationName": {}}, "`operationName`"),
        ({"query": "{ __typename }", "operationName": False}, "`operationName`"),
        ({"query": "{ __typename }", "extensions": []}, "`extensions`"),
        ({"query": "{ __typename }", "extensions": "{}"}, "`extensions`"),
        ({"query": "{ __typename }", "extensions": 0}, "`extensions`"),
    ],
)
def test_a_parameter_of_the_wrong_type_is_named(
    shared: Gateway, token: str, parameters: dict[str, Any], named: str, accept: str
) -> None:
    """Nothing is converted and nothing is ignored."""
    response = post(shared, token, json.dumps(parameters), accept)

    refused(response, 400, named)
    assert response.headers["content-type"] == accept


@pytest.mark.parametrize(
    "body",
    [
        f"{{{ASK_NAME}}}",
        f" \r\n\t{{ {ASK_NAME} }} ",
        f'{{{ASK_NAME}, "variables": null, "operationName": null, "extensions": null}}',
        f'{{{ASK_NAME}, "variables": {{}}, "operationName": "", "extensions": {{}}}}',
        f'{{{ASK_NAME}, "extensions": {{"trace": {{"id": 1}}}}}}',
        f'{{{ASK_NAME}, "id": 7, "somethingElse": [1, 2]}}',
        f'{{{ASK_NAME}, "variables": {{"undeclared": "\\u0000\\ud83d\\ude00"}}}}',
        f'{{{ASK_NAME}, "variables": {{"undeclared": "\\\\ud800"}}}}',
        '{"query": "\\u007b __typename }"}',
        '{"query": "query \\u0041 { __typename }"}',
        '{"query": "{ __typename # é \U0001f600 \\ud83d\\ude00\\n }"}',
        '{"query": "\\ufeff{ __typename }"}',
    ],
)
def test_what_else_a_body_may_hold(shared: Gateway, token: str, body: str) -> None:
    """Null is absent; what nobody declared is not looked at."""
    response = post(shared, token, body)

    assert (response.status_code, response.json()) == (200, NAME)


@pytest.mark.parametrize(
    "body",
    [
        {"query": "\ud800"},
        {"query": "{ __typename # \ud800\n }"},
        {"query": "{ __typename }", "operationName": "\ud800"},
        {"query": "{ __typename }", "variables": {"flag": "\udfff"}},
        {"query": "{ __typename }", "variables": {"\ud800": 1}},
        {"query": "{ __typename }", "extensions": {"deep": [{"deeper": "\ude00\ud83d"}]}},
    ],
    ids=["document", "comment", "operation", "value", "name", "swapped"],
)
def test_half_a_surrogate_pair_is_refused_wherever_it_stands(
    shared: Gateway, token: str, body: dict[str, Any]
) -> None:
    """JSON can spell one, and no text holds one."""
    response = post(shared, token, json.dumps(body))

    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["message"] == "The body must be JSON without unpaired surrogates."


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json;charset=utf-8",
        "application/json; charset=utf-8",
        'application/json; charset="utf-8"',
        "application/json; charset=UTF-8",
        "application/json; Charset=Utf8",
        "APPLICATION/JSON",
        "application/json;",
    ],
)
def test_a_body_of_json_in_utf_8_is_read(shared: Gateway, token: str, content_type: str) -> None:
    """However its type is spelled."""
    response = post(shared, token, f"{{{ASK_NAME}}}", **{"content-type": content_type})

    assert (response.status_code, response.json()) == (200, NAME)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/plain; charset=utf-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/graphql+json",
        "application/jsonp",
        "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1",
        "application/json, text/plain",
        "json",
    ],
)
def test_a_body_of_another_type_is_refused(shared: Gateway, token: str, content_type: str) -> None:
    """Among them all that a page of another origin may send without asking."""
    body = f"{{{ASK_NAME}}}"

    refused(post(shared, token, body, **{"content-type": content_type}), 415, "application/json")


def test_a_body_without_a_type_is_refused(shared: Gateway, token: str) -> None:
    """It is not guessed."""
    response = shared.request("POST", "/graphql", token, content=f"{{{ASK_NAME}}}")

    assert "content-type" not in response.request.headers
    refused(response, 415, "application/json")


def test_a_form_is_refused(shared: Gateway, token: str) -> None:
    """As browsers send one, with fields that would make a question."""
    fields = {"query": "{ __typename }"}

    refused(shared.request("POST", "/graphql", token, data=fields), 415)
    refused(shared.request("POST", "/graphql", token, files={"query": b"{ __typename }"}), 415)


def test_a_body_may_be_as_large_as_the_limit(shared: Gateway, token: str) -> None:
    """And not a byte larger."""
    body = f"{{{ASK_NAME}}}"

    assert post(shared, token, body.ljust(MAX_BODY_BYTES)).json() == NAME
    refused(post(shared, token, body.ljust(MAX_BODY_BYTES + 1)), 413, str(MAX_BODY_BYTES))


def test_a_large_body_is_refused_before_its_end(shared: Gateway, token: str) -> None:
    """A body that never says how long it is, and never ends, is not read for ever."""
    sent = 0

    async def endless() -> AsyncGenerator[bytes]:
        nonlocal sent
        while True:
            sent += 1000
            assert sent <= 2 * MAX_BODY_BYTES
            yield b" " * 1000

    response = shared.request("POST", "/graphql", token, content=endless(), headers=JSON)

    refused(response, 413, str(MAX_BODY_BYTES))


COUNT = "query ($org: ID!, $end: DateTime!) { sessionMetrics(orgId: $org, filters: {timeAfter: 0,"
COUNT += " timeBefore: $end}) { sessionsCreatedCount } }"


def test_a_question_may_be_asked_by_get(shared: Gateway, token: str) -> None:
    """With variables as JSON, and everything else that a body may hold."""
    parameters = {
        "query": f"query Count{COUNT.removeprefix('query')} query Name {{ __typename }}",
        "variables": '{"org": "org-1", "end": 7}',
        "extensions": "{}",
    }

    counted = shared.request(
        "GET", "/graphql", token, params=parameters | {"operationName": "Count"}
    )
    named = shared.request("GET", "/graphql", token, params=parameters | {"operationName": "Name"})

    assert counted.json() == {"data": {"sessionMetrics": {"sessionsCreatedCount": 7}}}
    assert named.json() == NAME


@pytest.mark.parametrize("variables", ["{}", "null", '{"undeclared": [1]}', " {} "])
def test_a_get_may_hold_variables_that_nothing_uses(
    shared: Gateway, token: str, variables: str
) -> None:
    """They mean what they mean in a body."""
    parameters = {"query": "{ __typename }", "variables": variables, "operationName": ""}
    response = shared.request("GET", "/graphql", token, params=parameters)

    assert (response.status_code, response.json()) == (200, NAME)


@pytest.mark.parametrize("accept", MEDIA_TYPES)
@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({}, "`query`"),
        ({"query": ""}, "`query`"),
        ({"variables": "{}"}, "`query`"),
        ({"query": "{ __typename }", "variables": "[]"}, "`variables`"),
        ({"query": "{ __typename }", "variables": "1"}, "`variables`"),
        ({"query": "{ __typename }", "variables": '"{}"'}, "`variables`"),
        ({"query": "{ __typename }", "variables": "{"}, "variables"),
        ({"query": "{ __typename }", "variables": '{"a": NaN}'}, "variables"),
        ({"query": "{ __typename }", "variables": f'{{"a": {"1" * 5000}}}'}, "variables"),
        ({"query": "{ __typename }", "variables": "[" * 3000}, "variables"),
        ({"query": "{ __typename }", "extensions": "[]"}, "`extensions`"),
        ({"query": "{ __typename }", "extensions": "x"}, "extensions"),
    ],
)
def test_a_bad_parameter_of_a_get_is_named(
    shared: Gateway, token: str, parameters: dict[str, str], named: str, accept: str
) -> None:
    """As one of a body is."""
    headers = {"accept": accept}
    response = shared.request("GET", "/graphql", token, params=parameters, headers=headers)

    refused(response, 400, named)
    assert response.headers["content-type"] == accept


def test_a_get_that_is_not_utf_8_is_not_an_error_of_ours(shared: Gateway, token: str) -> None:
    """Bytes that are no text are a character that no document can hold."""
    response = shared.request("GET", "/graphql?query=%7B__typename%7D%FF%ED%A0%80", token)

    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
