"""Answers that are kept: given again while they are true, to those who may read them."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from metrics_graphql import auth
from metrics_graphql.errors import Unavailable
from metrics_graphql.freshness import Fresh
from metrics_graphql.store.engine import Database
from tests.conftest import Gateway

PERIOD = {"time_after": 0, "time_before": 10}
REST = "/v3/organizations/org-1/metrics/sessions"
QUERY = """
    { sessionMetrics(orgId: "org-1", filters: {timeAfter: 0, timeBefore: 10})
      { sessionsCreatedCount } }
"""
GRAPHQL = "/graphql"
Later = Callable[[float], None]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Lend a way to let time pass without waiting for it."""
    passed = 0.0
    monotonic = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + passed)

    def let_pass(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    return let_pass


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lend a list to which each statement that counts sessions adds its text."""
    texts: list[str] = []
    fetch = Database.fetch

    async def noted(self: Database, prepared: Any, values: Any) -> Any:  # noqa: ANN401 - passed on
        if "rollups" in prepared.sql:
            texts.append(prepared.sql)
        return await fetch(self, prepared, values)

    monkeypatch.setattr(Database, "fetch", noted)
    return texts


def session(number: int) -> dict[str, Any]:
    """Return a session of org-1."""
    return {"org_id": "org-1", "session_id": str(number), "created_at": 1}


def ask(door: Gateway, path: str, token: str, etag: str | None = None) -> httpx.Response:
    """Ask how many sessions there are, by GET."""
    headers = {"if-none-match": etag} if etag else {}
    parameters = PERIOD if path == REST else {"query": QUERY}
    return door.request("GET", path, token, params=parameters, headers=headers)


def count_in(answer: httpx.Response) -> int:
    """Return the number of sessions in an answer of either door."""
    body = answer.json()
    totals = body["data"]["sessionMetrics"] if "data" in body else body
    count: int = totals.get("sessionsCreatedCount", totals.get("sessions_created_count"))
    return count


both = pytest.mark.parametrize("path", [REST, GRAPHQL])


@both
def test_an_answer_is_counted_once_while_nothing_changes(
    gateway: Gateway, counted: list[str], later: Later, path: str
) -> None:
    """However often it is asked for, and after what is known of it was read again."""
    gateway.load([session(1)])
    token = gateway.token("org-1")
    with gateway.configured(freshness=10) as door:
        first = ask(door, path, token)
        again = ask(door, path, token)
        later(20)
        much_later = ask(door, path, token)

    assert count_in(first) == 1
    assert first.content == again.content == much_later.content
    assert len(counted) == 1


@both
def test_what_another_process_loads_shows_within_the_freshness(
    gateway: Gateway, later: Later, path: str
) -> None:
    """Before that, the answer may be that of a moment ago."""
    gateway.load([session(1)])
    token = gateway.token("org-1")
    with gateway.configured(freshness=10) as door:
        before = ask(door, path, token)
        gateway.load([session(2)])
        at_once = ask(door, path, token)
        later(10)
        after = ask(door, path, token)

    assert [count_in(before), count_in(at_once), count_in(after)] == [1, 1, 2]


@both
def test_without_freshness_new_sessions_show_at_once(
    gateway: Gateway, counted: list[str], path: str
) -> None:
    """And what did not change is still not counted twice."""
    token = gateway.token("org-1")
    for number in range(3):
        gateway.load([session(number)])
        assert count_in(ask(gateway, path, token)) == number + 1
        assert count_in(ask(gateway, path, token)) == number + 1
    assert len(counted) == 3


@both
def test_a_revoked_token_opens_nothing_after_the_freshness(
    gateway: Gateway, later: Later, path: str
) -> None:
    """Not even an answer that is kept."""
    created = gateway.run(auth.create_service_user(gateway.database, "x", org_id="org-1"))
    with gateway.configured(freshness=10) as door:
        assert ask(door, path, created.token).status_code == 200
        who = created.service_user.service_user_id
        gateway.run(auth.revoke_service_user(gateway.database, who))
        later(10)
        refused = ask(door, path, created.token)

    assert refused.status_code == 401


@both
def test_nobody_gets_an_answer_that_was_given_to_somebody_else(gateway: Gateway, path: str) -> None:
    """The same request with another token is answered by that token's rights."""
    gateway.load([session(1)])
    tokens = [
        gateway.token("org-1"),
        gateway.token("org-2"),
        gateway.token("org-1", "ManageBilling"),
        gateway.token(),
    ]
    with gateway.configured(freshness=10) as door:
        for _ in range(2):
            allowed, other, without, enterprise = (ask(door, path, token) for token in tokens)

    assert count_in(allowed) == count_in(enterprise) == 1
    for refused in (other, without):
        assert "You may not read the metrics of this organization." in refused.text


def test_who_asks_is_part_of_what_is_asked(gateway: Gateway) -> None:
    """Two service users of one organization each see themselves."""
    query = "{ viewer { id name } }"
    with gateway.configured(freshness=10) as door:
        first, second = (door.graphql(query, door.token("org-1")).json() for _ in range(2))

    assert first["data"]["viewer"]["id"] != second["data"]["viewer"]["id"]


@both
def test_a_browser_that_has_the_answer_is_told_so(gateway: Gateway, path: str) -> None:
    """Until it changes: then it gets the new one, with another validator."""
    gateway.load([session(1)])
    token = gateway.token("org-1")
    first = ask(gateway, path, token)
    etag = first.headers["etag"]
    unchanged = ask(gateway, path, token, f'"other", {etag}')
    weakly = ask(gateway, path, token, f"W/{etag}")
    anything = ask(gateway, path, token, "*")
    other = ask(gateway, path, token, '"other"')
    gateway.load([session(2)])
    changed = ask(gateway, path, token, etag)

    for answer in (unchanged, weakly, anything):
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
        assert answer.headers["cache-control"] == "private, no-cache"
        assert answer.headers["vary"] == "Authorization, Accept"
    assert other.status_code == 200
    assert (changed.status_code, count_in(changed)) == (200, 2)
    assert changed.headers["etag"] != etag


def test_a_post_and_an_error_are_never_304(gateway: Gateway) -> None:
    """And are not for browsers to keep."""
    headers = {"if-none-match": "*"}
    posted = gateway.request(
        "POST", "/graphql", gateway.token("org-1"), json={"query": QUERY}, headers=headers
    )
    refused = ask(gateway, REST, gateway.token("org-2"), "*")

    assert (posted.status_code, refused.status_code) == (200, 403)
    for answer in (posted, refused):
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers


@both
@pytest.mark.parametrize("freshness", [0, 10])
def test_with_no_room_every_answer_is_counted(
    gateway: Gateway, counted: list[str], path: str, freshness: int
) -> None:
    """Right all the same."""
    gateway.load([session(1)])
    with gateway.configured(freshness=freshness, cache_bytes=0) as door:
        token = door.token("org-1")
        answers = [ask(door, path, token) for _ in range(3)]

    assert [count_in(answer) for answer in answers] == [1, 1, 1]
    assert len(counted) == 3


def test_what_an_answer_is_kept_under_takes_room_too(gateway: Gateway, counted: list[str]) -> None:
    """A long question with a short answer does not hide from the bound."""
    with gateway.configured(freshness=0, cache_bytes=50_000) as door:
        token = door.token("org-1")
        for _ in range(2):
            door.graphql(QUERY + " " * 60_000, token)
            door.graphql(QUERY, token)

    assert len(counted) == 3


def test_an_expired_token_opens_nothing_though_the_request_is_remembered(
    gateway: Gateway, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is its end."""
    token = gateway.token("org-1", days=1)
    with gateway.configured(freshness=86_400) as door:
        assert ask(door, REST, token).status_code == 200
        assert ask(door, REST, token).status_code == 200
        later(86_400)
        tomorrow = time.time() + 86_400
        monkeypatch.setattr(time, "time", lambda: tomorrow)
        refused = ask(door, REST, token)

    assert refused.status_code == 401


def test_who_gets_the_answer_of_another_request_does_not_keep_it_for_longer(
    gateway: Gateway, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow answer, one that arrives while it is made, and one that repeats that."""
    gateway.load([session(1)])
    with gateway.configured(freshness=10) as door:
        token = door.token("org-1")
        headers = {"authorization": f"Bearer {token}"}
        read, go_on = asyncio.Event(), asyncio.Event()
        fetch = Database.fetch

        async def slow(self: Database, prepared: Any, values: Any) -> Any:  # noqa: ANN401 - passed on
            rows = await fetch(self, prepared, values)
            if "rollups" in prepared.sql and not read.is_set():
                read.set()
                await go_on.wait()
            return rows

        async def scenario() -> list[httpx.Response]:
            monkeypatch.setattr(Database, "fetch", slow)
            leader = asyncio.ensure_future(door.client.get(REST, params=PERIOD, headers=headers))
            await read.wait()
            later(4)
            follower = asyncio.ensure_future(door.client.get(REST, params=PERIOD, headers=headers))
            await asyncio.sleep(0.05)
            go_on.set()
            return list(await asyncio.gather(leader, follower))

        answers = door.run(scenario())
        gateway.load([session(2)])
        later(6)
        after = ask(door, REST, token)

    assert [count_in(answer) for answer in answers] == [1, 1]
    assert count_in(after) == 2


def test_answers_that_were_not_asked_for_longest_make_room(
    gateway: Gateway, counted: list[str]
) -> None:
    """For four answers there is room here: each takes 2,000 bytes, and its own some 600."""
    with gateway.configured(freshness=0, cache_bytes=11_000) as door:
        token = door.token("org-1")
        for _ in range(2):
            for before in (1, 2, 3, 4, 1, 5, 1):
                door.rest("org-1", token, time_after=0, time_before=before)

    assert len(counted) == 5 + 4


@both
def test_equal_questions_that_arrive_together_are_counted_once(
    gateway: Gateway, counted: list[str], path: str
) -> None:
    """They all get the answer."""
    gateway.load([session(1)])
    with gateway.configured(freshness=10) as door:
        headers = {"authorization": f"Bearer {door.token('org-1')}"}
        parameters = PERIOD if path == REST else {"query": QUERY}

        async def together() -> list[httpx.Response]:
            asked = (door.client.get(path, params=parameters, headers=headers) for _ in range(8))
            return list(await asyncio.gather(*asked))

        answers = door.run(together())

    assert [count_in(answer) for answer in answers] == [1] * 8
    assert len(counted) == 1


@both
def test_a_database_that_went_away_is_noticed_after_the_freshness(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, later: Later, path: str
) -> None:
    """Answers that are kept go on being given until then, and again when it is back."""
    gateway.load([session(1)])
    with gateway.configured(freshness=10) as door:
        token = door.token("org-1")
        ask(door, path, token)

        async def gone(*_: object) -> None:
            raise Unavailable

        with monkeypatch.context() as patch:
            patch.setattr(Database, "fetch", gone)
            within = ask(door, path, token)
            later(10)
            beyond = ask(door, path, token)
        back = ask(door, path, token)

    assert count_in(within) == count_in(back) == 1
    assert beyond.status_code == 503
    assert beyond.headers["retry-after"] == "1"


def test_a_caller_is_counted_for_answers_that_are_kept(gateway: Gateway) -> None:
    """A rate is a rate."""
    with gateway.configured(freshness=10, rate_limit="2/hour") as door:
        token = door.token("org-1")
        statuses = [ask(door, REST, token).status_code for _ in range(3)]

    assert statuses == [200, 200, 429]


def test_what_is_getting_old_is_read_again_beside_the_request(later: Later) -> None:
    """Nobody waits for it; what is too old is waited for, once for all."""
    reads: list[list[str]] = []
    may_end = asyncio.Event()

    async def read(keys: Any) -> dict[str, int]:  # noqa: ANN401 - any collection
        reads.append(sorted(keys))
        number = len(reads)
        await may_end.wait()
        return dict.fromkeys(keys, number)

    async def scenario() -> None:
        fresh = Fresh(read, 10)
        may_end.set()
        assert await fresh.get(["a", "b"]) == {"a": 1, "b": 1}
        may_end.clear()
        later(6)
        assert await fresh.get(["a"]) == {"a": 1}
        assert await fresh.get(["a"]) == {"a": 1}
        await asyncio.sleep(0)
        assert reads == [["a", "b"], ["a"]]
        later(6)
        waiting = [asyncio.ensure_future(fresh.get(["a", "b"])) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        may_end.set()
        assert await asyncio.gather(*waiting) == [{"a": 2, "b": 3}] * 3
        assert reads == [["a", "b"], ["a"], ["b"]]

    asyncio.run(scenario())


def test_what_there_is_none_of_is_asked_for_each_time() -> None:
    """An organization or a token that was made a moment ago is known at once."""
    stored = {"a": 1}

    async def read(keys: Any) -> dict[str, int]:  # noqa: ANN401 - any collection
        return {key: stored[key] for key in keys if key in stored}

    async def scenario() -> None:
        fresh = Fresh(read, 10)
        assert await fresh.get(["a", "b"]) == {"a": 1}
        stored["b"] = 2
        assert await fresh.get(["a", "b"]) == {"a": 1, "b": 2}

    asyncio.run(scenario())
