"""Who gets in, when there is more to do than can be done, and for how long."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import httpx
import pytest
from limits import parse

from metrics_graphql.deadlines import deadline_in
from metrics_graphql.errors import Overloaded, TimedOut
from metrics_graphql.gate import (
    BURST_SECONDS,
    GAP_SECONDS,
    LOOK_SECONDS,
    PATIENCE_SECONDS,
    Gate,
    Used,
)
from metrics_graphql.rates import CallerRate
from metrics_graphql.settings import Settings
from metrics_graphql.store import breakdowns
from metrics_graphql.store.dialects import Prepared
from tests.conftest import Gateway

ENDLESS = Prepared(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n", (), {}
)
"""A statement that the database would work on for ever."""
QUESTION = """
    query ($org: ID!) {
      sessionMetrics(orgId: $org, filters: {timeAfter: 0, timeBefore: 10}) {
        sessionsCreatedCount
        byUser { totalCount }
      }
    }
"""


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time only passes when it is told to."""

    now = 0.0

    def time(self) -> float:
        """Return the time that it was told."""
        return self.now


def on_a_clock(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end on a loop of this kind."""
    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(work)


def clock() -> Clock:
    """Return the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Clock)
    return loop


def idle_gate(places: int, max_queue: int) -> Gate:
    """Return a gate of a process that never computes."""
    return Gate(places, max_queue, clock=clock().time, used=lambda: Used(0.0, 0.0))


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(5):
        await asyncio.sleep(0)


async def waiting(gate: Gate, count: int) -> list[asyncio.Task[None]]:
    """Return tasks that wait for a place, in the order in which they came."""
    tasks = []
    for _ in range(count):
        tasks.append(asyncio.create_task(gate.enter()))
        await settle()
    return tasks


def test_a_burst_waits_its_turn() -> None:
    """First come, first served; as many at once as there are places."""

    async def scenario() -> None:
        gate = idle_gate(2, 10)
        tasks = await waiting(gate, 5)
        assert [task.done() for task in tasks] == [True, True, False, False, False]
        clock().now += BURST_SECONDS / 2
        gate.leave()
        await settle()
        assert [task.done() for task in tasks] == [True, True, True, False, False]
        gate.leave()
        gate.leave()
        await asyncio.gather(*tasks)

    on_a_clock(scenario())


def test_a_full_queue_refuses_at_once() -> None:
    """What came before keeps its turn."""

    async def scenario() -> None:
        gate = idle_gate(1, 2)
        tasks = await waiting(gate, 3)
        with pytest.raises(Overloaded):
            await gate.enter()
        for task in tasks:
            await task
            gate.leave()

    on_a_clock(scenario())


def test_a_burst_that_does_not_end_serves_the_newest_and_refuses_the_late() -> None:
    """A moment in which nobody waits long makes what comes then a burst again."""

    async def scenario() -> None:
        gate = idle_gate(1, 10)
        await gate.enter()
        clock().now += 10
        old, _ = await waiting(gate, 2)
        clock().now += BURST_SECONDS * 0.9
        (recent,) = await waiting(gate, 1)
        clock().now += BURST_SECONDS * 0.2
        (newest,) = await waiting(gate, 1)
        for late in (old, recent):
            assert isinstance(late.exception(), Overloaded)
        clock().now += PATIENCE_SECONDS / 2
        (later,) = await waiting(gate, 1)
        gate.leave()
        await later
        assert not newest.done()
        gate.leave()
        await newest
        gate.leave()
        clock().now += 2 * GAP_SECONDS

        first, second, third = await waiting(gate, 3)
        await first
        gate.leave()
        await settle()
        assert second.done()
        assert not third.done()
        gate.leave()
        await third

    on_a_clock(scenario())


def test_who_gives_up_waiting_takes_no_place() -> None:
    """Nor does one that gives up in the moment in which it gets its turn."""

    async def scenario() -> None:
        gate = idle_gate(1, 10)
        await gate.enter()
        gone, unlucky, last = await waiting(gate, 3)
        gone.cancel()
        await settle()
        gate.leave()
        unlucky.cancel()
        await settle()
        await last
        gate.leave()
        await gate.enter()

    on_a_clock(scenario())


def test_while_computing_fills_the_time_there_is_one_place() -> None:
    """Once it does not, there are all of them again."""

    async def look_again() -> None:
        clock().now += LOOK_SECONDS
        await settle()

    async def scenario() -> None:
        computed = Used(0.0, 0.0)
        gate = Gate(places=4, max_queue=10, clock=clock().time, used=lambda: computed)
        await gate.enter()
        computed = Used(LOOK_SECONDS, 0.0)
        await look_again()
        tasks = await waiting(gate, 4)
        assert [task.done() for task in tasks] == [False, False, False, False]
        for _ in range(10):
            await look_again()
        assert [task.done() for task in tasks] == [True, True, True, False]
        gate.leave()
        await tasks[-1]

    on_a_clock(scenario())


def test_nobody_waits_longer_than_a_burst_may_last() -> None:
    """Where nothing comes and nothing goes, time alone refuses."""

    async def scenario() -> None:
        gate = idle_gate(1, 10)
        tasks = await waiting(gate, 3)
        clock().now += BURST_SECONDS
        await settle()
        assert [isinstance(task.exception(), Overloaded) for task in tasks[1:]] == [True, True]

    on_a_clock(scenario())


def test_a_deadline_stops_the_work_in_the_database(gateway: Gateway) -> None:
    """An endless statement ends, every time, and its place is free again."""

    async def scenario() -> None:
        for _ in range(20):  # More than the pool holds: every connection came back.
            with deadline_in(0.02), pytest.raises(TimedOut):
                await gateway.database.fetch(ENDLESS, {})
        await gateway.database.ping()

    gateway.run(scenario())


def test_a_breakdown_that_takes_too_long_leaves_the_totals(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is null, and the error says why and where."""
    with gateway.configured(timeout=3) as impatient:
        gateway.load([{"org_id": "org-1", "session_id": "a", "created_at": 1, "user_id": "u"}])
        token = gateway.token("org-1")
        monkeypatch.setattr(breakdowns, "ranked", lambda *_, **__: ENDLESS)
        answer = impatient.graphql(QUESTION, token, {"org": "org-1"})

    assert answer.status_code == 200
    assert answer.json()["data"] == {"sessionMetrics": {"sessionsCreatedCount": 1, "byUser": None}}
    (error,) = answer.json()["errors"]
    assert error["path"] == ["sessionMetrics", "byUser"]
    assert error["extensions"] == {"code": "TIMEOUT"}


def test_a_question_that_takes_too_long_is_504(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over REST; over GraphQL the field is null."""
    with gateway.configured(timeout=3) as impatient:
        token = gateway.token("org-1")
        monkeypatch.setattr(
            "metrics_graphql.store.questions.session_sums", lambda *_, **__: ENDLESS
        )
        rest = impatient.rest("org-1", token, time_after=0, time_before=10)
        graphql = impatient.graphql(QUESTION, token, {"org": "org-1"})

    assert rest.status_code == 504
    assert rest.json() == {
        "detail": "The answer took too long. Ask for a shorter period, or for less at once."
    }
    assert graphql.json()["data"] == {"sessionMetrics": None}
    assert graphql.json()["errors"][0]["extensions"] == {"code": "TIMEOUT"}


def test_a_caller_that_can_not_be_looked_up_in_time_is_504_at_both_doors(gateway: Gateway) -> None:
    """With the code of GraphQL there."""
    with gateway.configured(timeout=1e-9) as impatient:
        token = gateway.token("org-1")
        rest = impatient.rest("org-1", token, time_after=0, time_before=10)
        graphql = impatient.graphql(QUESTION, token, {"org": "org-1"})

    assert (rest.status_code, graphql.status_code) == (504, 504)
    assert graphql.json()["errors"][0]["extensions"] == {"code": "TIMEOUT"}


def test_a_caller_over_its_rate_is_429_at_both_doors_and_others_are_not(gateway: Gateway) -> None:
    """It learns when to come back, and before that how much it has left."""
    with gateway.configured(rate_limit="2/hour") as strict:
        token, other = gateway.token("org-1"), gateway.token("org-1")
        first = strict.rest("org-1", token, time_after=0, time_before=10)
        strict.graphql(QUESTION, token, {"org": "org-1"})
        rest = strict.rest("org-1", token, time_after=0, time_before=10)
        graphql = strict.graphql(QUESTION, token, {"org": "org-1"})
        others = strict.rest("org-1", other, time_after=0, time_before=10)

    assert first.headers["ratelimit-policy"] == '"caller";q=2;w=3600'
    assert first.headers["ratelimit"].startswith('"caller";r=1;t=')
    for refused in (rest, graphql):
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 3_600
        assert refused.headers["ratelimit"].startswith('"caller";r=0;t=')
    assert rest.json()["detail"].startswith("Too many requests. Try again in ")
    assert graphql.json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED"}
    assert others.status_code == 200


def test_without_a_rate_nothing_is_counted(gateway: Gateway) -> None:
    """And no header says that it were."""
    with gateway.configured(rate_limit="") as open_door:
        token = gateway.token("org-1")
        answer = open_door.rest("org-1", token, time_after=0, time_before=10)

    assert answer.status_code == 200
    assert "ratelimit" not in answer.headers


@pytest.mark.parametrize(
    "rate", ["often", "1000", "10/fortnight", "-1/minute", "0/minute", "5/second,100/minute"]
)
def test_a_rate_that_is_none_is_refused_at_the_start(rate: str) -> None:
    """With what it should look like."""
    with pytest.raises(ValueError, match=r"one rate that looks like 6000/minute|should allow"):
        Settings(rate_limit=rate)


def test_a_clock_that_is_set_back_lengthens_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that used up its rate may ask again after the window, whatever the clock says."""
    rate = CallerRate(parse("1/hour"))
    assert not rate.count("somebody").exceeded

    monkeypatch.setattr(time, "time", lambda: 0.0)
    exceeded = rate.count("somebody")

    assert exceeded.exceeded
    assert exceeded.seconds <= 3_600


def test_more_than_is_answered_in_time_is_503_at_both_doors(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With `Retry-After`; the request that is being answered is answered."""
    with gateway.configured(max_concurrency=1, max_queue=1, timeout=0.9) as small:
        token = gateway.token("org-1")
        monkeypatch.setattr(
            "metrics_graphql.store.questions.session_sums", lambda *_, **__: ENDLESS
        )
        parameters = {"time_after": 0, "time_before": 10}
        path = "/v3/organizations/org-1/metrics/sessions"
        headers = {"authorization": f"Bearer {token}"}
        body = {"query": QUESTION, "variables": {"org": "org-1"}}

        async def together() -> Sequence[httpx.Response]:
            ask = small.client
            return await asyncio.gather(
                ask.get(path, params=parameters, headers=headers),
                ask.get(path, params=parameters, headers=headers),
                ask.get(path, params=parameters, headers=headers),
                ask.post("/graphql", json=body, headers=headers),
            )

        served, queued, rest, graphql = gateway.run(together())

    assert served.status_code == queued.status_code == 504
    for refused in (rest, graphql):
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
    assert rest.json() == {"detail": "The server is busy. Try again later."}
    assert graphql.json()["errors"][0]["extensions"] == {"code": "UNAVAILABLE"}
    assert "database" not in caplog.text
