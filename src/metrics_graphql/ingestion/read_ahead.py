"""Iterates in a thread, one item ahead of the caller."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


async def read_ahead(items: Iterator[T]) -> AsyncGenerator[T]:
    """Yield the items of an iterator. Each is computed while the caller handles the one before."""
    end = object()
    upcoming = run_in_daemon(lambda: next(items, end))
    while (item := await upcoming) is not end:
        upcoming = run_in_daemon(lambda: next(items, end))
        yield item  # type: ignore[misc]  # is not `end`


def run_in_daemon(function: Callable[[], T]) -> asyncio.Future[T]:
    """Run a function in a thread that does not keep the process alive.

    A read from a terminal or a pipe may never end. The event loop would wait for its own threads.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return asyncio.wrap_future(future)
