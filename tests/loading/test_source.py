"""A source: what is asked for, what is asked again, what is refused, and where the token goes."""

import asyncio
import gzip
import json
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from metrics_graphql.errors import BadUserInput
from metrics_graphql.loading.source import (
    ATTEMPTS,
    MAX_BODY,
    MAX_WAIT,
    Answer,
    CursorRefused,
    Source,
    SourceFailed,
)
from tests.loading.test_insights import ITEM, LAST
from tests.loading.v3_server import TOKEN, V3Server, cut_off, problem, v3_server
from tests.serving import free_port


def asked(url: str, waits: list[float] | None = None, **position: Any) -> Answer:  # noqa: ANN401 - of a page
    """Ask for a page; the seconds that would be waited for are added to `waits`."""

    async def wait(seconds: float) -> None:
        if waits is not None:
            waits.append(seconds)

    async def run() -> Answer:
        async with Source(url, "org-1", TOKEN, sleep=wait) as source:
            return await source.page(**position)

    return asyncio.run(run())


def refusal(url: str, **position: Any) -> SourceFailed:  # noqa: ANN401 - of a page
    """Ask for a page that is not to be had; return why, which is one line without the token."""
    with pytest.raises(SourceFailed) as failed:
        asked(url, **position)
    assert "\n" not in str(failed.value)
    assert TOKEN not in repr(failed.value)
    return failed.value


def given(page: object) -> Callable[[dict[str, Any]], Any]:
    """Return what puts a page of ours in place of any other."""
    return lambda _page: page


# What is asked again


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_for_again(v3: V3Server, status: int) -> None:
    """Later and later."""
    v3.add(3)
    v3.faults = [problem(status)] * 5
    waits: list[float] = []

    assert len(asked(v3.url, waits).page.items) == 3
    assert len(waits) == 5
    assert sum(waits) >= 1 + 2 + 4 + 8 + 16


def test_a_connection_that_is_cut_is_made_again(v3: V3Server) -> None:
    """In the middle of an answer, or of its compression."""
    v3.add(3)
    junk = Response(b"junk", headers={"Content-Encoding": "gzip"})
    v3.faults = [cut_off(), junk, cut_off()]

    assert len(asked(v3.url).page.items) == 3
    assert len(v3.asked) == 4


def test_a_source_that_is_not_there_is_given_up(v3: V3Server) -> None:
    """With the address and the reason, after some attempts."""
    waits: list[float] = []
    with pytest.raises(SourceFailed, match="ConnectError"):
        asked(f"http://127.0.0.1:{free_port()}", waits)

    assert len(waits) == ATTEMPTS - 1


def test_what_does_not_pass_is_given_up(v3: V3Server) -> None:
    """The last answer says why."""
    v3.faults = [problem(500, str(number)) for number in range(ATTEMPTS)]

    why = str(refusal(v3.url))

    assert why.endswith(f"answered 500 Internal Server Error: {ATTEMPTS - 1}")
    assert len(v3.asked) == ATTEMPTS


@pytest.mark.parametrize(
    "retry_after", ["300", formatdate(time.time() + 302, usegmt=True)], ids=["seconds", "date"]
)
def test_retry_after_is_waited_for(v3: V3Server, retry_after: str) -> None:
    """It says seconds, or a date."""
    v3.faults = [problem(429, Retry_After=retry_after)]
    waits: list[float] = []
    asked(v3.url, waits)

    (waited,) = waits
    # The date was made when the tests were collected.
    assert waited >= 300 if retry_after == "300" else waited > 1


@pytest.mark.parametrize("retry_after", ["soon", "-1", "1.5", "", "²", "Mon, 99 Jan 99999"])
def test_a_retry_after_that_says_nothing_is_ignored(v3: V3Server, retry_after: str) -> None:
    """There is a wait all the same."""
    answer = problem(429)
    answer.headers["Retry-After"] = retry_after
    v3.faults = [answer]
    waits: list[float] = []
    asked(v3.url, waits)

    assert len(waits) == 1
    assert 1 <= waits[0] <= 2


def test_nobody_waits_for_hours(v3: V3Server) -> None:
    """The error says for how long not to come back, a day at most."""
    for value, seconds in (("3600", 3_600), ("9" * 5_000, 86_400)):
        v3.faults = [problem(429, Retry_After=value)]
        assert refusal(v3.url).retry_after == seconds > MAX_WAIT
    assert len(v3.asked) == 2


# What is refused


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "METRICS_SYNC_TOKEN"), (403, "ViewOrgSessions"), (404, "Not Found"), (204, "204")],
)
def test_other_answers_are_errors_at_once(v3: V3Server, status: int, hint: str) -> None:
    """They say what is known of them, and what the source says, without the token."""
    v3.faults = [problem(status, f"why\n{TOKEN}") if status != 204 else Response(status_code=204)]

    why = str(refusal(v3.url))

    assert hint in why
    assert ("why" in why) == (status != 204)
    assert len(v3.asked) == 1


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_cursor_may_be_what_is_refused(v3: V3Server, status: int) -> None:
    """Where there is none, it is not."""
    v3.faults = [problem(status), problem(status)]

    assert isinstance(refusal(v3.url, cursor="c"), CursorRefused)
    assert not isinstance(refusal(v3.url), CursorRefused)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(v3: V3Server, status: int) -> None:
    """The token would go along, or an answer come from who was not asked."""
    v3.faults = [Response(status_code=status, headers={"Location": f"{v3.url}/elsewhere"})]

    assert "--base-url" in str(refusal(v3.url))
    assert len(v3.asked) == 1


def test_a_huge_answer_is_refused(v3: V3Server) -> None:
    """Also one that is huge only when it is unpacked; it says what may help."""
    bomb = gzip.compress(bytes(MAX_BODY + 1), compresslevel=1)
    v3.faults = [Response(bomb, headers={"Content-Encoding": "gzip"})]

    assert "--page-size" in str(refusal(v3.url))


def test_a_compressed_answer_is_read(v3: V3Server) -> None:
    """As servers like to send it."""
    packed = gzip.compress(json.dumps(LAST).encode())
    v3.faults = [Response(packed, headers={"Content-Encoding": "gzip"})]

    assert asked(v3.url).page.items[0].session_id == "a"


def test_an_answer_packed_twice_is_refused(v3: V3Server) -> None:
    """A few hundred bytes of it could be more than the memory."""
    packed = gzip.compress(gzip.compress(json.dumps(LAST).encode()))
    v3.faults = [Response(packed, headers={"Content-Encoding": "gzip, gzip"})]

    assert "several encodings" in str(refusal(v3.url))


def test_a_source_that_repeats_the_token_does_not_have_it_printed(v3: V3Server) -> None:
    """In a field that is wrong, whatever the error says of it."""
    v3.tamper = given({**LAST, "items": [{**ITEM, "org_id": TOKEN}]})

    assert "items.0.org_id" in str(refusal(v3.url))


def test_no_proxy_of_the_environment_gets_the_token(
    v3: V3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be asked in the source's place."""
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    v3.tamper = given(LAST)

    assert asked(v3.url).page.items[0].session_id == "a"


def test_a_page_that_is_not_as_expected_is_an_error(v3: V3Server) -> None:
    """With the address, and the path of the field into the page."""
    v3.tamper = given({**LAST, "items": [ITEM, {**ITEM, "org_id": "org-2"}]})

    why = str(refusal(v3.url))
    assert why.endswith("/sessions/insights: items.1.org_id: must be org-1, not org-2")


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
def test_junk_is_an_error(v3: V3Server, body: bytes) -> None:
    """In one line, which names the address."""
    v3.faults = [Response(body)]

    assert str(refusal(v3.url)).startswith(f"{v3.url}/v3/organizations/org-1/sessions/insights: ")


def test_a_mistake_in_every_session_is_told_a_few_times(v3: V3Server) -> None:
    """Not two hundred times in a line."""
    v3.tamper = given({**LAST, "items": [{}] * 200})

    assert len(str(refusal(v3.url))) < 400


# What is asked for, and where


def test_the_position_is_asked_for(v3: V3Server) -> None:
    """With the names that the API documents; the token is in its header alone."""
    v3.faults = [JSONResponse(LAST)]
    asked(v3.url, since=0, cursor="a&b= c/ä")

    assert v3.queries == [{"first": "200", "updated_after": "0", "after": "a&b= c/ä"}]
    assert v3.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in str(v3.asked[0].url)


def test_any_organization_is_one_step_of_the_path(v3: V3Server) -> None:
    """Whatever its id has that means something in an address."""
    org_id = "org ä?#&%41"
    v3.org_id = org_id
    v3.add(1)

    async def run() -> Answer:
        async with Source(v3.url, org_id, TOKEN) as source:
            return await source.page()

    assert asyncio.run(run()).page.items[0].org_id == org_id
    assert v3.asked[0].path_params == {"org_id": org_id}


def test_a_base_url_may_have_a_path() -> None:
    """And a slash at its end."""
    with v3_server("/behind/a proxy") as v3:
        v3.add(2)
        assert len(asked(v3.url + "/").page.items) == 2


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
            "http://api.example.com",
            "http://10.0.0.1",
        ),
        *("http://localhost.example.com", "http://127.0.0.1@example.com"),
        *("https://someone:s3cret@example.com", "https://example.com?a=b", "https://example.com#a"),
    ],
)
def test_an_address_that_is_none_or_would_show_the_token_is_refused(base_url: str) -> None:
    """Nothing is sent; a password in it is not repeated."""
    with pytest.raises(BadUserInput, match="--base-url") as refused:
        Source(base_url, "org-1", TOKEN)

    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "base_url", ["https://api.example.com", "http://localhost:1", "http://[::1]"]
)
def test_an_address_that_keeps_the_token_is_taken(base_url: str) -> None:
    """Encrypted, or on this machine."""
    assert Source(base_url, "org-1", TOKEN).base_url == base_url


@pytest.mark.parametrize("token", ["", " ", "a b", f"{TOKEN}\n", f"{TOKEN}\r\nX: y", "tökén"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    """The setting is named, and the token is not repeated."""
    with pytest.raises(BadUserInput, match="METRICS_SYNC_TOKEN") as refused:
        Source("https://api.example.com", "org-1", token)

    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize("org_id", ["", "a,b", "a\nb"])
def test_an_organization_that_is_none_is_refused(org_id: str) -> None:
    """The option is named."""
    with pytest.raises(BadUserInput, match="--org"):
        Source("https://api.example.com", org_id, TOKEN)
