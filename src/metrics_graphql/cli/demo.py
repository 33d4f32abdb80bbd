"""`demo`: serves a database of generated sessions."""

import json
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer
import uvicorn

from metrics_graphql.cli.options import PortOption
from metrics_graphql.cli.output import print_line, print_message
from metrics_graphql.cli.runner import configure, fail, progress_bar, run_with_schema
from metrics_graphql.cli.serve import UVICORN_OPTIONS
from metrics_graphql.core.names import NamedKind, NameUpdate
from metrics_graphql.core.periods import DAY
from metrics_graphql.core.tenants import ENTERPRISE
from metrics_graphql.ingestion.demo_data import DEMO_ORGANIZATIONS, demo_names, demo_sessions
from metrics_graphql.ingestion.loader import Loader
from metrics_graphql.ingestion.rows import ParsedRow
from metrics_graphql.storage.names import store_names
from metrics_graphql.storage.repository import Storage
from metrics_graphql.storage.service_users import IssuedToken, create_service_user

try:
    import fcntl
except ImportError:  # Windows, where nothing keeps two demos apart
    fcntl = None  # type: ignore[assignment]

DIRECTORY: Final = Path(".metrics-demo")
"""Everything that a demo writes, in the working directory."""
DATABASE: Final = DIRECTORY / "demo.db"
LOCK: Final = DIRECTORY / "lock"
"""Locked by the running demo, whose URL is in it."""
HOST: Final = "127.0.0.1"
MAX_SESSIONS: Final = 100_000_000
BATCH_SIZE: Final = 25_000
"""Rows per transaction: larger than usual, because no progress has to be committed."""


def demo(
    sessions: Annotated[
        int,
        typer.Option(
            metavar="COUNT", min=1, max=MAX_SESSIONS, help="Generate this number of sessions."
        ),
    ] = 200_000,
    port: PortOption = 8000,
) -> None:
    """Serve generated sessions.

    They are stored in ./.metrics-demo, and replace those of an earlier demo.
    """
    settings = configure().model_copy(
        update={
            "database_url": f"sqlite:///{DATABASE}",
            "sessions_url": "",
            # The pages contain the token, so they are served to this machine only.
            "trusted_hosts": [HOST, "localhost"],
            "cors_origins": [],
        }
    )
    # The port first, then the directory: a demo that cannot run must not replace another one's.
    with listen(port) as server_socket:
        base_url = f"http://{HOST}:{server_socket.getsockname()[1]}{settings.path_prefix}"
        with exclusive_directory(base_url):
            for suffix in ("", "-wal", "-shm"):
                DATABASE.with_name(DATABASE.name + suffix).unlink(missing_ok=True)
            print_message(f"Creating {sessions:,} sessions in {DATABASE}…")
            now = int(time.time())
            issued = run_with_schema(
                settings,
                lambda storage: fill_database(storage, sessions, now),
                upgrade_embedded=True,
            )
            print_line(format_instructions(issued.token, base_url, now))
            # Imported here, because other commands would start more slowly.
            from metrics_graphql.app import create_app  # noqa: PLC0415

            app = create_app(settings, demo_token=issued.token)
            server = uvicorn.Server(uvicorn.Config(app, **UVICORN_OPTIONS))
            server.run(sockets=[server_socket])


@contextmanager
def listen(port: int) -> Generator[socket.socket]:
    """Bind a port of this machine. One that is in use ends the command."""
    try:
        server_socket = socket.create_server((HOST, port))
    except OSError as error:
        if url := running_demo():
            raise already_running(url) from None
        other = port % 65_535 + 1
        raise fail(
            f"cannot listen on port {port}: {error.strerror}; choose another one: --port {other}"
        ) from None
    with server_socket:
        yield server_socket


@contextmanager
def exclusive_directory(base_url: str) -> Generator[None]:
    """Lock the directory for this demo. Another demo in it ends the command."""
    DIRECTORY.mkdir(exist_ok=True)
    with LOCK.open("a+") as lock:
        if not try_lock(lock):
            raise already_running(running_demo())
        lock.truncate(0)
        lock.write(f"{base_url}/\n")
        lock.flush()
        yield


def running_demo() -> str:
    """Return the URL of the demo that runs in this directory, or nothing."""
    if not LOCK.exists():
        return ""
    with LOCK.open() as lock:
        return "" if try_lock(lock) else lock.read().strip()


def try_lock(file: TextIO) -> bool:
    """Lock a file until it is closed; return whether no other process has it locked."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def already_running(url: str) -> typer.Exit:
    """Report the demo that runs in this directory."""
    return fail(f"a demo is already running in this directory, at {url}")


async def fill_database(storage: Storage, sessions: int, until: int) -> IssuedToken:
    """Store generated sessions, and a service user that may read them all."""
    rows = (ParsedRow("", update) for update in demo_sessions(sessions, until=until))
    with progress_bar() as bar:
        task = bar.add_task("Generating sessions", total=sessions)
        loader = Loader(
            storage.sessions,
            on_batch=lambda summary: bar.update(task, completed=summary.read),
            batch_size=BATCH_SIZE,
        )
        await loader.load(rows)
    await store_names(
        storage.database,
        [
            NameUpdate(kind, each, name)
            for org_id in DEMO_ORGANIZATIONS
            for kind in NamedKind
            for each, name in demo_names(org_id, kind, await storage.list_ids(org_id, kind))
        ],
    )
    return await create_service_user(storage.database, "demo", tenant=ENTERPRISE)


def format_instructions(token: str, base_url: str, now: int) -> str:
    """Return URLs to open and commands to run, for the 30 days before an instant."""
    after, org = now - 30 * DAY, DEMO_ORGANIZATIONS[0]
    query = (
        f'{{ sessionMetrics(orgId: "{org}", filters: {{timeAfter: {after}, timeBefore: {now}}}) '
        "{ sessionsCreatedCount sessionsWithMergedPrsCount avgAcusPerSession } }"
    )
    body = json.dumps({"query": query})
    rest_path = f"/v3/organizations/{org}/metrics/sessions?time_after={after}&time_before={now}"
    return f"""
Open in a browser:      {base_url}/?org={org}

The last 30 days of {org}, over GraphQL:

  curl -s {base_url}/graphql -H 'Authorization: Bearer {token}' \\
    -H 'Content-Type: application/json' -d '{body}'

and over REST:

  curl -s '{base_url}{rest_path}' \\
    -H 'Authorization: Bearer {token}'

Explore with GraphiQL:  {base_url}/graphql
The REST document:      {base_url}/openapi.json
Organizations:          {", ".join(DEMO_ORGANIZATIONS)}
Token:                  {token}

Ctrl-C stops the server.
"""
