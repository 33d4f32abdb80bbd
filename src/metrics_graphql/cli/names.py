"""`names`: loads and lists the names of ids."""

from pathlib import Path
from typing import Annotated

import typer

from metrics_graphql.cli.command_group import CommandGroup
from metrics_graphql.cli.options import JsonOption
from metrics_graphql.cli.output import (
    one_line,
    print_error,
    print_json,
    print_line,
    print_message,
)
from metrics_graphql.cli.rejections import RejectionPrinter, error_documents
from metrics_graphql.cli.runner import configure, run_with_schema
from metrics_graphql.core.names import NamedKind, NameUpdate
from metrics_graphql.ingestion.name_rows import EXPECTED_KIND, NameParser, kind_of
from metrics_graphql.ingestion.reader import FileReader
from metrics_graphql.ingestion.rows import RejectedRow
from metrics_graphql.storage.names import list_names, store_names

app = typer.Typer(
    cls=CommandGroup,
    rich_markup_mode=None,
    help="Load and list the names of ids.",
)


def parse_kind(text: str) -> NamedKind:
    """Return the kind that an option names. Another text is a usage error."""
    kind = kind_of(text)
    if kind is None:
        raise typer.BadParameter(f"{EXPECTED_KIND}, not {text!r}")
    return kind


@app.command("load")
def load(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Load these files. -: standard input.")
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """Load names from JSON or CSV files.

    Each row has the fields kind, id and name. An empty name removes the stored one. Files may be
    gzipped. Exits with 1 if rows were rejected, or a file was not read to its end.
    """
    settings = configure()
    parser = NameParser()
    reader = FileReader(files, parser)
    rejections = RejectionPrinter()
    updates: list[NameUpdate] = []
    for row in reader:
        if isinstance(row, RejectedRow):
            rejections(row)
        else:
            updates.append(row.update)
    rejections.print_rest()
    for line in parser.report():
        print_message(line)
    if updates:
        run_with_schema(
            settings,
            lambda storage: store_names(storage.database, updates),
            upgrade_embedded=True,
        )
    read = len(updates) + rejections.count
    removed = sum(update.name is None for update in updates)
    loaded = len(updates) - removed
    if as_json:
        counts = {"read": read, "loaded": loaded, "removed": removed, "rejected": rejections.count}
        print_json(counts | {"errors": error_documents(reader.errors)})
    else:
        print_line(
            f"{read:,} rows read: {loaded:,} loaded, {removed:,} removed,"
            f" {rejections.count:,} rejected"
        )
    for error in reader.errors:
        before = "; the rows before it were loaded" if error.rows else ""
        print_error(f"{error.path}: {error.reason}{before}")
    if rejections.count or reader.errors:
        raise typer.Exit(1)


@app.command("list")
def list_all(
    *,
    kind: Annotated[
        NamedKind | None,
        typer.Option(
            metavar="KIND",
            parser=parse_kind,
            help="List names of this kind: user, service_user, playbook or organization.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List names.

    Prints tab-separated columns, ordered by kind and id.
    """
    found = run_with_schema(
        configure(), lambda storage: list_names(storage.database, kind), upgrade_embedded=False
    )
    if as_json:
        documents = [{"kind": each.kind.value, "id": each.id, "name": each.name} for each in found]
        print_json({"names": documents})
        return
    print_line("kind\tid\tname")
    for each in found:
        print_line("\t".join(map(one_line, (each.kind.value, each.id, each.name))))
