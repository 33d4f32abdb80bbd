"""Both pages in a real browser, below a path prefix."""

from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from playwright.sync_api import expect

from tests.conftest import Gateway, only_sqlite
from tests.serving import served
from tests.web.browser import browsing, needs_browser
from tests.web.test_dashboard import shown
from tests.web.test_explorer import RESPONSE

pytestmark = only_sqlite
PREFIX = "/our/sessions"
HOP_BY_HOP = {"connection", "date", "transfer-encoding"}


@contextmanager
def proxy(url: str) -> Generator[str]:
    """Run a proxy that exposes a URL below the prefix, and nothing else; return its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.removeprefix(PREFIX)
            if path == self.path:
                self.send_error(418)
                return
            with client.stream(
                self.command, url + path, headers=dict(self.headers), content=body
            ) as response:
                content = b"".join(response.iter_raw())
                self.send_response(response.status_code)
                for name, value in response.headers.multi_items():
                    if name not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = forward  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    client = httpx.Client()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        client.close()


@needs_browser
@pytest.mark.parametrize("strips", [True, False])
def test_both_pages_work_below_a_prefix(
    filled: Gateway, token: str, tmp_path: Path, *, strips: bool
) -> None:
    """They load, query and link below it, whether a proxy strips the prefix or passes it on."""
    with served(filled.database_url, tmp_path / "log", path_prefix=PREFIX) as server:
        if strips:
            with proxy(server.url) as url:
                use_pages(url, token)
        else:
            use_pages(server.url, token)


def use_pages(url: str, token: str) -> None:
    """Open the dashboard, and from there GraphiQL."""
    with browsing(url) as browser:
        page = browser.open(f"{PREFIX}/?org=org-1", token)
        assert int(shown(page)["Sessions"]) > 100
        page.get_by_role("link", name="GraphiQL").click()
        page.wait_for_url(f"{url}{PREFIX}/graphql*")
        editor = page.locator(".graphiql-query-editor .view-lines")
        expect(editor).to_contain_text("viewer")
        page.get_by_role("button", name="Execute query").click()
        expect(page.locator(RESPONSE)).to_contain_text("org-1")
        assert browser.problems == []
