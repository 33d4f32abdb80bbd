"""`serve` and `demo`."""

import json
import math
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import typer
import uvicorn
from rich.progress import Progress

from metrics_graphql import auth
from metrics_graphql.app import create_app
from metrics_graphql.cli.running import console, nothing_more, read_settings, with_store
from metrics_graphql.domain.periods import DAY
from metrics_graphql.loading.demo import DEMO_ORGANIZATIONS, demo_sessions
from metrics_graphql.loading.formats import Parsed
from metrics_graphql.loading.load import Load
from metrics_graphql.store.store import Store

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 picks one.")]


SERVER: Final[dict[str, Any]] = {
    # Ours strikes out tokens, and has a line for each request.
    "log_config": None,
    "access_log": False,
    # Nothing depends on the address that a proxy tells.
    "proxy_headers": False,
    # Nobody needs to know what we run on.
    "server_header": False,
    # There is no route for them: a WebSocket's request is one for an unknown upgrade.
    "ws": "none",
}
"""How both commands have uvicorn serve."""
COUNTS: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client looks for the folder in which processes count together."""
WORKER_SECONDS: Final = 30
"""How long a worker has to start, and to show that it lives."""
DEMO_BATCH = 25_000
"""Nobody waits for the first of them to be acknowledged."""


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer.")] = 1,
) -> None:
    """Serve GraphQL at /graphql and the v3 API below /v3."""
    settings = read_settings()
    with_store(nothing_more, settings)
    with counting_together(workers if settings.metrics else 1):
        uvicorn.run(
            "metrics_graphql.app:create_draining_app",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            timeout_keep_alive=settings.keep_alive_seconds,
            # A machine may be slow; one that hangs is found out all the same.
            timeout_worker_healthcheck=WORKER_SECONDS,
            # Whatever is still at work then has passed its deadlines.
            timeout_graceful_shutdown=math.ceil(settings.body_timeout + settings.timeout) + 1,
            **SERVER,
        )


@contextmanager
def counting_together(workers: int) -> Generator[None]:
    """Have workers that are started in the block count in one folder, so that each can tell all."""
    if workers == 1 or COUNTS in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="metrics-graphql-") as folder:
        os.environ[COUNTS] = folder
        yield


def demo(
    sessions: Annotated[int, typer.Option(min=1, help="How many sessions to make up.")] = 200_000,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on.")] = 8000,
) -> None:
    """Fill ./metrics-demo.db with made-up sessions, replacing it, and serve it with a token."""
    path = Path("metrics-demo.db")
    # Its pages hold a token, which is for nobody but whoever sits here.
    here = {"trusted_hosts": ["127.0.0.1", "localhost"], "cors_origins": []}
    settings = read_settings().model_copy(
        update={"database_url": f"sqlite:///{path}", "sessions_url": "", **here}
    )
    for leftover in ("", "-wal", "-shm"):
        path.with_name(path.name + leftover).unlink(missing_ok=True)
    until = int(time.time())
    created = with_store(lambda store: fill_demo(store, sessions, until), settings)
    base = f"http://127.0.0.1:{port}{settings.path_prefix}"
    typer.echo(demo_text(created.token, base, until))
    uvicorn.run(create_app(settings, demo_token=created.token), port=port, **SERVER)


async def fill_demo(store: Store, sessions: int, until: int) -> auth.NewToken:
    """Store made-up sessions, and a service user that may read them all."""
    rows = (Parsed("", update) for update in demo_sessions(sessions, until=until))
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("Making up sessions", total=sessions)
        loading = Load(
            store,
            on_batch=lambda: progress.update(task, completed=loading.summary.read),
            batch_size=DEMO_BATCH,
        )
        await loading.run(rows)
    return await auth.create_service_user(store.database, "demo", org_id=None)


def demo_text(token: str, base: str, until: int) -> str:
    """Return what to try first."""
    after, org = until - 30 * DAY, DEMO_ORGANIZATIONS[0]
    question = (
        f'{{ sessionMetrics(orgId: "{org}", filters: {{timeAfter: {after}, timeBefore: {until}}}) '
        "{ sessionsCreatedCount sessionsWithMergedPrsCount avgAcusPerSession } }"
    )
    body = json.dumps({"query": question})
    return f"""
Open in a browser:      {base}/?org={org}

The last 30 days of {org}, over GraphQL:

  curl -s {base}/graphql -H 'Authorization: Bearer {token}' \\
    -H 'Content-Type: application/json' -d '{body}'

and over REST:

  curl -s '{base}/v3/organizations/{org}/metrics/sessions?time_after={after}&time_before={until}' \\
    -H 'Authorization: Bearer {token}'

Explore with GraphiQL:  {base}/graphql
The REST document:      {base}/openapi.json
Organizations:          {", ".join(DEMO_ORGANIZATIONS)}
Token:                  {token}

Ctrl-C stops the server.
"""
