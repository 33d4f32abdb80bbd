"""The refresh-ahead cache: when a request waits for a load, and when it does not."""

import asyncio
from collections.abc import Collection

import pytest

from metrics_graphql.core.deadline import set_deadline
from metrics_graphql.core.errors import TimedOut, Unavailable
from metrics_graphql.core.refresh_ahead import RefreshAheadCache
from tests.conftest import Advance


def test_values_are_refreshed_in_the_background_before_they_expire(advance: Advance) -> None:
    """No request waits for that; those that find a value expired wait for one load together."""
    loads: list[list[str]] = []
    may_end = asyncio.Event()

    async def load(keys: Collection[str]) -> dict[str, int]:
        loads.append(sorted(keys))
        number = len(loads)
        await may_end.wait()
        return dict.fromkeys(keys, number)

    async def scenario() -> None:
        cache = RefreshAheadCache(load, 10)
        may_end.set()
        assert await cache.get(["a", "b"]) == {"a": 1, "b": 1}
        may_end.clear()
        advance(6)
        assert await cache.get(["a"]) == {"a": 1}
        assert await cache.get(["a"]) == {"a": 1}
        await asyncio.sleep(0)
        assert loads == [["a", "b"], ["a"]]
        advance(6)
        waiting = [asyncio.ensure_future(cache.get(["a", "b"])) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        may_end.set()
        assert await asyncio.gather(*waiting) == [{"a": 2, "b": 3}] * 3
        assert loads == [["a", "b"], ["a"], ["b"]]

    asyncio.run(scenario())


def test_misses_are_not_cached() -> None:
    """A new organization or token is known at once."""
    stored = {"a": 1}

    async def load(keys: Collection[str]) -> dict[str, int]:
        return {key: stored[key] for key in keys if key in stored}

    async def scenario() -> None:
        cache = RefreshAheadCache(load, 10)
        assert await cache.get(["a", "b"]) == {"a": 1}
        stored["b"] = 2
        assert await cache.get(["a", "b"]) == {"a": 1, "b": 2}

    asyncio.run(scenario())


def test_a_ttl_of_zero_disables_the_cache() -> None:
    """Every request loads."""
    loads = 0

    async def load(keys: Collection[str]) -> dict[str, int]:
        nonlocal loads
        loads += 1
        return dict.fromkeys(keys, loads)

    async def scenario() -> None:
        cache = RefreshAheadCache(load, 0)
        assert [await cache.get(["a"]) for _ in range(3)] == [{"a": 1}, {"a": 2}, {"a": 3}]

    asyncio.run(scenario())


def test_a_failed_refresh_leaves_the_value_until_it_expires(
    advance: Advance, caplog: pytest.LogCaptureFixture
) -> None:
    """Then requests get the error, and the next success is cached again."""
    is_available = True

    async def load(keys: Collection[str]) -> dict[str, int]:
        if not is_available:
            raise Unavailable
        return dict.fromkeys(keys, 1)

    async def scenario() -> None:
        nonlocal is_available
        cache = RefreshAheadCache(load, 10)
        await cache.get(["a"])
        is_available = False
        advance(6)
        for _ in range(2):
            assert await cache.get(["a"]) == {"a": 1}
            await asyncio.sleep(0)
        advance(6)
        with pytest.raises(Unavailable):
            await cache.get(["a"])
        is_available = True
        assert await cache.get(["a"]) == {"a": 1}

    asyncio.run(scenario())

    assert caplog.text == ""


def test_a_load_outlives_the_deadline_of_the_request_that_started_it() -> None:
    """Other requests wait for it as long as their own deadlines allow."""
    may_end = asyncio.Event()
    loads = 0

    async def load(keys: Collection[str]) -> dict[str, int]:
        nonlocal loads
        loads += 1
        await may_end.wait()
        return dict.fromkeys(keys, loads)

    async def scenario() -> None:
        cache = RefreshAheadCache(load, 10)
        with set_deadline(0.01), pytest.raises(TimedOut):
            await cache.get(["a"])
        waiting = asyncio.ensure_future(cache.get(["a"]))
        await asyncio.sleep(0)
        may_end.set()
        assert await waiting == {"a": 1}

    asyncio.run(scenario())

    assert loads == 1


def test_a_slow_load_does_not_replace_the_value_of_a_younger_one(advance: Advance) -> None:
    """It read its value earlier."""
    started = [asyncio.Event(), asyncio.Event()]
    may_end = [asyncio.Event(), asyncio.Event()]
    loads = 0

    async def load(keys: Collection[str]) -> dict[str, int]:
        nonlocal loads
        number, loads = loads, loads + 1
        if number < 2:
            started[number].set()
            await may_end[number].wait()
        return dict.fromkeys(keys, number)

    async def scenario() -> None:
        cache = RefreshAheadCache(load, 10)
        older = asyncio.ensure_future(cache.get(["a"]))
        await started[0].wait()
        advance(11)
        younger = asyncio.ensure_future(cache.get(["a"]))
        await started[1].wait()
        may_end[1].set()
        assert await younger == {"a": 1}
        may_end[0].set()
        assert await older == {"a": 0}
        assert await cache.get(["a"]) == {"a": 1}

    asyncio.run(scenario())
