"""Pulls an organization's sessions from a source: first all, then those that changed since.

A page's sessions are committed before the position behind them is, so whoever goes on from there
may load a page twice, which changes nothing, and never misses one.
"""

import logging
from collections.abc import Callable
from typing import Final

from metrics_graphql.loading.formats import Parsed
from metrics_graphql.loading.insights import Page
from metrics_graphql.loading.load import Load, ignore
from metrics_graphql.loading.source import CursorRefused, Source
from metrics_graphql.store.engine import Database
from metrics_graphql.store.syncs import Position, read_position, write_position

logger = logging.getLogger(__name__)

OVERLAP: Final = 3_600
"""Seconds before a pull that the next one asks for again: clocks differ, and a change may take a
while until it is listed. What changes during a pull may be on none of its pages anyway, since their
order is not documented."""


async def start_over(source: Source, database: Database) -> None:
    """Let the next pull be of all sessions.

    Raises:
        Unavailable: the database can't be written to.
    """
    await write_position(database, source.org_id, source.base_url, Position())


async def pull(source: Source, load: Load, on_page: Callable[[Page], None] = ignore) -> None:
    """Pull what changed since the last pull; the first time, all.

    One that was interrupted goes on where it stopped. If the source no longer knows where that is,
    or leads back to where it was, the pages are followed once more from the first.

    Raises:
        SourceFailed: there is no next page to be had; those before are kept.
        Unavailable: the database can't be written to; the pages before are kept.
    """
    position = await read_position(load.store.database, source.org_id, source.base_url)
    try:
        await follow(source, load, position, on_page)
    except CursorRefused as refused:
        logger.warning("Pulling again from the first page: %s", refused)
        await follow(source, load, Position(position.since), on_page)
    if position.since is None:
        await load.end()


async def follow(
    source: Source, load: Load, position: Position, on_page: Callable[[Page], None]
) -> None:
    """Store the pages from a position to the last one, and after each the position behind it.

    Raises:
        CursorRefused: the source can't be followed from here.
        SourceFailed, Unavailable: as `pull`.
    """
    since, started_at, cursor = position
    cursors = {cursor}
    versions: dict[str, int] = {}
    while True:
        page, asked_at = await source.page(since=since, cursor=cursor)
        if started_at is None:
            started_at = asked_at
        cursor = page.end_cursor if page.has_next_page else None
        if page.has_next_page and cursor in cursors:
            raise CursorRefused("end_cursor: leads back to a page that was there already")
        cursors.add(cursor)
        await load.write(newest(page, versions, started_at - OVERLAP))
        at = Position(since, started_at, cursor)
        if cursor is None:
            at = Position(since=max(started_at - OVERLAP, 0))
        await write_position(load.store.database, source.org_id, source.base_url, at)
        on_page(page)
        if cursor is None:
            return


def newest(page: Page, versions: dict[str, int], recent: int) -> list[Parsed]:
    """Return the sessions of a page but those of which a newer version came before.

    Sessions that changed since `recent` are noted in `versions` by the instant of their change:
    only those can come in two versions.
    """
    rows = []
    for number, item in enumerate(page.items):
        if item.updated_at < versions.get(item.session_id, 0):
            continue
        if item.updated_at >= recent:
            versions[item.session_id] = item.updated_at
        rows.append(Parsed(f"items.{number}", item.update(item.org_id)))
    return rows
