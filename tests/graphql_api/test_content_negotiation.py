"""Content negotiation: the media type of a response, and the page for browsers."""

import httpx
import pytest

from tests.conftest import Gateway
from tests.graphql_api.client import JSON_TYPE, RESPONSE_TYPE, TYPENAME, error_of, post, post_body


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
        ("application/graphql-response+json-seq", JSON_TYPE),
    ],
)
def test_the_preferred_media_type_is_chosen(
    shared: Gateway, token: str, accept: str, expected: str
) -> None:
    """By quality values, and regardless of case (RFC 9110)."""
    response = post_body(shared, token, {"query": "{ __typename }"}, accept)

    assert response.headers["content-type"] == expected


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


def test_a_document_in_the_address_is_executed_for_a_browser_too(
    shared: Gateway, token: str
) -> None:
    """It needs a token, whatever the client accepts."""
    headers = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    parameters = {"query": "{ __typename }"}

    def get(token: str | None) -> httpx.Response:
        return shared.request("GET", "/graphql", token, params=parameters, headers=headers)

    assert get(token).json() == TYPENAME
    assert get(None).status_code == 401


def test_caches_distinguish_the_page_from_responses(shared: Gateway) -> None:
    """One address has two representations, so responses vary by `Accept`."""
    response = shared.request("GET", "/graphql", None, headers={"accept": "text/html"})

    assert "accept" in response.headers.get("vary", "").lower()
