"""Answers under data versions: what was answered is the answer, until its organizations change."""

import asyncio
import time
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from operator import attrgetter
from typing import Final, NamedTuple

from cachetools import LRUCache
from starlette.types import Receive, Scope, Send

from metrics_graphql.errors import Overloaded

MAX_REPEATS: Final = 2_000_000
"""Bytes of requests that are remembered for a moment."""
OVERHEAD: Final = 3_000
"""Bytes that an answer takes beside its own: its key, its headers, its place in the table."""

FOR_BROWSERS: Final = [
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Authorization, Accept"),
]
"""Browsers may keep it for its caller, if they ask each time whether it is still true."""

Versions = Mapping[str, int]
"""The data version of each organization that an answer depends on."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of an answer in JSON, and the versions under which it stays true.

    None are those of an answer that is not to be given twice, as one with an error in it.
    """

    body: bytes
    versions: Versions | None
    status: int = 200

    @property
    def etag(self) -> str:
        """The strong validator of this body."""
        return f'"{urlsafe_b64encode(sha256(self.body).digest()[:18]).decode()}"'


class AnswerResponse:
    """An answer ready to be sent, however often."""

    def __init__(self, answer: Answer, media_type: str) -> None:
        self.answer = answer
        self._content = [
            (b"content-type", media_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
        ]
        self._validator = (b"etag", answer.etag.encode())

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it in answer to a request; a GET that has it already gets 304 instead."""
        headers, status, body = self._content, self.answer.status, self.answer.body
        if scope["method"] == "GET" and self.answer.versions is not None:
            headers = [self._validator, *FOR_BROWSERS]
            if has_it(scope, self._validator[1]):
                status, body = 304, b""
            else:
                headers += self._content
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def has_it(scope: Scope, etag: bytes) -> bool:
    """Return whether the client says that it has the answer with this validator."""
    named = [value for name, value in scope["headers"] if name == b"if-none-match"]
    return any(
        each.strip().removeprefix(b"W/") in {etag, b"*"}
        for value in named
        for each in value.split(b",")
    )


class Repeat(NamedTuple):
    """What was decided about a request: its answer, for whom, and until when that may be reused."""

    response: AnswerResponse
    caller_id: str
    until: float
    size: int


class Answers:
    """Keeps answers, up to some bytes, while their versions are what `current` says.

    A request that is repeated to the byte within half of the `freshness` is not even read again:
    what was decided about it was read no longer ago than that half before.

    `current` returns the versions of some organizations, read at most `freshness` seconds ago.
    Equal questions that arrive while one of them is being answered, and for no longer than that,
    get its answer.
    """

    def __init__(
        self,
        current: Callable[[Collection[str]], Awaitable[Versions]],
        *,
        max_bytes: int,
        freshness: float,
    ) -> None:
        self._current = current
        self._freshness = freshness
        self._kept: LRUCache[Hashable, AnswerResponse] = LRUCache(
            max_bytes, getsizeof=lambda response: len(response.answer.body) + OVERHEAD
        )
        self._coming: dict[Hashable, tuple[float, asyncio.Future[AnswerResponse]]] = {}
        self._repeats: LRUCache[Hashable, Repeat] = LRUCache(MAX_REPEATS, attrgetter("size"))

    def repeated(self, said: tuple[bytes | str, ...]) -> Repeat | None:
        """Return what was decided a moment ago about a request that said the same."""
        repeat = self._repeats.get(said)
        return repeat if repeat is not None and time.monotonic() < repeat.until else None

    def remember(
        self,
        said: tuple[bytes | str, ...],
        caller_id: str,
        asked_at: float,
        response: AnswerResponse,
    ) -> None:
        """Remember for a moment what was decided about a request.

        `asked_at` is an instant of the monotonic clock before anything was decided.
        """
        size = sum(map(len, said)) + OVERHEAD
        if self._freshness and response.answer.versions is not None and size <= MAX_REPEATS:
            until = asked_at + self._freshness / 2
            self._repeats[said] = Repeat(response, caller_id, until, size)

    async def get(
        self, key: Hashable, media_type: str, make: Callable[[], Awaitable[Answer]]
    ) -> AnswerResponse:
        """Return the answer to a question: the kept one, the one that is coming, or a new one.

        `key` has everything that the answer depends on but the versions: the question, and what its
        caller may read.
        """
        kept = self._kept.get(key)
        if kept is not None:
            versions = kept.answer.versions or {}
            if await self._current(versions.keys()) == versions:
                return kept
        started, coming = self._coming.get(key, (0.0, None))
        now = time.monotonic()
        if coming is not None and now - started < self._freshness:
            return await asyncio.shield(coming)
        coming = asyncio.get_running_loop().create_future()
        self._coming[key] = (now, coming)
        try:
            response = AnswerResponse(await make(), media_type)
        except BaseException as error:
            # Those who wait for it were not cancelled themselves.
            coming.set_exception(error if isinstance(error, Exception) else Overloaded())
            # Perhaps nobody waits for it.
            coming.exception()
            raise
        finally:
            if self._coming.get(key, (0.0, None))[1] is coming:
                del self._coming[key]
        coming.set_result(response)
        if response.answer.versions is not None and self._fits(response.answer):
            self._kept[key] = response
        return response

    def _fits(self, answer: Answer) -> bool:
        return len(answer.body) + OVERHEAD <= self._kept.maxsize
