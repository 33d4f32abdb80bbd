"""Fixtures: a gateway that all tests of a module share and none of them changes."""

import asyncio
import json
from collections.abc import Generator
from typing import Any, Protocol

import pytest

from tests.conftest import Gateway
from tests.engines import Engine
from tests.graphql_api.both_ways import BothWays


class Execute(Protocol):
    """Executes a GraphQL request on the shared gateway, and returns the whole response."""

    def __call__(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the response, which must have the status 200."""


@pytest.fixture(scope="module")
def shared(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Generator[Gateway]:
    """Return a running gateway with ten sessions of org-1 and one of org-2, for reading only.

    Session n of org-1 was created at second n, by user-1 if n is even and by service-1 otherwise.
    The first three are small, have merged pull requests, are from Slack and from playbook-1, and
    consumed half an ACU each.
    """
    url = engine.new_database(tmp_path_factory.mktemp("shared"))
    with asyncio.Runner() as runner:
        # Without a response cache, every request is executed.
        settings = {"cache_bytes": 0, "rate_limit": "1000000/minute"}
        gateway = Gateway(runner, url, engine.new_sessions(), **settings)
        gateway.run(gateway.start())
        gateway.load(
            {
                "org_id": "org-1",
                "session_id": f"s{second}",
                "created_at": second,
                "user_id": None if second % 2 else "user-1",
                "service_user_id": "service-1" if second % 2 else None,
                "size": "s" if second < 3 else "xl",
                "origin": "slack" if second < 3 else "cli",
                "playbook_id": "playbook-1" if second < 3 else None,
                "has_merged_pr": second < 3,
                "used_search": second < 1,
                "acus": 500_000 if second < 3 else 0,
            }
            for second in range(10)
        )
        gateway.load([{"org_id": "org-2", "session_id": "s0", "created_at": 0}])
        yield gateway
        gateway.run(gateway.stop())


@pytest.fixture(scope="module")
def token(shared: Gateway) -> str:
    """Return a token that may read org-1 of the shared gateway."""
    return shared.token("org-1")


@pytest.fixture(scope="module")
def execute(shared: Gateway, token: str) -> Execute:
    """Return a function that sends a request as ASCII, in which any JSON string can be written."""

    def send(query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        response = shared.request(
            "POST",
            "/graphql",
            token,
            content=json.dumps({"query": query, "variables": variables}),
            headers={"content-type": "application/json"},
        )
        assert response.status_code == 200
        body: dict[str, Any] = response.json()
        return body

    return send


@pytest.fixture
def both_ways(shared: Gateway, token: str, monkeypatch: pytest.MonkeyPatch) -> BothWays:
    """Return both ways of execution for a caller that may read org-1."""
    return BothWays(shared, token, monkeypatch)


@pytest.fixture
def enterprise_both_ways(shared: Gateway, monkeypatch: pytest.MonkeyPatch) -> BothWays:
    """Return both ways of execution for a caller at enterprise level."""
    return BothWays(shared, shared.token(), monkeypatch)
