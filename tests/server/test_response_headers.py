"""Header fields of every response, and of CORS."""

from pathlib import Path

import httpx
import pytest

from tests.conftest import Gateway
from tests.serving import served

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


def test_a_real_server_does_not_identify_itself(gateway: Gateway, tmp_path: Path) -> None:
    """It does not accept WebSockets either."""
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
               "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
    with served(gateway.database_url, tmp_path / "log") as server:
        alive = httpx.get(f"{server.url}/livez")
        websocket = httpx.get(f"{server.url}/graphql", headers=upgrade)

    assert "server" not in alive.headers
    assert websocket.status_code == 401
