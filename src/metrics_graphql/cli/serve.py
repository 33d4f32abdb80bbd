"""`serve`: runs the HTTP server."""

import errno
import math
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import typer
import uvicorn
from uvicorn.config import STARTUP_FAILURE

from metrics_graphql.cli.options import PortOption
from metrics_graphql.cli.runner import configure, fail, run_with_storage
from metrics_graphql.cli.supervisor import Supervisor
from metrics_graphql.telemetry.prometheus import METRICS_DIRECTORY

UVICORN_OPTIONS: Final[dict[str, Any]] = {
    # `configure_logging` has set up handlers, and the application writes an access log of its own.
    "log_config": None,
    "access_log": False,
    # Nothing depends on the client's address that a proxy forwards.
    "proxy_headers": False,
    "server_header": False,
    # No route is a WebSocket: such a request is an HTTP request with an unknown `Upgrade`.
    "ws": "none",
}
"""Options of uvicorn that `serve` and `demo` share."""
UNUSED_FAMILY: Final = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
"""Errors of an address of a family that the machine does not use."""
MAX_WORKERS: Final = 1_000
WORKER_HEALTH_TIMEOUT: Final = 30
"""Seconds until a worker that has not started, or does not respond, is replaced. A slow machine
needs some; uvicorn's default is 5."""


def serve(
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Listen on this address.")
    ] = "127.0.0.1",
    port: PortOption = 8000,
    workers: Annotated[
        int,
        typer.Option(
            metavar="COUNT", min=1, max=MAX_WORKERS, help="Serve with this number of processes."
        ),
    ] = 1,
) -> None:
    """Serve GraphQL and the v3 API.

    GraphQL is at /graphql, the v3 API below /v3.
    """
    settings = configure()
    check_port(host, port)
    # Before the workers start: errors are one line, and one process upgrades the schema.
    run_with_storage(settings, lambda storage: storage.ensure_schema(upgrade_embedded=True))
    with shared_metrics(workers if settings.prometheus else 1):
        options: dict[str, Any] = {
            "app": "metrics_graphql.app:create_worker_app",
            "factory": True,
            "host": host,
            "port": port,
            "workers": workers,
            "timeout_keep_alive": settings.keep_alive_seconds,
            "timeout_worker_healthcheck": WORKER_HEALTH_TIMEOUT,
            # Requests that are still running after this have passed both of their deadlines.
            "timeout_graceful_shutdown": math.ceil(settings.body_timeout + settings.timeout) + 1,
            **UVICORN_OPTIONS,
        }
        if workers == 1:
            uvicorn.run(**options)
        else:
            config = uvicorn.Config(**options)
            supervisor = Supervisor(config, [config.bind_socket()])
            supervisor.run()
            if supervisor.has_failed:
                raise typer.Exit(STARTUP_FAILURE)


def check_port(host: str, port: int) -> None:
    """Check that the addresses of a host can be listened on. Otherwise, the command ends."""
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in infos:
            try:
                with socket.socket(family, socket.SOCK_STREAM) as server_socket:
                    if os.name == "posix":
                        server_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    server_socket.bind(address)
            except OSError as error:
                # `localhost` has an IPv6 address, also where the machine has none.
                if len(infos) == 1 or error.errno not in UNUSED_FAMILY:
                    raise
    except OSError as error:
        raise fail(
            f"cannot listen on --host {host} --port {port}: {error.strerror or error}"
        ) from None


@contextmanager
def shared_metrics(workers: int) -> Generator[None]:
    """Make several workers share a directory of metrics, so that each can expose all of them."""
    if workers == 1 or METRICS_DIRECTORY in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="metrics-graphql-") as directory:
        os.environ[METRICS_DIRECTORY] = directory
        yield
