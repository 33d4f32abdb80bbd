"""The dashboard in a real browser."""

import csv
import io
import itertools
import json
import re
import shlex
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from playwright.sync_api import Page, expect

from tests.conftest import Gateway, only_sqlite
from tests.serving import Server, free_port, served
from tests.web.browser import TIME_ZONE, browsing, needs_browser, violations
from tests.web.conftest import NEWEST, SCRIPT

pytestmark = [needs_browser, only_sqlite]
"""The pages do not depend on the engine."""


def total(page: Page, label: str) -> str:
    """Return the text of a total."""
    term = page.locator("dt", has_text=re.compile(f"^{label}$"))
    return term.locator("xpath=following-sibling::dd[1]").inner_text()


def shown(page: Page) -> dict[str, str]:
    """Return the totals, once no newer ones are being fetched."""
    expect(page.locator(".cards:not(.stale)")).to_be_visible()
    return {
        label: total(page, label)
        for label in ("Sessions", "With merged pull requests", "From a playbook", "With search")
    }


def choose_period(page: Page, name: str) -> None:
    """Choose a preset."""
    page.locator(".period > summary").click()
    page.get_by_role("button", name=name, exact=True).click()


def choose(page: Page, picker: str, option: str, search: str = "") -> None:
    """Choose an option of a filter, of those that a search finds."""
    panel = page.get_by_role("group", name=picker, exact=True)
    page.locator(f".sheet summary[title='{picker}']").click()
    if search:
        panel.get_by_role("searchbox").fill(search)
    panel.get_by_label(option, exact=True).click()
    page.keyboard.press("Escape")


def expected(server: Server, token: str, request: dict[str, Any]) -> dict[str, str]:
    """Return the totals of the same query over REST, as the page shows them."""
    given = request["variables"]["filters"]
    parameters = {
        "time_after": instant(given["timeAfter"]),
        "time_before": instant(given["timeBefore"]),
        "user_ids": given.get("userIds"),
        "service_user_ids": given.get("serviceUserIds"),
        "playbook_id": next(iter(given.get("playbookIds", [])), None),
    }
    response = httpx.get(
        f"{server.url}/v3/organizations/{request['variables']['org']}/metrics/sessions",
        params={name: value for name, value in parameters.items() if value is not None},
        headers={"Authorization": f"Bearer {token}"},
    )
    body = response.json()
    return {
        "Sessions": f"{body['sessions_created_count']:,}",
        "With merged pull requests": f"{body['sessions_with_merged_prs_count']:,}",
        "From a playbook": f"{body['sessions_created_with_playbook_count']:,}",
        "With search": f"{body['sessions_created_with_search_count']:,}",
    }


def instant(text: str) -> int:
    """Return an instant of the page in Unix seconds."""
    return int(datetime.fromisoformat(text).timestamp())


def test_the_dashboard_shows_the_metrics_of_its_view(token: str, server: Server) -> None:
    """Each view is one request; the URL has the view, and never the token."""
    with browsing(server.url) as browser:
        page = browser.open("/", token)
        first = shown(page)
        assert first == expected(server, token, browser.requests[-1])
        assert int(first["Sessions"]) > 100
        # The viewer, and the metrics of the view.
        assert len(browser.requests) == 2

        choose_period(page, "7 days")
        page.wait_for_url("**period=7d*")
        expect(page.locator(".period > summary")).to_have_text("7 days")
        page.get_by_role("button", name="email|1").click()
        page.wait_for_url("**user=email*")
        filtered = shown(page)
        assert filtered == expected(server, token, browser.requests[-1])
        assert browser.requests[-1]["variables"]["filters"]["userIds"] == ["email|1"]
        assert int(filtered["Sessions"]) < int(first["Sessions"])
        assert len(browser.requests) == 4
        page.go_back()
        page.wait_for_url("**period=7d&tz=Europe%2FBerlin")
        assert shown(page) == expected(server, token, browser.requests[-1])

        url = page.url
        page.goto(url)
        assert shown(page) == expected(server, token, browser.requests[-1])
        assert token not in page.content()
        assert "cog_" not in url
        assert browser.problems == []


def test_a_playbook_with_markup_stays_text(token: str, server: Server) -> None:
    """In the list, as a filter, in the URL and in the table."""
    with browsing(server.url) as browser:
        page = browser.open("/", token)
        page.get_by_role("button", name=SCRIPT).click()
        expect(page.get_by_role("heading", name=SCRIPT)).to_be_visible()
        page.goto(page.url)
        shown(page)

        assert page.title().startswith(SCRIPT)
        expect(page.locator(".active > summary")).to_have_text(SCRIPT)
        assert browser.requests[-1]["variables"]["filters"]["playbookIds"] == [SCRIPT]
        assert browser.problems == []


def test_the_data_of_a_chart_can_be_exported(token: str, server: Server) -> None:
    """As a table, a CSV file, GraphQL and a command, all with the same numbers."""
    with browsing(server.url, permissions=["clipboard-read", "clipboard-write"]) as browser:
        page = browser.open("/?split=size", token)
        card = page.get_by_role("region", name="Sessions over time", exact=True)
        menu = card.locator("summary")
        sessions = int(shown(page)["Sessions"])

        def choose(item: str) -> None:
            if not card.locator("details[open]").count():
                menu.click()
            card.locator("details").get_by_text(item).click()

        choose("Copy as GraphQL")
        query = page.evaluate("navigator.clipboard.readText()")
        choose("Copy as curl")
        expect(card.get_by_text("Copied").last).to_be_visible()
        page.keyboard.press("Escape")
        command = page.evaluate("navigator.clipboard.readText()")
        with page.expect_download() as download:
            choose("Download CSV")
        text = Path(download.value.path()).read_text("utf-8")
        named = r"org-1-overTime-\d{4}-\d\d-\d\d-to-\d{4}-\d\d-\d\d-Europe-Berlin\.csv"
        assert re.fullmatch(named, download.value.suggested_filename)
        # A byte order mark, by which Excel knows the encoding.
        assert text[0] == "\ufeff"
        choose("Show as a table")
        expect(card.get_by_role("table")).to_be_visible()
        in_table = card.get_by_role("table").locator("tbody tr td:nth-of-type(1)").all_inner_texts()
        assert browser.problems == []

    headers = {"Authorization": f"Bearer {token}"}
    body = httpx.post(f"{server.url}/graphql", json={"query": query}, headers=headers).json()
    buckets = body["data"]["metrics"]["timeSeries"]
    assert sum(bucket["sessionsCreatedCount"] for bucket in buckets) == sessions
    assert token not in command
    finished = subprocess.run(
        ["sh", "-c", command],  # noqa: S607 - as a reader would paste it
        env={"METRICS_TOKEN": token, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    assert shlex.split(command)[0] == "curl"
    assert json.loads(finished.stdout)["data"]["metrics"]["timeSeries"] == buckets
    head, *lines = csv.reader(io.StringIO(text[1:], newline=""))
    sizes = ["XS", "S", "M", "L", "XL", "No size"]
    *head, previous = head
    assert head == ["From", "Sessions", *sizes, "With merged PRs"]
    assert previous.startswith("Sessions, ")
    assert sum(int(line[1]) for line in lines) == sessions
    assert all(int(line[1]) == sum(map(int, line[2:8])) for line in lines)
    assert sum(map(int, in_table)) == sessions


def test_signing_in_and_out(token: str, server: Server) -> None:
    """An invalid token is refused with the reason; signing out forgets the token."""
    with browsing(server.url) as browser:
        page = browser.open("/")
        expect(page.get_by_role("button", name="Show the metrics")).to_be_visible()
        assert browser.requests == []
        page.get_by_label("Token of a service user").fill("cog_wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("is not valid")
        page.get_by_label("Token of a service user").fill(token)
        page.keyboard.press("Enter")
        assert int(shown(page)["Sessions"]) > 100
        page.reload()
        shown(page)
        page.evaluate("localStorage.setItem('graphiql:tabState', '{}')")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Token of a service user")).to_be_visible()
        # Text in GraphiQL is not left to the next user of the browser.
        assert page.evaluate("Object.keys(localStorage)") == []
        page.reload()
        expect(page.get_by_label("Token of a service user")).to_be_visible()
        # The browser itself reports a 401 to its console.
        assert [each for each in browser.problems if "401" not in each] == []


def test_a_period_without_sessions_and_a_forbidden_organization(token: str, server: Server) -> None:
    """The page names the newest session, and jumps there. It shows the error of the second."""
    with browsing(server.url) as browser:
        page = browser.open("/?from=2001-01-01&to=2001-01-02&user=email%7C1", token)
        expect(page.get_by_role("heading", name="No sessions")).to_be_visible()
        assert shown(page)["Sessions"] == "0"
        newest = NEWEST.astimezone(ZoneInfo(TIME_ZONE)) - timedelta(hours=4)
        expect(page.locator(".no-sessions")).to_contain_text(
            f"{newest:%b} {newest.day}, {newest:%Y}"
        )
        page.get_by_role("button", name="Show the 30 days up to it").click()
        page.wait_for_url(f"**to={newest:%Y-%m-%d}*")
        assert int(shown(page)["Sessions"]) > 30
        page.goto(f"{server.url}/?org=org-2")
        expect(page.get_by_role("alert")).to_contain_text("may not read")
        assert browser.problems == []


def test_a_database_without_organizations(gateway: Gateway, tmp_path: Path) -> None:
    """The page shows a notice, and queries no metrics."""
    token = gateway.token()
    with served(gateway.database_url, tmp_path / "log") as server, browsing(server.url) as browser:
        page = browser.open("/", token)
        expect(page.locator(".notice")).to_contain_text("no organization")
        expect(page.get_by_role("status")).to_have_count(0)
        assert len(browser.requests) == 1
        assert browser.problems == []


def test_the_dashboard_recovers_when_the_server_was_unavailable(
    filled: Gateway, token: str, tmp_path: Path
) -> None:
    """The last numbers stay, with an error, until a retry succeeds."""
    port = free_port()
    with browsing(f"http://127.0.0.1:{port}") as browser:
        with served(filled.database_url, tmp_path / "log", port=port):
            page = browser.open("/", token)
            before = shown(page)["Sessions"]
        choose_period(page, "7 days")
        expect(page.get_by_role("alert")).to_contain_text("can't be reached")
        assert total(page, "Sessions") == before
        with served(filled.database_url, tmp_path / "log", port=port) as server:
            expect(page.get_by_role("alert")).to_have_count(0)
            after = shown(page)
            assert after == expected(server, token, browser.requests[-1])
            assert int(after["Sessions"]) < int(before)
        assert all("ERR_" in each for each in browser.problems)


def test_menus_can_be_used_with_the_keyboard(token: str, server: Server) -> None:
    """The focused element has an outline."""
    with browsing(server.url) as browser:
        page = browser.open("/", token)
        shown(page)
        menu = page.get_by_label("Totals: more").first
        menu.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Open in GraphiQL").first).to_be_focused()
        page.keyboard.press("Escape")
        expect(menu).to_be_focused()
        expect(page.locator("details[open]")).to_have_count(0)
        outline = menu.evaluate("element => getComputedStyle(element).outlineStyle")
        assert outline == "solid"


def test_rate_limited_requests_are_retried(filled: Gateway, tmp_path: Path) -> None:
    """The page shows when; then it shows the requested view."""
    token = filled.token("org-1")
    with (
        served(filled.database_url, tmp_path / "log", rate_limit="3/4 seconds") as server,
        browsing(server.url) as browser,
    ):
        page = browser.open("/", token)
        shown(page)
        for name in ("7 days", "90 days", "365 days"):
            choose_period(page, name)
        expect(page.get_by_role("alert")).to_contain_text("Retrying every")
        expect(page.get_by_role("alert")).to_have_count(0)
        shown(page)
        assert browser.requests[-1]["variables"]["filters"]["timeAfter"] < "2026"


def test_the_dashboard_is_accessible(token: str, server: Server) -> None:
    """axe-core finds no serious violation in both themes, and nothing is wider than the screen."""
    screens = list(itertools.product(("light", "dark"), (320, 1360)))
    with browsing(server.url) as browser:

        def use(scheme: Any, width: int) -> None:  # noqa: ANN401 - a literal of playwright
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)

        page = browser.open("/")
        expect(page.get_by_role("button", name="Show the metrics")).to_be_visible()
        for scheme, width in screens:
            use(scheme, width)
            assert violations(page) == []
        for scheme, width in screens:
            use(scheme, width)
            page = browser.open("/?user=email%7C1", token)
            shown(page)
            expect(page.locator(".chart svg")).to_have_count(2)
            card = page.get_by_role("region", name="By size", exact=True)
            card.locator("summary").click()
            card.get_by_role("button", name="Show as a table").click()
            card.locator("summary").click()
            page.locator(".period > summary").click()
            assert violations(page) == []
            if width < 700:
                page.get_by_role("button", name="Filters (1)").click()
            page.locator(".sheet summary[title=Users]").click()
            expect(page.get_by_label("email|0")).to_be_visible()
            assert violations(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        described = page.locator("[role=img]").first.get_attribute("aria-label")
        assert described
        assert "Sessions over time by origin" in described
        assert browser.problems == []
