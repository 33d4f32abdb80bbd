"""The dashboard in Firefox."""

import json
from pathlib import Path
from typing import Any, Final

from tests.conftest import only_sqlite
from tests.serving import Server
from tests.web.firefox import firefox, needs_firefox, wait_for
from tests.web.test_dashboard import expected

pytestmark = [needs_firefox, only_sqlite]
"""The pages do not depend on the engine."""

THEME: Final = "layout.css.prefers-color-scheme.content-override"
"""A preference of Firefox: 0 is dark, 1 is light."""
TOTALS: Final = """
  if (!document.querySelector(".cards:not(.stale)")) return null;
  const rows = [...document.querySelectorAll(".totals > div")];
  return Object.fromEntries(rows.map((row) => [...row.children].map((part) => part.innerText)));
"""
REQUESTS: Final = """
  const urls = performance.getEntriesByType("resource").map(({ name }) => new URL(name));
  return urls.map(({ origin, searchParams }) => [origin, searchParams.get("variables")]);
"""
COLORS: Final = """
  const colorOf = (selector, name) => getComputedStyle(document.querySelector(selector))[name];
  return [colorOf("body", "backgroundColor"), colorOf(".chart svg text", "fill")];
"""
PROBLEMS: Final = """
  const messages = Services.console.getMessageArray();
  return messages.filter((each) => each instanceof Ci.nsIScriptError)
    .filter((each) => /127[.]0[.]0[.]1/.test(each.sourceName)).map((each) => each.message);
"""
"""Errors and warnings of the page. Violations of the Content-Security-Policy are among them."""


def test_the_dashboard_works_in_firefox(token: str, server: Server, tmp_path: Path) -> None:
    """Sign-in, a time zone, a filter and both themes, with the numbers of the API."""
    with firefox(tmp_path, {THEME: 1, "marionette.port": 0}) as browser:

        def check() -> dict[str, Any]:
            """Compare the totals with the API's; return the variables of the view."""
            shown = browser.wait(TOTALS)
            requests = browser.evaluate(REQUESTS)
            assert {origin for origin, _ in requests} == {server.url}
            variables: dict[str, Any] = json.loads(requests[-1][1])
            totals = expected(server, token, {"variables": variables})
            assert totals.items() <= shown.items()
            assert int(totals["Sessions"]) > 0
            return variables

        browser.open(server.url)
        browser.write("//input", token)
        browser.click("//button")
        check()
        browser.open(f"{server.url}/?period=7d&tz=Pacific/Kiritimati")
        assert check()["timeZone"] == "Pacific/Kiritimati"
        browser.click("//section[@aria-label='Users']//ol//button[contains(., 'email|1')]")
        assert check()["filters"]["userIds"] == ["email|1"]

        light = browser.evaluate(COLORS)
        browser.evaluate_in_browser(f"Services.prefs.setIntPref({THEME!r}, 0)")
        dark = wait_for(lambda: (found := browser.evaluate(COLORS))[1] != light[1] and found)
        assert [light[0], dark[0]] == ["rgb(246, 246, 249)", "rgb(15, 15, 21)"]
        assert browser.evaluate_in_browser(PROBLEMS) == []
