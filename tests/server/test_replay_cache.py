"""Replays of byte-identical requests: how long, for whom, and what is still checked."""

import time

import pytest

from tests.conftest import Advance, Gateway
from tests.server.requests import REST, get_count


def test_an_expired_token_is_refused_though_its_request_could_be_replayed(
    gateway: Gateway, advance: Advance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response is replayed until the token expires, at most."""
    token = gateway.token("org-1", days=1)
    with gateway.configured(cache_ttl=86_400) as caching:
        assert get_count(caching, REST, token).status_code == 200
        assert get_count(caching, REST, token).status_code == 200
        advance(86_400)
        tomorrow = time.time() + 86_400
        monkeypatch.setattr(time, "time", lambda: tomorrow)
        refused = get_count(caching, REST, token)

    assert refused.status_code == 401


def test_replays_count_against_the_rate_limit(gateway: Gateway) -> None:
    """Like other requests."""
    with gateway.configured(cache_ttl=10, rate_limit="2/hour") as caching:
        token = caching.token("org-1")
        statuses = [get_count(caching, REST, token).status_code for _ in range(3)]

    assert statuses == [200, 200, 429]
