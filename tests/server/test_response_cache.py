"""The response cache: when entries are valid, for which callers, and what is evicted."""

import asyncio
from typing import Any

import httpx
import pytest

from metrics_graphql.core.errors import Unavailable
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.service_users import create_service_user, revoke_service_user
from tests.conftest import Advance, Gateway
from tests.server.requests import (
    PERIOD,
    QUERY,
    REST,
    both_apis,
    count_in,
    get_count,
    parameters,
    session,
)


@both_apis
def test_a_response_is_computed_once_while_the_data_does_not_change(
    gateway: Gateway, metrics_statements: list[str], advance: Advance, path: str
) -> None:
    """Also after its data versions were read again."""
    gateway.load([session(1)])
    token = gateway.token("org-1")
    with gateway.configured(cache_ttl=10) as caching:
        first = get_count(caching, path, token)
        second = get_count(caching, path, token)
        advance(20)
        third = get_count(caching, path, token)

    assert count_in(first) == 1
    assert first.content == second.content == third.content
    assert len(metrics_statements) == 1


@both_apis
def test_an_ingest_of_another_process_is_visible_within_the_ttl(
    gateway: Gateway, advance: Advance, path: str
) -> None:
    """Until then a response may be stale."""
    gateway.load([session(1)])
    token = gateway.token("org-1")
    with gateway.configured(cache_ttl=10) as caching:
        before = get_count(caching, path, token)
        gateway.load([session(2)])
        stale = get_count(caching, path, token)
        advance(10)
        after = get_count(caching, path, token)

    assert [count_in(before), count_in(stale), count_in(after)] == [1, 1, 2]


@both_apis
def test_with_a_ttl_of_zero_an_ingest_is_visible_at_once(
    gateway: Gateway, metrics_statements: list[str], path: str
) -> None:
    """Responses to unchanged data are still computed once."""
    token = gateway.token("org-1")
    for number in range(3):
        gateway.load([session(number)])
        assert count_in(get_count(gateway, path, token)) == number + 1
        assert count_in(get_count(gateway, path, token)) == number + 1
    assert len(metrics_statements) == 3


@both_apis
def test_a_revoked_token_is_refused_after_the_ttl(
    gateway: Gateway, advance: Advance, path: str
) -> None:
    """Also if the response is cached."""
    created = gateway.run(create_service_user(gateway.database, "x", tenant="org-1"))
    with gateway.configured(cache_ttl=10) as caching:
        assert get_count(caching, path, created.token).status_code == 200
        service_user_id = created.service_user.service_user_id
        gateway.run(revoke_service_user(gateway.database, service_user_id))
        advance(10)
        refused = get_count(caching, path, created.token)

    assert refused.status_code == 401


@both_apis
def test_a_cached_response_is_not_given_to_a_caller_with_other_permissions(
    gateway: Gateway, path: str
) -> None:
    """The same request with another token gets the response that its caller may have."""
    gateway.load([session(1)])
    tokens = [
        gateway.token("org-1"),
        gateway.token("org-2"),
        gateway.token("org-1", "ManageBilling"),
        gateway.token(),
    ]
    with gateway.configured(cache_ttl=10) as caching:
        for _ in range(2):
            allowed, other, without, enterprise = (
                get_count(caching, path, token) for token in tokens
            )

    assert count_in(allowed) == count_in(enterprise) == 1
    for refused in (other, without):
        assert "You may not read the metrics of this organization." in refused.text


def test_the_caller_is_part_of_the_cache_key(gateway: Gateway) -> None:
    """Two service users of one organization each get themselves as `viewer`."""
    query = "{ viewer { id name } }"
    with gateway.configured(cache_ttl=10) as caching:
        first, second = (caching.graphql(query, caching.token("org-1")).json() for _ in range(2))

    assert first["data"]["viewer"]["id"] != second["data"]["viewer"]["id"]


@both_apis
@pytest.mark.parametrize("cache_ttl", [0, 10])
def test_with_a_size_of_zero_every_response_is_computed(
    gateway: Gateway, metrics_statements: list[str], path: str, cache_ttl: int
) -> None:
    """Correctly all the same."""
    gateway.load([session(1)])
    with gateway.configured(cache_ttl=cache_ttl, cache_bytes=0) as uncached:
        token = uncached.token("org-1")
        responses = [get_count(uncached, path, token) for _ in range(3)]

    assert [count_in(response) for response in responses] == [1, 1, 1]
    assert len(metrics_statements) == 3


def test_the_size_of_the_key_counts_towards_the_limit(
    gateway: Gateway, metrics_statements: list[str]
) -> None:
    """A response to a long request is not cached although it is short itself."""
    with gateway.configured(cache_ttl=0, cache_bytes=50_000) as caching:
        token = caching.token("org-1")
        for _ in range(2):
            caching.graphql(QUERY + " " * 60_000, token)
            caching.graphql(QUERY, token)

    assert len(metrics_statements) == 3


def test_a_response_of_an_in_flight_computation_is_not_reused_for_longer_than_the_ttl(
    gateway: Gateway, advance: Advance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow computation, a request that joins it, and a request like the second one later."""
    gateway.load([session(1)])
    with gateway.configured(cache_ttl=10) as caching:
        token = caching.token("org-1")
        headers = {"authorization": f"Bearer {token}"}
        has_read, may_continue = asyncio.Event(), asyncio.Event()
        fetch = Database.fetch

        async def slow(self: Database, statement: Any, values: Any) -> Any:  # noqa: ANN401 - passed on
            rows = await fetch(self, statement, values)
            if "rollups" in statement.sql and not has_read.is_set():
                has_read.set()
                await may_continue.wait()
            return rows

        async def scenario() -> list[httpx.Response]:
            monkeypatch.setattr(Database, "fetch", slow)
            client = caching.client
            leader = asyncio.ensure_future(client.get(REST, params=PERIOD, headers=headers))
            await has_read.wait()
            advance(4)
            follower = asyncio.ensure_future(client.get(REST, params=PERIOD, headers=headers))
            await asyncio.sleep(0.05)
            may_continue.set()
            return list(await asyncio.gather(leader, follower))

        responses = caching.run(scenario())
        gateway.load([session(2)])
        advance(6)
        after = get_count(caching, REST, token)

    assert [count_in(response) for response in responses] == [1, 1]
    assert count_in(after) == 2


def test_the_least_recently_used_responses_are_evicted(
    gateway: Gateway, metrics_statements: list[str]
) -> None:
    """The limit allows four: each takes an overhead of 2,000 bytes, and some 600 of its own."""
    with gateway.configured(cache_ttl=0, cache_bytes=11_000) as caching:
        token = caching.token("org-1")
        for _ in range(2):
            for before in (1, 2, 3, 4, 1, 5, 1):
                caching.rest("org-1", token, time_after=0, time_before=before)

    assert len(metrics_statements) == 5 + 4


@both_apis
def test_concurrent_equal_requests_share_one_computation(
    gateway: Gateway, metrics_statements: list[str], path: str
) -> None:
    """Each gets the response."""
    gateway.load([session(1)])
    with gateway.configured(cache_ttl=10) as caching:
        headers = {"authorization": f"Bearer {caching.token('org-1')}"}

        async def send_at_once() -> list[httpx.Response]:
            requests = (
                caching.client.get(path, params=parameters(path), headers=headers) for _ in range(8)
            )
            return list(await asyncio.gather(*requests))

        responses = caching.run(send_at_once())

    assert [count_in(response) for response in responses] == [1] * 8
    assert len(metrics_statements) == 1


@both_apis
def test_an_unavailable_database_is_noticed_after_the_ttl(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, advance: Advance, path: str
) -> None:
    """Cached responses are served until then, and again when it is back."""
    gateway.load([session(1)])
    with gateway.configured(cache_ttl=10) as caching:
        token = caching.token("org-1")
        get_count(caching, path, token)

        async def unavailable(*_: object) -> None:
            raise Unavailable

        with monkeypatch.context() as patch:
            patch.setattr(Database, "fetch", unavailable)
            within = get_count(caching, path, token)
            advance(10)
            beyond = get_count(caching, path, token)
        back = get_count(caching, path, token)

    assert count_in(within) == count_in(back) == 1
    assert beyond.status_code == 503
    assert beyond.headers["retry-after"] == "1"
