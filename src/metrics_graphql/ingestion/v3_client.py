"""HTTP client for the sessions of one organization in a v3 API, with retries.

The token is sent to the configured base URL only: no redirects, and a proxy only tunnels
(docs/decisions/0010).
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
"""Sessions per page, as the v3 API documents it."""
MAX_BODY_BYTES: Final = 64_000_000
"""Bytes of a response body, decompressed: far more than 200 sessions have."""
MAX_ATTEMPTS: Final = 8
"""Attempts to fetch a page. With the delays in between they take about two minutes."""
MAX_BACKOFF: Final = 60.0
"""Seconds between two attempts, `Retry-After` not included."""
MAX_RETRY_AFTER: Final = 600.0
"""Seconds of `Retry-After` that are waited for. After a longer one, the fetch fails at once."""
RETRYABLE_STATUSES: Final = frozenset({408, 429, *range(500, 600)})
CURSOR_REJECTED_STATUSES: Final = frozenset({400, 404, 410, 422})
"""Statuses with which an API may refuse a cursor."""
HINTS: Final = {
    401: "METRICS_SYNC_TOKEN is not a valid token there",
    403: "METRICS_SYNC_TOKEN lacks the permission, which is ViewOrgSessions",
    404: "check --base-url and --org",
    407: "the proxy wants a user and a password",
}
"""What the operator can do about a status."""
MAX_REPORTED_FIELDS: Final = 3
"""Fields that the error for an invalid page names: one mistake is often in every session."""


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
    """A page and the time of its request. Later changes may be missing from it."""

    page: SessionPage
    requested_at: int
    """Unix seconds, by the API's clock or the local one, whichever is behind."""


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
        """Check the arguments. Nothing is connected yet.

        Raises:
            BadUserInput: at `base_url`, `org_id`, `sync_token` or `proxy`, or at a variable of the
                environment that names a proxy or certificates.
        """
        self.org_id = check_new_id(("org_id",), org_id)
        if set(org_id) == {"."}:
            raise BadUserInput(("org_id",), "must not consist of dots: they change the URL's path")
        self._base_url = check_base_url(base_url)
        self.base_url = str(self._base_url).rstrip("/")
        self._proxy = find_proxy(self._base_url, proxy)
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
        """Return the page at a cursor, or the first page, of sessions that changed since then.

        `since` is in Unix seconds; None: all sessions.

        Raises:
            CursorRejected: the API refused the request, perhaps because of the cursor.
            V3ClientError: the API cannot be reached, refused the request, or returned something
                other than a page; invalid fields are named by their path.
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
            reason = self._reject_media_type(response, error) or format_validation_error(
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
            failure = describe_failure(error, self._base_url, self._proxy)
            kind = RetryableError if failure.is_temporary else V3ClientError
            raise kind(self._redact(f"{self._url}: {failure.reason}")) from None
        if response.status_code in RETRYABLE_STATUSES:
            raise RetryableError(self._describe(response, body), parse_retry_after(response))
        return response, body

    async def _read_body(self, response: httpx.Response) -> bytes:
        if "," in response.headers.get("Content-Encoding", ""):
            # httpx decodes all of them per chunk: nested, a few bytes can exhaust the memory.
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

    def _reject_media_type(self, response: httpx.Response, error: ValidationError) -> str:
        """Return what is wrong with the media type of a body that is not JSON; empty if nothing."""
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        is_json = all(details["type"] != "json_invalid" for details in error.errors())
        if is_json or not media_type or "json" in media_type.lower():
            return ""
        return (
            f"returned {printable(self._redact(media_type))}, not JSON; check --base-url, and"
            " whether a proxy responds in its place"
        )

    def _redact(self, text: str) -> str:
        """Remove the token from a text that may repeat what the API sent."""
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
    """Return a text of the API that can be printed on one line."""
    return shorten(text if text.isprintable() else repr(text))


def should_retry(error: BaseException) -> bool:
    """Return whether a failed attempt is followed by another."""
    return isinstance(error, RetryableError) and error.retry_after <= MAX_RETRY_AFTER


def requested_delay(error: BaseException) -> float:
    """Return the seconds of `Retry-After` that came with a failed attempt; 0 without."""
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
