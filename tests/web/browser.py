"""A real browser that looks at the pages, and notes what must not happen."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, sync_playwright

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


@dataclass
class Seen:
    """What a browser saw of some pages."""

    context: BrowserContext
    page: Page
    url: str
    problems: list[str] = field(default_factory=list)
    """Violations of the policy, errors, and requests to anybody else."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of the requests to the GraphQL door."""

    def open(self, path: str, token: str = "") -> Page:
        """Open a path in this tab, signed in with a token."""
        if token:
            self.page.add_init_script(
                f"sessionStorage.getItem('metrics-graphql:token') ?? "
                f"sessionStorage.setItem('metrics-graphql:token', '{token}')"
            )
        self.page.goto(self.url + path)
        return self.page


@contextmanager
def browsing(url: str, **options: Any) -> Generator[Seen]:  # noqa: ANN401 - playwright's
    """Lend a new tab of a new browser until the block ends."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        context = browser.new_context(
            **{"timezone_id": TIME_ZONE, "locale": "en-US", "reduced_motion": "reduce", **options}
        )
        page = context.new_page()
        page.set_default_timeout(20_000)
        seen = Seen(context, page, url)
        origin = urlsplit(url).netloc

        def note_message(message: ConsoleMessage) -> None:
            if message.type == "error":
                seen.problems.append(message.text)

        def note_request(request: Any) -> None:  # noqa: ANN401 - playwright's
            if request.method == "POST":
                seen.asked.append(request.post_data_json)
            address = urlsplit(request.url)
            if address.scheme not in {"data", "blob"} and address.netloc != origin:
                seen.problems.append(f"asked {request.url}")

        page.on("console", note_message)
        page.on("pageerror", lambda error: seen.problems.append(str(error)))
        page.on("request", note_request)
        yield seen
        browser.close()


def violations(page: Page) -> list[str]:
    """Return what axe-core finds serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {[node['html'][:200] for node in each['nodes']]}"
        for each in found
        if each["impact"] in {"serious", "critical"}
    ]
