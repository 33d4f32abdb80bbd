"""Graceful shutdown: SIGTERM is announced at `/readyz`, and no request is lost."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Gateway, only_sqlite
from tests.serving import Server, served

CLIENTS = 8


async def request_until_draining(server: Server, token: str) -> list[httpx.Response]:
    """Send requests from several clients, as a load balancer does: until `/readyz` is 503."""
    may_stop, draining = asyncio.Event(), asyncio.Event()
    responses: list[httpx.Response] = []
    parameters = {"query": "{ viewer { id } }"}
    headers = {"Authorization": f"Bearer {token}"}

    async def send_requests() -> None:
        async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
            while not draining.is_set():
                responses.append(await client.get("/graphql", params=parameters))
                if len(responses) > 10 * CLIENTS:
                    may_stop.set()
            # A request that was sent before the load balancer noticed.
            responses.append(await client.get("/graphql", params=parameters))

    async def probe() -> None:
        async with httpx.AsyncClient(base_url=server.url) as client:
            while (await client.get("/readyz")).status_code == httpx.codes.OK:
                pass
            draining.set()

    async def stop() -> None:
        await may_stop.wait()
        server.stop()

    await asyncio.gather(probe(), stop(), *(send_requests() for _ in range(CLIENTS)))
    return responses


@only_sqlite
@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_is_lost_when_the_server_is_stopped(
    gateway: Gateway, tmp_path: Path, workers: int
) -> None:
    """Under load, each gets its response; the process ends by itself."""
    token = gateway.token("org-1")
    log = tmp_path / "log"
    settings: dict[str, Any] = {"drain_seconds": 1, "rate_limit": "none"}
    with served(gateway.database_url, log, "--workers", str(workers), **settings) as server:
        responses = gateway.run(request_until_draining(server, token))
        status = server.process.wait(20)

    assert {response.status_code for response in responses} == {200}
    assert responses[-1].headers["connection"] == "close"
    assert status in {0, -signal.SIGTERM}
    assert "SIGTERM received: serving for 1 more seconds" in log.read_text()


@only_sqlite
def test_no_request_is_lost_when_workers_are_replaced(gateway: Gateway, tmp_path: Path) -> None:
    """SIGHUP ends one after the other, each once its successor serves."""
    token, log = gateway.token("org-1"), tmp_path / "log"
    settings: dict[str, Any] = {"drain_seconds": 0.2, "rate_limit": "none"}

    async def request_until_replaced(server: Server) -> set[int]:
        headers = {"Authorization": f"Bearer {token}"}
        statuses = set()

        async def send_requests() -> None:
            async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
                while log.read_text().count("Finished server process") < 2:
                    statuses.add((await client.get("/v3/self")).status_code)

        server.process.send_signal(signal.SIGHUP)
        await asyncio.gather(send_requests(), send_requests())
        return statuses

    with served(gateway.database_url, log, "--workers", "2", **settings) as server:
        assert gateway.run(request_until_replaced(server)) == {200}
        assert httpx.get(f"{server.url}/readyz").json() == {"status": "ok"}


@only_sqlite
def test_a_draining_process_is_alive_and_not_ready(gateway: Gateway, tmp_path: Path) -> None:
    """Before, it is both."""
    with served(gateway.database_url, tmp_path / "log", drain_seconds=2) as server:
        assert httpx.get(f"{server.url}/readyz").json() == {"status": "ok"}
        server.stop()
        ready = httpx.get(f"{server.url}/readyz")
        while ready.status_code == httpx.codes.OK:
            ready = httpx.get(f"{server.url}/readyz")
        alive = httpx.get(f"{server.url}/livez")

    assert (ready.status_code, ready.json()) == (503, {"status": "shutting down"})
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})


@only_sqlite
@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_sigterm_changes_nothing(gateway: Gateway, tmp_path: Path, workers: int) -> None:
    """A process manager sends it to a worker, and the worker's parent passes it on."""
    options = ("--workers", str(workers))
    with served(gateway.database_url, tmp_path / "log", *options, drain_seconds=3) as server:
        os.killpg(server.process.pid, signal.SIGTERM)
        while httpx.get(f"{server.url}/readyz").status_code == httpx.codes.OK:
            pass
        os.killpg(server.process.pid, signal.SIGTERM)
        alive = httpx.get(f"{server.url}/livez")
        server.process.wait(20)

    assert alive.status_code == 200


@only_sqlite
def test_sigint_ends_a_draining_process_at_once(gateway: Gateway, tmp_path: Path) -> None:
    """However long it would drain."""
    with served(gateway.database_url, tmp_path / "log", drain_seconds=600) as server:
        server.stop()
        while httpx.get(f"{server.url}/readyz").status_code == httpx.codes.OK:
            pass
        server.process.send_signal(signal.SIGINT)
        server.process.wait(20)
