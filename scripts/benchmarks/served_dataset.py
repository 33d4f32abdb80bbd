"""A server for the data set on a core of its own; the benchmark continues on another core."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from metrics_graphql.storage.database import Database
from metrics_graphql.storage.service_users import create_service_user
from scripts.benchmarks.dataset import ORG, ensure_filled
from tests.serving import served


class ServedDataset(NamedTuple):
    """The port of the server, and a token for the organization."""

    port: int
    token: str


@asynccontextmanager
async def served_dataset(folder: Path, url: str, size: int) -> AsyncGenerator[ServedDataset]:
    """Fill a database unless it has sessions, and serve it without a rate limit."""
    async with Database(url) as database:
        await ensure_filled(database, size)
        token = (await create_service_user(database, "benchmark", tenant=ORG)).token
    cores = os.sched_getaffinity(0)
    server_core, client_core = sorted(cores)[:2]
    os.sched_setaffinity(0, {server_core})
    with served(url, folder / "server.log", rate_limit="none") as server:
        os.sched_setaffinity(0, {client_core})
        try:
            yield ServedDataset(server.port, token)
        finally:
            os.sched_setaffinity(0, cores)
