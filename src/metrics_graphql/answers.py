"""Answers under data versions: what was answered is the answer, until its organizations change."""

import asyncio
import math
import time
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from operator import attrgetter
from typing import Final, NamedTuple

from cachetools import LRUCache
from starlette.types import Receive, Scope, Send

from metrics_graphql.deadlines import within_deadline
from metrics_graphql.errors import Overloaded, TimedOut
from metrics_graphql.seen import NOBODY, at_hand, saw_rows

MAX_REPEATS: Final = 4_000_000
"""Bytes of requests, with their answers, that are remembered for a moment."""
OVERHEAD: Final = 2_000
"""Bytes that an answer takes beside its own and its key's: its headers, its place in the table."""

FOR_BROWSERS: Final = [
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Authorization, Accept"),
]
"""Browsers may keep it for its caller, if they ask each time whether it is still true."""

Key = tuple[bytes | str, ...]
"""What tells one question from another."""
Versions = Mapping[str | None, int]
"""The data version of each organization that an answer depends on; of None, that of all."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of an answer in JSON, and the versions under which it stays true.

    None are those of an answer that is not to be given twice, as one with an error in it.
    """

    body: bytes
    versions: Versions | None
    status: int = 200


class AnswerResponse:
    """An answer ready to be sent, however often.

    What is known by now of the request at hand is true of all that get it.
    """

    def __init__(self, answer: Answer, media_type: str) -> None:
        self.answer = answer
        request = at_hand.get()
        self._operation = request.operation if request else ""
        self._organizations = request.organizations if request else NOBODY
        self._content = [
            (b"content-type", media_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
        ]

    @cached_property
    def _validator(self) -> tuple[bytes, bytes]:
        """The strong validator of the body; nobody needs it but for a GET."""
        return b"etag", b'"%b"' % urlsafe_b64encode(sha256(self.answer.body).digest()[:18])

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it in answer to a request; a GET that has it already gets 304 instead."""
        if request := at_hand.get():
            request.operation, request.organizations = self._operation, self._organizations
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


class Kept(NamedTuple):
    """An answer that is kept, and the bytes that it takes with all that belongs to it."""

    response: AnswerResponse
    size: int


class Repeat(NamedTuple):
    """What was decided about a request: its answer, for whom, and until when that may be reused."""

    response: AnswerResponse
    caller_id: str
    until: float
    size: int


class Answers:
    """Keeps answers, up to some bytes, while their versions are what `current` says.

    `current` returns the versions of some organizations, read at most half of `freshness` seconds
    ago. Within the other half, a request that is repeated to the byte is not even read again, and
    equal questions that arrive while one of them is being answered get its answer.
    """

    def __init__(
        self,
        current: Callable[[Collection[str | None]], Awaitable[Versions]],
        *,
        max_bytes: int,
        freshness: float,
    ) -> None:
        self._current = current
        self._moment = freshness / 2
        self._kept: LRUCache[Key, Kept] = LRUCache(max_bytes, attrgetter("size"))
        self._coming: dict[Key, tuple[float, asyncio.Future[AnswerResponse]]] = {}
        self._repeats: LRUCache[Key, Repeat] = LRUCache(
            min(MAX_REPEATS, max_bytes), attrgetter("size")
        )

    def repeated(self, said: Key) -> Repeat | None:
        """Return what was decided a moment ago about a request that said the same."""
        repeat = self._repeats.get(said)
        if repeat is None:
            return None
        if time.monotonic() < repeat.until:
            saw_rows("cache")
            return repeat
        del self._repeats[said]
        return None

    def remember(self, said: Key, caller_id: str, until: float, response: AnswerResponse) -> None:
        """Remember what was decided about a request, until an instant of the monotonic clock."""
        size = size_of(said, response.answer)
        if response.answer.versions is not None and size <= self._repeats.maxsize:
            self._repeats[said] = Repeat(response, caller_id, until, size)

    async def get(
        self, key: Key, media_type: str, make: Callable[[], Awaitable[Answer]]
    ) -> AnswerResponse:
        """Return the answer to a question: the kept one, the one that is coming, or a new one.

        `key` has everything that the answer depends on but the versions: the question, and what its
        caller may read.

        Raises:
            TimedOut: the one that is coming does not come in time.
        """
        kept = self._kept.get(key)
        if kept is not None:
            versions = kept.response.answer.versions or {}
            if await self._current(versions.keys()) == versions:
                saw_rows("cache")
                return kept.response
        began, coming = self._coming.get(key, (-math.inf, None))
        if coming is not None and time.monotonic() - began < self._moment:
            # Whoever makes it may have less time left, or be gone: that is no answer to this one.
            with suppress(Overloaded, TimedOut):
                async with within_deadline():
                    response = await asyncio.shield(coming)
                    saw_rows("cache")
                    return response
        return await self._made(key, media_type, make)

    async def _made(
        self, key: Key, media_type: str, make: Callable[[], Awaitable[Answer]]
    ) -> AnswerResponse:
        """Make an answer, for all who ask the same meanwhile."""
        coming = asyncio.get_running_loop().create_future()
        self._coming[key] = (time.monotonic(), coming)
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
        size = size_of(key, response.answer)
        if response.answer.versions is not None and size <= self._kept.maxsize:
            self._kept[key] = Kept(response, size)
        return response


def size_of(key: Key, answer: Answer) -> int:
    """Return the bytes that a key and its answer take."""
    return sum(map(len, key)) + len(answer.body) + OVERHEAD
