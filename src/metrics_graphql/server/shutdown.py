"""Graceful shutdown: a process announces its end at `/readyz`, and serves for a while longer."""

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
def drain_on_sigterm(shutting_down: Event, seconds: float) -> Generator[None]:
    """During the block, delay the effect of SIGTERM by `seconds`.

    SIGTERM sets `shutting_down`, by which `/readyz` turns a load balancer away, and reaches the
    server's own handler after the delay. So the server stops listening only when no more requests
    are sent to it. A second SIGTERM changes nothing: a process manager sends it to a worker and to
    its parent, which passes it on. SIGINT ends the process at once.
    """
    loop = asyncio.get_running_loop()
    stop_server = cast("Handler", signal.getsignal(signal.SIGTERM))

    def drain() -> None:
        if shutting_down.is_set():
            return
        logger.info("SIGTERM received: serving for %g more seconds", seconds)
        shutting_down.set()
        loop.call_later(seconds, stop_server, signal.SIGTERM, None)

    def handle(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(drain)

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, stop_server)
