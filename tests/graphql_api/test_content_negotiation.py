"""Content negotiation: the media type of a response, and the page for browsers."""

import httpx
import pytest

from tests.conftest import Gateway, only_sqlite
from tests.graphql_api.client import JSON_TYPE, RESPONSE_TYPE, TYPENAME, error_of, post, post_body

pytestmark = only_sqlite


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (JSON_TYPE, JSON_TYPE),
        (RESPONSE_TYPE, RESPONSE_TYPE),
        (f"{RESPONSE_TYPE}; charset=utf-8", RESPONSE_TYPE),
        (f"{RESPONSE_TYPE}, application/json;q=0.9", RESPONSE_TYPE),
        (f"{RESPONSE_TYPE}; charset=utf-8, application/json; charset=utf-8", RESPONSE_TYPE),
        ("*/*", JSON_TYPE),
        ("application/*", JSON_TYPE),
        ("", JSON_TYPE),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON_TYPE),
    ],
)
def test_the_media_type_of_a_response(
    shared: Gateway, token: str, accept: str, expected: str
) -> None:
    """A client that names the newer media type gets it; every other client gets JSON."""
    parameters = {"query": "{ __typename }"}
    headers = {"accept": accept}
    by_post = post(shared, token, "{ __typename }", accept)
    by_get = shared.request("GET", "/graphql", token, params=parameters, headers=headers)

    for response in (by_post, by_get):
        assert (response.status_code, response.json()) == (200, TYPENAME)
        assert response.headers["content-type"] == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/json, application/graphql-response+json;q=0.5", JSON_TYPE),
        ("application/graphql-response+json;q=0, application/json", JSON_TYPE),
        ("APPLICATION/GRAPHQL-RESPONSE+JSON", RESPONSE_TYPE),
        ("application/json;q=0.5, application/graphql-response+json;q=.4", JSON_TYPE),
        ("application/json;q=0, */*", RESPONSE_TYPE),
        ("application/graphql-response+json;q=0, */*;q=0.1", JSON_TYPE),
        ("application/json;q=0.1, application/json;version=2;q=0, text/html", JSON_TYPE),
        ("application/graphql-response+json-seq, */*;q=0.1", JSON_TYPE),
    ],
)
def test_the_preferred_media_type_is_chosen(
    shared: Gateway, token: str, accept: str, expected: str
) -> None:
    """By quality values, and regardless of case (RFC 9110)."""
    response = post_body(shared, token, {"query": "{ __typename }"}, accept)

    assert response.headers["content-type"] == expected


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/graphql-response+json-seq",
        "*/*;q=0",
        "application/json;q=0",
        "application/*;q=0, */*",
        "text/html, */*;q=0.0",
        "application/json;q=0, application/graphql-response+json;q=0, */*",
    ],
)
def test_a_client_that_accepts_neither_type_is_refused(
    shared: Gateway, token: str, accept: str
) -> None:
    """By the most specific range that includes each type (RFC 9110)."""
    headers = {"accept": accept}
    parameters = {"query": "{ __typename }"}
    by_get = shared.request("GET", "/graphql", token, params=parameters, headers=headers)

    for response in (post(shared, token, "{ __typename }", accept), by_get):
        assert response.status_code == 406
        assert JSON_TYPE in error_of(response)["message"]


BROWSERS = {
    "Chrome": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    "image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    "Firefox, Safari": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Internet Explorer": "text/html, application/xhtml+xml, */*",
    "Lynx": "text/html, text/plain, text/sgml, text/css, application/xhtml+xml, */*;q=0.01",
    "HTML only": "text/html",
    "Java": "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    "proxy": "text/html, */*;q=.2",
    "text": "text/*",
}
"""The Accept header of clients that prefer HTML, when they navigate."""
PROGRAMS = {
    "curl, wget, requests, httpx, fetch": "*/*",
    "none": "",
    "axios": "application/json, text/plain, */*",
    "jQuery": "application/json, text/javascript, */*; q=0.01",
    "Apollo": "application/graphql-response+json,application/json;q=0.9",
    "GraphiQL": "application/json, multipart/mixed",
    "both": "application/json, text/html",
    "less HTML": "text/html;q=0.5, application/json",
    "no HTML": "text/html;q=0, */*",
    "HTML by wildcard": "application/json;q=0.9, text/html;q=0.8, */*;q=0.1",
}
"""The Accept header of clients that do not."""
UNKNOWN_HASH = '{"persistedQuery": {"version": 1, "sha256Hash": "' + "0" * 64 + '"}}'


@pytest.mark.parametrize("client", [*BROWSERS, *PROGRAMS])
def test_only_a_client_that_prefers_html_gets_the_page(shared: Gateway, client: str) -> None:
    """The others need a token."""
    headers = {"accept": (BROWSERS | PROGRAMS)[client]}
    response = shared.request("GET", "/graphql", None, headers=headers)

    assert response.status_code == (200 if client in BROWSERS else 401)
    assert ("html" in response.headers["content-type"]) is (client in BROWSERS)


@pytest.mark.parametrize("client", [each for each in BROWSERS if each not in {"HTML only", "text"}])
@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"query": "{ __typename }"}, 200, None),
        ({"query": ""}, 400, "BAD_USER_INPUT"),
        ({"documentId": "unknown"}, 422, "BAD_USER_INPUT"),
        ({"extensions": UNKNOWN_HASH}, 200, "PERSISTED_QUERY_NOT_FOUND"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_request_with_a_document_never_gets_the_page(  # noqa: PLR0913, PLR0917 - two tables
    shared: Gateway,
    token: str,
    client: str,
    parameters: dict[str, str],
    status: int,
    code: str | None,
) -> None:
    """Whether the document is in the address, or named by its id or hash."""
    headers = {"accept": BROWSERS[client]}
    response = shared.request("GET", "/graphql", token, params=parameters, headers=headers)

    assert response.status_code == status
    assert response.headers["content-type"] == JSON_TYPE
    if code:
        assert error_of(response)["extensions"]["code"] == code
    else:
        assert response.json() == TYPENAME
    without_token = shared.request("GET", "/graphql", None, params=parameters, headers=headers)
    assert without_token.status_code == 401


def test_several_accept_fields_count_together(shared: Gateway, token: str) -> None:
    """Like one that is joined by commas (RFC 9110)."""
    fields = [
        ("authorization", f"Bearer {token}"),
        ("accept", "text/html"),
        ("accept", RESPONSE_TYPE),
    ]
    url = "http://gateway/graphql?query={__typename}"
    response = shared.run(shared.client.send(httpx.Request("GET", url, headers=fields)))

    assert (response.status_code, response.headers["content-type"]) == (200, RESPONSE_TYPE)


@pytest.mark.parametrize(
    "accept", ["text/html", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"]
)
def test_a_browser_gets_graphiql(shared: Gateway, accept: str) -> None:
    """The page itself needs no token."""
    response = shared.request("GET", "/graphql", None, headers={"accept": accept})

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "graphiql" in response.text.lower()


@pytest.mark.parametrize("accept", ["*/*", JSON_TYPE, RESPONSE_TYPE])
def test_only_a_browser_gets_the_page(shared: Gateway, token: str, accept: str) -> None:
    """Other clients that send no document get an error in JSON."""
    headers = {"accept": accept}

    assert shared.request("GET", "/graphql", None, headers=headers).status_code == 401
    response = shared.request("GET", "/graphql", token, headers=headers)
    assert response.status_code == 400
    assert "`query`" in error_of(response)["message"]


def test_caches_distinguish_the_page_from_responses(shared: Gateway) -> None:
    """One address has two representations, so responses vary by `Accept`."""
    response = shared.request("GET", "/graphql", None, headers={"accept": "text/html"})

    assert "accept" in response.headers.get("vary", "").lower()
