"""Shared by the commands: settings, logging, storage, exit codes and one-line errors."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn

from metrics_graphql.cli.output import print_error
from metrics_graphql.cli.settings_checks import validate_settings
from metrics_graphql.core.errors import BadUserInput, FieldPath, MetricsError
from metrics_graphql.ingestion.loader import LoadSummary
from metrics_graphql.settings import (
    InvalidSettings,
    Settings,
    read_settings,
    unknown_variables,
)
from metrics_graphql.storage.repository import InvalidDatabaseURL, Storage, open_storage
from metrics_graphql.telemetry.logging import configure_logging

T = TypeVar("T")

ARGUMENT_NAMES: Final[Mapping[FieldPath, str]] = {
    ("base_url",): "--base-url",
    ("name",): "NAME",
    ("org_id",): "--org",
    ("permission",): "--permission",
    ("proxy",): "--proxy",
    ("service_user_id",): "ID",
    ("sync_token",): "METRICS_SYNC_TOKEN",
}
"""How the command line spells the paths of `BadUserInput`."""
GC_THRESHOLD: Final = 50_000
"""Net new objects before a garbage collection. A batch of sessions allocates many objects, and no
garbage. With the default of Python 3.11 (700), collections took a fifth of the time of a load."""
ROW_COLUMNS: Final = (TextColumn("{task.description}"), BarColumn())
"""Columns of a progress bar whose description counts rows."""

console = Console(stderr=True)


def fail(message: str, status: int = 1) -> typer.Exit:
    """Print an error. Raise the result to exit with a status: 2 if an argument is invalid."""
    print_error(message)
    return typer.Exit(status)


def configure() -> Settings:
    """Read and check the settings, and configure logging. Invalid ones end the command.

    A variable that may be a misspelled setting is a warning.
    """
    try:
        for warning in unknown_variables():
            print_error(f"warning: {warning}")
        settings = read_settings()
    except InvalidSettings as error:
        raise fail(str(error)) from None
    if problems := validate_settings(settings):
        raise fail("; ".join(problems))
    configure_logging(settings.log_level, settings.log_format)
    return settings


def run_with_storage(settings: Settings, work: Callable[[Storage], Awaitable[T]]) -> T:
    """Open the databases, whatever their schema, and await some work. Errors end the command.

    Also collects garbage less often, in the whole process.
    """
    gc.set_threshold(GC_THRESHOLD)

    async def run() -> T:
        async with open_storage(settings.database_url, settings.sessions_url) as storage:
            return await work(storage)

    try:
        return asyncio.run(run())
    except (MetricsError, InvalidDatabaseURL) as error:
        message = describe_error(error)
        raise fail(message, status=2 if message.startswith("--") else 1) from None


def run_with_schema(
    settings: Settings, work: Callable[[Storage], Awaitable[T]], *, upgrade_embedded: bool
) -> T:
    """Like `run_with_storage`, on a current schema only.

    With `upgrade_embedded`, the schema of a SQLite file is created or upgraded first. Every other
    database is upgraded by `migrate` alone.
    """

    async def run(storage: Storage) -> T:
        await storage.ensure_schema(upgrade_embedded=upgrade_embedded)
        return await work(storage)

    return run_with_storage(settings, run)


def describe_error(error: MetricsError | InvalidDatabaseURL) -> str:
    """Return one line: the argument as the command line spells it, the message, the cause."""
    if isinstance(error, BadUserInput):
        argument = ARGUMENT_NAMES.get(error.path, ".".join(error.path))
        return f"{argument} {error.reason}"
    if not isinstance(error, MetricsError):
        return str(error)
    # SQLAlchemy wraps the driver's error, whose message is shorter.
    cause = getattr(error.__cause__, "orig", error.__cause__)
    return " ".join(f"{error.message} {cause or ''}".split())


def progress_bar(*columns: ProgressColumn) -> Progress:
    """Return a progress bar, shown if standard error is a terminal."""
    return Progress(*columns, console=console, disable=not console.is_terminal)


def format_counts(summary: LoadSummary) -> str:
    """Return the counts of the rows that were loaded."""
    return (
        f"{summary.inserted:,} inserted, {summary.updated:,} updated, "
        f"{summary.unchanged:,} unchanged"
    )


def count_document(summary: LoadSummary) -> dict[str, int]:
    """Return the same counts as members of a JSON object."""
    return {
        "inserted": summary.inserted,
        "updated": summary.updated,
        "unchanged": summary.unchanged,
    }
