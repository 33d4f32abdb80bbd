"""Typed GraphQL clients: in Python by introspection, in TypeScript by code generation."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from gql import Client, gql
from gql.transport.httpx import HTTPXAsyncTransport

from tests.conftest import Gateway
from tests.npm import npm

FOLDER = Path(__file__).parent / "typed_client"
DASHBOARD = (FOLDER / "dashboard.graphql").read_text()


def test_a_query_file_runs_with_gql(gateway: Gateway) -> None:
    """Gql fetches the schema, validates the file, and parses the response by its types."""
    gateway.load(
        [
            {
                "org_id": "org-1",
                "session_id": "a",
                "created_at": 1_735_689_600,
                "user_id": "u",
                "playbook_id": "p",
            }
        ]
    )
    transport = HTTPXAsyncTransport(
        "http://gateway/graphql",
        headers={"Authorization": f"Bearer {gateway.token('org-1')}"},
        transport=gateway.transport,
    )
    query = gql(DASHBOARD)
    query.variable_values = {
        "org": "org-1",
        "filters": {"timeAfter": "2025-01-01T00:00:00Z", "timeBefore": "2025-01-31T00:00:00Z"},
    }

    async def execute() -> dict[str, Any]:
        async with Client(transport=transport, fetch_schema_from_transport=True) as session:
            found: dict[str, Any] = await session.execute(query)
            return found

    data = gateway.run(execute())

    assert data["viewer"]["organizations"] == [{"id": "org-1"}]
    metrics = data["sessionMetrics"]
    assert metrics["sessionsCreatedCount"] == 1
    assert metrics["byUser"]["nodes"][0]["user"] == {"id": "u", "name": None}
    assert metrics["byUser"]["pageInfo"]["dataChanged"] is False
    assert metrics["byServiceUser"] == {"nodes": []}
    assert metrics["byOrigin"]["nodes"][0]["origin"] == "OTHER"
    assert metrics["byPlaybook"]["nodes"][0]["playbook"] == {"id": "p"}
    assert len(metrics["timeSeries"]) == 31


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node, which is not installed")
def test_a_typescript_client_is_generated_and_compiles() -> None:
    """From the schema and a query file by graphql-codegen; tsc finds no errors."""
    npm(FOLDER, "ci", "--no-audit", "--no-fund")
    npm(FOLDER, "run", "generate")
    npm(FOLDER, "run", "check")
