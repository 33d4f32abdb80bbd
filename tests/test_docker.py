"""The image and how it is composed, without Docker: its files, its commands, and its steps."""

import json
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from metrics_graphql.settings import Settings
from tests.packages import Packages, alone
from tests.serving import free_port
from tests.test_docs import options

ROOT: Final = Path(__file__).parents[1]
NOBODY: Final = 65_534


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with what follows them."""
    lines = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    return [
        (word, rest)
        for word, _, rest in (
            line.partition(" ") for line in re.sub(r"\\\n\s*", "", lines).splitlines() if line
        )
    ]


def the(word: str) -> str:
    """Return what follows the only such instruction."""
    (rest,) = [rest for name, rest in instructions() if name == word]
    return rest


def compose() -> dict[str, Any]:
    """Return the services."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return services


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    """`.dockerignore` lets in what the Dockerfile names, and no more."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = {
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from=build ")
        for source in rest.split()[:-1]
    }

    assert copied
    assert all((ROOT / source).exists() for source in copied)
    assert {f"!{source}" for source in copied} == {line for line in ignored if line[:1] == "!"}
    assert "*" in ignored


def test_the_commands_are_ours() -> None:
    """Of the image and of each service; every setting that they name exists."""
    commands = [json.loads(the("CMD"))]
    commands += [each["command"] for each in compose().values() if "command" in each]
    for name, *arguments in commands:
        given = {argument for argument in arguments if argument.startswith("--")}
        assert given <= (options(name) or set()), (name, arguments)
    text = the("ENV") + (ROOT / "compose.yaml").read_text()
    known = {f"METRICS_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"METRICS_\w+", text)) <= known
    assert json.loads(the("ENTRYPOINT")) == ["metrics-graphql"]


def test_the_image_is_nobodys_and_keeps_data_in_a_volume() -> None:
    """It is run by a user without rights, by number, in the folder of its data."""
    assert the("USER") == "10001"
    assert the("VOLUME") == [rest for word, rest in instructions() if word == "WORKDIR"][-1]
    assert "METRICS_DATABASE_URL=sqlite:////data/" in the("ENV")


def test_no_secret_is_typed_in() -> None:
    """Passwords come from outside, and are missed where they do not."""
    passwords = [
        value
        for service in compose().values()
        for name, value in service.get("environment", {}).items()
        if "PASSWORD" in name
    ]

    assert len(passwords) == 3
    assert all(re.fullmatch(r"\$\{POSTGRES_PASSWORD:\?.+\}", value) for value in passwords)


def test_services_start_in_order() -> None:
    """The database answers, the tables are up to date, then questions are taken."""
    waits = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        for name, service in compose().items()
    }

    assert waits == {
        "database": {},
        "migrate": {"database": "service_healthy"},
        "gateway": {"migrate": "service_completed_successfully"},
    }


@pytest.fixture(scope="module")
def image(packages: Packages) -> Generator[Path]:
    """Lend a folder in which the steps of the last stage were run, instead of an image."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "data").mkdir()
        (folder / "data").chmod(0o777)
        wheels = folder / "wheels"
        wheels.mkdir()
        (wheels / packages.wheel.name).write_bytes(packages.wheel.read_bytes())
        (wheels / "requirements.txt").write_bytes((ROOT / "requirements.txt").read_bytes())
        steps = [
            step.strip()
            for word, rest in instructions()
            if word == "RUN"
            for step in rest.split("&&")
            if re.match(r"(sed|python -m venv|wheel=|/opt/metrics/bin/pip)", step.strip())
        ]
        assert len(steps) == 4
        script = " && ".join(steps).replace("/opt/metrics", f"{folder}/metrics")
        subprocess.run(
            ["sh", "-ec", script.replace("/tmp/wheels", str(wheels))],  # noqa: S607, S108 - the Dockerfile's
            cwd=wheels,
            check=True,
        )
        yield folder


def test_the_steps_of_the_image_make_a_server(image: Path) -> None:
    """Its wheel, with both drivers, serves as its command says; its health check tells of that."""
    programs = image / "metrics" / "bin"
    port = str(free_port())
    database = f"sqlite:///{image}/data/metrics.db"
    environment = alone(programs, METRICS_DATABASE_URL=database, METRICS_DRAIN_SECONDS="0")
    check = json.loads(the("HEALTHCHECK").partition("CMD ")[2].replace("8000", port))
    command = json.loads(the("ENTRYPOINT")) + json.loads(the("CMD").replace("8000", port))
    who: dict[str, Any] = {"user": NOBODY, "group": NOBODY} if may_be_nobody(programs) else {}

    def healthy() -> bool:
        finished = subprocess.run(
            [programs / check[0], *check[1:]],
            env=environment,
            cwd=image / "data",
            stderr=subprocess.DEVNULL,
            check=False,
            **who,
        )
        return finished.returncode == 0

    assert not healthy()
    drivers = "import asyncpg, clickhouse_connect"
    subprocess.run([programs / "python", "-c", drivers], env=environment, check=True, **who)
    server = subprocess.Popen(
        [programs / command[0], *command[1:]],
        env=environment,
        cwd=image / "data",
        stderr=subprocess.DEVNULL,
        **who,
    )
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=12)) as client:
            assert client.get(f"http://127.0.0.1:{port}/readyz").json() == {"status": "ok"}
        assert healthy()
    finally:
        server.terminate()
        server.wait(20)
    assert not healthy()


def may_be_nobody(programs: Path) -> bool:
    """Return whether another user may be taken, one who may run this Python."""
    if os.geteuid() != 0:
        return False
    try:
        finished = subprocess.run(
            [programs / "python", "-c", ""], user=NOBODY, group=NOBODY, cwd="/", check=False
        )
    except PermissionError:
        return False
    return finished.returncode == 0


def test_the_unit_of_the_documentation_names_our_options() -> None:
    """The command that it starts is one of ours."""
    page = (ROOT / "docs" / "operating.md").read_text()
    (command,) = re.findall(r"^ExecStart=\S+/metrics-graphql (.*)$", page, re.MULTILINE)
    name, *arguments = shlex.split(command)

    assert {each for each in arguments if each.startswith("--")} <= (options(name) or set())
