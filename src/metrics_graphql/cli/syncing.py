"""`sync`."""

import asyncio
import re
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Annotated, Final

import typer

from metrics_graphql.cli.running import (
    counted,
    fail,
    read_settings,
    rows_bar,
    with_reason,
    with_store,
)
from metrics_graphql.errors import Unavailable
from metrics_graphql.loading.insights import Page
from metrics_graphql.loading.load import Load
from metrics_graphql.loading.source import MAX_PAGE_SIZE, Source, SourceFailed
from metrics_graphql.loading.sync import pull, start_over
from metrics_graphql.store.store import Store

UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def seconds(duration: str) -> int:
    """Return the seconds of a duration like 5m."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})([smhd])", duration)
    if not found:
        raise typer.BadParameter("must look like 30s, 5m, 1h or 1d")
    return int(found[1]) * UNITS[found[2]]


def sync(
    org: Annotated[str, typer.Option(help="The organization whose sessions are pulled.")],
    base_url: Annotated[str, typer.Option(help="Where the API is, without /v3.")],
    every: Annotated[
        int | None,
        typer.Option(parser=seconds, metavar="DURATION", help="Pull again so long after, like 5m."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Pull all of them again.")] = False,  # noqa: FBT002 - a flag
    page_size: Annotated[
        int, typer.Option(min=1, max=MAX_PAGE_SIZE, help="Sessions to ask for at once.")
    ] = MAX_PAGE_SIZE,
) -> None:
    """Pull an organization's sessions from a v3 API: first all, later those that changed.

    The token is METRICS_SYNC_TOKEN.
    """
    settings = read_settings()

    async def run(store: Store) -> None:
        token = settings.sync_token.get_secret_value()
        async with Source(base_url, org, token, page_size) as source:
            if full:
                await start_over(source, store.database)
            if every is not None:
                return await until_told_to_end(keep_pulling(store, source, every))
            try:
                await pull_once(store, source)
            except SourceFailed as error:
                raise fail(f"{error}; what came before it is stored") from None

    with_store(run, settings)


async def pull_once(store: Store, source: Source) -> None:
    """Pull once; say what came of it."""
    with rows_bar() as progress:
        task = progress.add_task("Pulling", total=None)
        load = Load(store)

        def show(page: Page) -> None:
            read = load.summary.read
            progress.update(
                task, completed=read, total=page.total, description=f"{read:,} sessions"
            )

        await pull(source, load, on_page=show)
    typer.echo(f"{load.summary.read:,} sessions pulled: {counted(load.summary)}")


async def keep_pulling(store: Store, source: Source, every: int) -> None:
    """Pull again and again; what fails is told, and tried again the next time."""
    while True:
        pause: float = every
        try:
            await pull_once(store, source)
        except SourceFailed as error:
            typer.echo(f"metrics-graphql: {error}", err=True)
            pause = max(every, error.retry_after)
        except Unavailable as error:
            typer.echo(f"metrics-graphql: {with_reason(error)}", err=True)
        await asyncio.sleep(pause)


async def until_told_to_end(work: Coroutine[None, None, None]) -> None:
    """Do some work until SIGTERM or SIGINT, which break it off where it is."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    signals = signal.SIGTERM, signal.SIGINT
    before = [
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(task.cancel))
        for number in signals
    ]
    try:
        with suppress(asyncio.CancelledError):
            await task
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
