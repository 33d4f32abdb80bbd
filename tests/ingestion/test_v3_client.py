"""The v3 client: requests, retries, errors, and the protection of the token."""

import asyncio
import gzip
import json
import re
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from metrics_graphql.core.errors import BadUserInput
from metrics_graphql.ingestion.v3_client import (
    MAX_ATTEMPTS,
    MAX_BODY_BYTES,
    MAX_RETRY_AFTER,
    CursorRejected,
    FetchedPage,
    V3Client,
    V3ClientError,
)
from tests.ingestion.test_v3_schema import ITEM, LAST
from tests.ingestion.v3_server import (
    TOKEN,
    V3Server,
    error_response,
    truncated_response,
    v3_server,
)
from tests.serving import free_port


def fetch(
    url: str,
    delays: list[float] | None = None,
    proxy: str | None = None,
    **kwargs: Any,  # noqa: ANN401 - passed on
) -> FetchedPage:
    """Fetch a page without sleeping between attempts; the delays are appended to `delays`."""

    async def sleep(seconds: float) -> None:
        if delays is not None:
            delays.append(seconds)

    async def run() -> FetchedPage:
        async with V3Client(url, "org-1", TOKEN, sleep=sleep, proxy=proxy) as client:
            return await client.fetch_page(**kwargs)

    return asyncio.run(run())


def fetch_error(url: str, **kwargs: Any) -> V3ClientError:  # noqa: ANN401 - passed on
    """Return the error of a failing fetch, which must be one line without the token."""
    with pytest.raises(V3ClientError) as failed:
        fetch(url, **kwargs)
    assert "\n" not in str(failed.value)
    assert TOKEN not in repr(failed.value)
    return failed.value


def always(page: object) -> Callable[[dict[str, Any]], Any]:
    """Return a `transform_page` that replaces every page by this one."""
    return lambda _page: page


# Retries


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_temporary_failures_are_retried(v3: V3Server, status: int) -> None:
    """With exponentially growing delays."""
    v3.add(3)
    v3.faults = [error_response(status)] * 5
    delays: list[float] = []

    assert len(fetch(v3.url, delays).page.items) == 3
    assert len(delays) == 5
    assert sum(delays) >= 1 + 2 + 4 + 8 + 16


def test_broken_connections_are_retried(v3: V3Server) -> None:
    """So are truncated bodies and invalid compression."""
    v3.add(3)
    junk = Response(b"junk", headers={"Content-Encoding": "gzip"})
    v3.faults = [truncated_response(), junk, truncated_response()]

    assert len(fetch(v3.url).page.items) == 3
    assert len(v3.requests) == 4


def test_an_unreachable_api_is_an_error(v3: V3Server) -> None:
    """After all attempts, with the reason."""
    delays: list[float] = []
    with pytest.raises(
        V3ClientError, match=r"cannot connect to 127.0.0.1:\d+: Connection refused$"
    ):
        fetch(f"http://127.0.0.1:{free_port()}", delays)

    assert len(delays) == MAX_ATTEMPTS - 1


def test_retries_are_limited(v3: V3Server) -> None:
    """The error has the detail of the last response."""
    v3.faults = [error_response(500, str(number)) for number in range(MAX_ATTEMPTS)]

    message = str(fetch_error(v3.url))

    assert message.endswith(f"returned 500 Internal Server Error: {MAX_ATTEMPTS - 1}")
    assert len(v3.requests) == MAX_ATTEMPTS


@pytest.mark.parametrize(
    "retry_after", ["300", formatdate(time.time() + 302, usegmt=True)], ids=["seconds", "date"]
)
def test_retry_after_delays_the_next_attempt(v3: V3Server, retry_after: str) -> None:
    """It is a number of seconds, or a date."""
    v3.faults = [error_response(429, Retry_After=retry_after)]
    delays: list[float] = []
    fetch(v3.url, delays)

    (delay,) = delays
    # The date was computed when the tests were collected.
    assert delay >= 300 if retry_after == "300" else delay > 1


@pytest.mark.parametrize("retry_after", ["soon", "-1", "1.5", "", "²", "Mon, 99 Jan 99999"])
def test_an_invalid_retry_after_is_ignored(v3: V3Server, retry_after: str) -> None:
    """The regular delay applies."""
    response = error_response(429)
    response.headers["Retry-After"] = retry_after
    v3.faults = [response]
    delays: list[float] = []
    fetch(v3.url, delays)

    assert len(delays) == 1
    assert 1 <= delays[0] <= 2


def test_a_long_retry_after_is_an_error(v3: V3Server) -> None:
    """The error has it as `retry_after`, at most a day."""
    for value, seconds in (("3600", 3_600), ("9" * 5_000, 86_400)):
        v3.faults = [error_response(429, Retry_After=value)]
        assert fetch_error(v3.url).retry_after == seconds > MAX_RETRY_AFTER
    assert len(v3.requests) == 2


def test_retries_are_logged(v3: V3Server, caplog: pytest.LogCaptureFixture) -> None:
    """With the delay, the reason and the number of the attempt."""
    v3.faults = [error_response(503), truncated_response()]
    fetch(v3.url)

    url = f"{v3.url}/v3/organizations/org-1/sessions/insights"
    first, second = (re.sub(r"in \d+ s", "in … s", line) for line in caplog.messages)
    assert first == f"Retrying in … s: {url} returned 503 Service Unavailable (attempt 1 of 8)"
    assert second.startswith(f"Retrying in … s: {url}: the connection broke: ")
    assert second.endswith(" (attempt 2 of 8)")


# Errors


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "METRICS_SYNC_TOKEN"),
        (403, "ViewOrgSessions"),
        (404, "check --base-url"),
        (204, "204"),
    ],
)
def test_other_statuses_are_not_retried(v3: V3Server, status: int, hint: str) -> None:
    """The error has a hint and the detail of the response, without the token."""
    v3.faults = [
        error_response(status, f"detail\n{TOKEN}") if status != 204 else Response(status_code=204)
    ]

    message = str(fetch_error(v3.url))

    assert hint in message
    assert ("detail" in message) == (status != 204)
    assert len(v3.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_rejected_cursor_has_its_own_error(v3: V3Server, status: int) -> None:
    """Without a cursor, the same statuses are other errors."""
    v3.faults = [error_response(status), error_response(status)]

    assert isinstance(fetch_error(v3.url, cursor="c"), CursorRejected)
    assert not isinstance(fetch_error(v3.url), CursorRejected)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(v3: V3Server, status: int) -> None:
    """They could send the token elsewhere, or return sessions from elsewhere."""
    v3.faults = [Response(status_code=status, headers={"Location": f"{v3.url}/elsewhere"})]

    message = str(fetch_error(v3.url))

    assert f"redirects to {v3.url}/elsewhere" in message
    assert message.endswith("set --base-url to the final base URL")
    assert len(v3.requests) == 1


def test_body_size_is_limited(v3: V3Server) -> None:
    """After decompression. The error suggests a smaller page size."""
    bomb = gzip.compress(bytes(MAX_BODY_BYTES + 1), compresslevel=1)
    v3.faults = [Response(bomb, headers={"Content-Encoding": "gzip"})]

    assert "page size" in str(fetch_error(v3.url))


def test_compressed_bodies_are_decoded(v3: V3Server) -> None:
    """With gzip, as servers usually send them."""
    body = gzip.compress(json.dumps(LAST).encode())
    v3.faults = [Response(body, headers={"Content-Encoding": "gzip"})]

    assert fetch(v3.url).page.items[0].session_id == "a"


def test_nested_encodings_are_refused(v3: V3Server) -> None:
    """A few hundred bytes could exhaust the memory."""
    body = gzip.compress(gzip.compress(json.dumps(LAST).encode()))
    v3.faults = [Response(body, headers={"Content-Encoding": "gzip, gzip"})]

    assert "several nested encodings" in str(fetch_error(v3.url))


def test_a_token_repeated_by_the_api_is_redacted(v3: V3Server) -> None:
    """In the error for an invalid field."""
    v3.transform_page = always({**LAST, "items": [{**ITEM, "org_id": TOKEN}]})

    assert "items.0.org_id" in str(fetch_error(v3.url))


def test_proxies_of_the_environment_are_ignored(
    v3: V3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would receive the token."""
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    v3.transform_page = always(LAST)

    assert fetch(v3.url).page.items[0].session_id == "a"


def test_a_page_that_is_not_json_is_an_error(v3: V3Server) -> None:
    """As a proxy may respond in the place of the API. It is not retried."""
    v3.faults = [Response("<html>", media_type="text/html")]

    message = str(fetch_error(v3.url))
    assert "/sessions/insights: returned text/html, not JSON; check --base-url" in message
    assert len(v3.requests) == 1


def test_an_invalid_page_is_an_error(v3: V3Server) -> None:
    """With the URL, and the path of the field in the page."""
    v3.transform_page = always({**LAST, "items": [ITEM, {**ITEM, "org_id": "org-2"}]})

    message = str(fetch_error(v3.url))
    assert message.endswith("/sessions/insights: items.1.org_id: must be org-1, not org-2")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"junk",
        b"<html>",
        b"[" * 100_000,
        b'{"items": [',
        b"[]",
        b"null",
        b"\xff",
        b'{"a": "\\ud800"}',
    ],
    ids=lambda body: repr(body[:12]),
)
def test_an_invalid_body_is_an_error(v3: V3Server, body: bytes) -> None:
    """With the URL."""
    v3.faults = [Response(body)]

    assert str(fetch_error(v3.url)).startswith(
        f"{v3.url}/v3/organizations/org-1/sessions/insights: "
    )


def test_reported_fields_are_limited(v3: V3Server) -> None:
    """An error in every session is reported for the first few."""
    v3.transform_page = always({**LAST, "items": [{}] * 200})

    assert len(str(fetch_error(v3.url))) < 400


# Requests


def test_query_parameters(v3: V3Server) -> None:
    """They have the documented names. The token is sent in a header only."""
    v3.faults = [JSONResponse(LAST)]
    fetch(v3.url, since=0, cursor="a&b= c/ä")

    assert v3.queries == [{"first": "200", "updated_after": "0", "after": "a&b= c/ä"}]
    assert v3.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in str(v3.requests[0].url)


def test_the_organization_is_one_path_segment(v3: V3Server) -> None:
    """Characters with a meaning in URLs are escaped."""
    org_id = "org ä?#&%41"
    v3.org_id = org_id
    v3.add(1)

    async def run() -> FetchedPage:
        async with V3Client(v3.url, org_id, TOKEN) as client:
            return await client.fetch_page()

    assert asyncio.run(run()).page.items[0].org_id == org_id
    assert v3.requests[0].path_params == {"org_id": org_id}


@pytest.mark.parametrize("end", ["", "/", "/v3", "//v3//"])
def test_a_base_url_may_have_a_path(end: str) -> None:
    """And a slash or the version at its end."""
    with v3_server("/behind/a proxy") as v3:
        v3.add(2)
        assert len(fetch(v3.url + end).page.items) == 2


@pytest.mark.parametrize("end", ["", "/", "/v3", "/v3/"])
def test_spellings_of_a_base_url_share_a_checkpoint(end: str) -> None:
    """It is stored by the base URL."""
    assert V3Client(f"HTTPS://Api.example.com:443{end}", "o", "t").base_url == (
        "https://api.example.com"
    )


@pytest.mark.parametrize(
    "base_url",
    [
        *(
            "",
            "api.example.com",
            "//api.example.com",
            "ftp://api.example.com",
            "https://",
            "https:",
        ),
        *(
            "https://api.example.com:port",
            "https://api.example.com:99999",
            "http://api.example.com",
            "http://10.0.0.1",
        ),
        *("http://localhost.example.com", "http://127.0.0.1@example.com"),
        *("https://someone:s3cret@example.com", "https://example.com?a=b", "https://example.com#a"),
    ],
)
def test_an_invalid_or_unencrypted_base_url_is_refused(base_url: str) -> None:
    """The error does not repeat a password."""
    with pytest.raises(BadUserInput, match="base_url") as refused:
        V3Client(base_url, "org-1", TOKEN)

    assert refused.value.path == ("base_url",)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "base_url", ["https://api.example.com", "http://localhost:1", "http://[::1]"]
)
def test_https_and_loopback_base_urls_are_accepted(base_url: str) -> None:
    """The token is sent encrypted, or stays on the host."""
    assert V3Client(base_url, "org-1", TOKEN).base_url == base_url


@pytest.mark.parametrize("token", ["", " ", "a b", f"{TOKEN}\n", f"{TOKEN}\r\nX: y", "tökén"])
def test_an_invalid_token_is_refused(token: str) -> None:
    """The error does not repeat it."""
    with pytest.raises(BadUserInput, match="sync_token") as refused:
        V3Client("https://api.example.com", "org-1", token)

    assert refused.value.path == ("sync_token",)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize("org_id", ["", "a,b", "a\nb", ".."])
def test_an_invalid_organization_is_refused(org_id: str) -> None:
    """Dots alone would change the path of the URL."""
    with pytest.raises(BadUserInput) as refused:
        V3Client("https://api.example.com", org_id, TOKEN)

    assert refused.value.path == ("org_id",)
