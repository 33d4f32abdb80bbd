"""Serves the built dashboard and GraphiQL from this origin, or a notice if they are not built."""

import html
import json
from functools import cache
from pathlib import Path
from typing import Final
from wsgiref.headers import Headers

from servestatic import ServeStaticASGI
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from metrics_graphql.server.conditional import entity_tag, if_none_match

BUILT: Final = Path(__file__).parent / "dist"
"""The output of `npm run build`, which a wheel contains."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The pages load from this origin only. Charts and editors set inline styles."""
CDN_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline' https://unpkg.com; "
    "style-src 'unsafe-inline' https://unpkg.com; font-src https://unpkg.com data:; "
    "img-src 'self' data: https://unpkg.com; connect-src 'self'; worker-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Strawberry's GraphiQL, the fallback, loads its parts from unpkg.com."""
META: Final = '<meta name="{}" content="{}" />'
"""An element of the built pages, by name and content."""
NOT_BUILT: Final = """<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Session metrics</title>
  <style>
    :root { color-scheme: light dark }
    body { max-width: 60ch; margin: 15vh auto; padding: 0 2em; font: 1rem/1.6 system-ui }
  </style>
  <h1>The dashboard is not built</h1>
  <p>Both APIs work without it. With Node installed, <code>scripts/setup</code> builds the pages.
  A wheel contains them.</p>
  <p><a href="graphql">Strawberry's GraphiQL</a> explores the API; it loads its parts from
  unpkg.com.</p>
</html>
"""


class Page:
    """An HTML page, which browsers store and revalidate before each use."""

    def __init__(self, text: str, policy: str, *, is_secret: bool = False) -> None:
        """Serve this HTML under a Content-Security-Policy; one with a secret is not stored."""
        self._body = text.encode()
        self._etag = entity_tag(self._body)
        self._headers = [
            (b"content-security-policy", policy.encode()),
            (b"cache-control", b"no-store" if is_secret else b"no-cache"),
            (b"vary", b"Accept"),
            (b"etag", self._etag),
        ]

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Respond to GET or HEAD."""
        headers, status, body = self._headers, 200, self._body
        if if_none_match(scope, self._etag):
            status, body = 304, b""
        else:
            headers = [
                *headers,
                (b"content-type", b"text/html; charset=utf-8"),
                (b"content-length", str(len(body)).encode()),
            ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def dashboard(token: str = "") -> Page:
    """Return the page at `/`, with the token of a demo filled in."""
    return built_page("index.html", token) or Page(NOT_BUILT, POLICY)


def graphiql(fallback: str, token: str = "", *, trusted_only: bool = False) -> Page:
    """Return the page at `/graphql`; the fallback's HTML if the pages are not built.

    With `trusted_only`, it has a notice that other documents are refused.
    """
    return built_page("explorer.html", token, trusted_only=trusted_only) or Page(
        fallback, CDN_POLICY
    )


def documents() -> list[str]:
    """Return the GraphQL documents that the pages send; none if the pages are not built."""
    file = BUILT / "documents.json"
    texts: list[str] = json.loads(file.read_text("utf-8")) if file.is_file() else []
    return texts


def built_page(name: str, token: str, *, trusted_only: bool = False) -> Page | None:
    """Return a built page; None if the pages are not built."""
    file = BUILT / name
    if not file.is_file():
        return None
    text = file.read_text("utf-8").replace(
        META.format("token", ""), META.format("token", html.escape(token))
    )
    if trusted_only:
        flag = "trusted-documents-only"
        text = text.replace(META.format(flag, "false"), META.format(flag, "true"))
    return Page(text, POLICY, is_secret=bool(token))


class Assets:
    """Serves the built assets below any path prefix."""

    def __init__(self) -> None:
        """Index the files."""
        self._files = ServeStaticASGI(
            not_found,
            BUILT / "assets",
            "assets",
            allow_all_origins=False,
            add_headers_function=cache_forever,
            mimetypes={".ttf": "font/ttf"},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request: the library expects the path without the prefix."""
        path = f"/assets/{scope['path_params']['name']}"
        await self._files({**scope, "path": path}, receive, send)


@cache
def assets() -> Assets:
    """Return the built assets, indexed once in a process."""
    return Assets()


def routes(page: Page) -> list[Route]:
    """Return the routes of the dashboard and of the assets of both pages."""
    found = [Route("/", page, methods=["GET"], name="page")]
    if BUILT.is_dir():
        found.append(Route("/assets/{name}", assets(), methods=["GET"], name="page"))
    return found


def cache_forever(headers: Headers, _path: str, _url: str) -> None:
    """Make a file immutable for caches: its name contains a hash of its content."""
    headers["Cache-Control"] = "public, max-age=31536000, immutable"


async def not_found(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Respond as for any other unknown path."""
    raise HTTPException(404)
