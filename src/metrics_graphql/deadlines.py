"""The instant by which the request at hand must be answered, wherever its work is done."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

from metrics_graphql.errors import TimedOut

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline_in(seconds: float) -> Generator[None]:
    """Let everything that the block does, tasks that it starts too, be due in so many seconds."""
    token = _deadline.set(asyncio.get_running_loop().time() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left() -> float | None:
    """Return the seconds until the request at hand is due; None if it never is."""
    deadline = _deadline.get()
    return None if deadline is None else deadline - asyncio.get_running_loop().time()


@asynccontextmanager
async def within_deadline() -> AsyncGenerator[None]:
    """Cancel the block when the request is due; without a deadline it takes its time.

    Raises:
        TimedOut: the block was cancelled.
    """
    timeout = asyncio.timeout_at(_deadline.get())
    try:
        async with timeout:
            yield
    except TimeoutError:
        # A driver's own is for the store to read.
        if timeout.expired():
            raise TimedOut from None
        raise
