"""A server with sessions for a browser."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Gateway
from tests.serving import Server, served

ORIGINS = ["webapp", "slack", "api", "linear", "cli"]
SIZES = ["xs", "s", "m", "l", "xl", None]
SCRIPT = "<script>document.title = 'run'</script>"
"""A playbook id that is an attempted injection."""


def rows(org_id: str, count: int) -> list[dict[str, Any]]:
    """Return sessions of the last twenty days, one every four hours; the newest is an hour old."""
    newest = datetime.now(UTC) - timedelta(hours=1)
    return [
        {
            "org_id": org_id,
            "session_id": f"s{number}",
            "created_at": int((newest - timedelta(hours=4 * number)).timestamp()),
            "origin": ORIGINS[number % 5],
            "size": SIZES[number % 6],
            "user_id": f"email|{number % 3}",
            "service_user_id": "service-user-1" if number % 7 == 0 else None,
            "playbook_id": SCRIPT if number % 2 else None,
            "used_search": number % 5 == 0,
            "has_merged_pr": number % 3 == 0,
            "acus": number * 100_000,
        }
        for number in range(count)
    ]


@pytest.fixture
def filled(gateway: Gateway) -> Gateway:
    """Return a gateway with one organization that has sessions."""
    gateway.load(rows("org-1", 120))
    return gateway


@pytest.fixture
def server(filled: Gateway, tmp_path: Path) -> Generator[Server]:
    """Run a server of its database."""
    with served(filled.database_url, tmp_path / "log", cache_ttl=0) as server:
        yield server


@pytest.fixture
def token(filled: Gateway) -> str:
    """Return a token that may read the organization."""
    return filled.token("org-1")
