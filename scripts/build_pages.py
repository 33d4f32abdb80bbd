"""Builds the dashboard and GraphiQL with Node: for a checkout, and for a wheel (a hatchling hook).

Nothing else needs Node. If it is missing or too old, or if npm fails, a warning is printed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WEB = Path(__file__).parents[1] / "src" / "metrics_graphql" / "web"
BUILT = WEB / "dist"
STAMP = BUILT / ".stamp"
FETCH_OPTIONS = (
    *("--fetch-retries=1", "--fetch-timeout=20000"),
    *("--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"),
)
"""With these, npm fails after half a minute, not several, if the registry is unreachable."""


class BuildPages(BuildHookInterface[Any]):
    """Builds the pages before a package is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages, unless the install is editable: then `scripts/setup` builds them."""
        del build_data
        if version != "editable" and (problem := build()):
            self.app.display_warning(f"The package will have no dashboard: {problem}.")


def build() -> str:
    """Build the pages if their sources have changed; return the problem, or an empty string."""
    stamp = digest()
    if STAMP.is_file() and STAMP.read_text() == stamp:
        return ""
    if problem := node_problem():
        return problem
    print("Building the dashboard (about 20 s)…", file=sys.stderr)  # noqa: T201 - progress
    environment = {**os.environ, "NO_UPDATE_NOTIFIER": "1"}
    for command in (["ci", "--no-audit", "--no-fund", *FETCH_OPTIONS], ["run", "build"]):
        done = subprocess.run(  # noqa: S603 - npm, which is on the PATH
            ["npm", "--loglevel=error", *command],  # noqa: S607 - as above
            cwd=WEB,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode != 0:
            print(done.stdout.decode(errors="replace"), file=sys.stderr)  # noqa: T201 - npm's reasons
            return f"`npm {command[0]}` failed"
    STAMP.write_text(stamp)
    return ""


def node_problem() -> str:
    """Return why this Node cannot build the pages, or an empty string."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return "Node is not installed"
    version = subprocess.run([node, "--version"], capture_output=True, check=False)  # noqa: S603 - as above
    text = version.stdout.decode(errors="replace").strip()
    needed: str = json.loads((WEB / "package.json").read_text())["engines"]["node"]
    if not satisfies(text, needed):
        return f"Node is {text or 'broken'}, and the dashboard needs {needed}"
    return ""


def satisfies(version: str, ranges: str) -> bool:
    """Return whether a version is in one of npm's ranges `^x.y.z` and `>=x.y.z`, joined by `||`."""
    found = numbers(version)
    for each in ranges.split("||"):
        minimum = numbers(each)
        same_major = found[:1] == minimum[:1]
        if found >= minimum and (same_major or ">=" in each):
            return True
    return False


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version."""
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def digest() -> str:
    """Return a hash of the sources."""
    found = sha256()
    sources = (
        path for pattern in ("*.*", "*/*.ts*", "*/*.css", "*/*.svg") for path in WEB.glob(pattern)
    )
    for path in sorted(sources):
        if path.parts[-2] != "dist" and path.suffix != ".py":
            found.update(f"{path.relative_to(WEB)}\0".encode() + path.read_bytes())
    return found.hexdigest()


if __name__ == "__main__":
    if problem := build():
        # An earlier build, if there is one, still works.
        print(f"The dashboard is not built: {problem}. Everything else works.", file=sys.stderr)  # noqa: T201 - progress
