"""The deadline of the current request, which all work done for it must meet.

It is in a `ContextVar`. So every task that the request starts has it, without an argument for it.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

from metrics_graphql.core.errors import TimedOut

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def set_deadline(seconds: float) -> Generator[None]:
    """Set the deadline of the block, and of tasks that it starts, to `seconds` from now."""
    token = _deadline.set(asyncio.get_running_loop().time() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def time_remaining() -> float | None:
    """Return the seconds until the deadline, negative once it has passed; None without one."""
    deadline = _deadline.get()
    return None if deadline is None else deadline - asyncio.get_running_loop().time()


@asynccontextmanager
async def enforce_deadline() -> AsyncGenerator[None]:
    """Cancel the block at the deadline. Without one, it may take as long as it needs.

    Raises:
        TimedOut: the block was cancelled.
    """
    timeout = asyncio.timeout_at(_deadline.get())
    try:
        async with timeout:
            yield
    except TimeoutError:
        # A driver's own TimeoutError is for storage to interpret.
        if timeout.expired():
            raise TimedOut from None
        raise
