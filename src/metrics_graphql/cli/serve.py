"""`serve`: runs the HTTP server."""

import math
import os
from collections.abc import Generator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import typer
import uvicorn

from metrics_graphql.app import validate_settings
from metrics_graphql.cli.options import PortOption
from metrics_graphql.cli.runner import configure, fail, run_with_storage
from metrics_graphql.cli.supervisor import Supervisor
from metrics_graphql.settings import Settings

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
MAX_WORKERS: Final = 1_000
METRICS_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable with the directory in which the metrics of several processes are merged."""
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
    settings = configure_server()
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
            Supervisor(config, [config.bind_socket()]).run()


def configure_server() -> Settings:
    """Read the settings and check all that the server uses. An invalid one ends the command."""
    settings = configure()
    if problems := validate_settings(settings):
        raise fail("; ".join(problems))
    return settings


@contextmanager
def shared_metrics(workers: int) -> Generator[None]:
    """Make several workers share a directory of metrics, so that each can expose all of them."""
    if workers == 1 or METRICS_DIRECTORY in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="metrics-graphql-") as directory:
        os.environ[METRICS_DIRECTORY] = directory
        yield
