"""Builds the pages with Node, for a wheel and for a checkout, where they are not up to date.

As a program it is for `scripts/setup`; as a plugin it is for hatchling.
"""

import os
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


class BuildPages(BuildHookInterface[Any]):
    """Has hatchling build the pages before it packs them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build them, but for an editable install, which `scripts/setup` makes."""
        del build_data
        if version != "editable" and not build():
            self.app.display_warning(
                "Without Node its pages are missing, or old: npm was not found."
            )


def build() -> bool:
    """Build the pages; return whether they are up to date, for they can't be built without Node."""
    stamp = digest()
    if STAMP.is_file() and STAMP.read_text() == stamp:
        return True
    npm = shutil.which("npm")
    if npm is None:
        return False
    environment = {**os.environ, "NO_UPDATE_NOTIFIER": "1"}
    for arguments in (["ci", "--no-audit", "--no-fund", "--loglevel=error"], ["run", "build"]):
        # What npm says goes where a build's messages belong.
        subprocess.run([npm, *arguments], cwd=WEB, env=environment, stdout=sys.stderr, check=True)  # noqa: S603 - whichever npm is there
    STAMP.write_text(stamp)
    return True


def digest() -> str:
    """Return what tells these sources from others."""
    found = sha256()
    sources = (
        path for pattern in ("*.*", "*/*.ts*", "*/*.css", "*/*.svg") for path in WEB.glob(pattern)
    )
    for path in sorted(sources):
        if path.parts[-2] != "dist" and path.suffix != ".py":
            found.update(f"{path.relative_to(WEB)}\0".encode() + path.read_bytes())
    return found.hexdigest()


if __name__ == "__main__":
    if not build():
        print("Without Node the pages are not built; everything else works.", file=sys.stderr)  # noqa: T201 - to whoever sets up
