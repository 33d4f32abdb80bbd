"""The same query over both APIs."""

from typing import Any

import httpx
import pytest

from tests.conftest import Gateway

PERIOD = {"time_after": 0, "time_before": 10}
REST = "/v3/organizations/org-1/metrics/sessions"
GRAPHQL = "/graphql"
QUERY = """
    { sessionMetrics(orgId: "org-1", filters: {timeAfter: 0, timeBefore: 10})
      { sessionsCreatedCount } }
"""
both_apis = pytest.mark.parametrize("path", [REST, GRAPHQL])


def session(number: int) -> dict[str, Any]:
    """Return a session of org-1."""
    return {"org_id": "org-1", "session_id": str(number), "created_at": 1}


def parameters(path: str) -> dict[str, Any]:
    """Return the query parameters of a GET that queries the number of sessions."""
    return PERIOD if path == REST else {"query": QUERY}


def get_count(
    gateway: Gateway, path: str, token: str, if_none_match: str | None = None
) -> httpx.Response:
    """Query the number of sessions by GET."""
    headers = {"if-none-match": if_none_match} if if_none_match else {}
    return gateway.request("GET", path, token, params=parameters(path), headers=headers)


def count_in(response: httpx.Response) -> int:
    """Return the number of sessions in a response of either API."""
    body = response.json()
    totals = body["data"]["sessionMetrics"] if "data" in body else body
    count: int = totals.get("sessionsCreatedCount", totals.get("sessions_created_count"))
    return count
