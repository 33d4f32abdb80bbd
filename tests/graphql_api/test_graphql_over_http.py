"""GraphQL over HTTP to the letter: the published audit, run by its own program on a real server."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Gateway, only_sqlite
from tests.npm import npm
from tests.serving import served

FOLDER = Path(__file__).parents[1] / "graphql_http"
CHECKS = 61
"""What version 1.23 checks: every MUST, SHOULD and MAY."""


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node, which is not installed")
@only_sqlite
def test_the_published_audit_finds_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """Every check passes; none warns."""
    npm(FOLDER, "ci", "--no-audit", "--no-fund")
    with served(gateway.database_url, tmp_path / "log") as server:
        finished = subprocess.run(
            ["node", "audit.js", f"{server.url}/graphql", gateway.token("org-1")],  # noqa: S607 - whichever node is there
            cwd=FOLDER,
            capture_output=True,
            text=True,
            check=True,
        )
    results = json.loads(finished.stdout)

    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == CHECKS
