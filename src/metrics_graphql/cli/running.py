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
from metrics_graphql.store.store import Store, UnusableURL, open_store

console = Console(stderr=True)
"""Progress bars go to standard error, and only where that is a terminal."""

T = TypeVar("T")


def fail(message: str) -> typer.Exit:
    """Say what is wrong in one line; raise what this returns to end with status 1."""
    typer.echo(f"metrics-graphql: {message}", err=True)
    return typer.Exit(1)


def read_settings() -> Settings:
    """Return the settings; one that can't be read ends the command."""
    settings = settings_or_problem()
    if isinstance(settings, str):
        raise fail(settings)
    return settings


def settings_or_problem() -> Settings | str:
    """Return the settings, or which of them can't be read."""
    try:
        return Settings()
    except ValidationError as error:
        problems = (
            f"METRICS_{'.'.join(map(str, details['loc']))}".upper() + f": {details['msg']}"
            for details in error.errors()
        )
        return "; ".join(problems)
    except UnicodeDecodeError as error:
        return f".env: {error}"


def with_store(work: Callable[[Store], Awaitable[T]], settings: Settings | None = None) -> T:
    """Do some work on the store, brought up to date first; its errors end the command."""

    async def brought_up_to_date(store: Store) -> T:
        await store.migrate()
        return await work(store)

    return with_store_as_it_is(brought_up_to_date, settings)


def with_store_as_it_is(
    work: Callable[[Store], Awaitable[T]], settings: Settings | None = None
) -> T:
    """Do some work on the store; its errors, and a URL that can't be used, end the command."""
    settings = settings or read_settings()
    configure_logging(settings.log_level, settings.log_format)

    async def run() -> T:
        async with open_store(settings.database_url, settings.sessions_url) as store:
            return await work(store)

    try:
        return asyncio.run(run())
    except BadUserInput as error:
        raise fail(error.message) from None
    except MetricsError as error:
        raise fail(with_reason(error)) from None
    except UnusableURL as error:
        raise fail(str(error)) from None


def with_reason(error: MetricsError) -> str:
    """Return in one line what is wrong, and what the engine said if the error is for that."""
    reason = getattr(error.__cause__, "orig", error.__cause__)
    return " ".join(f"{error.message} {reason or ''}".split())


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


async def nothing_more(_store: Store) -> None:
    """Do nothing with a store that opens and is up to date."""
