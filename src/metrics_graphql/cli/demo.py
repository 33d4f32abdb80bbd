"""`demo`: serves a database of generated sessions."""

import json
import time
from pathlib import Path
from typing import Annotated, Final

import typer
import uvicorn

from metrics_graphql.app import create_app
from metrics_graphql.cli.runner import progress_bar, run_with_schema
from metrics_graphql.cli.serve import UVICORN_OPTIONS, configure_server
from metrics_graphql.core.organizations import ENTERPRISE
from metrics_graphql.core.periods import DAY
from metrics_graphql.ingestion.demo_data import DEMO_ORGANIZATIONS, demo_sessions
from metrics_graphql.ingestion.formats import ParsedRow
from metrics_graphql.ingestion.loader import Loader
from metrics_graphql.storage.repository import Storage
from metrics_graphql.storage.service_users import IssuedToken, create_service_user

DATABASE: Final = Path("metrics-demo.db")
BATCH_SIZE: Final = 25_000
"""Rows per transaction: larger than usual, because no progress has to be committed."""


def demo(
    sessions: Annotated[int, typer.Option(min=1, help="Number of sessions to generate.")] = 200_000,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on.")] = 8000,
) -> None:
    """Create ./metrics-demo.db with generated sessions, replacing it, and serve it."""
    settings = configure_server().model_copy(
        update={
            "database_url": f"sqlite:///{DATABASE}",
            "sessions_url": "",
            # The pages contain the token, so they are served to this machine only.
            "trusted_hosts": ["127.0.0.1", "localhost"],
            "cors_origins": [],
        }
    )
    for suffix in ("", "-wal", "-shm"):
        DATABASE.with_name(DATABASE.name + suffix).unlink(missing_ok=True)
    now = int(time.time())
    issued = run_with_schema(
        settings, lambda storage: fill_database(storage, sessions, now), upgrade_embedded=True
    )
    base_url = f"http://127.0.0.1:{port}{settings.path_prefix}"
    typer.echo(format_instructions(issued.token, base_url, now))
    uvicorn.run(create_app(settings, demo_token=issued.token), port=port, **UVICORN_OPTIONS)


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
