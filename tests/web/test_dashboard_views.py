"""Views of the dashboard: the period, comparison, filters and rankings that they show."""

import csv
import random
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.sync_api import Page, expect

from metrics_graphql.core.names import NamedKind, NameUpdate
from metrics_graphql.storage.names import store_names
from tests.conftest import Gateway, only_sqlite
from tests.serving import Server, served
from tests.web.browser import browsing, needs_browser
from tests.web.conftest import NEWEST, SCRIPT
from tests.web.test_dashboard import choose, shown, total

pytestmark = [needs_browser, only_sqlite]
"""The pages do not depend on the engine."""

DASH = "\N{EN DASH}"
MEASURES = {
    "Sessions": "sessionsCreatedCount",
    "With merged pull requests": "sessionsWithMergedPrsCount",
    "ACUs": "acusConsumed",
    "ACUs per session": "avgAcusPerSession",
    "From a playbook": "sessionsCreatedWithPlaybookCount",
}


def midnight(day: date, zone: str) -> datetime:
    """Return the start of a day in a time zone."""
    return datetime.combine(day, time(), ZoneInfo(zone))


def random_view(rng: random.Random, zone: str) -> tuple[dict[str, Any], date, date]:
    """Return the parameters of an address, and the days of its period, both included."""
    today = datetime.now(ZoneInfo(zone)).date()
    monday, first = today - timedelta(today.weekday()), today.replace(day=1)
    last_month = first - timedelta(1)
    some_day = today - timedelta(rng.randrange(25))
    periods: dict[str, tuple[date, date]] = {
        "1d": (today, today),
        "7d": (today - timedelta(7), today),
        "30d": (today - timedelta(30), today),
        "this-week": (monday, today),
        "last-week": (monday - timedelta(7), monday - timedelta(1)),
        "this-month": (first, today),
        "last-month": (last_month.replace(day=1), last_month),
        "ytd": (today.replace(month=1, day=1), today),
        "": (some_day, min(today, some_day + timedelta(rng.randrange(9)))),
    }
    name, (start, end) = rng.choice(list(periods.items()))
    parameters: dict[str, Any] = (
        {"period": name} if name else {"from": start.isoformat(), "to": end.isoformat()}
    )
    filters = {
        "user": rng.sample(["email|0", "email|1", "email|2"], 2),
        "service_user": ["service-user-1"],
        "playbook": [SCRIPT],
        "origin": rng.sample(["webapp", "slack", "api", "other"], 2),
        "size": rng.sample(["xs", "m", "other"], 2),
        "merged": [rng.choice(["yes", "no"])],
    }
    chosen = rng.sample(sorted(filters), rng.randrange(3))
    return {**parameters, "tz": zone, **{name: filters[name] for name in chosen}}, start, end


def api_totals(
    server: Server, token: str, view: dict[str, Any], start: date, end: date
) -> dict[str, Any]:
    """Return the API's totals of an address."""
    filters: dict[str, Any] = {
        "timeAfter": midnight(start, view["tz"]).isoformat(),
        "timeBefore": midnight(end + timedelta(1), view["tz"]).isoformat(),
    }
    for parameter, name in (
        *(("user", "userIds"), ("service_user", "serviceUserIds"), ("playbook", "playbookIds")),
        *(("origin", "origins"), ("size", "sizes")),
    ):
        if parameter in view:
            is_enum = parameter in {"origin", "size"}
            filters[name] = [each.upper() if is_enum else each for each in view[parameter]]
    if "merged" in view:
        filters["hasMergedPr"] = view["merged"] == ["yes"]
    query = (
        "query($filters: SessionMetricsFilters!) { "
        f'sessionMetrics(orgId: "org-1", filters: $filters) {{ {" ".join(MEASURES.values())} }} }}'
    )
    response = httpx.post(
        f"{server.url}/graphql",
        json={"query": query, "variables": {"filters": filters}},
        headers={"Authorization": f"Bearer {token}"},
    )
    totals: dict[str, Any] = response.json()["data"]["sessionMetrics"]
    return totals


def test_numbers_are_those_of_the_api_for_the_same_address(token: str, server: Server) -> None:
    """In every zone, whichever the browser is in."""
    rng = random.Random(0)  # noqa: S311 - chooses addresses
    zones = ("Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati")
    with browsing(server.url, timezone_id="Asia/Kolkata") as browser:
        for zone in zones * 4:
            view, start, end = random_view(rng, zone)
            page = browser.open(f"/?{urlencode(view, doseq=True)}", token)
            shown(page)
            found = {label: total(page, label) for label in MEASURES}
            expected = api_totals(server, token, view, start, end)
            for label, name in MEASURES.items():
                value = expected[name]
                if not expected["sessionsCreatedCount"] and name.startswith("avg"):
                    assert found[label] == DASH, view
                    continue
                precision = 0.5 if value >= 100 else 0.005
                shown_value = float(found[label].replace(",", ""))
                assert shown_value == pytest.approx(value, abs=precision + 1e-9), (label, view)
        assert browser.problems == []


WRONG = {
    "period=14d": "“period=14d” is not known",
    "from=2025-03-02&to=2025-03-01": "“from=2025-03-02” is after “to=2025-03-01”",
    "from=2025-13-01&to=2025-03-01": "“from=2025-13-01” is not a date",
    "from=2025-02-31&to=2025-03-01": "“from=2025-02-31” is not a date",
    "from=0001-01-01&to=2025-03-01": "“from=0001-01-01” is not a date",
    "from=9990-01-01&to=9999-12-31": "“to=9999-12-31” is not a date",
    "from=2025-02-01": "“to” is missing",
    "from=1970-01-01&to=9998-12-31": "more than 80 years apart",
    "period=7d&from=2025-02-01&to=2025-02-02": "It needs one of them",
    "compare=week": "“compare=week” is not known",
    "origin=email": "“origin=email” is not known",
    "size=xxl": "“size=xxl” is not known",
    "merged=true": "“merged=true” is not known",
    "order=cost": "“order=cost” is not known",
}


def test_an_invalid_address_is_an_error(token: str, server: Server) -> None:
    """The page shows the reason and nothing else.

    An unknown time zone is replaced by UTC, with a notice.
    """
    with browsing(server.url) as browser:
        page = browser.open("/", token)
        shown(page)
        count = len(browser.requests)
        for search, problem in WRONG.items():
            page.evaluate(f"history.pushState(null, '', '?{search}')")
            page.evaluate("dispatchEvent(new PopStateEvent('popstate'))")
            expect(page.get_by_role("alert")).to_contain_text(problem)
            expect(page.locator(".cards, .skeleton, .heading")).to_have_count(0)
        assert len(browser.requests) == count
        page.get_by_role("button", name="Show the last 30 days").click()
        expect(page.get_by_role("alert")).to_have_count(0)
        sessions = shown(page)["Sessions"]

        for zone in ("Etc/Unknown", "+02:00", "Mars/Olympus"):
            page = browser.open(f"/?period=30d&tz={zone.replace('+', '%2B')}&usr=x", token)
            notices = page.get_by_role("note")
            expect(notices.first).to_contain_text("“usr” in the address is not known")
            expect(notices.last).to_contain_text(f"“{zone}” is not a known time zone")
            assert shown(page)["Sessions"] == sessions
            assert browser.requests[-1]["variables"]["timeZone"] == "UTC"
            expect(page.locator(".chart svg")).to_have_count(2)
        assert browser.problems == []


def load_days(gateway: Gateway, days: int, newest: datetime, **values: Any) -> None:  # noqa: ANN401 - fields of sessions
    """Load a session an hour of some days."""
    gateway.load(
        {
            "org_id": "org-1",
            "session_id": f"h{number}",
            "created_at": int((newest - timedelta(hours=number)).timestamp()),
            "has_merged_pr": number % 2 == 0,
            **values,
        }
        for number in range(24 * days)
    )


def last_column(page: Page, title: str) -> list[str]:
    """Show a card's table, and return its last column."""
    shown(page)
    card = page.get_by_role("region", name=title, exact=True)
    card.locator("summary").click()
    card.get_by_role("button", name="Show as a table").click()
    return card.locator("tbody td:last-child").all_inner_texts()


def test_a_comparison_has_its_period_under_it(gateway: Gateway, tmp_path: Path) -> None:
    """Today has the same hours of the day before. Without earlier data, there is no change."""
    now = datetime(2026, 3, 11, 9, 13, tzinfo=UTC)
    load_days(gateway, 20, now - timedelta(minutes=3))
    token = gateway.token("org-1")

    def note(page: Page, label: str) -> str:
        shown(page)
        return page.locator("dt", has_text=label).first.locator("xpath=..").inner_text()

    with served(gateway.database_url, tmp_path / "log") as server, browsing(server.url) as browser:
        browser.page.clock.set_fixed_time(now)
        page = browser.open("/?period=1d&tz=Europe/Berlin&overlay=previous", token)
        # Berlin is an hour ahead of UTC: eleven sessions since midnight, as on the day before.
        assert "from 11, Mar 10, 2026, until 10:15 AM" in note(page, "Sessions")
        variables = browser.requests[-1]["variables"]
        assert variables["filters"]["timeAfter"] == "2026-03-10T23:00:00.000Z"
        assert variables["previous"]["timeAfter"] == "2026-03-09T23:00:00.000Z"
        assert variables["previous"]["timeBefore"] == "2026-03-10T09:15:00.000Z"
        assert "last 7 days still maturing" in note(page, "With merged pull requests")
        expect(page.locator(".legend .dotted")).to_have_text("still maturing")
        expect(page.locator(".legend .dashed")).to_contain_text("Mar 10, 2026, until 10:15 AM")

        page = browser.open("/?period=30d&tz=Europe/Berlin", token)
        assert "no data back to Jan 9, 2026" in note(page, "Sessions")
        expect(page.get_by_text("Not compared with Jan 9")).to_be_visible()
        expect(page.locator(".change")).to_have_count(0)

        # A range is shown with its days, and those of weeks ago are not maturing.
        page = browser.open("/?from=2026-02-28&to=2026-03-02&tz=Europe/Berlin", token)
        expect(page.locator(".heading")).to_contain_text(
            f"Feb 28 {DASH} Mar 2, 2026, Europe/Berlin"
        )
        assert f"from 72, Feb 25 {DASH} 27" in note(page, "Sessions")
        expect(page.locator(".maturing, .legend .dotted")).to_have_count(0)

        # Days are paired by weekday: nine from a Monday, and the nine before, from a Saturday.
        page = browser.open("/?from=2026-03-02&to=2026-03-10&tz=UTC", token)
        assert last_column(page, "Sessions over time") == ["24"] * 7 + [""] * 2

        # Dates out of order are not applied; a time zone is at once.
        page = browser.open("/?from=2026-02-28&to=2026-03-02&tz=Europe/Berlin", token)
        shown(page)
        url = page.url
        page.locator(".period > summary").click()
        page.get_by_label("Last day").fill("2026-02-01")
        page.get_by_role("button", name="Apply").click()
        expect(page.get_by_role("alert")).to_contain_text("is after")
        assert page.url == url
        page.get_by_label("Last day").fill("2026-03-03")
        page.get_by_role("button", name="Apply").click()
        page.wait_for_url("**from=2026-02-28&to=2026-03-03*")
        page.locator(".period > summary").click()
        page.get_by_label("Time zone").select_option("Pacific/Kiritimati")
        page.wait_for_url("**tz=Pacific%2FKiritimati")
        shown(page)
        filters = browser.requests[-1]["variables"]["filters"]
        assert filters["timeAfter"] == "2026-02-27T10:00:00.000Z"

        page = browser.open("/?period=this-month&tz=America/Los_Angeles&compare=year", token)
        shown(page)
        assert browser.requests[-1]["variables"]["previous"] == {
            "timeAfter": "2025-03-01T08:00:00.000Z",
            # The clocks went forward on March 9 in 2025, and on March 8 in 2026.
            "timeBefore": "2025-03-11T09:15:00.000Z",
        }


def test_a_view_can_be_filtered(filled: Gateway, server: Server, token: str) -> None:
    """By a search among all, by several at once, and by a click on a legend entry or a row."""
    names = [
        NameUpdate(NamedKind.USER, "email|2", "Ada Lovelace"),
        NameUpdate(NamedKind.PLAYBOOK, SCRIPT, "Upgrade"),
    ]
    filled.run(store_names(filled.database, names))

    def filters() -> dict[str, Any]:
        shown(browser.page)
        # Pickers send requests, too, for their options.
        variables = [request["variables"] for request in browser.requests]
        given = next(each["filters"] for each in reversed(variables) if "filters" in each)
        return {name: value for name, value in given.items() if not name.startswith("time")}

    with browsing(server.url, viewport={"width": 1024, "height": 800}) as browser:
        page = browser.open("/?tz=UTC", token)
        shown(page)
        url = page.url
        page.locator(".sheet summary[title=Users]").click()
        page.get_by_role("searchbox").fill("lovel")
        expect(page.get_by_label("email|0")).to_have_count(0)
        expect(page.get_by_label("Ada Lovelace")).to_be_visible()
        page.keyboard.press("Escape")
        # Text that is typed is not a filter.
        assert page.url == url
        expect(page.locator(".active")).to_have_count(0)

        choose(page, "Users", "Ada Lovelace", search="LOVE")
        expect(page.get_by_role("heading", name="Ada Lovelace")).to_be_visible()
        assert page.title().startswith("Ada Lovelace · org-1 · ")
        choose(page, "Users", "email|0", search="email|0")
        page.wait_for_url("**user=email%7C2&user=email%7C0*")
        assert filters() == {"userIds": ["email|2", "email|0"]}
        choose(page, "Origin", "Elsewhere")
        choose(page, "Size", "No size")
        choose(page, "Merged", "Not merged")
        page.wait_for_url("**merged=no*")
        assert filters() == {
            "userIds": ["email|2", "email|0"],
            "origins": ["OTHER"],
            "sizes": ["OTHER"],
            "hasMergedPr": False,
        }
        bar = page.locator(".filters").bounding_box()
        assert bar
        assert bar["height"] < 50
        page.get_by_role("button", name="Clear", exact=True).click()
        page.wait_for_url(url)

        page.locator(".legend").get_by_role("button", name="Slack").click()
        page.wait_for_url("**origin=slack*")
        assert filters() == {"origins": ["SLACK"]}
        page.get_by_role("region", name="By origin").get_by_role("button", name="Slack").click()
        page.wait_for_url(url)
        shown(page)
        bars = page.locator(".chart").first
        box = bars.bounding_box()
        assert box
        # The lowest parts of the bars.
        for x in range(300, 400, 5):
            bars.click(position={"x": x, "y": box["height"] - 32})
            if "origin=" in page.url:
                break
        chosen = page.url.rpartition("origin=")[2]
        assert filters() == {"origins": [chosen.upper()]}
        assert browser.problems == []


def test_the_enterprise_is_ranked_to_the_last_row(gateway: Gateway, tmp_path: Path) -> None:
    """By any measure, with names; a row opens an organization, and a person."""
    now = datetime.now(UTC)
    rows = [
        {
            "org_id": f"org-{number % 3}",
            "session_id": f"s{number}",
            "created_at": int((now - timedelta(minutes=number)).timestamp()),
            "user_id": f"user-{number % 130:03}",
            "acus": number * 10_000,
        }
        for number in range(390)
    ]
    gateway.load(rows)
    names = [
        NameUpdate(NamedKind.ORGANIZATION, "org-1", "Acme"),
        NameUpdate(NamedKind.USER, "user-129", "Zoë"),
        NameUpdate(NamedKind.USER, "user-128", "Ada Lovelace"),
    ]
    gateway.run(store_names(gateway.database, names))
    token = gateway.token()
    with served(gateway.database_url, tmp_path / "log") as server, browsing(server.url) as browser:
        page = browser.open("/?tz=UTC&order=acusConsumed", token)
        assert shown(page)["Sessions"] == "390"
        assert total(page, "Active users") == "130"
        assert "org=*" in page.url
        assert page.title().startswith("All organizations · ")
        users = page.get_by_role("region", name="Users", exact=True)
        expect(users.get_by_role("listitem").first).to_contain_text("Zoë")
        users.get_by_role("button", name="Show all 130 users").click()
        expect(users.get_by_role("listitem")).to_have_count(130)
        expect(users.get_by_role("listitem").last).to_contain_text("user-000")
        with page.expect_download() as download:
            users.locator("summary").click()
            users.get_by_text("Download CSV").click()
        text = Path(download.value.path()).read_text("utf-8-sig")
        lines = list(csv.DictReader(text.splitlines()))
        assert len(lines) == 130
        assert (lines[0]["User"], lines[0]["Name"]) == ("user-129", "Zoë")
        assert sum(float(line["ACUs"]) for line in lines) == pytest.approx(758.55)

        page.get_by_role("region", name="Organizations").get_by_role("button", name="Acme").click()
        page.wait_for_url("**org=org-1*")
        assert shown(page)["Sessions"] == "130"
        page.get_by_label("Ranked by").select_option("ACUs per session")
        page.wait_for_url("**order=avgAcusPerSession*")
        shown(page)
        averages = users.locator(".value").all_inner_texts()
        assert all(re.fullmatch(r"\d+\.\d\d", average) for average in averages)
        users.get_by_role("button", name="Ada Lovelace").click()
        expect(page.get_by_role("heading", name="Ada Lovelace")).to_be_visible()
        assert shown(page)["Sessions"] == "1"

        page = browser.open("/?org=org-9", "")
        expect(page.get_by_role("alert")).to_contain_text("There is no organization “org-9” here")
        expect(page.get_by_role("alert")).to_contain_text("Acme")
        assert browser.problems == []


def test_every_value_of_a_chart_can_be_seen(token: str, server: Server) -> None:
    """Hours between hours without sessions are points. Tooltips have the days of a bucket."""
    with browsing(server.url, viewport={"width": 1280, "height": 900}) as browser:
        day = NEWEST.date() - timedelta(2)
        page = browser.open(f"/?from={day}&to={day}&tz=UTC", token)
        assert shown(page)["Sessions"] == "6"
        points = page.get_by_role("region", name="ACUs per session").locator("path[d^='M1 0A1']")
        expect(points).to_have_count(6)
        expect(page.get_by_text("with merged pull requests so far")).to_have_count(3)

        page = browser.open("/?period=365d&tz=UTC&split=size", "")
        shown(page)
        # By week: the last one ends today, and has both days in its tooltip.
        chart = page.locator(".chart").first
        today = datetime.now(UTC)
        monday = today - timedelta(today.weekday())
        expect(chart.locator("svg")).to_be_visible()
        box = chart.bounding_box()
        assert box
        chart.hover(position={"x": box["width"] - 40, "y": 100})
        expect(chart).to_contain_text(f"{monday:%b} {monday.day}")
        expect(chart).to_contain_text(f"{today.day}, {today.year}Sessions:")

        page = browser.open("/?from=2001-01-01&to=2001-02-01&tz=UTC", "")
        expect(page.get_by_role("heading", name="No sessions in this period")).to_be_visible()
        assert browser.problems == []


def test_every_window_fits_the_page(token: str, server: Server) -> None:
    """With all filters in use. Bars of a list are of one scale, and dates are not cut."""
    address = (
        "/?tz=UTC&from=2020-11-01&to=2026-12-31&user=email%7C0&service_user=service-user-1"
        "&playbook=none&playbook=" + SCRIPT + "&origin=webapp&size=xs&merged=no"
    )
    with browsing(server.url) as browser:
        page = browser.open(address, token)
        for width in (390, 768, 901, 1024, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            shown(page)
            page.locator(".period > summary").click()
            for date_input in page.locator("input[type=date]").all():
                assert date_input.evaluate("input => input.offsetWidth") >= 138
            page.keyboard.press("Escape")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            height = page.locator(".filters").evaluate("bar => bar.offsetHeight")
            assert height < 50

        page = browser.open("/?tz=UTC", "")
        shown(page)
        for card in page.locator(".ranking").all():
            widths = card.locator(".track").evaluate_all(
                "tracks => tracks.map(track => Math.round(track.getBoundingClientRect().width))"
            )
            assert len(set(widths)) == 1
            assert widths[0] > 50


def test_a_visible_page_is_refreshed_every_minute(
    filled: Gateway, token: str, server: Server
) -> None:
    """Unchanged data are not sent again, and new data appear."""
    with browsing(server.url) as browser:
        page = browser.page
        now = datetime.now(UTC)
        # Early in an interval of five minutes, whose requests are equal.
        page.clock.install(time=now.replace(minute=now.minute // 5 * 5, second=10))
        page = browser.open("/?tz=UTC", token)
        before = shown(page)
        expect(page.locator(".as-of")).to_contain_text("Data as of")
        count = len(browser.requests)

        # Playwright has the response of the browser's cache, and the status of that.
        session = browser.context.new_cdp_session(page)
        statuses: list[int] = []
        session.on(
            "Network.responseReceivedExtraInfo", lambda info: statuses.append(info["statusCode"])
        )
        session.send("Network.enable")

        def refresh() -> int:
            with page.expect_response("**/graphql?*"):
                page.clock.run_for(60_000)
            page.wait_for_load_state("networkidle")
            return statuses[-1]

        assert refresh() == 304
        assert browser.requests[count:] == [browser.requests[count - 1]]
        assert shown(page) == before
        # Playwright's event loop runs in this thread.
        with ThreadPoolExecutor(1) as other:
            other.submit(load_days, filled, 1, datetime.now(UTC) - timedelta(hours=2)).result()
        assert refresh() == 200
        expect(page.locator("dd.total").first).to_have_text(str(int(before["Sessions"]) + 24))
        assert browser.problems == []
