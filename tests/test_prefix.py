"""Below a path of somebody else's address: requests come with the prefix, or without."""

from collections.abc import Generator
from pathlib import Path

import pytest
from pydantic import ValidationError
from starlette.routing import Route

from metrics_graphql.settings import OWN_PATHS, Settings
from metrics_graphql.web.pages import BUILT
from tests.conftest import Gateway, only_sqlite

PREFIX = "/our/sessions"
PAGE = {"Accept": "text/html"}
PERIOD = {"time_after": 0, "time_before": 2_000_000_000}
pytestmark = only_sqlite


@pytest.fixture
def prefixed(gateway: Gateway) -> Generator[Gateway]:
    """Lend a gateway that a proxy shows below a path."""
    with gateway.configured(path_prefix=PREFIX) as prefixed:
        yield prefixed


@pytest.mark.parametrize("before", [PREFIX, ""], ids=["kept by the proxy", "taken off by it"])
def test_every_door_answers_with_the_prefix_and_without(prefixed: Gateway, before: str) -> None:
    """GraphQL, REST, the document, the probes, the pages and what they load."""
    prefixed.load([{"org_id": "org-1", "session_id": "s1", "created_at": 10}])
    token = prefixed.token("org-1")
    query = {"query": "{ viewer { name } }"}

    asked = prefixed.request("POST", f"{before}/graphql", token, json=query)
    counted = prefixed.request(
        "GET", f"{before}/v3/organizations/org-1/metrics/sessions", token, params=PERIOD
    )
    assert asked.json() == {"data": {"viewer": {"name": "test"}}}
    assert counted.json()["sessions_created_count"] == 1
    assert prefixed.request("GET", f"{before}/readyz", None).json() == {"status": "ok"}
    for page in ("/", "/graphql"):
        assert prefixed.request("GET", before + page, None, headers=PAGE).status_code == 200
    for file in (BUILT / "assets").glob("*.svg"):
        shown = prefixed.request("GET", f"{before}/assets/{file.name}", None)
        assert shown.content == file.read_bytes()


def test_the_document_names_the_prefix(gateway: Gateway, prefixed: Gateway) -> None:
    """As its server; without one it names none, as the published document does not."""
    for path in ("/openapi.json", f"{PREFIX}/openapi.json"):
        assert prefixed.request("GET", path, None).json()["servers"] == [{"url": PREFIX}]
    assert gateway.request("GET", "/openapi.json", None).json()["servers"] == []


@pytest.mark.parametrize("query", ["", "?org=org-1&period=7d"])
def test_the_prefix_alone_leads_to_the_page(prefixed: Gateway, query: str) -> None:
    """Its links are relative, and need the slash; a view in the address stays."""
    response = prefixed.request("GET", PREFIX + query, None)

    assert response.status_code == 307
    assert response.headers["location"] == f"{PREFIX}/{query}"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert prefixed.request("POST", PREFIX, None).status_code == 404


@pytest.mark.parametrize("path", [f"{PREFIX}x/readyz", f"/x{PREFIX}/readyz", PREFIX * 2, "/our/"])
def test_what_only_looks_like_the_prefix_is_not_found(prefixed: Gateway, path: str) -> None:
    """It is taken off once, and as a whole."""
    assert prefixed.request("GET", path, None).status_code == 404


@pytest.mark.parametrize("path", ["/graphql/", "/openapi.json/", "/v3/self/"])
def test_a_slash_too_many_is_not_found(gateway: Gateway, path: str) -> None:
    """And not redirected: to whom a proxy speaks plain HTTP, a token would go in plain text."""
    assert gateway.request("GET", path, gateway.token()).status_code == 404


@pytest.mark.parametrize(
    ("given", "prefix"), [("", ""), ("/", ""), ("/sessions/", "/sessions"), ("/a/b.c", "/a/b.c")]
)
def test_a_slash_at_the_end_of_the_setting_says_nothing(given: str, prefix: str) -> None:
    """Nor does the root."""
    assert Settings(path_prefix=given).path_prefix == prefix


@pytest.mark.parametrize(
    "given", ["sessions", "https://example.com/a", "/a//b", "//a", "/a b", "/../a", "/ä", "/a?b"]
)
def test_what_is_no_path_is_refused(given: str) -> None:
    """When the settings are read."""
    with pytest.raises(ValidationError, match="should be a path"):
        Settings(path_prefix=given)


def test_no_prefix_begins_as_our_own_paths(gateway: Gateway, tmp_path: Path) -> None:
    """One without the prefix could be meant, or one with it."""
    routes = [route for route in gateway.app.routes if isinstance(route, Route)]
    first = {route.path.split("/")[1] for route in routes} - {""}

    assert first <= OWN_PATHS
    for name in first:
        with pytest.raises(ValidationError, match="should not begin"):
            Settings(path_prefix=f"/{name}/more")
