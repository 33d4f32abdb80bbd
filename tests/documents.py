"""Reads our Markdown as a reader does who tries everything: its blocks, in order, in one shell."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Final, Self

from tests.serving import free_port

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FENCED: Final = re.compile(r"^( *)```(\S+)(?: ([^\n]*))?\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
ELSEWHERE: Final = "elsewhere"
"""Marks commands that need what a test can't count on: Docker, say, or a service manager."""
PORTS: Final = re.compile(r"\b800\d\b")
ASK: Final = """curl -s http://127.0.0.1:8000/graphql -G --data-urlencode query@- \
-H "Authorization: Bearer $TOKEN" <<'END'
{query}END
"""
"""How a document is asked: by the token that the page made before."""
SERVING: Final = re.compile(r"^.*metrics-graphql serve .*--port (\d+)", re.MULTILINE)
WAIT: Final = """for _ in $(seq 300); do
  curl -sf -o /dev/null http://127.0.0.1:{port}/livez && break; sleep 0.1
done
"""
"""A reader looks whether a server listens by now."""


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, what else is said of it, and what is in it."""

    language: str
    info: str
    text: str

    @property
    def runs(self) -> bool:
        """Whether a reader of any machine can run it."""
        return self.language in {"sh", "graphql"} and self.info != ELSEWHERE


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    return [
        Block(language, info or "", dedent(text))
        for _, language, info, text in FENCED.findall(page.read_text())
    ]


class Shell:
    """A shell that remembers: variables, jobs, and where it is. A command that fails ends it."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self._process = process
        self._errors = errors
        self._ports: dict[str, str] = {}

    def here(self, text: str) -> str:
        """Return a text with ports of ours instead of those that a page names."""
        return PORTS.sub(lambda port: self._ports.setdefault(port[0], str(free_port())), text)

    def run(self, commands: str) -> str:
        """Run some commands; return what they print."""
        assert self._process.stdin
        assert self._process.stdout
        end = "--- that is all"
        self._process.stdin.write(self.here(f"{commands}\necho; echo '{end}'\n"))
        self._process.stdin.flush()
        lines = []
        while (line := self._process.stdout.readline().rstrip("\n")) != end:
            ended = self._process.poll()
            assert line or ended is None, f"{commands}\nended with {self._errors.read_text()}"
            lines.append(line)
        return "\n".join(lines).strip()

    def follow(self, page: list[Block]) -> Self:
        """Run what runs, in order; each answer that the page shows is the one that there is."""
        printed = ""
        for block in page:
            if block.runs and block.language == "sh":
                printed = self.run(block.text)
                for port in SERVING.findall(block.text):
                    self.run(WAIT.format(port=port))
            elif block.runs:
                printed = self.run(ASK.format(query=block.text))
                assert "errors" not in json.loads(printed), printed
            elif block.language == "json":
                assert json.loads(printed) == json.loads(block.text), block
            elif block.language == "text":
                pattern = re.escape(self.here(block.text.strip())).replace("…", ".*")
                assert re.fullmatch(pattern, printed), (block.text, printed)
        return self


@contextmanager
def shell(folder: Path, **variables: str) -> Generator[Shell]:
    """Lend a shell in an empty folder, which ends with all that it started."""
    work = folder / "work"
    work.mkdir()
    errors = folder / "errors"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("METRICS_")}
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with errors.open("w") as log:
        process = subprocess.Popen(
            ["bash", "-eu"],  # noqa: S607 - any bash
            cwd=work,
            env={**kept, "METRICS_DRAIN_SECONDS": "0", "NO_PROXY": "*", "PATH": programs}
            | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        lent = Shell(process, errors)
        with process:
            lent.run("trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT")
            yield lent
            assert process.stdin
            process.stdin.close()
