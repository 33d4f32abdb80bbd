"""The command line, on each engine."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.cli.commands import Run, invoke
from tests.engines import Engine
from tests.ingestion.conftest import certificates, proxy, running_tls_v3, tls_v3
from tests.ingestion.v3_server import V3Server, v3_server

__all__ = ["certificates", "proxy", "running_tls_v3", "tls_v3"]


@pytest.fixture
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty directory, and remove all settings from the environment."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("METRICS_"):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def run(engine: Engine, empty_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run commands on a new database. On PostgreSQL it has a schema, on SQLite there is no file."""
    if engine.name != "sqlite":
        monkeypatch.setenv("METRICS_DATABASE_URL", engine.new_database(empty_directory))
    return invoke


@pytest.fixture
def v3() -> Generator[V3Server]:
    """Run a v3 API with 30 sessions."""
    with v3_server() as server:
        server.add(30)
        yield server
