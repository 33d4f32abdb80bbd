"""`sync`: pulls sessions from a v3 API."""

import asyncio
import re
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Annotated, Final

import typer

from metrics_graphql.cli.runner import (
    ROW_COLUMNS,
    configure,
    describe_error,
    fail,
    format_counts,
    print_error,
    progress_bar,
    run_with_schema,
)
from metrics_graphql.core.errors import Unavailable
from metrics_graphql.ingestion.loader import Loader
from metrics_graphql.ingestion.sync import pull, reset_checkpoint
from metrics_graphql.ingestion.unknown_input import UnknownInput
from metrics_graphql.ingestion.v3_client import MAX_PAGE_SIZE, V3Client, V3ClientError
from metrics_graphql.ingestion.v3_schema import SessionPage, count_unknown
from metrics_graphql.storage.repository import Storage

UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
"""Seconds of each unit of a duration."""


def parse_duration(text: str) -> int:
    """Return the seconds of a duration like 5m."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})([smhd])", text)
    if not match:
        raise typer.BadParameter("must look like 30s, 5m, 1h or 1d")
    return int(match[1]) * UNITS[match[2]]


def sync(  # noqa: PLR0913, PLR0917 - one parameter per option
    org: Annotated[str, typer.Option(help="The organization whose sessions are pulled.")],
    base_url: Annotated[str, typer.Option(help="The URL of the API, without /v3.")],
    every: Annotated[
        int | None,
        typer.Option(
            parser=parse_duration,
            metavar="DURATION",
            help="Pull again after each interval, like 5m, until SIGTERM or SIGINT.",
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Pull all sessions again.")] = False,  # noqa: FBT002 - a flag
    page_size: Annotated[
        int, typer.Option(min=1, max=MAX_PAGE_SIZE, help="Sessions per request.")
    ] = MAX_PAGE_SIZE,
    proxy: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The proxy. By default HTTPS_PROXY or ALL_PROXY, if NO_PROXY does not match.",
        ),
    ] = None,
) -> None:
    """Pull an organization's sessions from a v3 API: all of them first, then those that changed.

    The token is read from METRICS_SYNC_TOKEN.
    """
    settings = configure()

    async def run(storage: Storage) -> None:
        token = settings.sync_token.get_secret_value()
        reporter = UnknownReporter()
        async with V3Client(base_url, org, token, page_size, proxy=proxy) as client:
            if full:
                await reset_checkpoint(client, storage.database)
            if every is not None:
                return await run_until_signal(pull_repeatedly(storage, client, reporter, every))
            try:
                await pull_once(storage, client, reporter)
            except V3ClientError as error:
                raise fail(str(error)) from None

    run_with_schema(settings, run, upgrade_embedded=True)


class UnknownReporter:
    """Prints unknown fields and values, each once however often it is pulled."""

    def __init__(self) -> None:
        self._names: set[tuple[str, str]] = set()
        self._values: set[tuple[str, str]] = set()

    def report(self, unknown: UnknownInput) -> None:
        """Print what a pull counted, and no earlier one did."""
        for counter, printed in (unknown.names, self._names), (unknown.values, self._values):
            for key in printed:
                counter.pop(key, None)
            printed.update(counter)
        for line in unknown.report():
            typer.echo(line, err=True)


async def pull_once(storage: Storage, client: V3Client, reporter: UnknownReporter) -> None:
    """Pull once, and print a summary and unknown input.

    Raises:
        V3ClientError: a page cannot be fetched. The message has the number of sessions before it.
        Unavailable: the database cannot be written to.
    """
    unknown = UnknownInput()
    with progress_bar(*ROW_COLUMNS) as bar:
        task = bar.add_task("Pulling", total=None)
        loader = Loader(storage.sessions)
        summary = loader.summary

        def on_page(page: SessionPage) -> None:
            count_unknown(page, unknown)
            description = f"{summary.read:,} sessions"
            bar.update(task, completed=summary.read, total=page.total, description=description)

        try:
            await pull(client, storage.database, loader, on_page)
        except V3ClientError as error:
            if not summary.read:
                raise
            message = f"{error}; the {summary.read:,} sessions before it are stored"
            raise V3ClientError(message, error.retry_after) from None
        finally:
            reporter.report(unknown)
    typer.echo(f"{summary.read:,} sessions pulled: {format_counts(summary)}")


async def pull_repeatedly(
    storage: Storage, client: V3Client, reporter: UnknownReporter, interval: int
) -> None:
    """Pull every `interval` seconds. Errors are printed, and the next pull tries again."""
    while True:
        delay: float = interval
        try:
            await pull_once(storage, client, reporter)
        except V3ClientError as error:
            print_error(error)
            delay = max(interval, error.retry_after)
        except Unavailable as error:
            print_error(describe_error(error))
        await asyncio.sleep(delay)


async def run_until_signal(work: Coroutine[None, None, None]) -> None:
    """Await some work. SIGTERM and SIGINT cancel it."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    signals = signal.SIGTERM, signal.SIGINT
    previous = [
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(task.cancel))
        for number in signals
    ]
    try:
        with suppress(asyncio.CancelledError):
            await task
    finally:
        for number, handler in zip(signals, previous, strict=True):
            signal.signal(number, handler)
