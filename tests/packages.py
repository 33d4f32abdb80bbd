"""What a release is made of: a wheel and an sdist, and environments that have nothing else."""

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
MADE: Final = shutil.ignore_patterns(
    *(".venv", ".git", ".*cache", ".hypothesis", ".coverage*"),
    *("node_modules", "dist", "__pycache__", "*.db*"),
)


@dataclass(frozen=True)
class Packages:
    """Both, built from sources that nothing was built in before."""

    wheel: Path
    sdist: Path


def run(*command: str | Path, **options: Any) -> str:  # noqa: ANN401 - subprocess's own
    """Run a command, which must end well; return what it prints."""
    finished: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, check=False, **options
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def build(folder: Path) -> Packages:
    """Build an sdist, and a wheel from it, of a copy of the sources; unless they are there."""
    sources, built = folder / "sources", folder / "built"
    with (folder / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            shutil.copytree(ROOT, sources, ignore=MADE)
            run(sys.executable, "-m", "build", "--no-isolation", cwd=sources)
            (sources / "dist").rename(built)
            # All that Node took to build the pages.
            shutil.rmtree(sources)
    (wheel,) = built.glob("*.whl")
    (sdist,) = built.glob("*.tar.gz")
    return Packages(wheel, sdist)


def installed(folder: Path, package: str | Path) -> Path:
    """Return where the programs are of an environment with one package, and what it requires."""
    run(sys.executable, "-m", "venv", folder)
    programs = folder / "bin"
    # No Node there, whatever the machine has.
    run(programs / "pip", "install", "--quiet", package, env=alone(programs))
    return programs


def alone(programs: Path, **variables: str) -> dict[str, str]:
    """Return an environment in which there are no other programs."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return {**kept, "HOME": os.environ["HOME"], "PATH": str(programs), **variables}
