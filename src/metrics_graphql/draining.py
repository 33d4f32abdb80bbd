"""The end of a process that is told to stop: it says so first, and answers for a while."""

import asyncio
import logging
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Event
from types import FrameType
from typing import cast

logger = logging.getLogger(__name__)

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def draining_on_sigterm(draining: Event, seconds: float) -> Generator[None]:
    """Let SIGTERM set `draining`, and reach the server, whose handler is there now, seconds later.

    A load balancer sees at `/readyz` that the process is about to end before the server stops to
    listen, so no request meets a closed door. SIGTERM again changes nothing: a process manager
    sends it to a worker and to its parent, which passes it on. SIGINT ends the process at once.
    """
    loop = asyncio.get_running_loop()
    stop = cast("Handler", signal.getsignal(signal.SIGTERM))

    def drain() -> None:
        if draining.is_set():
            return
        logger.info("Told to stop: answering for %g more seconds", seconds)
        draining.set()
        loop.call_later(seconds, stop, signal.SIGTERM, None)

    def handle(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(drain)

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, stop)
