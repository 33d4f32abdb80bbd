"""The pages over HTTP: what may be kept, what may be loaded, and what there is without Node."""

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
def test_a_page_is_ours_and_is_asked_for_again(gateway: Gateway, path: str, title: str) -> None:
    """Its policy allows our own origin alone; a browser that has it gets 304."""
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
def test_what_pages_load_is_kept_for_a_year_and_is_compressed(gateway: Gateway) -> None:
    """Names have a hash of what is in them; Brotli and gzip were made beforehand."""
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
    """Neither what is not there, nor what lies elsewhere."""
    response = gateway.request("GET", f"/assets/{name}", None)

    assert response.status_code == 404
    assert response.json() == {"detail": "Not Found"}


@built
def test_a_demo_fills_its_token_in_and_nobody_else_does(tmp_path: Path, gateway: Gateway) -> None:
    """And that page is not kept."""
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


def test_without_node_the_page_says_so_and_everything_else_works(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`/graphql` is Strawberry's page then, and answers questions."""
    monkeypatch.setattr(pages, "BUILT", tmp_path / "nowhere")
    with gateway.configured() as unbuilt:
        home = unbuilt.request("GET", "/", None)
        explorer = unbuilt.request("GET", "/graphql", None, headers=BROWSER)
        answer = unbuilt.graphql("{ viewer { name } }", gateway.token())

    assert home.status_code == 200
    assert "was not built" in home.text
    assert "https://unpkg.com" in explorer.headers["content-security-policy"]
    assert answer.json() == {"data": {"viewer": {"name": "test"}}}


def test_a_page_is_got_and_nothing_else(gateway: Gateway) -> None:
    """Other methods are told which there are."""
    response = gateway.request("POST", "/", None)

    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert gateway.request("HEAD", "/", None).status_code == 200
