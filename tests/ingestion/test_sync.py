"""Synchronization: whatever the API does, storage ends up with the sessions of the API."""

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from metrics_graphql.core.sessions import Session
from metrics_graphql.ingestion.loader import Loader, LoadSummary
from metrics_graphql.ingestion.sync import OVERLAP, pull, reset_checkpoint
from metrics_graphql.ingestion.v3_client import CursorRejected, V3Client, V3ClientError
from metrics_graphql.storage.tables import sessions
from tests.conftest import Gateway, inconsistencies
from tests.ingestion.v3_server import ORDERS, START, TOKEN, V3Server, error_response
from tests.serving import STARTING_SECONDS

KILLS = int(os.environ.get("METRICS_TEST_KILLS", "1"))
"""Times that a pull is killed; `scripts/crash-test` sets 100."""


def run_pull(
    gateway: Gateway, v3: V3Server, page_size: int = 10, org_id: str = "org-1"
) -> LoadSummary:
    """Pull once, without sleeping between attempts."""

    async def run() -> LoadSummary:
        loader = Loader(gateway.storage.sessions)
        async with V3Client(v3.url, org_id, TOKEN, page_size, no_sleep) as client:
            await pull(client, gateway.database, loader)
        return loader.summary

    return gateway.run(run())


async def no_sleep(seconds: float) -> None:
    """Return at once."""


def stored(gateway: Gateway) -> list[Session]:
    """Return all stored sessions, by id."""

    async def read() -> list[Session]:
        async with gateway.database.connect() as connection:
            rows = await connection.execute(sa.select(sessions).order_by(sessions.c.session_id))
            return [Session._make(row) for row in rows]

    return gateway.run(read())


def assert_same(gateway: Gateway, v3: V3Server) -> None:
    """Check that the sessions of the API are stored, and that their roll-ups are correct."""
    assert stored(gateway) == v3.expected()
    assert inconsistencies(gateway) == []


@pytest.mark.parametrize(("page_size", "count"), [(1, 12), (7, 70), (200, 401), (200, 0)])
def test_the_first_pull_gets_all_sessions(
    gateway: Gateway, v3: V3Server, page_size: int, count: int
) -> None:
    """Page by page, with the cursor of the page before."""
    v3.add(count)

    summary = run_pull(gateway, v3, page_size)

    assert_same(gateway, v3)
    assert (summary.read, summary.inserted) == (count, count)
    assert len(v3.queries) == max(-(-count // page_size), 1)
    assert v3.queries[0] == {"first": str(page_size)}
    assert all(query.keys() == {"first", "after"} for query in v3.queries[1:])


def test_later_pulls_get_changed_sessions(gateway: Gateway, v3: V3Server) -> None:
    """Since the last pull by the API's clock, which is behind, minus the overlap."""
    v3.now = START + 10**7
    v3.add(40)
    run_pull(gateway, v3)
    v3.requests.clear()
    v3.put("s00003", updated_at=int(v3.now) - 10, session_size="xl", acus_consumed=2_000.5)
    v3.put("new", updated_at=int(v3.now) + 10)
    v3.now += 100

    summary = run_pull(gateway, v3)

    assert_same(gateway, v3)
    assert v3.queries == [{"first": "10", "updated_after": str(START + 10**7 - OVERLAP)}]
    assert (summary.read, summary.inserted, summary.updated) == (2, 1, 1)
    v3.requests.clear()
    run_pull(gateway, v3)
    assert v3.queries[0]["updated_after"] == str(START + 10**7 + 100 - OVERLAP)


def test_a_server_clock_that_is_ahead(gateway: Gateway, v3: V3Server) -> None:
    """The local clock is used, so that changes dated in between are pulled."""
    v3.now = time.time() + 10**6
    before = int(time.time())
    run_pull(gateway, v3)
    run_pull(gateway, v3)

    assert before - OVERLAP <= int(v3.queries[1]["updated_after"]) <= time.time() - OVERLAP


@pytest.mark.parametrize("order", ORDERS)
def test_changes_during_a_pull_are_in_the_next(gateway: Gateway, v3: V3Server, order: str) -> None:
    """In any order of the pages, though new and changed sessions move between pages."""
    v3.add(60)
    v3.order = ORDERS[order]
    v3.before_request = lambda number: v3.change(count=2) if number < 20 else None

    run_pull(gateway, v3)
    v3.before_request = lambda _number: None
    run_pull(gateway, v3)

    assert_same(gateway, v3)


def test_overlapping_and_shuffled_pages(gateway: Gateway, v3: V3Server) -> None:
    """A session that several pages repeat is stored once."""
    v3.add(55)
    v3.overlap = 8
    v3.shuffle = True

    summary = run_pull(gateway, v3)

    assert_same(gateway, v3)
    assert summary.inserted == 55
    assert summary.unchanged > 0


def test_an_older_version_does_not_replace_a_newer_one(gateway: Gateway, v3: V3Server) -> None:
    """On the same page or on a later one, as a lagging replica may return it."""
    v3.add(30)
    now = int(time.time())
    old = [dict(v3.sessions[name]) for name in ("s00000", "s00001")]
    for item in old:
        v3.put(item["session_id"], updated_at=now, session_size="xl", acus_consumed=5_000)
    v3.transform_page = lambda page: {**page, "items": [*page["items"], *old]}

    run_pull(gateway, v3)

    assert_same(gateway, v3)


def test_missing_fields_keep_their_values(gateway: Gateway, v3: V3Server) -> None:
    """`used_search`, which the API does not have, stays as loaded. Null clears a field."""
    v3.add(1)
    v3.put("s00000", user_id=None, origin="webapp")
    del v3.sessions["s00000"]["origin"]
    loaded = {"created_at": START, "used_search": True, "user_id": "u", "origin": "slack"}
    gateway.load([{"org_id": "org-1", "session_id": "s00000", **loaded}])

    run_pull(gateway, v3)

    v3.sessions["s00000"]["origin"] = "slack"
    assert stored(gateway) == [v3.expected()[0]._replace(used_search=True)]
    assert inconsistencies(gateway) == []


def test_an_interrupted_pull_is_resumed(gateway: Gateway, v3: V3Server) -> None:
    """After the stored pages. The next pull starts from the time of its first page."""
    v3.now = START + 10**7
    v3.add(50)
    v3.faults = [None, None, error_response(404, "gone")]
    # With a cursor, 404 may be due to it, so the first page is tried next.
    v3.faults += [error_response(403, "not permitted")]
    with pytest.raises(V3ClientError, match="403 Forbidden"):
        run_pull(gateway, v3)
    assert stored(gateway) == v3.expected()[:20]
    v3.now += 5_000
    v3.requests.clear()

    summary = run_pull(gateway, v3)

    assert_same(gateway, v3)
    assert summary.read == 30
    assert v3.queries[0] == {"first": "10", "after": v3.cursor(v3.sessions["s00019"])}
    v3.requests.clear()
    run_pull(gateway, v3)
    assert v3.queries[0]["updated_after"] == str(START + 10**7 - OVERLAP)


def test_a_rejected_cursor_restarts_the_pull(gateway: Gateway, v3: V3Server) -> None:
    """Once, from the first page."""
    v3.add(50)
    v3.faults = [None, None, error_response(410, "cursor expired")]

    summary = run_pull(gateway, v3)

    assert_same(gateway, v3)
    assert (summary.inserted, summary.unchanged) == (50, 20)


def test_a_cursor_rejected_twice_is_an_error(gateway: Gateway, v3: V3Server) -> None:
    """The next pull tries again."""
    v3.add(50)
    v3.faults = [
        None,
        error_response(410, "cursor expired"),
        None,
        error_response(410, "cursor expired"),
    ]

    with pytest.raises(CursorRejected, match="410 Gone: cursor expired"):
        run_pull(gateway, v3)

    run_pull(gateway, v3)
    assert_same(gateway, v3)


def test_a_repeated_cursor_is_an_error(gateway: Gateway, v3: V3Server) -> None:
    """The pages before are stored; a pull succeeds once the API is fixed."""
    v3.add(50)
    repeated = v3.cursor(v3.sessions["s00009"])
    v3.transform_page = lambda page: {**page, "end_cursor": repeated}

    with pytest.raises(CursorRejected, match=r"^end_cursor: "):
        run_pull(gateway, v3)

    assert stored(gateway) == v3.expected()[:10]
    assert len(v3.requests) == 4
    v3.transform_page = lambda page: page
    run_pull(gateway, v3)
    assert_same(gateway, v3)


def test_an_invalid_page_is_not_stored(gateway: Gateway, v3: V3Server) -> None:
    """The error names the field by its path. The pages before are stored."""
    v3.add(30)
    created_at = v3.sessions["s00017"]["created_at"]
    v3.put("s00017", created_at="soon")

    with pytest.raises(V3ClientError, match=r"/sessions/insights: items\.7\.created_at: "):
        run_pull(gateway, v3)
    before = stored(gateway)
    v3.put("s00017", created_at=created_at)

    assert before == v3.expected()[:10]
    run_pull(gateway, v3)
    assert_same(gateway, v3)


def test_contradicting_pull_requests_are_an_invalid_page(gateway: Gateway, v3: V3Server) -> None:
    """The API does not document such counts; `load` refuses such a row, too."""
    v3.add(5)
    v3.put("s00003", pr_count=5, pull_requests=[])

    with pytest.raises(V3ClientError, match=r"items\.3: pr_count: 5 contradicts pull_requests"):
        run_pull(gateway, v3)
    assert stored(gateway) == []


def test_sizes_are_normalized(gateway: Gateway, v3: V3Server) -> None:
    """As `load` does."""
    v3.put("s1", session_size="XL")

    run_pull(gateway, v3)

    assert [each.size for each in stored(gateway)] == ["xl"]


def test_checkpoints_are_per_organization(gateway: Gateway, v3: V3Server) -> None:
    """The first pull of another organization gets all of its sessions."""
    v3.add(5)
    run_pull(gateway, v3)
    v3.sessions.clear()
    v3.org_id = "org-2"
    v3.put("s1")
    v3.requests.clear()

    run_pull(gateway, v3, org_id="org-2")

    assert v3.queries == [{"first": "10"}]
    assert v3.requests[0].path_params == {"org_id": "org-2"}
    assert len(stored(gateway)) == 6


def test_resetting_the_checkpoint_pulls_all_sessions(gateway: Gateway, v3: V3Server) -> None:
    """Also those that changed without a new `updated_at`."""
    v3.add(30)
    run_pull(gateway, v3)
    v3.put("s00020", acus_consumed=12.5)
    run_pull(gateway, v3)
    assert stored(gateway) != v3.expected()

    async def reset() -> None:
        async with V3Client(v3.url, "org-1", TOKEN) as client:
            await reset_checkpoint(client, gateway.database)

    gateway.run(reset())
    run_pull(gateway, v3)

    assert_same(gateway, v3)


def test_a_cancelled_pull_stores_whole_pages(gateway: Gateway, v3: V3Server) -> None:
    """Cancelled anywhere, as by a signal; the next pull resumes."""
    v3.add(100)
    rng = random.Random(1)  # noqa: S311 - delays

    async def pull_and_cancel() -> None:
        async with V3Client(v3.url, "org-1", TOKEN, 10) as client:
            loader = Loader(gateway.storage.sessions)
            task = asyncio.ensure_future(pull(client, gateway.database, loader))
            await asyncio.wait([task], timeout=rng.uniform(0, 0.1))
            task.cancel()
            await asyncio.wait([task])

    for _ in range(3):
        gateway.run(pull_and_cancel())
        assert len(stored(gateway)) % 10 == 0
        assert inconsistencies(gateway) == []
    run_pull(gateway, v3)
    assert_same(gateway, v3)


def test_a_killed_pull_is_resumed(gateway: Gateway, v3: V3Server) -> None:
    """After SIGKILL at random times, while sessions change, all sessions end up stored.

    There are more pages than one run reaches, so the last pull must resume at a checkpoint.
    """
    rng = random.Random(KILLS)  # noqa: S311 - delays
    command = [sys.executable, "-m", "metrics_graphql", "sync", "--org", "org-1"]
    command += ["--base-url", v3.url, "--page-size", "10"]
    environment = {
        **os.environ,
        "METRICS_DATABASE_URL": gateway.database_url,
        "METRICS_SYNC_TOKEN": TOKEN,
    }
    for _ in range(KILLS):
        v3.add(200)
        reached, page = threading.Event(), len(v3.requests) + rng.randrange(1, 15)
        v3.before_request = change_sessions(v3, reached, page)
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as killed:
            reached.wait(STARTING_SECONDS)
            time.sleep(rng.uniform(0, 0.03))
            killed.kill()
        assert inconsistencies(gateway) == []

    v3.before_request = lambda _number: None
    v3.requests.clear()
    run_pull(gateway, v3, 200)
    run_pull(gateway, v3, 200)
    assert_same(gateway, v3)
    assert "after" in v3.queries[0]


def change_sessions(v3: V3Server, reached: threading.Event, page: int) -> Callable[[int], None]:
    """Return a `before_request` that changes sessions, and sets the event at a page."""

    def before_request(number: int) -> None:
        v3.change()
        if number == page:
            reached.set()

    return before_request
