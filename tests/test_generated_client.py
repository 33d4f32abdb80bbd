"""A client that openapi-python-client makes from the served document, asking a real server."""

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
from tests.conftest import Gateway, new_organization
from tests.serving import Server

FOLDER = Path(__file__).parent / "generated_client"
OF_ORGANIZATION = "metrics.handle_get_session_metrics_v3_organizations_org_id_metrics_sessions_get"
OF_OWN = "metrics.handle_get_session_metrics_v3_organizations_metrics_sessions_get"
OF_ENTERPRISE = "metrics.handle_get_session_metrics_v3_enterprise_metrics_sessions_get"
OF_SELF = "self_.handle_get_self_v3_self_get"


class Environment:
    """The programs of the generator, beside our own and apart from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"

    def install(self) -> None:
        """Install what is pinned, unless it is there."""
        pinned = FOLDER / "requirements.txt"
        stamp = self.folder / "stamp"
        if not stamp.exists() or stamp.read_text() != pinned.read_text():
            run(sys.executable, "-m", "venv", "--clear", self.folder)
            run(self.python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", pinned)
            stamp.write_text(pinned.read_text())

    def generate(self, url: str, client: Path) -> str:
        """Make a client from the document of a server; return what is said of it."""
        # It calls the formatter that is installed beside it.
        path = f"{self.python.parent}:{os.environ['PATH']}"
        return run(
            *(self.python, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
            *("--meta", "none", "--url", f"{url}/openapi.json", "--output-path", client),
            env={**os.environ, "PATH": path},
        )


class Client:
    """A client that was made, and the server that it asks."""

    def __init__(self, environment: Environment, folder: Path, server: Server) -> None:
        self._environment = environment
        self._folder = folder
        self._server = server

    def ask(self, *questions: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what it makes of the answers."""
        said = json.dumps({"url": self._server.url, "questions": questions})
        python_path = {**os.environ, "PYTHONPATH": str(self._folder)}
        answers: list[dict[str, Any]] = json.loads(
            run(self._environment.python, FOLDER / "ask.py", said=said, env=python_path)
        )
        return answers


def run(*command: str | Path, said: str = "", env: dict[str, str] | None = None) -> str:
    """Run a program, which must end well; return what it prints."""
    finished = subprocess.run(
        command, input=said, env=env, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout + finished.stderr


@pytest.fixture(scope="session")
def environment() -> Environment:
    """Return the environment, which is made once for all runs of the tests."""
    environment = Environment(Path(sys.prefix) / "generated-client")
    environment.install()
    return environment


def question(operation: str, token: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - any value
    """Return a question for the client."""
    return {"operation": operation, "token": token, "arguments": arguments}


def bodies(answers: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the bodies of answers that are all of one type, of which every key is known."""
    assert {(answer["status"], answer["type"]) for answer in answers} == {(200, kind)}
    assert not [answer["unknown"] for answer in answers if answer["unknown"]]
    return [answer["body"] for answer in answers]


@pytest.fixture(scope="module")
def client(
    server: Server, environment: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Client:
    """Lend a client of a server, made without a warning."""
    folder = tmp_path_factory.mktemp("generated")
    assert "arning" not in environment.generate(server.url, folder / "client")
    return Client(environment, folder, server)


@given(data=st.data())
@settings(max_examples=5)
def test_every_field_is_what_the_oracle_says(
    loaded: Gateway, client: Client, data: st.DataObject
) -> None:
    """At every address that counts sessions, for random sessions, periods and filters."""
    org_ids = [next(new_organization) for _ in range(2)]
    rows = st.sampled_from(org_ids).flatmap(
        lambda org_id: strategies.session_rows(org_id, st.sampled_from("abcdefghijklm"))
    )
    unique = st.lists(rows, max_size=30, unique_by=lambda row: (row["org_id"], row["session_id"]))
    stored = data.draw(unique)
    loaded.load(stored)
    of_org, of_all = loaded.token(org_ids[0]), loaded.token()
    questions, expected = [], []
    for _ in range(5):
        # A list that is repeated in an address can't be empty.
        filters = {name: given for name, given in data.draw(strategies.filters()).items() if given}
        asked = {**data.draw(strategies.periods()), **filters}
        some = data.draw(st.sampled_from([org_ids, org_ids[:1], [org_ids[1], "org-unknown"]]))
        questions += [
            question(OF_ORGANIZATION, of_org, org_id=org_ids[0], **asked),
            question(OF_OWN, of_org, **asked),
            question(OF_ENTERPRISE, of_all, org_ids=some, **asked),
        ]
        of_one = oracle.rest(stored, org_ids[0], **asked)
        expected += [of_one, of_one, oracle.rest(stored, None, org_ids=some, **asked)]

    assert bodies(client.ask(*questions), "SessionMetricsResponse") == expected


def test_who_asks_and_what_goes_wrong_have_the_documented_types(
    loaded: Gateway, client: Client
) -> None:
    """Every status that the document names has the body that it says."""
    org_id = next(new_organization)
    of_org, of_all = loaded.token(org_id), loaded.token()
    period = {"time_after": 0, "time_before": 10}
    own, enterprise, *wrong = client.ask(
        question(OF_SELF, of_org),
        question(OF_SELF, of_all),
        question(OF_ENTERPRISE, "cog_x", **period),
        question(OF_ENTERPRISE, of_org, **period),
        question(OF_OWN, of_all, **period),
        question(OF_ORGANIZATION, of_all, org_id=org_id, time_after=2, time_before=1),
    )

    found = [body["org_id"] for body in bodies([own, enterprise], "ServiceUserSelf")]
    assert found == [org_id, None]
    assert [(answer["status"], answer["type"]) for answer in wrong] == [
        (401, "Error"),
        (403, "Error"),
        (422, "HTTPValidationError"),
        (422, "HTTPValidationError"),
    ]
    assert wrong[0]["body"] == {"detail": "The token is not valid"}
    assert wrong[3]["body"]["detail"][0]["loc"] == ["query", "time_before"]
