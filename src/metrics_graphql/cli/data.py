"""`load`, `migrate`, `verify` and `export-schema`."""

import json
import time
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import Progress

from metrics_graphql.cli.running import (
    console,
    counted,
    fail,
    nothing_more,
    rows_bar,
    with_database,
)
from metrics_graphql.domain.metrics import check_new_id
from metrics_graphql.graphql_api.schema import schema
from metrics_graphql.loading.files import Files
from metrics_graphql.loading.formats import UnreadableFile
from metrics_graphql.loading.load import Load, StrictLoadRefused
from metrics_graphql.rest_api.openapi import document
from metrics_graphql.store import verification
from metrics_graphql.store.engine import Database


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
    with rows_bar() as progress:
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
        f"{summary.read:,} rows read: {counted(summary)}, {summary.rejected:,} rejected; "
        f"{per_second:,.0f} rows/s"
    )
    if problem:
        raise fail(f"{problem}; the rows before it were loaded")
    if summary.rejected:
        raise typer.Exit(1)


def migrate() -> None:
    """Create or upgrade the tables."""
    with_database(nothing_more)
    typer.echo("The tables are up to date.")


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


def export_schema(
    door: Annotated[Literal["graphql", "openapi"], typer.Argument()] = "graphql",
) -> None:
    """Print the GraphQL schema or the OpenAPI document."""
    typer.echo(schema.as_str() if door == "graphql" else json.dumps(document(), indent=2))
