"""Sends GraphQL requests as clients do, and reads the errors of responses."""

import json
from typing import Any, Final

import httpx

from tests.conftest import Gateway

JSON_TYPE: Final = "application/json"
RESPONSE_TYPE: Final = "application/graphql-response+json"
TYPENAME: Final = {"data": {"__typename": "Query"}}
"""The response to `{ __typename }`."""
COUNT: Final = """
    query ($org: ID!) {
      sessionMetrics(orgId: $org, filters: { timeAfter: 0, timeBefore: 10 }) {
        sessionsCreatedCount
      }
    }
"""
"""Counts the sessions of an organization of the shared gateway."""


def post(gateway: Gateway, token: str | None, query: str, accept: str = "*/*") -> httpx.Response:
    """Post a document, and accept a media type."""
    return post_body(gateway, token, {"query": query}, accept)


def post_body(
    gateway: Gateway, token: str | None, body: dict[str, Any] | str, accept: str = JSON_TYPE
) -> httpx.Response:
    """Post a body as ASCII."""
    content = body if isinstance(body, str) else json.dumps(body)
    headers = {"content-type": JSON_TYPE, "accept": accept}
    return gateway.request("POST", "/graphql", token, content=content, headers=headers)


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Return the one error of a response."""
    (error,) = response.json()["errors"]
    found: dict[str, Any] = error
    return found
