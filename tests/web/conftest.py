"""A server with sessions for a browser."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Gateway

ORIGINS = ["webapp", "slack", "api", "linear", "cli"]
SIZES = ["xs", "s", "m", "l", "xl", None]
SCRIPT = "<script>document.title = 'run'</script>"
"""A playbook id that is an attempted injection."""


NEWEST = datetime.now(UTC) - timedelta(hours=1)
"""When the newest session was created."""


def rows(org_id: str, count: int) -> list[dict[str, Any]]:
    """Return sessions of the last twenty days, one every four hours."""
    return [
        {
            "org_id": org_id,
            "session_id": f"s{number}",
            "created_at": int((NEWEST - timedelta(hours=4 * number)).timestamp()),
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


@pytest.fixture(scope="module")
def filled(loaded: Gateway) -> Gateway:
    """Return a gateway with one organization that has sessions."""
    loaded.load(rows("org-1", 120))
    return loaded


@pytest.fixture(scope="module")
def token(filled: Gateway) -> str:
    """Return a token that may read the organization."""
    return filled.token("org-1")
