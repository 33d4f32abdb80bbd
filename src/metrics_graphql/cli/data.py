"""`load` and `export-schema`."""

import json
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from metrics_graphql.cli.running import counted, fail, rows_bar, with_store
from metrics_graphql.domain.metrics import check_new_id
from metrics_graphql.graphql_api.schema import schema
from metrics_graphql.loading.files import Files
from metrics_graphql.loading.formats import UnreadableFile
from metrics_graphql.loading.load import Load, StrictLoadRefused
from metrics_graphql.rest_api.openapi import document
from metrics_graphql.store.store import Store


def load(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="`-`: standard input.")],
    org: Annotated[str | None, typer.Option(help="Organization of rows that name none.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Load all rows or none.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Load sessions from newline-delimited JSON, a JSON page of the v3 API, or CSV; .gz is fine."""
    with_store(lambda store: load_files(store, files, org, strict=strict))


async def load_files(store: Store, files: list[Path], org: str | None, *, strict: bool) -> None:
    """Load files one after the other, as one whole if strict; say what came of them."""
    if org is not None:
        check_new_id("--org", org)
    started = time.perf_counter()
    source = Files(files, org)
    problem = None
    with rows_bar() as progress:
        task = progress.add_task("Loading", total=source.total_bytes)
        loading = Load(
            store,
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


def export_schema(
    door: Annotated[Literal["graphql", "openapi"], typer.Argument()] = "graphql",
) -> None:
    """Print the GraphQL schema or the OpenAPI document."""
    typer.echo(schema.as_str() if door == "graphql" else json.dumps(document(), indent=2))
