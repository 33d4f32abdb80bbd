"""The image and its composition, without Docker: files, commands, and the steps of the build."""

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
UNPRIVILEGED: Final = 65_534
"""The user and group id of `nobody`."""


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments."""
    lines = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    return [
        (word, rest)
        for word, _, rest in (
            line.partition(" ") for line in re.sub(r"\\\n\s*", "", lines).splitlines() if line
        )
    ]


def only(word: str) -> str:
    """Return the arguments of the only such instruction."""
    (rest,) = [rest for name, rest in instructions() if name == word]
    return rest


def compose() -> dict[str, Any]:
    """Return the services."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return services


def test_copied_files_exist_and_are_not_ignored() -> None:
    """`.dockerignore` excludes everything else."""
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


def test_commands_options_and_settings_exist() -> None:
    """Those of the image and of each service."""
    commands = [json.loads(only("CMD"))]
    commands += [each["command"] for each in compose().values() if "command" in each]
    for name, *arguments in commands:
        given = {argument for argument in arguments if argument.startswith("--")}
        assert given <= (options(name) or set()), (name, arguments)
    text = only("ENV") + (ROOT / "compose.yaml").read_text()
    known = {f"METRICS_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"METRICS_\w+", text)) <= known
    assert json.loads(only("ENTRYPOINT")) == ["metrics-graphql"]


def test_the_image_runs_unprivileged_and_stores_data_in_a_volume() -> None:
    """By a user id, in the directory of the data."""
    assert only("USER") == "10001"
    assert only("VOLUME") == [rest for word, rest in instructions() if word == "WORKDIR"][-1]
    assert "METRICS_DATABASE_URL=sqlite:////data/" in only("ENV")


def test_passwords_are_required_variables() -> None:
    """No file contains one."""
    passwords = [
        value
        for service in compose().values()
        for name, value in service.get("environment", {}).items()
        if "PASSWORD" in name
    ]

    assert len(passwords) == 3
    assert all(re.fullmatch(r"\$\{POSTGRES_PASSWORD:\?.+\}", value) for value in passwords)


def test_services_start_in_order() -> None:
    """The database, the migration, the server."""
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
    """Return a directory in which the steps of the last stage were run, instead of an image."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "data").mkdir()
        (folder / "data").chmod(0o777)
        wheels = folder / "wheels"
        wheels.mkdir()
        (wheels / packages.wheel.name).write_bytes(packages.wheel.read_bytes())
        (wheels / "requirements-extras.txt").write_bytes(
            (ROOT / "requirements-extras.txt").read_bytes()
        )
        steps = [
            step.strip()
            for word, rest in instructions()
            if word == "RUN"
            for step in rest.split("&&")
            if re.match(r"(sed|python -m venv|wheel=|/opt/metrics/bin/pip)", step.strip())
        ]
        assert len(steps) == 4
        script = " && ".join(steps).replace("/opt/metrics", f"{folder}/metrics")
        script = script.replace("/tmp/wheels", str(wheels))  # noqa: S108 - the Dockerfile's
        # The cache of this machine is only missing in an image.
        script = script.replace(" --no-cache-dir", "")
        subprocess.run(
            ["sh", "-ec", script],  # noqa: S607 - the Dockerfile's
            cwd=wheels,
            check=True,
            # Compiling every module takes longer than Python takes for those that it imports.
            env={**os.environ, "PIP_NO_COMPILE": "1"},
        )
        yield folder


def test_the_steps_of_the_image_make_a_server(image: Path) -> None:
    """The wheel, with both drivers, serves with the command; the health check follows its state."""
    programs = image / "metrics" / "bin"
    port = str(free_port())
    database = f"sqlite:///{image}/data/metrics.db"
    environment = alone(programs, METRICS_DATABASE_URL=database, METRICS_DRAIN_SECONDS="0")
    check = json.loads(only("HEALTHCHECK").partition("CMD ")[2].replace("8000", port))
    command = json.loads(only("ENTRYPOINT")) + json.loads(only("CMD").replace("8000", port))
    user: dict[str, Any] = (
        {"user": UNPRIVILEGED, "group": UNPRIVILEGED} if can_run_unprivileged(programs) else {}
    )

    def healthy() -> bool:
        finished = subprocess.run(
            [programs / check[0], *check[1:]],
            env=environment,
            cwd=image / "data",
            stderr=subprocess.DEVNULL,
            check=False,
            **user,
        )
        return finished.returncode == 0

    assert not healthy()
    drivers = "import asyncpg, clickhouse_connect"
    subprocess.run([programs / "python", "-c", drivers], env=environment, check=True, **user)
    server = subprocess.Popen(
        [programs / command[0], *command[1:]],
        env=environment,
        cwd=image / "data",
        stderr=subprocess.DEVNULL,
        **user,
    )
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=12)) as client:
            assert client.get(f"http://127.0.0.1:{port}/readyz").json() == {"status": "ok"}
        assert healthy()
    finally:
        server.terminate()
        server.wait(20)
    assert not healthy()


def can_run_unprivileged(programs: Path) -> bool:
    """Return whether this process may run programs as another user, who may read this Python."""
    if os.geteuid() != 0:
        return False
    try:
        finished = subprocess.run(
            [programs / "python", "-c", ""],
            user=UNPRIVILEGED,
            group=UNPRIVILEGED,
            cwd="/",
            check=False,
        )
    except PermissionError:
        return False
    return finished.returncode == 0


def test_the_command_of_the_systemd_unit_exists() -> None:
    """With its options."""
    page = (ROOT / "docs" / "operating.md").read_text()
    (command,) = re.findall(r"^ExecStart=\S+/metrics-graphql (.*)$", page, re.MULTILINE)
    name, *arguments = shlex.split(command)

    assert {each for each in arguments if each.startswith("--")} <= (options(name) or set())
