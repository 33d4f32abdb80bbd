"""Runs the blocks of a Markdown page, in order and in one shell, as a reader would."""

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
"""Marks commands that need something that tests cannot rely on, like Docker."""
PORTS: Final = re.compile(r"\b800\d\b")
QUERY: Final = """curl -s http://127.0.0.1:8000/graphql -G --data-urlencode query@- \
-H "Authorization: Bearer $TOKEN" <<'END'
{query}END
"""
"""How a GraphQL document is executed: with the token that the page created before."""
SERVING: Final = re.compile(r"^.*metrics-graphql serve .*--port (\d+)", re.MULTILINE)
WAIT: Final = """for _ in $(seq 300); do
  curl -sf -o /dev/null http://127.0.0.1:{port}/livez && break; sleep 0.1
done
"""
"""Waits until the server listens."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the rest of its info string, and its text."""

    language: str
    info: str
    text: str

    @property
    def runs(self) -> bool:
        """Whether it can be run on any machine."""
        return self.language in {"sh", "graphql"} and self.info != ELSEWHERE


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    return [
        Block(language, info or "", dedent(text))
        for _, language, info, text in FENCED.findall(page.read_text())
    ]


class Shell:
    """A shell that keeps its variables, jobs and directory. A command that fails ends it."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self._process = process
        self._errors = errors
        self._ports: dict[str, str] = {}

    def with_free_ports(self, text: str) -> str:
        """Return a text with free ports in place of those of the page."""
        return PORTS.sub(lambda port: self._ports.setdefault(port[0], str(free_port())), text)

    def run(self, commands: str) -> str:
        """Run some commands; return their output."""
        assert self._process.stdin
        assert self._process.stdout
        end = "--- end of output"
        self._process.stdin.write(self.with_free_ports(f"{commands}\necho; echo '{end}'\n"))
        self._process.stdin.flush()
        lines = []
        while (line := self._process.stdout.readline().rstrip("\n")) != end:
            ended = self._process.poll()
            assert line or ended is None, f"{commands}\nended with {self._errors.read_text()}"
            lines.append(line)
        return "\n".join(lines).strip()

    def follow(self, page: list[Block]) -> Self:
        """Run the blocks in order; each output on the page must be that of the block before it."""
        output = ""
        for block in page:
            if block.runs and block.language == "sh":
                output = self.run(block.text)
                for port in SERVING.findall(block.text):
                    self.run(WAIT.format(port=port))
            elif block.runs:
                output = self.run(QUERY.format(query=block.text))
                assert "errors" not in json.loads(output), output
            elif block.language == "json":
                assert json.loads(output) == json.loads(block.text), block
            elif block.language == "text":
                pattern = re.escape(self.with_free_ports(block.text.strip())).replace("…", ".*")
                assert re.fullmatch(pattern, output), (block.text, output)
        return self


@contextmanager
def shell(folder: Path, **variables: str) -> Generator[Shell]:
    """Run a shell in an empty directory; at the end of the block, it ends with all its jobs."""
    work = folder / "work"
    work.mkdir()
    errors = folder / "errors"
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("METRICS_")
    }
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with errors.open("w") as log:
        process = subprocess.Popen(
            ["bash", "-eu"],  # noqa: S607 - any bash
            cwd=work,
            env={**inherited, "METRICS_DRAIN_SECONDS": "0", "NO_PROXY": "*", "PATH": programs}
            | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        reader = Shell(process, errors)
        with process:
            reader.run("trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT")
            yield reader
            assert process.stdin
            process.stdin.close()
