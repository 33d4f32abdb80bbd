"""Opens the pages in a real browser, and records requests and problems."""

import json
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from metrics_graphql.web.pages import BUILT

CHROMIUM: Final = shutil.which("chromium")
OPTIONS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
needs_browser = pytest.mark.skipif(
    CHROMIUM is None or not BUILT.is_dir(),
    reason="needs Debian's chromium, and Node to build the pages",
)
TIME_ZONE: Final = "Europe/Berlin"
TIMEOUT: Final = 60_000
"""Timeout of actions and expectations in milliseconds, long enough for a busy machine."""


@dataclass
class Browser:
    """A browser with one tab."""

    context: BrowserContext
    page: Page
    url: str
    problems: list[str] = field(default_factory=list)
    """Errors, violations of the policy, and requests to other origins."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of the GraphQL requests."""

    def open(self, path: str, token: str = "") -> Page:
        """Open a path in the tab, signed in with a token."""
        if token:
            self.page.add_init_script(
                f"sessionStorage.getItem('metrics-graphql:token') ?? "
                f"sessionStorage.setItem('metrics-graphql:token', '{token}')"
            )
        self.page.goto(self.url + path)
        return self.page


@contextmanager
def browsing(url: str, **options: Any) -> Generator[Browser]:  # noqa: ANN401 - playwright's
    """Run a new browser until the block ends."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        context = chromium.new_context(
            **{"timezone_id": TIME_ZONE, "locale": "en-US", "reduced_motion": "reduce", **options}
        )
        page = context.new_page()
        page.set_default_timeout(TIMEOUT)
        expect.set_options(timeout=TIMEOUT)
        browser = Browser(context, page, url)
        origin = urlsplit(url).netloc

        def record_message(message: ConsoleMessage) -> None:
            if message.type == "error":
                browser.problems.append(message.text)

        def record_request(request: Any) -> None:  # noqa: ANN401 - playwright's
            parts = urlsplit(request.url)
            if request.method == "POST":
                browser.requests.append(request.post_data_json)
            elif variables := dict(parse_qsl(parts.query)).get("variables"):
                query = dict(parse_qsl(parts.query))["query"]
                browser.requests.append({"query": query, "variables": json.loads(variables)})
            if parts.scheme not in {"data", "blob"} and parts.netloc != origin:
                browser.problems.append(f"requested {request.url}")

        page.on("console", record_message)
        page.on("pageerror", lambda error: browser.problems.append(str(error)))
        page.on("request", record_request)
        yield browser
        chromium.close()


def violations(page: Page) -> list[str]:
    """Return the serious and critical violations that axe-core finds."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {[node['html'][:200] for node in each['nodes']]}"
        for each in found
        if each["impact"] in {"serious", "critical"}
    ]
