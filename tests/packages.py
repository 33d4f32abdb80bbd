"""Builds the wheel and the sdist, and environments with nothing else in them."""

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
BUILT: Final = ROOT / "src/metrics_graphql/web/dist"
GENERATED: Final = shutil.ignore_patterns(
    *(".venv", ".git", ".*cache", ".hypothesis", ".coverage*"),
    *("node_modules", "dist", "__pycache__", "*.db*"),
)
INSTALLER_PREFIXES: Final = ("PIP_", "UV_", "SSL_")
"""Prefixes of the variables that pip and uv read."""


@dataclass(frozen=True)
class Packages:
    """A wheel and an sdist, built from clean sources."""

    wheel: Path
    sdist: Path


def run(*command: str | Path, **options: Any) -> str:  # noqa: ANN401 - subprocess's own
    """Run a command, which must succeed; return its output."""
    finished: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, check=False, **options
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def build(folder: Path) -> Packages:
    """Build an sdist from sources and built pages, and a wheel from it, unless they exist."""
    sources, built = folder / "sources", folder / "built"
    with (folder / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            shutil.copytree(ROOT, sources, ignore=GENERATED)
            # Pages that are not current would be built again.
            shutil.copytree(BUILT, sources / BUILT.relative_to(ROOT))
            run(sys.executable, "-m", "build", "--no-isolation", cwd=sources)
            (sources / "dist").rename(built)
            shutil.rmtree(sources)
    (wheel,) = built.glob("*.whl")
    (sdist,) = built.glob("*.tar.gz")
    return Packages(wheel, sdist)


def installed(folder: Path, package: str | Path) -> Path:
    """Install a package and its requirements; return the directory of the programs."""
    run(sys.executable, "-m", "venv", folder)
    programs = folder / "bin"
    install(programs, package)
    return programs


def install(programs: Path, *arguments: str | Path) -> None:
    """Install packages, without Node, even if the machine has it."""
    pip = pip_install(programs / "python")
    run(*pip, *arguments, env=alone(programs))


def pip_install(python: Path) -> tuple[str | Path, ...]:
    """Return the command that installs into an environment: `uv pip`, which is faster, or pip."""
    if uv := shutil.which("uv"):
        return uv, "pip", "install", "--quiet", "--python", python
    return python, "-m", "pip", "install", "--quiet", "--no-compile"


def alone(programs: Path, **variables: str) -> dict[str, str]:
    """Return environment variables with which no other programs are found."""
    inherited = {
        name: text for name, text in os.environ.items() if name.startswith(INSTALLER_PREFIXES)
    }
    return {**inherited, "HOME": os.environ["HOME"], "PATH": str(programs), **variables}
