"""GraphiQL in a real browser."""

import time
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.conftest import Gateway, only_sqlite
from tests.serving import Server, served
from tests.web.browser import browsing, needs_browser, violations

pytestmark = [needs_browser, only_sqlite]
"""The pages do not depend on the engine."""
RESPONSE = ".result-window"


def run_until(page: Page, expected: str) -> None:
    """Run the query until the response contains a text: the editor needs time to read input."""
    give_up_at = time.monotonic() + 60
    button = page.get_by_role("button", name="Execute query")
    while expected not in page.locator(RESPONSE).inner_text():
        assert time.monotonic() < give_up_at, page.locator(RESPONSE).inner_text()
        page.wait_for_timeout(700)
        button.click()


def test_graphiql_runs_its_examples_and_completes_queries(token: str, server: Server) -> None:
    """For an organization that may be read. It stores the token for its tab only."""
    with browsing(server.url) as browser:
        page = browser.open("/graphql")
        page.get_by_label("Token").fill(token)
        page.keyboard.press("Enter")
        for name, expected in (
            ("Viewer", '"org-1"'),
            ("Totals", "previousPeriod"),
            ("Days", "startsAt"),
            ("Top", "email|"),
        ):
            page.get_by_role("button", name=name, exact=True).click()
            expect(page.locator("[aria-current=true]")).to_have_text(name)
            run_until(page, expected)

        page.get_by_role("button", name="New tab").click()
        editor = page.locator(".graphiql-query-editor .monaco-editor").first
        editor.click()
        page.keyboard.press("ControlOrMeta+A")
        page.keyboard.type("{ viewer { na", delay=20)
        page.keyboard.press("Control+Space")
        suggestion = page.locator(".suggest-widget .monaco-list-row", has_text="name").first
        expect(suggestion).to_be_visible()
        page.keyboard.press("Enter")
        run_until(page, '"test"')

        stored = page.evaluate("JSON.stringify({ ...localStorage })")
        assert "cog_" not in stored
        assert "cog_" not in page.url
        assert browser.problems == []


def test_a_card_of_the_dashboard_opens_with_its_query(token: str, server: Server) -> None:
    """The query that fetched its numbers is ready to run."""
    with browsing(server.url) as browser:
        page = browser.open("/", token)
        card = page.get_by_role("region", name="Users", exact=True)
        card.locator("summary").click()
        card.get_by_role("link", name="Open in GraphiQL").click()
        expect(page.locator(".graphiql-query-editor")).to_contain_text("byUser")
        run_until(page, '"email|0"')
        assert browser.problems == []


def test_pages_of_a_server_with_trusted_documents_only(
    filled: Gateway, token: str, tmp_path: Path
) -> None:
    """The dashboard works. GraphiQL has a notice, and runs the examples and cards only."""
    settings = {"trusted_documents_only": True, "cache_ttl": 0}
    with (
        served(filled.database_url, tmp_path / "log", **settings) as server,
        browsing(server.url) as browser,
    ):
        page = browser.open("/graphql", token)
        expect(page.get_by_role("note")).to_contain_text("trusted documents only")
        expect(page.locator(".graphiql-query-editor .view-line").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert violations(page) == []
        page.get_by_role("button", name="Totals", exact=True).click()
        run_until(page, "previousPeriod")

        page.goto(f"{server.url}/")
        expect(page.locator(".cards:not(.stale)")).to_be_visible()
        card = page.get_by_role("region", name="Sessions over time", exact=True)
        card.locator("summary").click()
        card.get_by_role("link", name="Open in GraphiQL").click()
        run_until(page, "startsAt")

        page.get_by_role("button", name="New tab").click()
        page.locator(".graphiql-query-editor .monaco-editor").first.click()
        page.keyboard.press("ControlOrMeta+A")
        page.keyboard.type("{ __typename ", delay=20)
        run_until(page, "BAD_USER_INPUT")
        expect(page.locator(RESPONSE)).to_contain_text("is not a trusted document")
        assert not any("__schema" in request["query"] for request in browser.requests)
        # The browser itself reports a 422 to its console.
        assert [each for each in browser.problems if "422" not in each] == []


def test_graphiql_is_accessible(token: str, server: Server) -> None:
    """axe-core finds no serious violation in both themes. It can be used on a phone."""
    with browsing(server.url) as browser:
        for scheme in ("light", "dark"):
            browser.page.emulate_media(color_scheme=scheme)
            page = browser.open("/graphql", token)
            expect(page.locator(".graphiql-query-editor .view-line").first).to_be_visible()
            page.wait_for_load_state("networkidle")
            assert violations(page) == []
        page.set_viewport_size({"width": 390, "height": 844})
        run_until(page, '"org-1"')
        for pane in (".graphiql-editors", ".graphiql-response"):
            box = page.locator(pane).bounding_box()
            assert box
            assert box["width"] > 340
            assert box["height"] > 200
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
