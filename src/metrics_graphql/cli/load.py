"""`load`: upserts sessions from files."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, TextIO

import typer

from metrics_graphql.cli.options import JsonOption, check_new_name
from metrics_graphql.cli.output import print_error, print_json, print_line, print_message
from metrics_graphql.cli.rejections import RejectionPrinter, error_documents
from metrics_graphql.cli.runner import (
    ROW_COLUMNS,
    configure,
    count_document,
    fail,
    format_counts,
    progress_bar,
    run_with_storage,
)
from metrics_graphql.cli.scratch import HEAD_SIZE, is_missing, scratch_storage, stores_nothing
from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.ingestion.field_names import SESSION_FIELDS, FieldNames, normalize
from metrics_graphql.ingestion.loader import Loader, LoadSummary, StrictLoadFailed
from metrics_graphql.ingestion.reader import FileReader
from metrics_graphql.ingestion.row_parser import SessionParser
from metrics_graphql.ingestion.rows import Row
from metrics_graphql.storage.repository import Storage


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """The arguments of `load`."""

    files: Sequence[Path]
    org: str | None
    columns: Mapping[str, str]
    strict: bool
    dry_run: bool
    rejects: Path | None
    as_json: bool


def load(  # noqa: PLR0913 - one parameter per option
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Load these files. -: standard input.")
    ],
    *,
    org: Annotated[
        str | None,
        typer.Option(
            metavar="ORG",
            callback=check_new_name,
            help="Load rows without an org_id into this organization.",
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="FROM=TO", help="Read the column FROM as the field TO. Repeatable."),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Load all rows or none, and refuse unknown columns."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check all rows, and store nothing.")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all rejected rows, as JSON, to this file."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Load sessions from JSON or CSV files.

    JSON has one session a line, an array, or pages of the v3 API. Files may be gzipped. Exits
    with 1 if rows were rejected, or a file was not read to its end.
    """
    if rejects is not None and any(is_same_file(rejects, file) for file in files):
        raise typer.BadParameter("this file is to be loaded", param_hint=["--rejects"])
    columns = parse_columns(column or ())
    options = LoadOptions(files, org, columns, strict, dry_run, rejects, as_json)
    settings = configure()
    run_with_storage(settings, lambda storage: run_load(storage, options, settings.sessions_url))


def parse_columns(mappings: Sequence[str]) -> dict[str, str]:
    """Return the fields that columns are read as. Unusable mappings end the command."""
    names = FieldNames()
    columns: dict[str, str] = {}
    for mapping in mappings:
        name, separator, target = mapping.rpartition("=")
        field = names.field(target)
        if not separator or not normalize(name):
            raise typer.BadParameter(f"{mapping!r} is not FROM=TO.", param_hint=["--column"])
        if field is None:
            raise typer.BadParameter(
                f"{target!r} is no field. The fields are {', '.join(SESSION_FIELDS)}.",
                param_hint=["--column"],
            )
        if normalize(name) in map(normalize, columns):
            raise typer.BadParameter(f"{name!r} is given twice.", param_hint=["--column"])
        columns[name] = field
    return columns


async def run_load(storage: Storage, options: LoadOptions, sessions_url: str) -> None:
    """Load the files. A load that stores nothing does not create a database."""
    parser = SessionParser(options.org, options.columns)
    reader = FileReader(options.files, parser)
    rows = iter(reader)
    with open_rejects(options.rejects) as rejects:
        load = partial(load_rows, options=options, parser=parser, reader=reader, rejects=rejects)
        if await is_missing(storage):
            head = [] if options.dry_run else list(islice(rows, HEAD_SIZE))
            rows = chain(head, rows)
            is_refused = bool(reader.errors or parser.ignores_input)
            if options.dry_run or await stores_nothing(
                sessions_url, head, strict=options.strict, is_refused=is_refused
            ):
                async with scratch_storage(sessions_url) as scratch:
                    return await load(scratch, rows)
        await storage.ensure_schema(upgrade_embedded=not options.dry_run)
        return await load(storage, rows)


async def load_rows(  # noqa: PLR0913 - what a load consists of
    storage: Storage,
    rows: Iterator[Row[SessionUpdate]],
    *,
    options: LoadOptions,
    parser: SessionParser,
    reader: FileReader[SessionUpdate],
    rejects: TextIO | None,
) -> None:
    """Load rows, and print what was loaded, rejected and ignored."""
    started = time.perf_counter()
    with progress_bar(*ROW_COLUMNS) as bar:
        task = bar.add_task("Loading", total=reader.total_bytes)

        def show_progress(summary: LoadSummary) -> None:
            bar.update(task, completed=reader.bytes_read, description=f"{summary.read:,} rows")

        hint = f"; all are in {rejects.name}" if rejects else " (--rejects FILE has all)"
        rejections = RejectionPrinter(rejects, hint)
        loader = Loader(storage.sessions, show_progress, rejections)
        failures = await store(loader, rows, reader, parser, options)
    rejections.print_rest()
    for line in parser.report():
        print_message(line)
    summary = loader.summary
    if options.as_json:
        print_json(
            {
                "read": summary.read,
                **count_document(summary),
                "rejected": summary.rejected,
                "stored": not (options.dry_run or failures),
                "errors": error_documents(reader.errors),
            }
        )
    elif options.dry_run or not failures:
        seconds = time.perf_counter() - started
        speed = f"{summary.read / seconds:,.0f} rows/s"
        print_line(
            f"{summary.read:,} rows read: {format_counts(summary)}, {summary.rejected:,} rejected; "
            + ("dry run, nothing was stored" if options.dry_run else speed)
        )
    for error in reader.errors:
        are_stored = error.rows and not (failures or options.dry_run)
        before = "; the rows before it were loaded" if are_stored else ""
        print_error(f"{error.path}: {error.reason}{before}")
    if failures:
        raise fail(f"nothing was loaded: {' and '.join(failures)}, and --strict is given")
    if summary.rejected or reader.errors:
        raise typer.Exit(1)


async def store(
    loader: Loader,
    rows: Iterator[Row[SessionUpdate]],
    reader: FileReader[SessionUpdate],
    parser: SessionParser,
    options: LoadOptions,
) -> list[str]:
    """Load all rows. Return why nothing was loaded, which `--strict` may cause."""

    def is_complete() -> bool:
        return not (reader.errors or parser.ignores_input)

    if options.dry_run:
        await loader.dry_run(rows)
    elif options.strict:
        with suppress(StrictLoadFailed):
            await loader.load_strict(rows, is_complete)
    else:
        await loader.load(rows)
    conditions = {
        "rows were rejected": loader.summary.rejected,
        "files were not read to their end": reader.errors,
        "columns or fields were ignored": parser.ignores_input,
    }
    return [text for text, applies in conditions.items() if applies and options.strict]


def is_same_file(one: Path, other: Path) -> bool:
    """Return whether two paths lead to the same existing file."""
    with suppress(OSError):
        return one.samefile(other)
    return False


@contextmanager
def open_rejects(path: Path | None) -> Generator[TextIO | None]:
    """Open the file of rejected rows, if there is one. An error ends the command."""
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise fail(f"--rejects: {path}: {error.strerror}") from None
    with file:
        yield file
