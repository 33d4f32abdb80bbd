"""A wheel, built from sources alone, serves both pages where there is no Node."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest

from tests.serving import free_port

ROOT = Path(__file__).parents[2]
MADE = shutil.ignore_patterns(".*", "node_modules", "dist", "__pycache__", "*.db*")


def run(*command: str | Path, **options: Any) -> None:  # noqa: ANN401 - subprocess's own
    """Run a command, which must end well."""
    finished = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node to build the pages")
def test_a_wheel_serves_both_pages_without_node(tmp_path: Path) -> None:
    """The wheel is made from the sdist, which is made from a checkout that nothing was built in."""
    sources, environment = tmp_path / "sources", tmp_path / "environment"
    shutil.copytree(ROOT, sources, ignore=MADE)
    run(sys.executable, "-m", "build", "--no-isolation", cwd=sources)
    (wheel,) = (sources / "dist").glob("*.whl")
    packed = ZipFile(wheel).namelist()
    assert not [name for name in packed if name.endswith((".ts", ".tsx", "web/index.html"))]
    run(sys.executable, "-m", "venv", environment)
    run(environment / "bin" / "pip", "install", "--quiet", wheel)

    port = free_port()
    process = subprocess.Popen(
        [environment / "bin" / "metrics-graphql", "serve", "--port", str(port)],
        cwd=tmp_path,
        env={"PATH": str(environment / "bin"), "HOME": os.environ["HOME"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        transport = httpx.HTTPTransport(retries=10)
        with httpx.Client(transport=transport, base_url=f"http://127.0.0.1:{port}") as client:
            headers = {"Accept": "text/html"}
            texts = [client.get(path, headers=headers).text for path in ("/", "/graphql")]
            names = set(re.findall(r'(?:src|href)="\./([^"]+)', "".join(texts)))
            loaded = [client.get(name) for name in names]
    finally:
        process.terminate()
        process.wait(20)

    assert ["GraphiQL" in text for text in texts] == [False, True]
    assert {name.rpartition(".")[2] for name in names} == {"js", "css", "svg"}
    assert {response.status_code for response in loaded} == {200}
