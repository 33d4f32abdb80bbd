"""Schemathesis, which generates requests from the OpenAPI document and the GraphQL schema."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Gateway, only_sqlite
from tests.serving import served

EXAMPLES = 60
HOOKS = """
import schemathesis

CODES = {"FORBIDDEN", "BAD_USER_INPUT", "TOO_MANY_BUCKETS", "QUERY_TOO_EXPENSIVE"}

@schemathesis.check
def errors_are_of_the_client(ctx, response, case):
    assert response.status_code == 200
    for error in response.json().get("errors", ()):
        assert error["extensions"]["code"] in CODES, error
"""


@only_sqlite
@pytest.mark.parametrize(
    ("path", "options"),
    [
        (
            "/openapi.json",
            # A schema cannot express that reversed bounds are refused; and in a query string every
            # value is a text, so `user_ids=true` is an id.
            [
                "--exclude-checks",
                "positive_data_acceptance,negative_data_rejection,errors_are_of_the_client",
            ],
        ),
        # Its own checks treat any error as a server error.
        ("/graphql", ["--checks", "errors_are_of_the_client,response_schema_conformance"]),
    ],
)
def test_schemathesis_finds_no_failures(
    gateway: Gateway, tmp_path: Path, path: str, options: list[str]
) -> None:
    """No server errors, no undocumented statuses, no responses of another shape."""
    gateway.load([{"org_id": "0", "session_id": "a", "created_at": 1}])
    (tmp_path / "hooks.py").write_text(HOOKS)
    with served(gateway.database_url, tmp_path / "log", rate_limit="none") as server:
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
