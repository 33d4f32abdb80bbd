"""Runs npm in a directory of the tests."""

import os
import subprocess
from pathlib import Path


def npm(folder: Path, *arguments: str) -> None:
    """Run a command, which must succeed."""
    finished = subprocess.run(
        ["npm", *arguments],  # noqa: S607 - any npm
        cwd=folder,
        env={**os.environ, "NO_UPDATE_NOTIFIER": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
