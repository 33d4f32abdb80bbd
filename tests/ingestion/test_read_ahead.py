"""Iterating in a thread, one item ahead of the caller."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from metrics_graphql.ingestion.read_ahead import read_ahead

SECONDS = 10


def test_an_item_is_computed_while_the_one_before_is_handled() -> None:
    """In order, and no further ahead."""
    is_computed = [threading.Event() for _ in range(4)]

    def items() -> Iterator[int]:
        for number, event in enumerate(is_computed):
            event.set()
            yield number

    async def handle() -> list[int]:
        handled = []
        async for number in read_ahead(items()):
            following = is_computed[number + 1 : number + 2]
            assert all([await asyncio.to_thread(each.wait, SECONDS) for each in following])
            assert not any(each.is_set() for each in is_computed[number + 2 :])
            handled.append(number)
        return handled

    assert asyncio.run(handle()) == [0, 1, 2, 3]


def test_an_error_is_raised_after_the_items_before_it() -> None:
    """As by the iterator itself."""

    def items() -> Iterator[int]:
        yield 1
        raise ValueError("of the second item")

    handled = []

    async def handle() -> None:
        async for number in read_ahead(items()):
            handled.append(number)  # noqa: PERF401 - what was handled before the error

    with pytest.raises(ValueError, match="of the second item"):
        asyncio.run(handle())
    assert handled == [1]


def test_a_read_that_never_ends_does_not_delay_the_end() -> None:
    """The event loop would wait for a thread of its own."""
    may_end, has_ended = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 1
        may_end.wait(SECONDS)
        has_ended.set()

    async def handle() -> None:
        async for _ in read_ahead(items()):
            return

    asyncio.run(handle())
    assert not has_ended.is_set()
    may_end.set()
