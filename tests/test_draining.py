"""SIGTERM: the end is announced, and nothing that was asked before it is lost."""

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


async def ask_until_announced(server: Server, token: str) -> list[httpx.Response]:
    """Ask from several clients, as a load balancer lets them: until `/readyz` tells of the end."""
    enough, announced = asyncio.Event(), asyncio.Event()
    answers: list[httpx.Response] = []
    parameters = {"query": "{ viewer { id } }"}
    headers = {"Authorization": f"Bearer {token}"}

    async def ask() -> None:
        async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
            while not announced.is_set():
                answers.append(await client.get("/graphql", params=parameters))
                if len(answers) > 10 * CLIENTS:
                    enough.set()
            # One that was on its way when the balancer learned of it.
            answers.append(await client.get("/graphql", params=parameters))

    async def watch() -> None:
        async with httpx.AsyncClient(base_url=server.url) as client:
            while (await client.get("/readyz")).status_code == httpx.codes.OK:
                pass
            announced.set()

    async def stop() -> None:
        await enough.wait()
        server.stop()

    await asyncio.gather(watch(), stop(), *(ask() for _ in range(CLIENTS)))
    return answers


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_is_lost_when_the_server_is_told_to_end(
    gateway: Gateway, tmp_path: Path, workers: int
) -> None:
    """Under load: each is answered, and the process ends by itself."""
    token = gateway.token("org-1")
    log = tmp_path / "log"
    settings: dict[str, Any] = {"drain_seconds": 1, "rate_limit": ""}
    with served(gateway.database_url, log, "--workers", str(workers), **settings) as server:
        answers = gateway.run(ask_until_announced(server, token))
        ended = server.process.wait(20)

    assert {answer.status_code for answer in answers} == {200}
    assert answers[-1].headers["connection"] == "close"
    assert ended in {0, -signal.SIGTERM}
    assert "Told to stop: answering for 1 more seconds" in log.read_text()


@only_sqlite
def test_no_request_is_lost_when_workers_are_replaced(gateway: Gateway, tmp_path: Path) -> None:
    """SIGHUP ends one after the other, each once its successor answers."""
    token, log = gateway.token("org-1"), tmp_path / "log"
    settings: dict[str, Any] = {"drain_seconds": 0.2, "rate_limit": ""}

    async def ask_until_replaced(server: Server) -> set[int]:
        headers = {"Authorization": f"Bearer {token}"}
        statuses = set()

        async def ask() -> None:
            async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
                while log.read_text().count("Finished server process") < 2:
                    statuses.add((await client.get("/v3/self")).status_code)

        server.process.send_signal(signal.SIGHUP)
        await asyncio.gather(ask(), ask())
        return statuses

    with served(gateway.database_url, log, "--workers", "2", **settings) as server:
        assert gateway.run(ask_until_replaced(server)) == {200}
        assert httpx.get(f"{server.url}/readyz").json() == {"status": "ok"}


def test_while_it_drains_a_process_is_alive_and_not_ready(gateway: Gateway, tmp_path: Path) -> None:
    """Before, it is both."""
    with served(gateway.database_url, tmp_path / "log", drain_seconds=2) as server:
        assert httpx.get(f"{server.url}/readyz").json() == {"status": "ok"}
        server.stop()
        ready = httpx.get(f"{server.url}/readyz")
        while ready.status_code == httpx.codes.OK:
            ready = httpx.get(f"{server.url}/readyz")
        alive = httpx.get(f"{server.url}/livez")

    assert (ready.status_code, ready.json()) == (503, {"status": "draining"})
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_signal_again_changes_nothing(
    gateway: Gateway, tmp_path: Path, workers: int
) -> None:
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


def test_an_interrupt_ends_it_at_once(gateway: Gateway, tmp_path: Path) -> None:
    """However long it was to drain."""
    with served(gateway.database_url, tmp_path / "log", drain_seconds=600) as server:
        server.stop()
        while httpx.get(f"{server.url}/readyz").status_code == httpx.codes.OK:
            pass
        server.process.send_signal(signal.SIGINT)
        server.process.wait(20)
