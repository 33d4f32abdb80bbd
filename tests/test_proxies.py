"""nginx and Caddy, configured as docs/operating.md shows, in front of two server processes."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.conftest import Gateway, only_sqlite
from tests.documents import ROOT, blocks
from tests.serving import Server, free_port, served

pytestmark = only_sqlite
PREFIX: Final = "/sessions"
HOST: Final = {"Host": "example.com"}
PAGE: Final = blocks(ROOT / "docs" / "operating.md")
NGINX: Final = """daemon off; pid {folder}/pid; error_log {folder}/errors; worker_processes 1;
events {{}}
http {{
    access_log off;
    {paths}
    {text}
}}
"""
PATHS: Final = " ".join(
    f"{name}_temp_path {{folder}}/{name};"
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)


def configuration(language: str, servers: list[Server]) -> tuple[str, int]:
    """Return the page's configuration of one proxy for these servers, and a port to listen on."""
    (text,) = [each.text for each in PAGE if each.language == language]
    for name, server in zip((8000, 8001), servers, strict=True):
        assert text.count(f"127.0.0.1:{name}") == 1
        text = text.replace(f"127.0.0.1:{name}", f"127.0.0.1:{server.port}")
    return text, free_port()


@contextmanager
def running(command: list[str | Path], port: int) -> Generator[str]:
    """Run a proxy until the block ends, and return its URL."""
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        give_up_at = time.monotonic() + 60
        while True:
            assert process.poll() is None
            assert time.monotonic() < give_up_at
            try:
                if httpx.get(f"{url}{PREFIX}/readyz", headers=HOST).status_code == httpx.codes.OK:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def nginx(servers: list[Server], folder: Path) -> Generator[str]:
    """Run nginx with the configuration of the page, without TLS."""
    text, port = configuration("nginx", servers)
    text = text.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    text = re.sub(r"ssl_certificate\S* .*\n", "", text)
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, text=text, paths=PATHS.format(folder=folder)))
    with running(["nginx", "-c", file, "-e", folder / "errors"], port) as url:
        yield url


@contextmanager
def caddy(servers: list[Server], folder: Path) -> Generator[str]:
    """Run Caddy with the configuration of the page, without TLS."""
    text, port = configuration("caddy", servers)
    file = folder / "Caddyfile"
    site = f"http://example.com:{port} {{\n\tbind 127.0.0.1"
    options = "{\n\tadmin off\n}\n"
    file.write_text(options + text.replace("example.com {", site))
    with running(["caddy", "run", "--config", file, "--adapter", "caddyfile"], port) as url:
        yield url


Proxy = Callable[[list[Server], Path], AbstractContextManager[str]]


def if_installed(proxy: Any) -> Any:  # noqa: ANN401 - pytest's own
    """Return a parameter that is skipped if the program of its name is not installed."""
    name = proxy.__name__
    missing = pytest.mark.skipif(shutil.which(name) is None, reason=f"needs {name}")
    return pytest.param(proxy, id=name, marks=missing)


@pytest.mark.parametrize("proxy", [if_installed(nginx), if_installed(caddy)])
def test_everything_works_behind_a_proxy(gateway: Gateway, tmp_path: Path, proxy: Proxy) -> None:
    """Both APIs and the pages below the prefix; no request fails when a process is stopped."""
    gateway.load([{"org_id": "org-1", "session_id": "s1", "created_at": 10}])
    headers = {"Authorization": f"Bearer {gateway.token('org-1')}", **HOST}
    query = "{ viewer { name } }"
    metrics = f"{PREFIX}/v3/organizations/org-1/metrics/sessions?time_after=0&time_before=20"

    def start(name: str) -> AbstractContextManager[Server]:
        settings: dict[str, Any] = {
            "path_prefix": PREFIX,
            "drain_seconds": 2,
            "trusted_hosts": "example.com",
        }
        return served(gateway.database_url, tmp_path / name, **settings)

    with (
        start("one") as one,
        start("two") as two,
        proxy([one, two], tmp_path) as url,
        httpx.Client(base_url=url, headers=headers) as client,
    ):
        home = client.get(PREFIX)
        assert home.status_code in {301, 302, 307, 308}
        assert home.headers["location"].endswith(f"{PREFIX}/")
        assert client.get(f"{PREFIX}/").status_code == 200
        over_graphql = client.post(f"{PREFIX}/graphql", json={"query": query})
        assert over_graphql.json() == {"data": {"viewer": {"name": "test"}}}
        assert client.get(f"{PREFIX}/openapi.json").json()["servers"] == [{"url": PREFIX}]
        assert client.get(metrics).json()["sessions_created_count"] == 1
        one.stop()
        while one.process.poll() is None:
            assert client.get(metrics).status_code == 200
        assert client.get(metrics).json()["sessions_created_count"] == 1
