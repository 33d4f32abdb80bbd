"""A client that openapi-python-client generates, against a real server."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracle, strategies
from tests.conftest import Gateway, new_organization, only_sqlite
from tests.packages import pip_install
from tests.serving import Server

pytestmark = only_sqlite
FOLDER = Path(__file__).parent / "generated_client"
OF_ORGANIZATION = "metrics.handle_get_session_metrics_v3_organizations_org_id_metrics_sessions_get"
OF_OWN = "metrics.handle_get_session_metrics_v3_organizations_metrics_sessions_get"
OF_ENTERPRISE = "metrics.handle_get_session_metrics_v3_enterprise_metrics_sessions_get"
OF_SELF = "self_.handle_get_self_v3_self_get"


class Environment:
    """The virtual environment of the generator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"

    def install(self) -> None:
        """Install the pinned requirements, unless they are installed."""
        pinned = FOLDER / "requirements.txt"
        stamp = self.folder / "stamp"
        if not stamp.exists() or stamp.read_text() != pinned.read_text():
            run(sys.executable, "-m", "venv", "--clear", self.folder)
            run(*pip_install(self.python), "--require-hashes", "-r", pinned)
            stamp.write_text(pinned.read_text())

    def generate(self, url: str, client: Path) -> str:
        """Generate a client from the document of a server; return the output."""
        # It runs a formatter of the same environment.
        path = f"{self.python.parent}:{os.environ['PATH']}"
        return run(
            *(self.python, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
            *("--meta", "none", "--url", f"{url}/openapi.json", "--output-path", client),
            env={**os.environ, "PATH": path},
        )


class Client:
    """A generated client, and the server that it calls."""

    def __init__(self, environment: Environment, folder: Path, server: Server) -> None:
        self._environment = environment
        self._folder = folder
        self._server = server

    def call(self, *calls: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the results of some calls of operations."""
        stdin = json.dumps({"url": self._server.url, "calls": calls})
        python_path = {**os.environ, "PYTHONPATH": str(self._folder)}
        script = FOLDER / "call_operations.py"
        results: list[dict[str, Any]] = json.loads(
            run(self._environment.python, script, stdin=stdin, env=python_path)
        )
        return results


def run(*command: str | Path, stdin: str = "", env: dict[str, str] | None = None) -> str:
    """Run a program, which must succeed; return its output."""
    finished = subprocess.run(
        command, input=stdin, env=env, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout + finished.stderr


@pytest.fixture(scope="session")
def environment() -> Environment:
    """Return the environment, which is created once and then reused by all runs of the tests."""
    environment = Environment(Path(sys.prefix) / "generated-client")
    environment.install()
    return environment


def call(operation: str, token: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - any value
    """Return a call of an operation."""
    return {"operation": operation, "token": token, "arguments": arguments}


def bodies(results: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the bodies of results, which must all be of a type and have no unknown keys."""
    assert {(result["status"], result["type"]) for result in results} == {(200, kind)}
    assert not [result["unknown"] for result in results if result["unknown"]]
    return [result["body"] for result in results]


@pytest.fixture(scope="module")
def client(
    server: Server, environment: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Client:
    """Return a client of a server, which must be generated without a warning."""
    folder = tmp_path_factory.mktemp("generated")
    assert "arning" not in environment.generate(server.url, folder / "client")
    return Client(environment, folder, server)


@given(data=st.data())
@settings(max_examples=5)
def test_every_field_equals_the_oracle(
    loaded: Gateway, client: Client, data: st.DataObject
) -> None:
    """At every path of session metrics, for random sessions, periods and filters."""
    org_ids = [next(new_organization) for _ in range(2)]
    rows = st.sampled_from(org_ids).flatmap(
        lambda org_id: strategies.session_rows(org_id, st.sampled_from("abcdefghijklm"))
    )
    unique = st.lists(rows, max_size=30, unique_by=lambda row: (row["org_id"], row["session_id"]))
    stored = data.draw(unique)
    loaded.load(stored)
    of_org, of_all = loaded.token(org_ids[0]), loaded.token()
    calls, expected = [], []
    for _ in range(5):
        # An empty list cannot be sent as repeated parameters.
        drawn = strategies.rest_filters(data.draw(strategies.filters()))
        filters = {name: given for name, given in drawn.items() if given}
        period: dict[str, Any] = data.draw(strategies.periods())
        parameters = {**period, **strategies.sdk_filters(filters)}
        some = data.draw(st.sampled_from([org_ids, org_ids[:1], [org_ids[1], "org-unknown"]]))
        calls += [
            call(OF_ORGANIZATION, of_org, org_id=org_ids[0], **parameters),
            call(OF_OWN, of_org, **parameters),
            call(OF_ENTERPRISE, of_all, org_ids=some, **parameters),
        ]
        counted: dict[str, Any] = {**period, **filters}
        of_one = oracle.rest(stored, org_ids[0], **counted)
        expected += [of_one, of_one, oracle.rest(stored, None, org_ids=some, **counted)]

    assert bodies(client.call(*calls), "SessionMetricsResponse") == expected


def test_the_caller_and_errors_have_the_documented_types(loaded: Gateway, client: Client) -> None:
    """The body of every status is that of the document."""
    org_id = next(new_organization)
    of_org, of_all = loaded.token(org_id), loaded.token()
    period = {"time_after": 0, "time_before": 10}
    own, enterprise, *wrong = client.call(
        call(OF_SELF, of_org),
        call(OF_SELF, of_all),
        call(OF_ENTERPRISE, "cog_x", **period),
        call(OF_ENTERPRISE, of_org, **period),
        call(OF_OWN, of_all, **period),
        call(OF_ORGANIZATION, of_all, org_id=org_id, time_after=2, time_before=1),
    )

    found = [body["org_id"] for body in bodies([own, enterprise], "ServiceUserSelf")]
    assert found == [org_id, None]
    assert [(result["status"], result["type"]) for result in wrong] == [
        (401, "Error"),
        (403, "Error"),
        (422, "HTTPValidationError"),
        (422, "HTTPValidationError"),
    ]
    assert wrong[0]["body"] == {"detail": "The token is not valid"}
    assert wrong[3]["body"]["detail"][0]["loc"] == ["query", "time_before"]
