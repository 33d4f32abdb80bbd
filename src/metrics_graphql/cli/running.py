"""What the commands share: settings, the database, and errors as one line each."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from metrics_graphql.errors import BadUserInput, MetricsError
from metrics_graphql.loading.load import Summary
from metrics_graphql.observability import configure_logging
from metrics_graphql.settings import Settings
from metrics_graphql.store.engine import Database
from metrics_graphql.store.migrate import migrate as migrate_database

console = Console(stderr=True)
"""Progress bars go to standard error, and only where that is a terminal."""

T = TypeVar("T")


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
        raise fail(with_cause(error)) from None


def with_cause(error: MetricsError) -> str:
    """Return what is wrong with the database, and what its driver says."""
    cause = getattr(error.__cause__, "orig", error.__cause__)
    return f"{error.message} METRICS_DATABASE_URL: {cause}"


def rows_bar() -> Progress:
    """Return a bar for rows on their way, to be shown where there is a terminal."""
    columns = TextColumn("{task.description}"), BarColumn()
    return Progress(*columns, console=console, disable=not console.is_terminal)


def counted(summary: Summary) -> str:
    """Return what became of the rows that could be loaded."""
    return (
        f"{summary.inserted:,} inserted, {summary.updated:,} updated, "
        f"{summary.unchanged:,} unchanged"
    )


async def nothing_more(_database: Database) -> None:
    """Do nothing with a database that opens and is up to date."""
