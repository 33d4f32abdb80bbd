"""The parent process of several workers, which SIGTERM and SIGINT end at once."""

import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Final

from uvicorn.supervisors import Multiprocess

RETRY_SECONDS: Final = 0.05
"""Seconds until a signal is sent again that interrupted the start of a worker."""


class StopRequested(BaseException):
    """SIGTERM or SIGINT was received. Not an `Exception`, which could be handled on the way."""


class Supervisor(Multiprocess):
    """uvicorn's supervisor, which handles a signal only once it has nothing else to wait for.

    That may be long: until a worker responds, or until SIGHUP has replaced all of them. Here, the
    first SIGTERM or SIGINT interrupts whatever is being waited for, and shuts all workers down.
    """

    has_failed = False
    """Whether `run` ended because a worker could not start."""
    _stopping = False

    def run(self) -> None:
        """Run until a signal, or until a worker cannot start."""
        with suppress(StopRequested):
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._request_stop)
            super().run()
            # It returns only if a worker could not start: SIGTERM and SIGINT raise `StopRequested`.
            self.has_failed = True
        self._stopping = True
        # Those that a restart has started are not among `self.processes` yet.
        for child in multiprocessing.active_children():
            child.terminate()
        for child in multiprocessing.active_children():
            child.join()

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        if self._stopping:
            return
        if is_starting_worker(frame):
            # A worker that is started halfway would log a traceback.
            threading.Timer(RETRY_SECONDS, os.kill, (os.getpid(), number)).start()
            return
        self._stopping = True
        raise StopRequested


def is_starting_worker(frame: FrameType | None) -> bool:
    """Return whether a signal interrupted the start of a process."""
    start = BaseProcess.start.__code__
    while frame is not None:
        if frame.f_code is start:
            return True
        frame = frame.f_back
    return False
