"""The composed application: path prefixes, optional middleware, and the check of settings."""

import re
import socket
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import ValidationError
from starlette.routing import Route

from metrics_graphql.app import create_app
from metrics_graphql.cli.settings_checks import validate_settings
from metrics_graphql.core.service import MetricsService
from metrics_graphql.setting_types import RESERVED_PATHS
from metrics_graphql.settings import Settings
from metrics_graphql.web.pages import BUILT
from tests.conftest import Gateway, only_sqlite

PREFIX = "/our/sessions"
HTML = {"Accept": "text/html"}
PERIOD = {"time_after": 0, "time_before": 2_000_000_000}
METRICS = "/v3/organizations/org-1/metrics/sessions"
pytestmark = only_sqlite


@pytest.fixture
def prefixed(gateway: Gateway) -> Generator[Gateway]:
    """Return a gateway that a proxy exposes below a path."""
    with gateway.configured(path_prefix=PREFIX) as prefixed:
        yield prefixed


@pytest.mark.parametrize("prefix", [PREFIX, ""], ids=["passed on", "stripped"])
def test_every_route_matches_with_the_prefix_and_without(prefixed: Gateway, prefix: str) -> None:
    """GraphQL, REST, the OpenAPI document, the probes, the pages and their assets."""
    prefixed.load([{"org_id": "org-1", "session_id": "s1", "created_at": 10}])
    token = prefixed.token("org-1")
    query = {"query": "{ viewer { name } }"}

    over_graphql = prefixed.request("POST", f"{prefix}/graphql", token, json=query)
    over_rest = prefixed.request("GET", prefix + METRICS, token, params=PERIOD)
    assert over_graphql.json() == {"data": {"viewer": {"name": "test"}}}
    assert over_rest.json()["sessions_created_count"] == 1
    assert prefixed.request("GET", f"{prefix}/readyz", None).json() == {"status": "ok"}
    for page in ("/", "/graphql"):
        assert prefixed.request("GET", prefix + page, None, headers=HTML).status_code == 200
    for file in (BUILT / "assets").glob("*.svg"):
        asset = prefixed.request("GET", f"{prefix}/assets/{file.name}", None)
        assert asset.content == file.read_bytes()


@pytest.mark.parametrize("prefix", [PREFIX, "/%6Fur/sessions", ""])
def test_an_encoded_slash_belongs_to_the_organization_below_a_prefix(
    prefixed: Gateway, prefix: str
) -> None:
    """Not to the prefix, nor to the path of the endpoint."""
    for org_id in ("team/one", "our/sessions", "our/sessions/v3/organizations/x", "%2F"):
        prefixed.load([{"org_id": org_id, "session_id": "s1", "created_at": 10}])
        path = METRICS.replace("org-1", quote(org_id, safe=""))
        response = prefixed.request("GET", prefix + path, prefixed.token(org_id), params=PERIOD)
        assert response.json()["sessions_created_count"] == 1


def test_the_openapi_document_has_the_prefix_as_its_server(
    gateway: Gateway, prefixed: Gateway
) -> None:
    """Without a prefix it has no server, like the published document."""
    for path in ("/openapi.json", f"{PREFIX}/openapi.json"):
        assert prefixed.request("GET", path, None).json()["servers"] == [{"url": PREFIX}]
    assert gateway.request("GET", "/openapi.json", None).json()["servers"] == []


@pytest.mark.parametrize("query", ["", "?org=org-1&period=7d"])
def test_the_prefix_without_a_slash_redirects_to_the_dashboard(
    prefixed: Gateway, query: str
) -> None:
    """Its relative links need the slash; the query string is preserved."""
    response = prefixed.request("GET", PREFIX + query, None)

    assert response.status_code == 307
    assert response.headers["location"] == f"{PREFIX}/{query}"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert prefixed.request("POST", PREFIX, None).status_code == 405


@pytest.mark.parametrize("path", [f"{PREFIX}x/readyz", f"/x{PREFIX}/readyz", PREFIX * 2, "/our/"])
def test_paths_that_only_resemble_the_prefix_are_not_found(prefixed: Gateway, path: str) -> None:
    """The prefix matches once, and as a whole."""
    assert prefixed.request("GET", path, None).status_code == 404


@pytest.mark.parametrize(
    "path", ["/graphql", "/openapi.json", "/v3/organizations/a%20b/metrics/sessions"]
)
@pytest.mark.parametrize("query", ["", "?query=%7B+a+%7D"])
def test_a_trailing_slash_is_not_found_rather_than_redirected(
    gateway: Gateway, prefixed: Gateway, path: str, query: str
) -> None:
    """Behind a proxy that speaks plain HTTP, the redirect would send the token in plain text."""
    for response in (
        gateway.request("GET", f"{path}/{query}", None),
        prefixed.request("GET", f"{path}/{query}", None),
        prefixed.request("GET", f"{PREFIX}{path}/{query}", None),
    ):
        assert response.status_code == 404
        assert response.json() == {"detail": "Not Found"}
        assert "location" not in response.headers


def test_no_prefix_starts_like_a_path_of_the_application(gateway: Gateway, tmp_path: Path) -> None:
    """A request could then have the prefix or not."""
    routes = [route for route in gateway.app.routes if isinstance(route, Route)]
    first_segments = {route.path.split("/")[1] for route in routes} - {""}

    assert first_segments <= RESERVED_PATHS
    for name in first_segments:
        with pytest.raises(ValidationError, match="path_prefix"):
            Settings(path_prefix=f"/{name}/more")


REQUESTS: dict[str, dict[str, Any]] = {
    "unknown path": {"method": "GET", "path": "/nowhere"},
    "trailing slash": {"method": "GET", "path": "/graphql/"},
    "method of a probe": {"method": "DELETE", "path": "/livez"},
    "method of a page": {"method": "POST", "path": "/"},
    "method of REST": {"method": "POST", "path": METRICS},
    "method of GraphQL": {"method": "PUT", "path": "/graphql"},
    "invalid parameters": {"method": "GET", "path": METRICS, "params": {"time_after": "x"}},
    "unsupported media type": {"method": "POST", "path": "/graphql", "content": b"{"},
    "bug in REST": {"method": "GET", "path": METRICS, "params": PERIOD},
    "bug in GraphQL": {
        "method": "GET",
        "path": "/graphql",
        "params": {"query": '{ sessionMetrics(orgId: "org-1", filters: {timeAfter: 0, '
                            "timeBefore: 9}) { sessionsCreatedCount } }"},
    },
    "bug elsewhere": {"method": "GET", "path": "/readyz"},
}  # fmt: skip
"""Requests that fail, by the reason."""
STATUS = {
    "unknown path": 404,
    "trailing slash": 404,
    "invalid parameters": 422,
    "unsupported media type": 415,
    "bug in REST": 500,
    "bug in GraphQL": 200,
    "bug elsewhere": 500,
}
"""Their status; 405 for the others."""


@pytest.mark.parametrize("reason", REQUESTS)
def test_optional_middleware_does_not_change_routing_or_errors(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """CORS, trusted hosts and a prefix, alone and together: status, body and header fields."""

    async def broken(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(MetricsService, "data_versions", broken)
    monkeypatch.setattr("metrics_graphql.storage.repository.Storage.ping", broken)
    token = gateway.token("org-1")
    cors = {"cors_origins": "https://app.example.com"}
    hosts = {"trusted_hosts": "gateway,app.example.com"}
    responses = []
    for settings in ({}, cors, hosts, {**cors, **hosts, "path_prefix": PREFIX}):
        with gateway.configured(**settings) as other:
            request = dict(REQUESTS[reason])
            headers = {"origin": "https://app.example.com"}
            response = other.request(
                request.pop("method"), request.pop("path"), token, headers=headers, **request
            )
        ignored = {"x-request-id", "access-control-allow-origin", "access-control-expose-headers"}
        ignored |= {"vary", "content-length", "ratelimit"}
        fields = {name: each for name, each in response.headers.items() if name not in ignored}
        text = re.sub("[0-9a-f]{16}", "<id>", response.text)
        responses.append((response.status_code, text, fields))

    assert responses[0][0] == STATUS.get(reason, 405)
    assert "secret" not in responses[0][1]
    assert ("Internal error. The server's log has" in responses[0][1]) is ("bug" in reason)
    assert responses[1:] == responses[:1] * 3


MANIFEST = '{"one": "{ viewer { nothing } }"}'


@pytest.mark.parametrize(
    ("manifest", "settings", "problems"),
    [
        (None, {}, []),
        (
            None,
            {"trusted_documents": "missing.json"},
            ["METRICS_TRUSTED_DOCUMENTS cannot be read: .*missing"],
        ),
        (
            "[",
            {"trusted_documents": "documents.json"},
            ["METRICS_TRUSTED_DOCUMENTS cannot be read: "],
        ),
        (MANIFEST, {"trusted_documents": "documents.json"}, ["METRICS_TRUSTED_DOCUMENTS: one "]),
        (
            "[1, 2",
            {"trusted_documents": "."},
            ["METRICS_TRUSTED_DOCUMENTS cannot be read: .*direct"],
        ),
        (None, {"otel": True}, ["METRICS_OTEL needs OpenTelemetry: pip install"]),
        (
            MANIFEST,
            {"otel": True, "trusted_documents": "documents.json"},
            ["METRICS_OTEL needs", "METRICS_TRUSTED_DOCUMENTS: one "],
        ),
    ],
    ids=[
        "valid",
        "missing file",
        "not JSON",
        "invalid document",
        "directory",
        "missing extra",
        "two",
    ],
)
def test_each_setting_that_cannot_be_used_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    manifest: str | None,
    settings: dict[str, Any],
    problems: list[str],
) -> None:
    """Without a connection, a database file or an exporter; `create_app` refuses the same."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.chdir(tmp_path)
    for name in [each for each in sys.modules if each.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    if manifest is not None:
        Path("documents.json").write_text(manifest)
    configured = Settings(**settings)
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", refuse)
        patch.setattr("metrics_graphql.telemetry.tracing.Tracing", refuse)
        found = validate_settings(configured)

    assert len(found) == len(problems)
    for problem, pattern in zip(found, problems, strict=True):
        assert re.match(pattern, problem), problem
        assert "\n" not in problem
    assert not list(tmp_path.glob("*.db"))
    if problems:
        with pytest.raises(ValueError, match=problems[0]):
            create_app(configured)
