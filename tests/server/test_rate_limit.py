"""The rate limit of each caller, at both APIs."""

import time

import pytest
from limits import parse

from metrics_graphql.server.rate_limit import RateLimiter
from tests.conftest import Gateway

QUERY = """
    query ($org: ID!) {
      sessionMetrics(orgId: $org, filters: {timeAfter: 0, timeBefore: 10}) {
        sessionsCreatedCount
        byUser { totalCount }
      }
    }
"""


def test_a_caller_over_its_rate_limit_gets_429_at_both_apis(gateway: Gateway) -> None:
    """Responses have the remaining quota, 429 has `Retry-After`; other callers are not limited."""
    with gateway.configured(rate_limit="2/hour") as limited:
        token, other = gateway.token("org-1"), gateway.token("org-1")
        first = limited.rest("org-1", token, time_after=0, time_before=10)
        limited.graphql(QUERY, token, {"org": "org-1"})
        rest = limited.rest("org-1", token, time_after=0, time_before=10)
        graphql = limited.graphql(QUERY, token, {"org": "org-1"})
        others = limited.rest("org-1", other, time_after=0, time_before=10)

    assert first.headers["ratelimit-policy"] == '"caller";q=2;w=3600'
    assert first.headers["ratelimit"].startswith('"caller";r=1;t=')
    for refused in (rest, graphql):
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 3_600
        assert refused.headers["ratelimit"].startswith('"caller";r=0;t=')
    assert rest.json()["detail"].startswith("Too many requests. Try again in ")
    assert graphql.json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED"}
    assert others.status_code == 200


def test_without_a_rate_limit_nothing_is_counted(gateway: Gateway) -> None:
    """Responses have no rate limit headers."""
    with gateway.configured(rate_limit="none") as unlimited:
        token = gateway.token("org-1")
        response = unlimited.rest("org-1", token, time_after=0, time_before=10)

    assert response.status_code == 200
    assert "ratelimit" not in response.headers


def test_setting_the_clock_back_does_not_extend_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exhausted quota is available again after its window, whatever the wall clock shows."""
    limiter = RateLimiter(parse("1/hour"))
    assert not limiter.hit("caller").exceeded

    monkeypatch.setattr(time, "time", lambda: 0.0)
    quota = limiter.hit("caller")

    assert quota.exceeded
    assert quota.reset_seconds <= 3_600
