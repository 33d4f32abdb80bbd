"""Runs the server in a process of its own, as in production, for real HTTP clients."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

STARTING_SECONDS = 90
TOKEN = re.compile("cog_[0-9A-Za-z]{8}", re.IGNORECASE)
READY = {httpx.codes.OK, httpx.codes.NOT_FOUND}
"""The first versions served before they had `/readyz`."""


@dataclass(frozen=True)
class Server:
    """A server that listens, and writes its log to a file."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def port(self) -> int:
        """Return the port that it listens on."""
        return int(self.url.rpartition(":")[2])

    def stop(self) -> None:
        """Send SIGTERM, as an orchestrator does."""
        self.process.send_signal(signal.SIGTERM)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(
    database_url: str, log: Path, *options: str, port: int | None = None, **settings: object
) -> Generator[Server]:
    """Serve a database with some settings until the block ends, by default on any free port.

    Whatever is tested, the log must not contain a token.
    """
    port = port or free_port()
    environment = {f"METRICS_{name.upper()}": str(value) for name, value in settings.items()}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "metrics_graphql", "serve", "--port", str(port), *options],
            env={
                **os.environ,
                "METRICS_DATABASE_URL": database_url,
                "METRICS_DRAIN_SECONDS": "0",
                **environment,
            },
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", process, log)
    try:
        wait_until_ready(server)
        yield server
    finally:
        process.terminate()
        process.wait(STARTING_SECONDS)
    assert not TOKEN.search(log.read_text(errors="replace"))


def wait_until_ready(server: Server) -> None:
    """Wait until the server is ready; fail if it ends, or takes too long."""
    give_up_at = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < give_up_at and server.process.poll() is None:
        try:
            if httpx.get(f"{server.url}/readyz").status_code in READY:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"The server did not start: {server.log.read_text()}")
