"""An HTTP load generator: POST requests to `/graphql` over persistent connections.

Closed loop: each client sends its next request when it has the response. Open loop: requests are
sent at a rate, whether responses arrive or not.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from statistics import quantiles
from typing import Final, NamedTuple

MAX_IDLE_SECONDS: Final = 60.0
"""Age at which an idle connection is not used again: before the server closes it, after 75."""
CONNECTIONS_PER_RATE: Final = 1.5
"""Connections that an open loop starts with, in seconds of its rate. uvloop accepts one connection
per iteration, so that requests on new ones would wait where the server does not see them."""


class IdleConnection(NamedTuple):
    """A connection without a request, and since when."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    since: float


@dataclass
class Responses:
    """The status and the latency, in seconds, of each response."""

    received: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0
    """From the first request to the last response."""

    @property
    def goodput(self) -> float:
        """Responses with status 200, per second."""
        return len(self.latencies(200)) / self.seconds

    def latencies(self, status: int) -> list[float]:
        """Return the latencies of the responses with a status."""
        return [seconds for each, seconds in self.received if each == status]


def percentile(seconds: list[float], percent: int) -> float:
    """Return a percentile in milliseconds; 0 if there are no values."""
    if len(seconds) < 2:  # noqa: PLR2004 - as many as quantiles needs
        return sum(seconds) * 1_000
    return quantiles(seconds, n=100, method="inclusive")[percent - 1] * 1_000


class LoadGenerator:
    """Sends requests to a local server. `body_of` returns the body of the n-th request."""

    def __init__(self, port: int, token: str, body_of: Callable[[int], bytes]) -> None:
        self._port = port
        self._body_of = body_of
        self._numbers = count()
        self._idle: deque[IdleConnection] = deque()
        self._head = (
            f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()

    async def closed_loop(self, clients: int, seconds: float) -> Responses:
        """Send requests from `clients` clients, each after the response to its last one."""
        responses = Responses()
        started = time.perf_counter()
        end = started + seconds

        async def run_client() -> None:
            while time.perf_counter() < end:
                await self._send(responses)

        await asyncio.gather(*(run_client() for _ in range(clients)))
        responses.seconds = time.perf_counter() - started
        return responses

    async def open_loop(self, per_second: float, seconds: float) -> Responses:
        """Send requests at a rate, on connections that are open before."""
        for _ in range(int(per_second * CONNECTIONS_PER_RATE) - len(self._idle)):
            connection = await asyncio.open_connection("127.0.0.1", self._port)
            self._idle.append(IdleConnection(*connection, time.perf_counter()))
        responses = Responses()
        started = time.perf_counter()
        tasks = []
        for number in range(int(per_second * seconds)):
            # Also when it is late: the event loop must read responses in between.
            await asyncio.sleep(max(0.0, started + number / per_second - time.perf_counter()))
            tasks.append(asyncio.create_task(self._send(responses)))
        await asyncio.gather(*tasks)
        responses.seconds = time.perf_counter() - started
        return responses

    def close(self) -> None:
        """Close every connection."""
        for connection in self._idle:
            connection.writer.close()

    async def _send(self, responses: Responses) -> None:
        """Send one request on an idle or a new connection, and record the response."""
        body = self._body_of(next(self._numbers))
        started = time.perf_counter()
        while self._idle and started - self._idle[0].since > MAX_IDLE_SECONDS:
            self._idle.popleft().writer.close()
        if self._idle:
            reader, writer, _ = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(self._head + str(len(body)).encode() + b"\r\n\r\n" + body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        now = time.perf_counter()
        responses.received.append((int(head[9:12]), now - started))
        self._idle.append(IdleConnection(reader, writer, now))
