"""What every answer carries, and what it never does."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics_graphql.settings import Settings
from tests.conftest import Gateway
from tests.serving import served

PATHS = ["/graphql", "/openapi.json", "/livez", "/readyz", "/nowhere",
         "/v3/organizations/org-1/metrics/sessions"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
def test_every_answer_is_for_its_caller_alone(gateway: Gateway, path: str, method: str) -> None:
    """Browsers do not sniff it, run it, frame it or keep it; nobody is given a cookie."""
    headers = gateway.request(method, path, gateway.token("org-1")).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "set-cookie" not in headers
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


def test_the_page_may_load_what_it_is_made_of(gateway: Gateway) -> None:
    """And ask us, and nobody else."""
    page = gateway.request("GET", "/graphql", None, headers={"accept": "text/html"})

    policy = page.headers["content-security-policy"]
    assert "connect-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy


def test_pages_of_listed_origins_may_read_answers(gateway: Gateway) -> None:
    """The browser is told so, before and with the answer; other origins are told nothing."""
    ours, theirs = {"origin": "https://app.example.com"}, {"origin": "https://evil.example.com"}
    preflight = {"access-control-request-method": "POST",
                 "access-control-request-headers": "authorization,content-type"}  # fmt: skip
    with gateway.configured(cors_origins="https://app.example.com, https://b.example.com") as open_:
        before = open_.request("OPTIONS", "/graphql", None, headers=ours | preflight)
        answer = open_.request("GET", "/graphql", None, headers=ours)
        refused = open_.request("OPTIONS", "/graphql", None, headers=theirs | preflight)
        foreign = open_.request("GET", "/graphql", None, headers=theirs)

    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "Authorization" in before.headers["access-control-allow-headers"]
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "access-control-allow-credentials" not in answer.headers
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in foreign.headers


def test_a_request_to_another_host_is_refused(gateway: Gateway) -> None:
    """Where hosts are listed: a page that got our address a name of its own learns nothing.

    Those who probe use bare addresses.
    """
    hosts = ["api.example.com", "a.internal", "evil.example.com"]
    with gateway.configured(trusted_hosts="api.example.com,*.internal") as strict:
        asked, probed = (
            [
                strict.request("GET", path, None, headers={"host": host}).status_code
                for host in hosts
            ]
            for path in ("/openapi.json", "/livez")
        )

    assert asked == [200, 200, 400]
    assert probed == [200, 200, 200]


@pytest.mark.parametrize(
    "setting",
    [
        {"trusted_hosts": ""},
        {"trusted_hosts": "foo*bar"},
        {"trusted_hosts": "app.example.com:443"},
        {"cors_origins": "https://app.example.com/"},
        {"cors_origins": "*.example.com"},
        {"timeout": float("inf")},
        {"timeout": 0},
    ],
    ids=str,
)
def test_a_setting_that_could_not_work_is_refused_at_the_start(setting: dict[str, Any]) -> None:
    """Naming it."""
    with pytest.raises(ValueError, match=next(iter(setting))):
        Settings(**setting)


def test_a_real_server_does_not_say_what_it_is(gateway: Gateway, tmp_path: Path) -> None:
    """Nor does it take up a WebSocket."""
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
               "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
    with served(gateway.database_url, tmp_path / "log") as server:
        alive = httpx.get(f"{server.url}/livez")
        socket = httpx.get(f"{server.url}/graphql", headers=upgrade)

    assert "server" not in alive.headers
    assert socket.status_code == 401


def test_no_log_line_holds_a_token(gateway: Gateway, tmp_path: Path) -> None:
    """Not even of one who writes it where it does not belong."""
    token = gateway.token("org-1")
    log = tmp_path / "log"
    with served(gateway.database_url, log) as server:
        httpx.get(f"{server.url}/graphql?access_token={token}&query={{__typename}}")
        httpx.get(f"{server.url}/graphql?token=cog%5F{token[4:]}")
        httpx.get(f"{server.url}/{token}", headers={"Authorization": f"Bearer {token}"})

    assert "GET /cog_… " in log.read_text()
    assert token[4:] not in log.read_text()
