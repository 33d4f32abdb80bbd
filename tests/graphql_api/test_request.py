"""HTTP requests that are not GraphQL requests are refused, each with its reason."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from metrics_graphql.graphql_api.request import MAX_BODY_BYTES, MAX_NESTING
from tests.conftest import Gateway, only_sqlite
from tests.graphql_api.client import TYPENAME, error_of, post_body

pytestmark = only_sqlite

JSON = {"content-type": "application/json"}
MEDIA_TYPES = ["application/json", "application/graphql-response+json"]

TYPENAME_QUERY = '"query": "{ __typename }"'


def post_bytes(
    gateway: Gateway, token: str, body: bytes | str, accept: str = "*/*", **headers: str
) -> httpx.Response:
    """Send a body as JSON, whatever it is."""
    return gateway.request(
        "POST", "/graphql", token, content=body, headers=JSON | {"accept": accept} | headers
    )


def refused(response: httpx.Response, status: int, *words: str) -> None:
    """Check that a response has one error of the client, with these words in its message."""
    assert response.status_code == status
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    for word in words:
        assert word in error["message"]
    assert set(response.json()) == {"errors"}


NOT_OBJECTS = ["1", "-0.5", '"x"', "null", "true", "false", "[]", f"[{{{TYPENAME_QUERY}}}]"]


@pytest.mark.parametrize("accept", MEDIA_TYPES)
@pytest.mark.parametrize("body", NOT_OBJECTS)
def test_json_that_is_not_an_object_is_refused(
    shared: Gateway, token: str, body: str, accept: str
) -> None:
    """Also a batch, which is an array."""
    response = post_bytes(shared, token, body, accept)

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
        f"{{{TYPENAME_QUERY}",
        f"{{{TYPENAME_QUERY},}}",
        f"{{{TYPENAME_QUERY}}} {{}}",
        "{'query': '{ __typename }'}",
        '{"query": "{ __typename }\n"}',
        '{"query": "\\ud80"}',
        '{"query": "\\x41"}',
        # Numbers that Python reads or writes, and that are not JSON.
        "NaN",
        "Infinity",
        f'{{{TYPENAME_QUERY}, "variables": {{"a": NaN}}}}',
        f'{{{TYPENAME_QUERY}, "variables": {{"a": Infinity}}}}',
        f'{{{TYPENAME_QUERY}, "variables": {{"a": -Infinity}}}}',
        f'{{{TYPENAME_QUERY}, "variables": {{"a": 01}}}}',
        f'{{{TYPENAME_QUERY}, "variables": {{"a": +1}}}}',
        # An integer of more digits than Python reads.
        "1" * 5000,
        f'{{{TYPENAME_QUERY}, "variables": {{"a": {"1" * 5000}}}}}',
        f'{{{TYPENAME_QUERY}, "variables": {{"a": -{"1" * 5000}}}}}',
        f'{{{TYPENAME_QUERY}, "extensions": {{"a": {"1" * 5000}}}}}',
    ],
    ids=lambda body: body[:50],
)
def test_a_body_that_is_not_json_is_refused(
    shared: Gateway, token: str, body: str, accept: str
) -> None:
    """By RFC 8259, whatever Python accepts."""
    response = post_bytes(shared, token, body, accept)

    refused(response, 400, "The body must be JSON")
    assert response.headers["content-type"] == accept


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b'{"query": "\xff"}',
        b'{"query": "{ __typename #\xc3( }"}',
        b"\xed\xa0\x80",
        f"{{{TYPENAME_QUERY}}}".encode("utf-16"),
        f"{{{TYPENAME_QUERY}}} é".encode("latin-1"),
    ],
)
def test_bytes_that_are_not_utf_8_are_refused(shared: Gateway, token: str, body: bytes) -> None:
    """Invalid sequences, unpaired surrogates, and other encodings."""
    refused(post_bytes(shared, token, body), 400, "The body must be UTF-8.")


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        "[" * 50_000 + "]" * 50_000,
        '{"a":' * 16_000 + "1" + "}" * 16_000,
        f'{{{TYPENAME_QUERY}, "variables": {{"a": {"[" * 40_000}{"]" * 40_000}}}}}',
        f'{{{TYPENAME_QUERY}, "variables": {{"a": {"[" * MAX_NESTING}{"]" * MAX_NESTING}}}}}',
    ],
    ids=["open", "arrays", "objects", "variable", "just-too-deep"],
)
def test_json_nested_too_deep_is_refused(shared: Gateway, token: str, body: str) -> None:
    """The limit is the parser's own."""
    refused(
        post_bytes(shared, token, body), 400, f"must not be nested more than {MAX_NESTING} deep"
    )


def test_json_may_be_nested_as_deep_as_the_limit(shared: Gateway, token: str) -> None:
    """Two objects and 198 arrays."""
    nested = "[" * (MAX_NESTING - 2) + "]" * (MAX_NESTING - 2)

    assert (
        post_bytes(shared, token, f'{{{TYPENAME_QUERY}, "variables": {{"a": {nested}}}}}').json()
        == TYPENAME
    )


@pytest.mark.parametrize(
    "body",
    [
        '{"x": "' + "]" * 45_000 + '", "query": "{ __typename }", "variables": ' + "[" * 45_000,
        '{"x": "' + "]" * 45_000 + '", "variables": ' + "[" * 20_000 + "]" * 20_000 + "}",
    ],
    ids=["open", "closed"],
)
def test_closing_brackets_in_strings_do_not_reduce_the_nesting(
    shared: Gateway, token: str, body: str
) -> None:
    """They close nothing."""
    response = post_body(shared, token, body)

    assert response.status_code == 400
    assert "nested" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("text", ["[" * (MAX_NESTING + 1), "{" * (MAX_NESTING + 1)])
def test_brackets_in_strings_are_not_nesting(shared: Gateway, token: str, text: str) -> None:
    """They are part of a text."""
    body = {"query": "{ __typename }", "variables": {"text": text}}

    assert post_body(shared, token, body).json() == TYPENAME


def test_an_unterminated_string_of_escapes_is_refused(shared: Gateway, token: str) -> None:
    """In linear time: a pass for each quote would take minutes."""
    response = post_body(shared, token, '"' + '\\"' * 49_000)

    assert response.status_code == 400


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
    """Values are not converted, and not ignored."""
    response = post_bytes(shared, token, json.dumps(parameters), accept)

    refused(response, 400, named)
    assert response.headers["content-type"] == accept


@pytest.mark.parametrize(
    "body",
    [
        f"{{{TYPENAME_QUERY}}}",
        f" \r\n\t{{ {TYPENAME_QUERY} }} ",
        f'{{{TYPENAME_QUERY}, "variables": null, "operationName": null, "extensions": null}}',
        f'{{{TYPENAME_QUERY}, "variables": {{}}, "operationName": "", "extensions": {{}}}}',
        f'{{{TYPENAME_QUERY}, "extensions": {{"trace": {{"id": 1}}}}}}',
        f'{{{TYPENAME_QUERY}, "id": 7, "somethingElse": [1, 2]}}',
        f'{{{TYPENAME_QUERY}, "variables": {{"undeclared": "\\u0000\\ud83d\\ude00"}}}}',
        f'{{{TYPENAME_QUERY}, "variables": {{"undeclared": "\\\\ud800"}}}}',
        '{"query": "\\u007b __typename }"}',
        '{"query": "query \\u0041 { __typename }"}',
        '{"query": "{ __typename # é \U0001f600 \\ud83d\\ude00\\n }"}',
        '{"query": "\\ufeff{ __typename }"}',
    ],
)
def test_null_parameters_are_absent_and_unknown_ones_ignored(
    shared: Gateway, token: str, body: str
) -> None:
    """Also undeclared variables, whitespace, escapes, and a byte order mark in the document."""
    response = post_bytes(shared, token, body)

    assert (response.status_code, response.json()) == (200, TYPENAME)


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
def test_an_unpaired_surrogate_is_refused(
    shared: Gateway, token: str, body: dict[str, Any]
) -> None:
    """JSON can escape one, and no text contains one."""
    response = post_bytes(shared, token, json.dumps(body))

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
def test_a_body_of_json_in_utf_8_is_accepted(
    shared: Gateway, token: str, content_type: str
) -> None:
    """Its Content-Type can be written in different ways."""
    response = post_bytes(shared, token, f"{{{TYPENAME_QUERY}}}", **{"content-type": content_type})

    assert (response.status_code, response.json()) == (200, TYPENAME)


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
        f"application/json; charset*{'1' * 5_000}*=utf-8",
        "application/json, text/plain",
        "json",
    ],
)
def test_a_body_of_another_type_is_refused(shared: Gateway, token: str, content_type: str) -> None:
    """Among them those that a page of another origin may send without a CORS preflight."""
    body = f"{{{TYPENAME_QUERY}}}"

    refused(
        post_bytes(shared, token, body, **{"content-type": content_type}), 415, "application/json"
    )


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8; profile=x",
        "application/json; profile=x",
        "application/json; charset=utf-8;",
    ],
)
def test_other_parameters_of_the_content_type_are_ignored(
    shared: Gateway, token: str, content_type: str
) -> None:
    """By RFC 9110, unknown parameters mean nothing."""
    response = shared.request(
        "POST",
        "/graphql",
        token,
        content='{"query": "{ __typename }"}',
        headers={"content-type": content_type},
    )

    assert response.json() == TYPENAME


def test_the_error_for_another_charset_names_utf_8(shared: Gateway, token: str) -> None:
    """The media type is right, and the charset is not."""
    response = shared.request(
        "POST",
        "/graphql",
        token,
        content='{"query": "{ __typename }"}',
        headers={"content-type": "application/json; charset=utf-16"},
    )

    assert response.status_code == 415
    assert "UTF-8" in response.json()["errors"][0]["message"]


def test_a_body_without_a_type_is_refused(shared: Gateway, token: str) -> None:
    """The media type is not guessed."""
    response = shared.request("POST", "/graphql", token, content=f"{{{TYPENAME_QUERY}}}")

    assert "content-type" not in response.request.headers
    refused(response, 415, "application/json")


def test_a_form_is_refused(shared: Gateway, token: str) -> None:
    """As browsers send one, with the fields of a GraphQL request."""
    fields = {"query": "{ __typename }"}

    refused(shared.request("POST", "/graphql", token, data=fields), 415)
    refused(shared.request("POST", "/graphql", token, files={"query": b"{ __typename }"}), 415)


def test_a_body_may_be_as_large_as_the_limit(shared: Gateway, token: str) -> None:
    """And not one byte larger."""
    body = f"{{{TYPENAME_QUERY}}}"

    assert post_bytes(shared, token, body.ljust(MAX_BODY_BYTES)).json() == TYPENAME
    refused(post_bytes(shared, token, body.ljust(MAX_BODY_BYTES + 1)), 413, str(MAX_BODY_BYTES))


def test_a_large_body_is_refused_before_its_end(shared: Gateway, token: str) -> None:
    """A body without a Content-Length that never ends is not read forever."""
    sent = 0

    async def endless() -> AsyncGenerator[bytes]:
        nonlocal sent
        while True:
            sent += 1000
            assert sent <= 2 * MAX_BODY_BYTES
            yield b" " * 1000

    response = shared.request("POST", "/graphql", token, content=endless(), headers=JSON)

    refused(response, 413, str(MAX_BODY_BYTES))


COUNT_UNTIL = (
    "query ($org: ID!, $end: DateTime!) { sessionMetrics(orgId: $org, filters: {timeAfter: 0,"
)
COUNT_UNTIL += " timeBefore: $end}) { sessionsCreatedCount } }"


def test_a_document_can_be_sent_by_get(shared: Gateway, token: str) -> None:
    """With variables as JSON, and the other parameters of a body."""
    parameters = {
        "query": f"query Count{COUNT_UNTIL.removeprefix('query')} query Name {{ __typename }}",
        "variables": '{"org": "org-1", "end": 7}',
        "extensions": "{}",
    }

    counted = shared.request(
        "GET", "/graphql", token, params=parameters | {"operationName": "Count"}
    )
    named = shared.request("GET", "/graphql", token, params=parameters | {"operationName": "Name"})

    assert counted.json() == {"data": {"sessionMetrics": {"sessionsCreatedCount": 7}}}
    assert named.json() == TYPENAME


@pytest.mark.parametrize("variables", ["{}", "null", '{"undeclared": [1]}', " {} "])
def test_variables_of_a_get_need_not_be_used(shared: Gateway, token: str, variables: str) -> None:
    """As in a body."""
    parameters = {"query": "{ __typename }", "variables": variables, "operationName": ""}
    response = shared.request("GET", "/graphql", token, params=parameters)

    assert (response.status_code, response.json()) == (200, TYPENAME)


def test_empty_parameters_of_a_get_are_absent(shared: Gateway, token: str) -> None:
    """A form sends all its fields."""
    parameters = {"query": "{ __typename }", "variables": "", "extensions": ""}

    assert shared.request("GET", "/graphql", token, params=parameters).json() == TYPENAME


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
    """As one of a body."""
    headers = {"accept": accept}
    response = shared.request("GET", "/graphql", token, params=parameters, headers=headers)

    refused(response, 400, named)
    assert response.headers["content-type"] == accept


def test_a_query_string_that_is_not_utf_8_is_refused(shared: Gateway, token: str) -> None:
    """Its invalid bytes become a character that no document may contain."""
    response = shared.request("GET", "/graphql?query=%7B__typename%7D%FF%ED%A0%80", token)

    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}


@pytest.mark.parametrize(
    ("spelling", "named"),
    [
        ("variables[orgs][]", "`variables` must be an object, as JSON."),
        ("variables[a]", "`variables` must be an object, as JSON."),
        ("extensions[persistedQuery][version]", "`extensions` must be an object, as JSON."),
        ("query[]", "`query` must be a GraphQL document"),
        ("documentId[0]", "`documentId` must be a string."),
        ("operationName[]", "`operationName` must be a string."),
    ],
)
def test_a_parameter_with_brackets_is_refused(
    shared: Gateway, token: str, spelling: str, named: str
) -> None:
    """Ignored, a nullable variable would be null, which restricts nothing."""
    parameters = {"query": "{ __typename }", spelling: "a"}
    response = shared.request("GET", "/graphql", token, params=parameters)

    assert response.status_code == 400
    assert f"`{spelling}` is not supported: {named}" in error_of(response)["message"]
