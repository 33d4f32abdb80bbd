"""The pages over HTTP: caching, policies, and the fallback without Node."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from metrics_graphql.app import create_app
from metrics_graphql.settings import Settings
from metrics_graphql.web import pages
from tests.conftest import Gateway

BROWSER = {"Accept": "text/html,*/*;q=0.8"}
built = pytest.mark.skipif(not pages.BUILT.is_dir(), reason="needs Node to build the pages")


@built
@pytest.mark.parametrize(("path", "title"), [("/", "Session"), ("/graphql", "GraphiQL")])
def test_a_page_is_revalidated_and_loads_from_its_origin_only(
    gateway: Gateway, path: str, title: str
) -> None:
    """A browser with the current page gets 304."""
    response = gateway.request("GET", path, None, headers=BROWSER)
    again = gateway.request(
        "GET", path, None, headers={**BROWSER, "If-None-Match": response.headers["etag"]}
    )

    assert response.status_code == 200
    assert f"<title>{title}" in response.text
    assert response.headers["cache-control"] == "no-cache"
    assert "http" not in response.headers["content-security-policy"]
    assert re.findall(r'(?:src|href)="(?!\./)', response.text) == []
    assert (again.status_code, again.content) == (304, b"")


@built
def test_assets_are_cached_for_a_year_and_compressed(gateway: Gateway) -> None:
    """Names contain a hash of the content; files are compressed by the build."""
    (script,) = re.findall(r'<script[^>]* src="\.([^"]+)"', gateway.request("GET", "/", None).text)

    def encoded(accepted: str) -> tuple[str | None, str, int]:
        response = gateway.request("GET", script, None, headers={"Accept-Encoding": accepted})
        assert response.status_code == 200
        headers = response.headers
        return (
            headers.get("content-encoding"),
            headers["cache-control"],
            int(headers["content-length"]),
        )

    year = "public, max-age=31536000, immutable"
    plain, gzip, brotli = (encoded(accepted) for accepted in ("identity", "gzip", "gzip, br"))
    assert [plain[:2], gzip[:2], brotli[:2]] == [(None, year), ("gzip", year), ("br", year)]
    assert brotli[2] < gzip[2] < plain[2]


@built
@pytest.mark.parametrize("name", ["nothing.js", "..%2f..%2fpages.py", "%2e%2e/index.html", ""])
def test_nothing_else_is_served(gateway: Gateway, name: str) -> None:
    """Neither missing files nor files outside of the directory."""
    response = gateway.request("GET", f"/assets/{name}", None)

    assert response.status_code == 404
    assert response.json() == {"detail": "Not Found"}


@built
def test_only_a_demo_fills_in_its_token(tmp_path: Path, gateway: Gateway) -> None:
    """Browsers do not store its pages."""
    settings, token = Settings(database_url=f"sqlite:///{tmp_path / 'demo.db'}"), 'cog_"demo'
    app = create_app(settings, demo_token=token)

    async def get(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://demo") as client:
            return await client.get(path, headers=BROWSER)

    for path in ("/", "/graphql"):
        response = asyncio.run(get(path))
        assert '<meta name="token" content="cog_&quot;demo" />' in response.text
        assert response.headers["cache-control"] == "no-store"
        plain = gateway.request("GET", path, None, headers=BROWSER)
        assert pages.NO_TOKEN in plain.text


def test_without_node_there_is_a_notice_and_strawberrys_graphiql(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both APIs work."""
    monkeypatch.setattr(pages, "BUILT", tmp_path / "nowhere")
    with gateway.configured() as unbuilt:
        home = unbuilt.request("GET", "/", None)
        explorer = unbuilt.request("GET", "/graphql", None, headers=BROWSER)
        response = unbuilt.graphql("{ viewer { name } }", gateway.token())

    assert home.status_code == 200
    assert "is not built" in home.text
    assert "https://unpkg.com" in explorer.headers["content-security-policy"]
    assert response.json() == {"data": {"viewer": {"name": "test"}}}


def test_pages_allow_get_and_head_only(gateway: Gateway) -> None:
    """405 has the allowed methods."""
    response = gateway.request("POST", "/", None)

    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert gateway.request("HEAD", "/", None).status_code == 200
