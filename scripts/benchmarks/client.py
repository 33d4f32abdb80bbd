"""A plain HTTP client: questions, each another one, over connections that stay open."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from statistics import quantiles
from typing import Final, NamedTuple

KEPT_SECONDS: Final = 4.0
"""How long a connection is kept for the next question; servers close idle ones after five."""


class Idle(NamedTuple):
    """A connection that waits for the next question, and since when."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    since: float


@dataclass
class Answers:
    """What came back: the status of each answer and the seconds that it took."""

    taken: list[tuple[int, float]] = field(default_factory=list)

    def of(self, *statuses: int) -> list[float]:
        """Return the seconds of the answers with one of these statuses."""
        return [seconds for status, seconds in self.taken if status in statuses]


def percentile(seconds: list[float], percent: int) -> float:
    """Return a percentile in milliseconds; 0 of nothing."""
    if len(seconds) < 2:  # noqa: PLR2004 - as many as quantiles needs
        return sum(seconds) * 1e3
    return quantiles(seconds, n=100, method="inclusive")[percent - 1] * 1e3


class Client:
    """Asks a server on this machine; `body_of` returns the body of each request by its number."""

    def __init__(self, port: int, token: str, body_of: Callable[[int], bytes]) -> None:
        self._port = port
        self._body_of = body_of
        self._numbers = count()
        self._idle: deque[Idle] = deque()
        self._head = (
            f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()

    async def ask(self, answers: Answers) -> None:
        """Ask once, over a connection of its own, and note what came back."""
        body = self._body_of(next(self._numbers))
        started = time.perf_counter()
        while self._idle and started - self._idle[0].since > KEPT_SECONDS:
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
        answers.taken.append((int(head[9:12]), now - started))
        self._idle.append(Idle(reader, writer, now))

    async def in_turn(self, workers: int, seconds: float) -> Answers:
        """Ask from so many workers, each as soon as it has its answer."""
        answers = Answers()
        end = time.perf_counter() + seconds

        async def work() -> None:
            while time.perf_counter() < end:
                await self.ask(answers)

        await asyncio.gather(*(work() for _ in range(workers)))
        return answers

    async def at_rate(self, per_second: float, warm_up: float, seconds: float) -> Answers:
        """Ask so often, whether answers have come or not; those of the warm-up do not count."""
        ignored, answers = Answers(), Answers()
        started = time.perf_counter()
        tasks = []
        for number in range(int(per_second * (warm_up + seconds))):
            due = number / per_second
            # Also where it is late already: answers have to be read.
            await asyncio.sleep(max(0.0, started + due - time.perf_counter()))
            tasks.append(asyncio.create_task(self.ask(ignored if due < warm_up else answers)))
        await asyncio.gather(*tasks)
        return answers

    def close(self) -> None:
        """Close every connection."""
        for idle in self._idle:
            idle.writer.close()
