"""The wheel and the sdist: their content, and that they run in an empty environment."""

import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from metrics_graphql import __version__
from tests.packages import Packages, alone, install, installed, run
from tests.serving import free_port

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node to build the pages")
HTML = {"Accept": "text/html"}


def test_the_sdist_is_complete(packages: Packages) -> None:
    """Documentation, checks, tests, and the built pages, so that it installs without Node."""
    with tarfile.open(packages.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert packages.sdist.name == f"metrics_graphql-{__version__}.tar.gz"
    assert names >= {
        *("README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md", "pyproject.toml"),
        *("requirements-extras.txt", "schema.graphql", "Dockerfile"),
        *("compose.yaml", ".dockerignore"),
        *("docs/README.md", "docs/decisions/README.md", "docs/dashboard-light.png"),
        *("scripts/check", "scripts/build_pages.py", "tests/test_packages.py"),
        "src/metrics_graphql/web/dist/index.html",
        "src/metrics_graphql/web/dist/.stamp",
        "src/metrics_graphql/web/index.html",
    }
    assert not [name for name in names if "node_modules" in name or name.endswith(".db")]


def test_the_wheel_has_the_built_pages_without_their_sources(packages: Packages) -> None:
    """It needs no Node."""
    names = ZipFile(packages.wheel).namelist()

    assert packages.wheel.name == f"metrics_graphql-{__version__}-py3-none-any.whl"
    assert {
        "metrics_graphql/web/dist/explorer.html",
        "metrics_graphql/web/dist/documents.json",
    } < set(names)
    assert not [name for name in names if name.endswith((".ts", ".tsx", "web/index.html"))]


@pytest.fixture(scope="module")
def programs(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the programs of an environment with the wheel and its requirements."""
    return installed(tmp_path_factory.mktemp("environment"), packages.wheel)


@pytest.mark.parametrize(
    ("kind", "command"), [("wheel", ["serve"]), ("sdist", ["demo", "--sessions", "200"])]
)
def test_an_installed_package_serves(
    packages: Packages, programs: Path, tmp_path: Path, kind: str, command: list[str]
) -> None:
    """With nothing but its requirements: the command line, the probes and both pages."""
    install(programs, "--no-deps", "--force-reinstall", getattr(packages, kind))
    environment = alone(programs)
    program, port = programs / "metrics-graphql", free_port()
    assert run(program, "--version", env=environment) == f"metrics-graphql {__version__}\n"
    assert "service-user" in run(program, "--help", env=environment)

    process = subprocess.Popen(
        [program, *command, "--port", str(port)],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        transport = httpx.HTTPTransport(retries=12)
        with httpx.Client(transport=transport, base_url=f"http://127.0.0.1:{port}") as client:
            assert client.get("/readyz").json() == {"status": "ok"}
            texts = [client.get(path, headers=HTML).text for path in ("/", "/graphql")]
            names = set(re.findall(r'(?:src|href)="\./([^"]+)', "".join(texts)))
            loaded = [client.get(name) for name in names]
    finally:
        process.terminate()
        process.wait(20)

    assert ["GraphiQL" in text for text in texts] == [False, True]
    assert {name.rpartition(".")[2] for name in names} == {"js", "css", "svg"}
    assert {response.status_code for response in loaded} == {200}
