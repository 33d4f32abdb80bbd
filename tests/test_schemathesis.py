"""Both doors, tried by a program that makes requests up from their published documents."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Gateway
from tests.serving import served

EXAMPLES = 150
HOOKS = """
import schemathesis

CODES = {"FORBIDDEN", "BAD_USER_INPUT", "TOO_MANY_BUCKETS", "QUERY_TOO_EXPENSIVE"}

@schemathesis.check
def errors_are_the_callers(ctx, response, case):
    assert response.status_code == 200
    for error in response.json().get("errors", ()):
        assert error["extensions"]["code"] in CODES, error
"""


@pytest.mark.parametrize(
    ("path", "options"),
    [
        (
            "/openapi.json",
            # Reversed bounds are refused, which a schema can't say; and in an address every value
            # is a text, so that `user_ids=true` names an id.
            [
                "--exclude-checks",
                "positive_data_acceptance,negative_data_rejection,errors_are_the_callers",
            ],
        ),
        # Its own checks take any error for one of ours.
        ("/graphql", ["--checks", "errors_are_the_callers,response_schema_conformance"]),
    ],
)
def test_finds_nothing_that_the_document_does_not_say(
    gateway: Gateway, tmp_path: Path, path: str, options: list[str]
) -> None:
    """No server error, no status and no answer of another shape."""
    gateway.load([{"org_id": "0", "session_id": "a", "created_at": 1}])
    (tmp_path / "hooks.py").write_text(HOOKS)
    with served(gateway.database_url, tmp_path / "log", rate_limit="") as server:
        finished = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}{path}"),
                *("--header", f"Authorization: Bearer {gateway.token()}"),
                *("--max-examples", str(EXAMPLES), "--seed", "1", "--no-color", *options),
            ],
            cwd=tmp_path,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks"},
            capture_output=True,
            text=True,
            check=False,
        )

    assert finished.returncode == 0, finished.stdout + finished.stderr
