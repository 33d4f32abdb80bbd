"""Serves the pages that were built, from our own origin; says so where they were not."""

import html
from hashlib import sha256
from pathlib import Path
from typing import Final
from wsgiref.headers import Headers

from servestatic import ServeStaticASGI
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from metrics_graphql.answers import has_it

BUILT: Final = Path(__file__).parent / "dist"
"""Where `npm run build` puts them, and where a wheel has them."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the pages may load: what is ours. Charts and editors set styles on what they draw."""
CDN_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline' https://unpkg.com; "
    "style-src 'unsafe-inline' https://unpkg.com; font-src https://unpkg.com data:; "
    "img-src 'self' data: https://unpkg.com; connect-src 'self'; worker-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What Strawberry's page may load, which stands in for ours: its parts come from unpkg.com."""
NO_TOKEN: Final = '<meta name="token" content="" />'  # noqa: S105 - as it says
UNBUILT: Final = """<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Session metrics</title>
  <style>
    :root { color-scheme: light dark }
    body { max-width: 60ch; margin: 15vh auto; padding: 0 2em; font: 1rem/1.6 system-ui }
  </style>
  <h1>The dashboard was not built</h1>
  <p>This server answers questions all the same. Its pages are made by Node: with Node installed,
  <code>scripts/setup</code> builds them. A wheel has them built.</p>
  <p>Meanwhile <a href="graphql">Strawberry's GraphiQL</a> explores the API; it loads its parts from
  unpkg.com.</p>
</html>
"""


class Page:
    """One page. Browsers keep it, and ask each time whether it is still the same."""

    def __init__(self, text: str, policy: str, *, is_secret: bool = False) -> None:
        """Be this HTML, which may load what its policy allows; one with a secret is not kept."""
        self._body = text.encode()
        self._etag = b'"%b"' % sha256(self._body).hexdigest()[:24].encode()
        self._headers = [
            (b"content-security-policy", policy.encode()),
            (b"cache-control", b"no-store" if is_secret else b"no-cache"),
            (b"vary", b"Accept"),
            (b"etag", self._etag),
        ]

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer a GET or a HEAD."""
        headers, status, body = self._headers, 200, self._body
        if has_it(scope, self._etag):
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
    """Return the page at `/`, which fills in the token of a demo."""
    return built("index.html", token) or Page(UNBUILT, POLICY)


def explorer(strawberrys: str, token: str = "") -> Page:
    """Return the page at `/graphql`; Strawberry's own where ours was not built."""
    return built("explorer.html", token) or Page(strawberrys, CDN_POLICY)


def built(name: str, token: str) -> Page | None:
    """Return a page that was built; None if it was not."""
    file = BUILT / name
    if not file.is_file():
        return None
    filled_in = f'<meta name="token" content="{html.escape(token)}" />'
    return Page(file.read_text("utf-8").replace(NO_TOKEN, filled_in), POLICY, is_secret=bool(token))


def routes(page: Page) -> list[Route]:
    """Return the routes of the dashboard, and of what both pages load."""
    found = [Route("/", page, methods=["GET"])]
    if BUILT.is_dir():
        files = ServeStaticASGI(
            not_found,
            BUILT / "assets",
            "assets",
            allow_all_origins=False,
            add_headers_function=for_good,
            mimetypes={".ttf": "font/ttf"},
        )
        found.append(Route("/assets/{name}", files, methods=["GET"]))
    return found


def for_good(headers: Headers, _path: str, _url: str) -> None:
    """Let everybody keep a file, whose name has a hash of what is in it."""
    headers["Cache-Control"] = "public, max-age=31536000, immutable"


async def not_found(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Answer like any other path that there is not."""
    raise HTTPException(404)
