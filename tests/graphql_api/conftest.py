"""A gateway that a module's tests ask and none of them changes: tables of requests are long."""

import asyncio
import json
from collections.abc import Generator
from typing import Any, Protocol

import pytest

from tests.conftest import Gateway
from tests.engines import Engine


class Ask(Protocol):
    """Asks one question of the shared gateway, and returns the whole answer."""

    def __call__(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the answer, which must have come with status 200."""


@pytest.fixture(scope="module")
def shared(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Generator[Gateway]:
    """Lend a started gateway over ten sessions of org-1 and one of org-2, to ask only.

    Session n of org-1 was created at second n, by user-1 where n is even and else by service-1.
    The first three are small, merged, from Slack, of playbook-1, and took half an ACU each.
    """
    url = engine.new_database(tmp_path_factory.mktemp("shared"))
    with asyncio.Runner() as runner:
        gateway = Gateway(runner, url, engine.new_sessions())
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
def ask(shared: Gateway, token: str) -> Ask:
    """Lend a way to ask that sends ASCII, so that any JSON string can be sent."""

    def send(query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        response = shared.request(
            "POST",
            "/graphql",
            token,
            content=json.dumps({"query": query, "variables": variables}),
            headers={"content-type": "application/json"},
        )
        assert response.status_code == 200
        answered: dict[str, Any] = response.json()
        return answered

    return send
