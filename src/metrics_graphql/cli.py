"""The command line: thin commands, each one call into the rooms below."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer
import uvicorn
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from metrics_graphql import auth
from metrics_graphql.app import create_app
from metrics_graphql.domain.metrics import check_new_id
from metrics_graphql.errors import BadUserInput, MetricsError
from metrics_graphql.graphql_api.schema import schema
from metrics_graphql.loading.demo import DEMO_ORGANIZATIONS, demo_sessions
from metrics_graphql.loading.files import Files
from metrics_graphql.loading.formats import Parsed, UnreadableFile
from metrics_graphql.loading.load import Load, StrictLoadRefused
from metrics_graphql.observability import configure_logging
from metrics_graphql.rest_api.openapi import document
from metrics_graphql.settings import Settings
from metrics_graphql.store import accounts, verification
from metrics_graphql.store.engine import Database
from metrics_graphql.store.migrate import migrate as migrate_database

app = typer.Typer(
    name="metrics-graphql",
    help="Metrics of AI-agent sessions over GraphQL and REST.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
service_user = typer.Typer(help="Manage who may ask.", no_args_is_help=True)
app.add_typer(service_user, name="service-user")

console = Console(stderr=True)
"""Progress bars go to standard error, and only where that is a terminal."""

MAX_DAYS = 36_500
"""A hundred years are as good as for ever, and have dates."""

T = TypeVar("T")
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 picks one.")]


def main() -> None:
    """Run the command line."""
    app()


def fail(message: str) -> typer.Exit:
    """Say what is wrong in one line; raise what this returns to end with status 1."""
    typer.echo(f"metrics-graphql: {message}", err=True)
    return typer.Exit(1)


def read_settings() -> Settings:
    """Return the settings; one that can't be read ends the command."""
    try:
        return Settings()
    except ValidationError as error:
        problems = (
            f"METRICS_{'.'.join(map(str, details['loc']))}".upper() + f": {details['msg']}"
            for details in error.errors()
        )
        raise fail("; ".join(problems)) from None
    except UnicodeDecodeError as error:
        raise fail(f".env: {error}") from None


def open_database(settings: Settings) -> Database:
    """Return the database of the settings; a URL that can't be used ends the command."""
    try:
        return Database(settings.database_url)
    except ValueError as error:
        raise fail(f"METRICS_DATABASE_URL: {error}") from None


def with_database(work: Callable[[Database], Awaitable[T]], settings: Settings | None = None) -> T:
    """Do some work on the database, brought up to date first; its errors end the command."""
    settings = settings or read_settings()
    configure_logging(settings.log_level)

    async def run() -> T:
        async with open_database(settings) as database:
            await migrate_database(database)
            return await work(database)

    try:
        return asyncio.run(run())
    except BadUserInput as error:
        raise fail(error.message) from None
    except MetricsError as error:
        cause = getattr(error.__cause__, "orig", error.__cause__)
        raise fail(f"{error.message} METRICS_DATABASE_URL: {cause}") from None


@app.command()
def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer.")] = 1,
) -> None:
    """Serve GraphQL at /graphql and the v3 API below /v3."""
    settings = read_settings()
    with_database(nothing_more, settings)
    uvicorn.run(
        "metrics_graphql.app:create_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_level=settings.log_level,
        server_header=False,
    )


async def nothing_more(_database: Database) -> None:
    """Do nothing with a database that opens and is up to date."""


@app.command()
def demo(
    sessions: Annotated[int, typer.Option(min=1, help="How many sessions to make up.")] = 200_000,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on.")] = 8000,
) -> None:
    """Fill ./metrics-demo.db with made-up sessions, replacing it, and serve it with a token."""
    path = Path("metrics-demo.db")
    settings = read_settings().model_copy(update={"database_url": f"sqlite:///{path}"})
    for leftover in ("", "-wal", "-shm"):
        path.with_name(path.name + leftover).unlink(missing_ok=True)
    until = int(time.time())
    created = with_database(lambda database: fill_demo(database, sessions, until), settings)
    typer.echo(demo_text(created.token, port, until))
    uvicorn.run(create_app(settings), port=port, log_level="warning", server_header=False)


async def fill_demo(database: Database, sessions: int, until: int) -> auth.NewToken:
    """Store made-up sessions, and a service user that may read them all."""
    rows = (Parsed("", update) for update in demo_sessions(sessions, until=until))
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("Making up sessions", total=sessions)
        loading = Load(
            database, on_batch=lambda: progress.update(task, completed=loading.summary.read)
        )
        await loading.run(rows)
    return await auth.create_service_user(database, "demo", org_id=None)


def demo_text(token: str, port: int, until: int) -> str:
    """Return what to try first."""
    after, org = until - 30 * auth.DAY, DEMO_ORGANIZATIONS[0]
    question = (
        f'{{ sessionMetrics(orgId: "{org}", filters: {{timeAfter: {after}, timeBefore: {until}}}) '
        "{ sessionsCreatedCount sessionsWithMergedPrsCount avgAcusPerSession } }"
    )
    body = json.dumps({"query": question})
    base = f"http://127.0.0.1:{port}"
    return f"""
The last 30 days of {org}, over GraphQL:

  curl -s {base}/graphql -H 'Authorization: Bearer {token}' \\
    -H 'Content-Type: application/json' -d '{body}'

and over REST:

  curl -s '{base}/v3/organizations/{org}/metrics/sessions?time_after={after}&time_before={until}' \\
    -H 'Authorization: Bearer {token}'

Explore in a browser:   {base}/graphql   (header: {{"Authorization": "Bearer {token}"}})
The REST document:      {base}/openapi.json
Organizations:          {", ".join(DEMO_ORGANIZATIONS)}
Token:                  {token}

Ctrl-C stops the server.
"""


@app.command()
def load(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="`-`: standard input.")],
    org: Annotated[str | None, typer.Option(help="Organization of rows that name none.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Load all rows or none.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Load sessions from newline-delimited JSON, a JSON page of the v3 API, or CSV; .gz is fine."""
    with_database(lambda database: load_files(database, files, org, strict=strict))


async def load_files(
    database: Database, files: list[Path], org: str | None, *, strict: bool
) -> None:
    """Load files one after the other, as one whole if strict; say what came of them."""
    if org is not None:
        check_new_id("--org", org)
    started = time.perf_counter()
    source = Files(files, org)
    problem = None
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("Loading", total=source.total_bytes)
        loading = Load(
            database,
            on_rejection=lambda row: typer.echo(f"{row.place}: {row.reason}", err=True),
            on_batch=lambda: progress.update(
                task, completed=source.bytes_read, description=f"{loading.summary.read:,} rows"
            ),
        )
        try:
            await (loading.run_strictly(source) if strict else loading.run(source))
        except StrictLoadRefused:
            raise fail("nothing was loaded: rows were rejected, and --strict is given") from None
        except (UnreadableFile, OSError) as error:
            if strict:
                raise fail(f"{error}; nothing was loaded") from None
            problem = error
    summary = loading.summary
    per_second = summary.read / (time.perf_counter() - started)
    typer.echo(
        f"{summary.read:,} rows read: {summary.inserted:,} inserted, {summary.updated:,} updated, "
        f"{summary.unchanged:,} unchanged, {summary.rejected:,} rejected; "
        f"{per_second:,.0f} rows/s"
    )
    if problem:
        raise fail(f"{problem}; the rows before it were loaded")
    if summary.rejected:
        raise typer.Exit(1)


@app.command()
def migrate() -> None:
    """Create or upgrade the tables."""
    with_database(nothing_more)
    typer.echo("The tables are up to date.")


@app.command()
def verify(
    repair: Annotated[bool, typer.Option("--repair", help="Rebuild what differs.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Recount the roll-ups from the sessions; exit with 1 if they differ and are not repaired."""
    differences = with_database(lambda database: verify_rollups(database, repair=repair))
    if differences and not repair:
        raise fail(f"{differences:,} roll-ups differ; --repair rebuilds them")
    typer.echo(f"{differences:,} roll-ups were repaired." if differences else "All roll-ups agree.")


async def verify_rollups(database: Database, *, repair: bool) -> int:
    """Print every difference, repair it if asked to, and return how many there were."""
    found = 0
    with Progress(console=console, disable=not console.is_terminal) as progress:
        for chunk in progress.track(await verification.chunks(database), description="Recounting"):
            differences = await verification.verify(database, chunk)
            for difference in differences:
                typer.echo(difference)
            if differences and repair:
                await verification.repair(database, chunk)
            found += len(differences)
    return found


@app.command()
def export_schema(
    door: Annotated[Literal["graphql", "openapi"], typer.Argument()] = "graphql",
) -> None:
    """Print the GraphQL schema or the OpenAPI document."""
    typer.echo(schema.as_str() if door == "graphql" else json.dumps(document(), indent=2))


@service_user.command("create")
def create_service_user(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    org: Annotated[str | None, typer.Option(help="The organization it belongs to.")] = None,
    enterprise: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--enterprise", help="It covers every organization.")
    ] = False,
    permission: Annotated[
        list[str] | None,
        typer.Option(help=f"May be repeated; {auth.DEFAULT_PERMISSION} if not given."),
    ] = None,
    expires_in_days: Annotated[
        float | None, typer.Option(min=0, max=MAX_DAYS, help="Never, if not given.")
    ] = None,
) -> None:
    """Create a service user and print its token, alone on the last line, this once."""
    if (org is None) is not enterprise:
        raise fail("give either --org or --enterprise")
    permissions = tuple(permission or [auth.DEFAULT_PERMISSION])
    created = with_database(
        lambda database: auth.create_service_user(
            database, name, org_id=org, permissions=permissions, expires_in_days=expires_in_days
        )
    )
    if auth.VIEW_METRICS.isdisjoint(permissions):
        either = " or ".join(sorted(auth.VIEW_METRICS))
        typer.echo(f"It can't read metrics: that takes {either}.", err=True)
    show_token(created)


@service_user.command("rotate")
def rotate(
    service_user_id: Annotated[str, typer.Argument(metavar="ID")],
    overlap_hours: Annotated[
        float,
        typer.Option(min=0, max=24 * MAX_DAYS, help="How long the tokens before it keep working."),
    ] = 24,
) -> None:
    """Print a new token for a service user; the old one keeps working for the overlap."""
    overlap = int(overlap_hours * 3_600)
    created = with_database(
        lambda database: auth.rotate_token(database, service_user_id, overlap_seconds=overlap)
    )
    typer.echo(f"Older tokens end at {instant(int(time.time()) + overlap)} at the latest.")
    show_token(created)


@service_user.command("revoke")
def revoke(service_user_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """End every token of a service user, for good."""
    with_database(lambda database: auth.revoke_service_user(database, service_user_id))
    typer.echo(f"{service_user_id} is revoked.")


@service_user.command("list")
def list_service_users() -> None:
    """List service users, oldest first, as tab-separated columns."""
    typer.echo("id\tname\tcovers\tpermissions\tcreated\tlast used\trevoked")
    for user in with_database(accounts.list_service_users):
        covers = "every organization" if user.org_id is None else user.org_id
        instants = (user.created_at, user.last_used_at, user.revoked_at)
        columns = [user.service_user_id, user.name, covers, ",".join(user.permissions)]
        typer.echo("\t".join([*columns, *map(instant, instants)]))


def show_token(created: auth.NewToken) -> None:
    """Print who has a new token and, alone on the last line, the token."""
    expires = instant(created.expires_at)
    typer.echo(f"Service user {created.service_user.service_user_id}, expires: {expires}")
    typer.echo("Its token, which is shown only now:")
    typer.echo(created.token)


def instant(seconds: int | None) -> str:
    """Return Unix seconds as ISO 8601 in UTC."""
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
