"""A v3 API that sessions are pulled from: asked a page at a time, and again where that may help.

The token goes to the given address and nowhere else: redirects are not followed.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, Self
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError
from tenacity import (
    AsyncRetrying,
    before_sleep_log,
    retry_if_exception,
    stop_after_attempt,
    wait_exception,
    wait_exponential_jitter,
)

from metrics_graphql import __version__
from metrics_graphql.domain.metrics import check_new_id
from metrics_graphql.domain.periods import DAY
from metrics_graphql.errors import BadUserInput, shortened
from metrics_graphql.loading.insights import Page
from metrics_graphql.loading.rows import reason

logger = logging.getLogger(__name__)

MAX_PAGE_SIZE: Final = 200
"""Sessions of a page, as the v3 API documents it."""
MAX_BODY: Final = 64_000_000
"""Bytes of an answer, unpacked: more than 200 sessions with all that is said of them."""
ANSWER_SECONDS: Final = 60.0
"""How long an answer may take to its last byte."""
ATTEMPTS: Final = 8
"""How often a page is asked for; with the waiting between, for about two minutes."""
MAX_WAIT: Final = 600.0
"""Seconds of `Retry-After` that are waited for in between; after more, somebody has to ask anew."""
PASSING: Final = frozenset({408, 429, *range(500, 600)})
"""Statuses that may be others the next time."""
CURSOR_REFUSED: Final = frozenset({400, 404, 410, 422})
"""Statuses that may be due to a cursor."""
HINTS: Final = {
    401: "METRICS_SYNC_TOKEN is no valid token there",
    403: "METRICS_SYNC_TOKEN may not read it; the permission is ViewOrgSessions",
}
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_PROBLEMS: Final = 3
"""Fields of a page that an error names: one mistake is often in every session."""


class SourceFailed(Exception):
    """A page that can't be had; its text is the reason. Not to be tried for `retry_after` more."""

    def __init__(self, why: str, retry_after: float = 0.0) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class CursorRefused(SourceFailed):
    """The pages can't be followed from where they were left; from the first one they may be."""


class Passing(SourceFailed):
    """A failure that may be over the next time."""


class Answer(NamedTuple):
    """A page, and when it was asked for: what changes from then on may not be on it."""

    page: Page
    asked_at: int
    """Unix seconds, by the source's clock or by ours, whichever is behind."""


class Problem(BaseModel):
    """An error as the v3 API tells it, in its older and its newer form."""

    detail: str


class Source:
    """The sessions of one organization in a v3 API."""

    def __init__(
        self,
        base_url: str,
        org_id: str,
        token: str,
        page_size: int = MAX_PAGE_SIZE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare to ask; nothing is connected yet.

        Raises:
            BadUserInput: naming the option or the setting that can't be taken.
        """
        self.org_id = check_new_id("--org", org_id)
        if set(org_id) == {"."}:
            raise BadUserInput("--org", "must not be dots alone, which is another path")
        self.base_url = checked_base_url(base_url)
        if not re.fullmatch("[!-~]+", token):
            # The HTTP client would repeat it in its error.
            raise BadUserInput("METRICS_SYNC_TOKEN", "must be set to a token, and nothing else")
        self._token = token
        self._page_size = page_size
        self._url = f"{self.base_url}/v3/organizations/{quote(org_id, safe='')}/sessions/insights"
        self._client = httpx.AsyncClient(
            headers={
                "Accept": "application/json",
                "Authorization": f"Bearer {token}",
                "User-Agent": f"metrics-graphql/{__version__}",
            },
            follow_redirects=False,
            # The token goes to the address that was given, and to no proxy on the way.
            trust_env=False,
            timeout=ANSWER_SECONDS,
        )
        self._retrying = AsyncRetrying(
            sleep=sleep,
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential_jitter(max=ANSWER_SECONDS) + wait_exception(retry_after_of),
            retry=retry_if_exception(is_worth_another_try),
            before_sleep=before_sleep_log(logger, logging.WARNING),
            reraise=True,
        )

    async def page(self, *, since: int | None = None, cursor: str | None = None) -> Answer:
        """Return the page after a cursor, or the first, of sessions that changed since an instant.

        Raises:
            CursorRefused: it may be due to the cursor.
            SourceFailed: the source does not answer, or not with a page; a field is named by its
                path into the page.
        """
        started = time.time()
        asked = {"first": self._page_size, "updated_after": since, "after": cursor}
        parameters = {name: value for name, value in asked.items() if value is not None}
        answered: tuple[httpx.Response, bytes] = await self._retrying(self._ask, parameters)
        response, body = answered
        if response.status_code != httpx.codes.OK:
            is_refused = cursor is not None and response.status_code in CURSOR_REFUSED
            raise (CursorRefused if is_refused else SourceFailed)(self._told(response, body))
        try:
            page = Page.model_validate_json(body, context=self.org_id)
        except ValidationError as error:
            raise SourceFailed(
                self._without_token(f"{self._url}: {reason(error, MAX_PROBLEMS)}")
            ) from None
        theirs = instant_of(response.headers.get("Date", ""))
        return Answer(page, int(started if theirs is None else min(started, theirs)))

    async def _ask(self, parameters: dict[str, str | int]) -> tuple[httpx.Response, bytes]:
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self._client.stream("GET", self._url, params=parameters) as response,
            ):
                body = await self._read(response)
        except (httpx.TransportError, httpx.DecodingError, TimeoutError) as error:
            raise Passing(self._without_token(f"{self._url}: {error!r}")) from None
        if response.status_code in PASSING:
            raise Passing(self._told(response, body), retry_after(response))
        return response, body

    async def _read(self, response: httpx.Response) -> bytes:
        body = bytearray()
        if "," in response.headers.get("Content-Encoding", ""):
            # Unpacked again and again, a few bytes become more than the memory at once.
            raise SourceFailed(f"{self._url} answered in several encodings, one in another")
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BODY:
                raise SourceFailed(
                    f"{self._url} answered with more than {MAX_BODY:,} bytes:"
                    " a smaller --page-size may help"
                )
        return bytes(body)

    def _without_token(self, text: str) -> str:
        """Return what a source said, should it repeat the token, without it."""
        return text.replace(self._token, "…")

    def _told(self, response: httpx.Response, body: bytes) -> str:
        """Return what an answer that is no page says, in one line and without the token."""
        status = response.status_code
        told = [f"{self._url} answered {status} {httpx.codes.get_reason_phrase(status)}".rstrip()]
        if response.has_redirect_location:
            told.append(
                "redirects are not followed, for the token is not for others;"
                " --base-url must be the address that answers"
            )
        if status in HINTS:
            told.append(HINTS[status])
        try:
            detail = self._without_token(Problem.model_validate_json(body).detail)
        except ValidationError:
            return ": ".join(told)
        return ": ".join([*told, shortened(detail if detail.isprintable() else repr(detail))])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()


def checked_base_url(value: str) -> str:
    """Return the address of an API, without a slash at its end.

    Raises:
        BadUserInput: it is none, or the token would be readable on the way there.
    """
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in {"https", "http"} or not url.host:
        raise BadUserInput("--base-url", "must look like https://api.example.com")
    if url.userinfo or url.query or url.fragment:
        raise BadUserInput("--base-url", "must have no user, query or fragment")
    if url.scheme == "http" and url.host not in LOOPBACK:
        raise BadUserInput("--base-url", "must be https, or the token could be read on its way")
    return str(url).rstrip("/")


def is_worth_another_try(error: BaseException) -> bool:
    """Return whether a failure may be over, and that soon."""
    return isinstance(error, Passing) and error.retry_after <= MAX_WAIT


def retry_after_of(error: BaseException) -> float:
    """Return the seconds for which a failed source does not want to be asked."""
    return error.retry_after if isinstance(error, SourceFailed) else 0.0


def retry_after(response: httpx.Response) -> float:
    """Return the seconds of `Retry-After`, which may be a date; at most a day, 0 for none."""
    value = response.headers.get("Retry-After", "")
    if value.isdecimal():
        return min(float(value), DAY)
    until = instant_of(value)
    return 0.0 if until is None else min(max(until - time.time(), 0.0), DAY)


def instant_of(date: str) -> float | None:
    """Return a date as HTTP spells it in Unix seconds; None if it is no date."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
