"""Takes the screenshots of both pages from a demo, in a browser."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from metrics_graphql.ingestion.demo_data import DEMO_ORGANIZATIONS
from tests.serving import free_port
from tests.web.browser import browsing
from tests.web.test_explorer import run_until

DOCS = Path(__file__).parents[1] / "docs"
CONNECTION_RETRIES = 12
"""With exponential backoff: more than two minutes."""
TIMEOUT = 120
"""Seconds for the first response, and for the process to stop."""
VIEWPORT = {"width": 1280, "height": 930}


@contextmanager
def demo() -> Generator[str]:
    """Run a demo until the block ends."""
    port = free_port()
    with TemporaryDirectory() as folder:
        process = subprocess.Popen(  # noqa: S603 - the program itself
            [sys.executable, "-m", "metrics_graphql", "demo", "--port", str(port)], cwd=folder
        )
        url = f"http://127.0.0.1:{port}"
        try:
            with httpx.Client(
                transport=httpx.HTTPTransport(retries=CONNECTION_RETRIES), timeout=TIMEOUT
            ) as client:
                client.get(url)
            yield url
        finally:
            process.terminate()
            process.wait(TIMEOUT)


def main() -> None:
    """Take the screenshots in both color schemes."""
    with demo() as url:
        for scheme in ("light", "dark"):
            with browsing(url, color_scheme=scheme, viewport=VIEWPORT) as browser:
                page = browser.open(f"/?org={DEMO_ORGANIZATIONS[0]}")
                page.locator(".chart svg").last.wait_for()
                page.wait_for_load_state("networkidle")
                page.screenshot(path=DOCS / f"dashboard-{scheme}.png")
                page.goto(f"{url}/graphql")
                page.get_by_role("button", name="Top", exact=True).click()
                run_until(page, "totalCount")
                page.wait_for_load_state("networkidle")
                page.screenshot(path=DOCS / f"graphiql-{scheme}.png")


main()
