"""The pages over HTTP: caching, policies, and the fallback without Node."""

import asyncio
import itertools
import math
import re
from pathlib import Path

import httpx
import pytest

from metrics_graphql.app import create_app
from metrics_graphql.settings import Settings
from metrics_graphql.web import pages
from tests.conftest import Gateway, needs_pages, only_sqlite

pytestmark = only_sqlite
"""The pages do not depend on the engine."""

BROWSER = {"Accept": "text/html,*/*;q=0.8"}


@needs_pages
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
    policy = response.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'"} <= set(policy)
    assert "http" not in response.headers["content-security-policy"]
    assert re.findall(r'(?:src|href)="(?!\./)', response.text) == []
    assert (again.status_code, again.content) == (304, b"")


@needs_pages
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


FIRST_VIEW_BYTES = 330_000
"""Of the dashboard, compressed: mostly React and ECharts."""


@needs_pages
def test_the_first_view_is_small_and_has_nothing_of_graphiql(gateway: Gateway) -> None:
    """The page loads few files, each below a budget."""
    text = gateway.request("GET", "/", None).text
    assets = re.findall(r'(?:src|href)="\.(/assets/[^"]+)"', text)
    responses = [
        gateway.request("GET", path, None, headers={"Accept-Encoding": "br"}) for path in assets
    ]

    assert {response.status_code for response in responses} == {200}
    assert len(assets) <= 6
    size = sum(int(response.headers["content-length"]) for response in responses)
    assert 50_000 < size < FIRST_VIEW_BYTES
    assert not any(
        re.search("explorer|editor|monaco|graphiql/", response.text) for response in responses
    )


def oklab(color: str, vision: tuple[tuple[float, ...], ...]) -> tuple[float, ...]:
    """Return a colour as seen, in Oklab, where distances are those that people see."""
    parts = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    ]
    seen = [max(0.0, min(1.0, weighted(row, linear))) for row in vision]
    roots = [weighted(row, seen) ** (1 / 3) for row in LMS]
    return tuple(weighted(row, roots) for row in LAB)


def weighted(weights: tuple[float, ...], values: list[float]) -> float:
    """Return the sum of values times weights."""
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


LMS = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
VISIONS = {
    "full": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    # Machado, Oliveira and Fernandes (2009), at full severity.
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("kind", ["origin", "size"])
def test_colors_of_a_chart_differ(kind: str, vision: str) -> None:
    """In both themes, with and without a colour-vision deficiency."""
    style = (pages.BUILT.parent / "dashboard" / "style.css").read_text("utf-8")
    light, dark = (
        dict(re.findall(rf"--{kind}-(\w+): (#\w{{6}})", theme))
        for theme in style.split("prefers-color-scheme: dark", 1)
    )
    for colors in (light, light | dark):
        assert len(colors) == {"origin": 9, "size": 6}[kind]
        seen = [oklab(color, VISIONS[vision]) for color in colors.values()]
        assert min(math.dist(*pair) for pair in itertools.combinations(seen, 2)) > 0.08


@needs_pages
@pytest.mark.parametrize("name", ["nothing.js", "..%2f..%2fpages.py", "%2e%2e/index.html", ""])
def test_nothing_else_is_served(gateway: Gateway, name: str) -> None:
    """Neither missing files nor files outside of the directory."""
    response = gateway.request("GET", f"/assets/{name}", None)

    assert response.status_code == 404
    assert response.json() == {"detail": "Not Found"}


@needs_pages
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
        assert pages.META.format("token", "") in plain.text


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
