"""`load`: upserts sessions from files."""

import time
from pathlib import Path
from typing import Annotated

import typer

from metrics_graphql.cli.runner import (
    ROW_COLUMNS,
    configure,
    fail,
    format_counts,
    progress_bar,
    run_with_schema,
)
from metrics_graphql.core.identifiers import check_new_id
from metrics_graphql.ingestion.formats import RejectedRow, UnreadableFile
from metrics_graphql.ingestion.loader import Loader, LoadSummary, StrictLoadFailed
from metrics_graphql.ingestion.reader import FileReader
from metrics_graphql.storage.repository import Storage


def load(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="`-`: standard input.")],
    org: Annotated[str | None, typer.Option(help="Organization of rows without an org_id.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Load all rows or none.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Load sessions from newline-delimited JSON, a JSON page of the v3 API, or CSV.

    Files may be gzipped. Exits with 1 if rows were rejected.
    """
    run_with_schema(
        configure(),
        lambda storage: load_files(storage, files, org, strict=strict),
        upgrade_embedded=True,
    )


async def load_files(storage: Storage, files: list[Path], org: str | None, *, strict: bool) -> None:
    """Load the files in order, print rejected rows to standard error, and print a summary."""
    if org is not None:
        check_new_id(("org_id",), org)
    started = time.perf_counter()
    reader = FileReader(files, org)
    read_error = None
    with progress_bar(*ROW_COLUMNS) as bar:
        task = bar.add_task("Loading", total=reader.total_bytes)

        def show_progress(summary: LoadSummary) -> None:
            bar.update(task, completed=reader.bytes_read, description=f"{summary.read:,} rows")

        loader = Loader(storage.sessions, on_batch=show_progress, on_rejection=print_rejection)
        try:
            await (loader.load_strict(reader) if strict else loader.load(reader))
        except StrictLoadFailed:
            raise fail("nothing was loaded: rows were rejected, and --strict is given") from None
        except (UnreadableFile, OSError) as error:
            if strict:
                raise fail(f"{error}; nothing was loaded") from None
            read_error = error
    summary = loader.summary
    rows_per_second = summary.read / (time.perf_counter() - started)
    typer.echo(
        f"{summary.read:,} rows read: {format_counts(summary)}, {summary.rejected:,} rejected; "
        f"{rows_per_second:,.0f} rows/s"
    )
    if read_error:
        raise fail(f"{read_error}; the rows before it were loaded")
    if summary.rejected:
        raise typer.Exit(1)


def print_rejection(row: RejectedRow) -> None:
    """Print the location of a rejected row and the reason to standard error."""
    typer.echo(f"{row.location}: {row.reason}", err=True)
