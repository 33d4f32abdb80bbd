"""HTTP client for the sessions of one organization in a v3 API, with retries.

The token is sent to the configured base URL only: redirects are not followed, and a proxy only
opens a tunnel (docs/decisions/0010).
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, Self
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_exception,
    wait_exponential_jitter,
)

from metrics_graphql import __version__
from metrics_graphql.core.errors import BadUserInput, shorten
from metrics_graphql.core.identifiers import check_new_id
from metrics_graphql.core.periods import DAY
from metrics_graphql.ingestion.http_connection import (
    REQUEST_TIMEOUT,
    check_base_url,
    describe_failure,
    find_proxy,
    tls_context,
)
from metrics_graphql.ingestion.row_schema import format_validation_error
from metrics_graphql.ingestion.v3_schema import SessionPage

logger = logging.getLogger(__name__)

MAX_PAGE_SIZE: Final = 200
"""Sessions per page: the maximum that the v3 API documents."""
MAX_BODY_BYTES: Final = 64_000_000
"""Bytes of a decompressed response body: far more than those of `MAX_PAGE_SIZE` sessions."""
MAX_ATTEMPTS: Final = 8
"""Attempts to fetch a page. The delays between them add up to about two minutes."""
MAX_BACKOFF: Final = 60.0
"""Seconds between two attempts, without those of `Retry-After`."""
MAX_RETRY_AFTER: Final = 600.0
"""The longest `Retry-After`, in seconds, that the client waits for. With a longer one, the fetch
fails immediately."""
RETRYABLE_STATUSES: Final = frozenset({408, 429, *range(500, 600)})
CURSOR_REJECTED_STATUSES: Final = frozenset({400, 404, 410, 422})
"""Statuses with which an API may refuse a cursor."""
HINTS: Final = {
    401: "METRICS_SYNC_TOKEN is not a valid token of this API",
    403: "the token in METRICS_SYNC_TOKEN needs the permission ViewOrgSessions",
    404: "check --base-url and --org",
    407: "the proxy requires a user and a password",
}
"""What a status means here, or what to do about it."""
MAX_REPORTED_FIELDS: Final = 3
"""Fields that the error about an invalid page names. Often every session has the same mistake."""


class V3ClientError(Exception):
    """A page cannot be fetched. The message is the reason, without the token."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds before which the API should not be called again."""


class CursorRejected(V3ClientError):
    """The API does not accept the cursor. Pulling from the first page may succeed."""


class RetryableError(V3ClientError):
    """A failure that may be temporary."""


class FetchedPage(NamedTuple):
    """A page, and the time of its request. It may lack changes after that time."""

    page: SessionPage
    requested_at: int
    """Unix seconds: the start of the first attempt, or the `Date` of the response if earlier."""


class ErrorBody(BaseModel):
    """The body of an error response. Both forms that the v3 API documents have `detail`."""

    detail: str


class V3Client:
    """Fetches the sessions of one organization, page by page."""

    def __init__(  # noqa: PLR0913 - one parameter per option
        self,
        base_url: str,
        org_id: str,
        token: str,
        page_size: int = MAX_PAGE_SIZE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        proxy: str | None = None,
    ) -> None:
        """Check the arguments, without connecting.

        Raises:
            BadUserInput: an argument was refused, or a variable of the environment that names a
                proxy or certificates. The error names it; the token is `sync_token`.
        """
        self.org_id = check_new_id(("org_id",), org_id)
        if set(org_id) == {"."}:
            raise BadUserInput(("org_id",), "must not consist of dots: they change the URL's path")
        self._parsed_base_url = check_base_url(base_url)
        self.base_url = str(self._parsed_base_url).rstrip("/")
        self._proxy = find_proxy(self._parsed_base_url, proxy)
        if not re.fullmatch("[!-~]+", token):
            # httpx would repeat the token in its error.
            raise BadUserInput(("sync_token",), "must be set to a token, and nothing else")
        self._token = token
        self._page_size = page_size
        self._url = f"{self.base_url}/v3/organizations/{quote(org_id, safe='')}/sessions/insights"
        context = tls_context()
        self._client = httpx.AsyncClient(
            headers={
                "Accept": "application/json",
                "Authorization": f"Bearer {token}",
                "User-Agent": f"metrics-graphql/{__version__}",
            },
            follow_redirects=False,
            # `find_proxy` and `tls_context` read the environment.
            trust_env=False,
            verify=context,
            proxy=self._proxy.for_httpx(context) if self._proxy else None,
            timeout=REQUEST_TIMEOUT,
        )
        self._retrying = AsyncRetrying(
            sleep=sleep,
            stop=stop_after_attempt(MAX_ATTEMPTS),
            wait=wait_exponential_jitter(max=MAX_BACKOFF) + wait_exception(requested_delay),
            retry=retry_if_exception(should_retry),
            before_sleep=log_retry,
            reraise=True,
        )

    async def fetch_page(
        self, *, since: int | None = None, cursor: str | None = None
    ) -> FetchedPage:
        """Return a page of the sessions that changed since an instant: the page after a cursor.

        `since` is in Unix seconds; None: all sessions. Without a `cursor`, it is the first page.

        Raises:
            CursorRejected: the API refused the request, perhaps because of the cursor.
            V3ClientError: the API cannot be reached, refused the request, or returned something
                other than a page. The message names invalid fields.
        """
        started_at = time.time()
        params = {"first": self._page_size, "updated_after": since, "after": cursor}
        given = {name: value for name, value in params.items() if value is not None}
        fetched: tuple[httpx.Response, bytes] = await self._retrying(self._request, given)
        response, body = fetched
        if response.status_code != httpx.codes.OK:
            message = self._describe(response, body)
            if cursor is not None and response.status_code in CURSOR_REJECTED_STATUSES:
                raise CursorRejected(message)
            raise V3ClientError(message)
        try:
            page = SessionPage.model_validate_json(body, context=self.org_id)
        except ValidationError as error:
            reason = self._describe_media_type(response, error) or format_validation_error(
                error, MAX_REPORTED_FIELDS
            )
            raise V3ClientError(self._redact(f"{self._url}: {reason}")) from None
        server_time = parse_http_date(response.headers.get("Date", ""))
        return FetchedPage(
            page, int(started_at if server_time is None else min(started_at, server_time))
        )

    async def _request(self, params: dict[str, str | int]) -> tuple[httpx.Response, bytes]:
        try:
            async with (
                asyncio.timeout(REQUEST_TIMEOUT),
                self._client.stream("GET", self._url, params=params) as response,
            ):
                body = await self._read_body(response)
        except (httpx.TransportError, httpx.DecodingError, TimeoutError, UnicodeError) as error:
            failure = describe_failure(error, self._parsed_base_url, self._proxy)
            kind = RetryableError if failure.is_temporary else V3ClientError
            raise kind(self._redact(f"{self._url}: {failure.reason}")) from None
        if response.status_code in RETRYABLE_STATUSES:
            raise RetryableError(self._describe(response, body), parse_retry_after(response))
        return response, body

    async def _read_body(self, response: httpx.Response) -> bytes:
        if "," in response.headers.get("Content-Encoding", ""):
            # httpx decodes each chunk completely: nested, a few bytes can exhaust the memory.
            raise V3ClientError(f"{self._url} returned a body in several nested encodings")
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise V3ClientError(
                    f"{self._url} returned more than {MAX_BODY_BYTES:,} bytes:"
                    " a smaller page size may help"
                )
        return bytes(body)

    def _describe(self, response: httpx.Response, body: bytes) -> str:
        """Return one line about a response that is not a page, without the token."""
        status = response.status_code
        parts = [f"{self._url} returned {status} {httpx.codes.get_reason_phrase(status)}".rstrip()]
        if response.has_redirect_location:
            location = printable(self._redact(response.headers["Location"]))
            parts.append(f"it redirects to {location}, which is not followed, to protect the token")
            parts.append("set --base-url to the final base URL")
        if status in HINTS:
            parts.append(HINTS[status])
        with suppress(ValidationError):
            parts.append(printable(self._redact(ErrorBody.model_validate_json(body).detail)))
        return ": ".join(filter(None, parts))

    def _describe_media_type(self, response: httpx.Response, error: ValidationError) -> str:
        """Return what is wrong if a body is not JSON because it has another media type.

        Empty if the body is JSON, or should be by its media type.
        """
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        is_json = all(details["type"] != "json_invalid" for details in error.errors())
        if is_json or not media_type or "json" in media_type.lower():
            return ""
        return (
            f"returned {printable(self._redact(media_type))}, not JSON; check --base-url, and"
            " whether a proxy responds in its place"
        )

    def _redact(self, text: str) -> str:
        """Return a text without the token, which the API may have repeated."""
        return text.replace(self._token, "…")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()


def log_retry(state: RetryCallState) -> None:
    """Log why an attempt failed, before the delay."""
    error = state.outcome.exception() if state.outcome else None
    logger.warning(
        "Retrying in %.0f s: %s (attempt %d of %d)",
        state.upcoming_sleep,
        error,
        state.attempt_number,
        MAX_ATTEMPTS,
    )


def printable(text: str) -> str:
    """Return a text of the API, shortened, that can be printed on one line."""
    return shorten(text if text.isprintable() else repr(text))


def should_retry(error: BaseException) -> bool:
    """Return whether a failed attempt may be repeated."""
    return isinstance(error, RetryableError) and error.retry_after <= MAX_RETRY_AFTER


def requested_delay(error: BaseException) -> float:
    """Return the seconds of `Retry-After` in the response to a failed attempt; 0 without."""
    return error.retry_after if isinstance(error, V3ClientError) else 0.0


def parse_retry_after(response: httpx.Response) -> float:
    """Return `Retry-After` in seconds, at most a day; 0 if it is missing or invalid."""
    value = response.headers.get("Retry-After", "")
    if value.isdecimal():
        return min(float(value), DAY)
    until = parse_http_date(value)
    return 0.0 if until is None else min(max(until - time.time(), 0.0), DAY)


def parse_http_date(value: str) -> float | None:
    """Return a date of an HTTP header in Unix seconds; None if it is invalid."""
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
