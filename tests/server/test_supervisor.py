"""Signals to the parent of several workers, while it replaces them and while they start."""

import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import Gateway, only_sqlite, set_revision
from tests.serving import STARTING_SECONDS, Server, served


def wait_for(server: Server, text: str) -> None:
    """Wait until the log contains a text."""
    give_up_at = time.monotonic() + STARTING_SECONDS
    while text not in server.log.read_text():
        assert time.monotonic() < give_up_at, server.log.read_text()
        time.sleep(0.01)


@only_sqlite
@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("Received SIGHUP", signal.SIGTERM),
        ("SIGTERM received: serving for 2 more seconds", signal.SIGINT),
    ],
    ids=["SIGTERM", "SIGINT"],
)
def test_a_signal_during_a_restart_ends_it(
    gateway: Gateway, tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    """While a new worker starts, or an old one drains: no other worker is started."""
    options = ("--workers", "2")
    with served(gateway.database_url, tmp_path / "log", *options, drain_seconds=2) as server:
        server.process.send_signal(signal.SIGHUP)
        wait_for(server, moment)
        server.process.send_signal(number)
        server.process.send_signal(number)
        status = server.process.wait(STARTING_SECONDS)
    log = server.log.read_text()

    assert status == 0
    assert log.count("Started server process") <= 3
    assert log.count("Finished server process") >= 2
    assert "Traceback" not in log


@only_sqlite
def test_a_worker_that_cannot_start_ends_the_server_with_a_failure(
    gateway: Gateway, tmp_path: Path
) -> None:
    """With the status of a server with one worker, so that a service manager restarts it."""
    with served(gateway.database_url, tmp_path / "log", "--workers", "2") as server:
        set_revision(gateway, "9999")
        children = psutil.Process(server.process.pid).children()
        # Another child is the resource tracker of multiprocessing.
        worker = next(each for each in children if "spawn_main" in " ".join(each.cmdline()))
        worker.kill()
        # The parent may wait half a minute for a response of the worker that ends.
        status = server.process.wait(2 * STARTING_SECONDS)

    assert status == 3
    assert "failed to start" in server.log.read_text()
