"""Pulling: whatever a source does on the way, in the end the store has what the source has."""

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from metrics_graphql.domain.sessions import Session
from metrics_graphql.loading.load import Load, Summary
from metrics_graphql.loading.source import CursorRefused, Source, SourceFailed
from metrics_graphql.loading.sync import OVERLAP, pull, start_over
from metrics_graphql.store.tables import sessions
from tests.conftest import Gateway, differences
from tests.loading.v3_server import ORDERS, START, TOKEN, V3Server, problem
from tests.serving import STARTING_SECONDS

KILLS = int(os.environ.get("METRICS_TEST_KILLS", "2"))
"""How often a pull is killed; `scripts/kills` does it a hundred times."""


def pulled(gateway: Gateway, v3: V3Server, page_size: int = 10, org_id: str = "org-1") -> Summary:
    """Pull once, without waiting where it fails on the way; return what it came to."""

    async def run() -> Summary:
        load = Load(gateway.store)
        sleep: Any = no_time
        async with Source(v3.url, org_id, TOKEN, page_size, sleep) as source:
            await pull(source, load)
        return load.summary

    return gateway.run(run())


async def no_time(seconds: float) -> None:
    """Take no time at all."""


def stored(gateway: Gateway) -> list[Session]:
    """Return all sessions that are stored, by id."""

    async def read() -> list[Session]:
        async with gateway.database.reading() as connection:
            rows = await connection.execute(sa.select(sessions).order_by(sessions.c.session_id))
            return [Session._make(row) for row in rows]

    return gateway.run(read())


def assert_same(gateway: Gateway, v3: V3Server) -> None:
    """Check that the store has what the source has, and that its roll-ups are a recount."""
    assert stored(gateway) == v3.expected()
    assert differences(gateway) == []


@pytest.mark.parametrize(("page_size", "count"), [(1, 12), (7, 70), (200, 401), (200, 0)])
def test_the_first_pull_is_of_everything(
    gateway: Gateway, v3: V3Server, page_size: int, count: int
) -> None:
    """Page by page, each after the cursor of the one before."""
    v3.add(count)

    summary = pulled(gateway, v3, page_size)

    assert_same(gateway, v3)
    assert (summary.read, summary.inserted) == (count, count)
    assert len(v3.queries) == max(-(-count // page_size), 1)
    assert v3.queries[0] == {"first": str(page_size)}
    assert all(query.keys() == {"first", "after"} for query in v3.queries[1:])


def test_later_pulls_are_of_what_changed_since(gateway: Gateway, v3: V3Server) -> None:
    """By the source's clock, which is behind, and with an overlap; it counts what it did."""
    v3.now = START + 10**7
    v3.add(40)
    pulled(gateway, v3)
    v3.asked.clear()
    v3.put("s00003", updated_at=int(v3.now) - 10, session_size="xl", acus_consumed=2_000.5)
    v3.put("new", updated_at=int(v3.now) + 10)
    v3.now += 100

    summary = pulled(gateway, v3)

    assert_same(gateway, v3)
    assert v3.queries == [{"first": "10", "updated_after": str(START + 10**7 - OVERLAP)}]
    assert (summary.read, summary.inserted, summary.updated) == (2, 1, 1)
    v3.asked.clear()
    pulled(gateway, v3)
    assert v3.queries[0]["updated_after"] == str(START + 10**7 + 100 - OVERLAP)


def test_a_clock_ahead_of_ours_loses_nothing(gateway: Gateway, v3: V3Server) -> None:
    """Then ours counts: changes that the source dates in between are asked for."""
    v3.now = time.time() + 10**6
    before = int(time.time())
    pulled(gateway, v3)
    pulled(gateway, v3)

    assert before - OVERLAP <= int(v3.queries[1]["updated_after"]) <= time.time() - OVERLAP


@pytest.mark.parametrize("order", ORDERS)
def test_what_changes_during_a_pull_is_there_after_the_next(
    gateway: Gateway, v3: V3Server, order: str
) -> None:
    """Whatever the order of the pages, which new and changed sessions may move to and fro."""
    v3.add(60)
    v3.order = ORDERS[order]
    v3.before = lambda number: v3.change(count=2) if number < 20 else None

    pulled(gateway, v3)
    v3.before = lambda _number: None
    pulled(gateway, v3)

    assert_same(gateway, v3)


def test_sessions_that_come_again_and_in_any_order_count_once(
    gateway: Gateway, v3: V3Server
) -> None:
    """Pages overlap by nearly all of their sessions, and are shuffled."""
    v3.add(55)
    v3.repeats = 8
    v3.shuffles = True

    summary = pulled(gateway, v3)

    assert_same(gateway, v3)
    assert summary.inserted == 55
    assert summary.unchanged > 0


def test_an_older_version_does_not_replace_a_newer_one(gateway: Gateway, v3: V3Server) -> None:
    """On the same page or on a later one, as from a replica that is behind."""
    v3.add(30)
    now = int(time.time())
    old = [dict(v3.sessions[name]) for name in ("s00000", "s00001")]
    for item in old:
        v3.put(item["session_id"], updated_at=now, session_size="xl", acus_consumed=5_000)
    v3.tamper = lambda page: {**page, "items": [*page["items"], *old]}

    pulled(gateway, v3)

    assert_same(gateway, v3)


def test_what_the_source_does_not_say_is_kept(gateway: Gateway, v3: V3Server) -> None:
    """The search flag, which the API does not know, stays as it was loaded; a null clears."""
    v3.add(1)
    v3.put("s00000", user_id=None, origin="webapp")
    del v3.sessions["s00000"]["origin"]
    known = {"created_at": START, "used_search": True, "user_id": "u", "origin": "slack"}
    gateway.load([{"org_id": "org-1", "session_id": "s00000", **known}])

    pulled(gateway, v3)

    v3.sessions["s00000"]["origin"] = "slack"
    assert stored(gateway) == [v3.expected()[0]._replace(used_search=True)]
    assert differences(gateway) == []


def test_a_pull_that_broke_off_goes_on_where_it_stopped(gateway: Gateway, v3: V3Server) -> None:
    """After the pages that are stored; and it is as old as its first page."""
    v3.now = START + 10**7
    v3.add(50)
    v3.faults = [None, None, problem(404, "away")]
    # With a cursor, 404 may be due to it: the first page is tried, too.
    v3.faults += [problem(403, "may not")]
    with pytest.raises(SourceFailed, match="403 Forbidden"):
        pulled(gateway, v3)
    assert stored(gateway) == v3.expected()[:20]
    v3.now += 5_000
    v3.asked.clear()

    summary = pulled(gateway, v3)

    assert_same(gateway, v3)
    assert summary.read == 30
    assert v3.queries[0] == {"first": "10", "after": v3.cursor(v3.sessions["s00019"])}
    v3.asked.clear()
    pulled(gateway, v3)
    assert v3.queries[0]["updated_after"] == str(START + 10**7 - OVERLAP)


def test_a_cursor_that_is_no_longer_taken_is_done_without(gateway: Gateway, v3: V3Server) -> None:
    """The pages are read from the first, once."""
    v3.add(50)
    v3.faults = [None, None, problem(410, "cursor expired")]

    summary = pulled(gateway, v3)

    assert_same(gateway, v3)
    assert (summary.inserted, summary.unchanged) == (50, 20)


def test_a_cursor_that_is_never_taken_is_an_error(gateway: Gateway, v3: V3Server) -> None:
    """It is told after the second time, and the next pull has another try."""
    v3.add(50)
    v3.faults = [None, problem(410, "cursor expired"), None, problem(410, "cursor expired")]

    with pytest.raises(CursorRefused, match="410 Gone: cursor expired"):
        pulled(gateway, v3)

    pulled(gateway, v3)
    assert_same(gateway, v3)


def test_a_cursor_that_leads_back_is_an_error(gateway: Gateway, v3: V3Server) -> None:
    """It is named, the pages before are stored, and the source may be mended."""
    v3.add(50)
    back = v3.cursor(v3.sessions["s00009"])
    v3.tamper = lambda page: {**page, "end_cursor": back}

    with pytest.raises(CursorRefused, match=r"^end_cursor: "):
        pulled(gateway, v3)

    assert stored(gateway) == v3.expected()[:10]
    assert len(v3.asked) == 4
    v3.tamper = lambda page: page
    pulled(gateway, v3)
    assert_same(gateway, v3)


def test_a_page_that_is_not_as_expected_changes_nothing(gateway: Gateway, v3: V3Server) -> None:
    """The field is named by its path; the pages before are stored, and a mended one goes on."""
    v3.add(30)
    created_at = v3.sessions["s00017"]["created_at"]
    v3.put("s00017", created_at="soon")

    with pytest.raises(SourceFailed, match=r"/sessions/insights: items\.7\.created_at: "):
        pulled(gateway, v3)
    before = stored(gateway)
    v3.put("s00017", created_at=created_at)

    assert before == v3.expected()[:10]
    pulled(gateway, v3)
    assert_same(gateway, v3)


def test_each_organization_and_source_has_a_position_of_its_own(
    gateway: Gateway, v3: V3Server
) -> None:
    """The first pull of another organization is of everything."""
    v3.add(5)
    pulled(gateway, v3)
    v3.sessions.clear()
    v3.org_id = "org-2"
    v3.put("s1")
    v3.asked.clear()

    pulled(gateway, v3, org_id="org-2")

    assert v3.queries == [{"first": "10"}]
    assert v3.asked[0].path_params == {"org_id": "org-2"}
    assert len(stored(gateway)) == 6


def test_starting_over_pulls_everything_again(gateway: Gateway, v3: V3Server) -> None:
    """Also what changed at the source without a new date."""
    v3.add(30)
    pulled(gateway, v3)
    v3.put("s00020", acus_consumed=12.5)
    pulled(gateway, v3)
    assert stored(gateway) != v3.expected()

    async def again() -> None:
        async with Source(v3.url, "org-1", TOKEN) as source:
            await start_over(source, gateway.database)

    gateway.run(again())
    pulled(gateway, v3)

    assert_same(gateway, v3)


def test_a_cancelled_pull_leaves_whole_pages(gateway: Gateway, v3: V3Server) -> None:
    """As a signal does it, wherever it is; the next one goes on."""
    v3.add(100)
    chance = random.Random(1)  # noqa: S311 - moments

    async def cancelled() -> None:
        async with Source(v3.url, "org-1", TOKEN, 10) as source:
            task = asyncio.ensure_future(pull(source, Load(gateway.store)))
            await asyncio.wait([task], timeout=chance.uniform(0, 0.1))
            task.cancel()
            await asyncio.wait([task])

    for _ in range(3):
        gateway.run(cancelled())
        assert len(stored(gateway)) % 10 == 0
        assert differences(gateway) == []
    pulled(gateway, v3)
    assert_same(gateway, v3)


def test_a_killed_pull_is_resumed_by_running_it_again(gateway: Gateway, v3: V3Server) -> None:
    """After kill -9 at random moments, while the source changes, it ends with what is there.

    It goes on where it was killed: its pages are many more than one run asks for.
    """
    chance = random.Random(KILLS)  # noqa: S311 - moments
    command = [sys.executable, "-m", "metrics_graphql", "sync", "--org", "org-1"]
    command += ["--base-url", v3.url, "--page-size", "10"]
    environment = {
        **os.environ,
        "METRICS_DATABASE_URL": gateway.database_url,
        "METRICS_SYNC_TOKEN": TOKEN,
    }
    for _ in range(KILLS):
        v3.add(200)
        reached, page = threading.Event(), len(v3.asked) + chance.randrange(1, 15)
        v3.before = disturbing(v3, reached, page)
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as killed:
            reached.wait(STARTING_SECONDS)
            time.sleep(chance.uniform(0, 0.03))
            killed.kill()
        assert differences(gateway) == []

    v3.before = lambda _number: None
    v3.asked.clear()
    pulled(gateway, v3, 200)
    pulled(gateway, v3, 200)
    assert_same(gateway, v3)
    assert "after" in v3.queries[0]


def disturbing(v3: V3Server, reached: threading.Event, page: int) -> Callable[[int], None]:
    """Return what changes a session with each page, and tells when one is asked for."""

    def disturb(number: int) -> None:
        v3.change()
        if number == page:
            reached.set()

    return disturb
