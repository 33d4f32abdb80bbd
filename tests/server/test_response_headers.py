"""Header fields of every response, and of CORS."""

from pathlib import Path

import httpx
import pytest

from tests.conftest import Gateway, only_sqlite
from tests.serving import served

pytestmark = only_sqlite

PATHS = ["/graphql", "/openapi.json", "/livez", "/readyz", "/nowhere",
         "/v3/organizations/org-1/metrics/sessions"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
def test_every_response_is_private_and_inert(gateway: Gateway, path: str, method: str) -> None:
    """Browsers must not sniff, execute, frame or store it; it sets no cookie."""
    headers = gateway.request(method, path, gateway.token("org-1")).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "set-cookie" not in headers
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


def test_a_page_may_connect_to_its_own_origin_only(gateway: Gateway) -> None:
    """Other sites must not frame it."""
    page = gateway.request("GET", "/graphql", None, headers={"accept": "text/html"})

    policy = page.headers["content-security-policy"]
    assert "connect-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy


def test_cors_allows_the_listed_origins_only(gateway: Gateway) -> None:
    """In preflight responses and in responses; credentials such as cookies are never allowed."""
    listed, other = {"origin": "https://app.example.com"}, {"origin": "https://evil.example.com"}
    preflight = {"access-control-request-method": "POST",
                 "access-control-request-headers": "authorization,content-type"}  # fmt: skip
    origins = "https://app.example.com, https://b.example.com"
    with gateway.configured(cors_origins=origins) as with_cors:
        before = with_cors.request("OPTIONS", "/graphql", None, headers=listed | preflight)
        response = with_cors.request("GET", "/graphql", None, headers=listed)
        refused = with_cors.request("OPTIONS", "/graphql", None, headers=other | preflight)
        unlisted = with_cors.request("GET", "/graphql", None, headers=other)

    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "Authorization" in before.headers["access-control-allow-headers"]
    assert response.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "access-control-allow-credentials" not in response.headers
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in unlisted.headers


ORIGIN = {"origin": "https://app.example.com"}
REQUEST_HEADERS = [
    *("Accept", "Authorization", "Content-Type", "If-None-Match", "X-Request-ID"),
    *("baggage", "sentry-trace", "traceparent", "tracestate", "apollo-require-preflight"),
    *("apollographql-client-name", "apollographql-client-version", "x-apollo-operation-name"),
]


def preflight(gateway: Gateway, path: str, headers: str) -> httpx.Response:
    """Return the response to a preflight for these request headers."""
    requested = {"access-control-request-method": "GET", "access-control-request-headers": headers}
    return gateway.request("OPTIONS", path, None, headers=ORIGIN | requested)


@pytest.mark.parametrize("path", ["/graphql", "/v3/organizations/org-1/metrics/sessions"])
def test_pages_may_send_the_headers_of_clients_and_of_tracing(gateway: Gateway, path: str) -> None:
    """Each of them and all together, in small letters as browsers send them; no others."""
    names = [name.lower() for name in REQUEST_HEADERS]
    with gateway.configured(cors_origins=ORIGIN["origin"]) as with_cors:
        for headers in (*names, ",".join(names), ", ".join(sorted(names))):
            assert preflight(with_cors, path, headers).status_code == 200, headers
        refused = preflight(with_cors, path, "authorization,x-team")

    assert refused.status_code == 400
    assert "headers" in refused.text


@pytest.mark.parametrize("setting", ["X-Team, X-Tenant", "*"])
def test_further_headers_are_a_setting(gateway: Gateway, setting: str) -> None:
    """They are added to the others."""
    with gateway.configured(cors_origins=ORIGIN["origin"], cors_headers=setting) as with_cors:
        response = preflight(with_cors, "/graphql", "authorization,baggage,x-team,x-tenant")

    assert response.status_code == 200
    assert "x-team" in response.headers["access-control-allow-headers"].lower()


def test_pages_may_read_the_headers_that_clients_need(gateway: Gateway) -> None:
    """The entity tag, the request id, and when to try again."""
    gateway.load([{"org_id": "org-1", "session_id": "s", "created_at": 10}])
    settings = {"cors_origins": ORIGIN["origin"], "rate_limit": "1/hour"}
    path = "/v3/organizations/org-1/metrics/sessions"
    period = {"time_after": 0, "time_before": 20}
    token = gateway.token("org-1")
    with gateway.configured(**settings) as with_cors:
        first, second = (
            with_cors.request("GET", path, token, params=period, headers=ORIGIN) for _ in range(2)
        )

    assert (first.status_code, second.status_code) == (200, 429)
    for response, names in (
        (first, ["etag", "ratelimit", "ratelimit-policy", "x-request-id"]),
        (second, ["retry-after", "ratelimit", "ratelimit-policy", "x-request-id"]),
    ):
        exposed = response.headers["access-control-expose-headers"].lower().split(", ")
        for name in names:
            assert name in response.headers
            assert name in exposed


def test_a_real_server_does_not_identify_itself(gateway: Gateway, tmp_path: Path) -> None:
    """It does not accept WebSockets either."""
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
               "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
    with served(gateway.database_url, tmp_path / "log") as server:
        alive = httpx.get(f"{server.url}/livez")
        websocket = httpx.get(f"{server.url}/graphql", headers=upgrade)

    assert "server" not in alive.headers
    assert websocket.status_code == 401
