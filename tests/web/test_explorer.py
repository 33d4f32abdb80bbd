"""GraphiQL in a real browser."""

import time

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import only_sqlite
from tests.serving import Server
from tests.web.browser import browsing, needs_browser, violations

pytestmark = [needs_browser, only_sqlite]
"""The pages know nothing of engines."""
RESPONSE = ".result-window"


def run_until(page: Page, answer: str) -> None:
    """Run what the editor has until it answers so: it takes a moment to read what is typed."""
    give_up = time.monotonic() + 20
    button = page.get_by_role("button", name="Execute query")
    while answer not in page.locator(RESPONSE).inner_text():
        assert time.monotonic() < give_up, page.locator(RESPONSE).inner_text()
        page.wait_for_timeout(700)
        button.click()


def test_it_opens_completes_and_runs(token: str, server: Server) -> None:
    """With nothing from anywhere else; the token is kept in this tab alone."""
    with browsing(server.url) as seen:
        page = seen.open("/graphql")
        page.get_by_label("Token").fill(token)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Totals", exact=True).click()
        run_until(page, "previousPeriod")

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
        assert seen.problems == []


def test_every_example_runs(token: str, server: Server) -> None:
    """Each in its tab, about an organization that may be read."""
    with browsing(server.url) as seen:
        page = seen.open("/graphql", token)
        for name, answer in (
            ("Viewer", '"org-1"'),
            ("Totals", "previousPeriod"),
            ("Days", "startsAt"),
            ("Top", "service-user-1"),
        ):
            page.get_by_role("button", name=name, exact=True).click()
            expect(page.locator("[aria-current=true]")).to_have_text(name)
            run_until(page, answer)
        assert seen.problems == []


def test_a_card_of_the_dashboard_opens_with_its_question(token: str, server: Server) -> None:
    """One click away from the numbers is the GraphQL that made them, ready to run."""
    with browsing(server.url) as seen:
        page = seen.open("/", token)
        card = page.get_by_role("region", name="Top users", exact=True)
        card.locator("summary").click()
        card.get_by_role("link", name="Open in GraphiQL").click()
        expect(page.locator(".graphiql-query-editor")).to_contain_text("byUser")
        run_until(page, '"email|0"')
        assert seen.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_by_all(token: str, server: Server, scheme: str) -> None:
    """axe-core finds nothing serious."""
    with browsing(server.url, color_scheme=scheme) as seen:
        page = seen.open("/graphql", token)
        expect(page.locator(".graphiql-query-editor .view-line").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert violations(page) == []
