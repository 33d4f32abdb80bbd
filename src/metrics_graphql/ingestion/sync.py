"""Incremental synchronization with a v3 API: pulls all sessions first, then those that changed.

The sessions of a page are committed first, then the checkpoint after this page. So a pull that is
interrupted in between loads the page again, which changes nothing, and no pull skips a page
(docs/decisions/0010).
"""

import logging
from collections.abc import Callable
from typing import Final

from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.ingestion.loader import Loader, ignore
from metrics_graphql.ingestion.rows import ParsedRow
from metrics_graphql.ingestion.v3_client import CursorRejected, V3Client
from metrics_graphql.ingestion.v3_schema import SessionPage
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.sync_checkpoints import Checkpoint, read_checkpoint, write_checkpoint

logger = logging.getLogger(__name__)

OVERLAP: Final = 3_600
"""The next pull begins this many seconds before the start of a pull: clocks differ, and the API may
list changes late. It does not begin at the end of the pull: a session that changes meanwhile may be
on none of its pages, because their order is not documented."""


async def reset_checkpoint(client: V3Client, database: Database) -> None:
    """Make the next pull request all sessions.

    Raises:
        Unavailable: the database cannot be written to.
    """
    await write_checkpoint(database, client.org_id, client.base_url, Checkpoint())


async def pull(
    client: V3Client,
    database: Database,
    loader: Loader,
    on_page: Callable[[SessionPage], None] = ignore,
) -> None:
    """Load the sessions that changed since the last pull; on the first pull, all sessions.

    An interrupted pull is resumed at its checkpoint. If the API rejects a cursor, or repeats one,
    the pull restarts once, from the first page.

    Raises:
        V3ClientError: a page cannot be fetched. Earlier pages are stored.
        Unavailable: an engine cannot be written to. Earlier pages are stored.
    """
    checkpoint = await read_checkpoint(database, client.org_id, client.base_url)
    try:
        await _pull_pages(client, database, loader, checkpoint, on_page)
    except CursorRejected as error:
        logger.warning("Pulling again from the first page: %s", error)
        from_first_page = Checkpoint(checkpoint.since)
        await _pull_pages(client, database, loader, from_first_page, on_page)
    if checkpoint.since is None:  # It was a bulk load: all sessions were pulled.
        await loader.finish()


async def _pull_pages(
    client: V3Client,
    database: Database,
    loader: Loader,
    checkpoint: Checkpoint,
    on_page: Callable[[SessionPage], None],
) -> None:
    """Load the pages from a checkpoint to the last one, writing a checkpoint after each.

    Raises:
        CursorRejected: the API rejects a cursor, or repeats one.
        V3ClientError: a page cannot be fetched.
        Unavailable: an engine cannot be written to.
    """
    since, started_at, cursor = checkpoint
    seen_cursors = {cursor}
    versions: dict[str, int] = {}
    while True:
        page, requested_at = await client.fetch_page(since=since, cursor=cursor)
        if started_at is None:
            started_at = requested_at
        cursor = page.end_cursor if page.has_next_page else None
        if page.has_next_page and cursor in seen_cursors:
            raise CursorRejected("end_cursor: leads back to an earlier page")
        seen_cursors.add(cursor)
        next_since = started_at - OVERLAP
        await loader.load_batch(_newest_versions(page, versions, next_since))
        done = cursor is None
        reached = Checkpoint(max(next_since, 0)) if done else Checkpoint(since, started_at, cursor)
        await write_checkpoint(database, client.org_id, client.base_url, reached)
        on_page(page)
        if done:
            return


def _newest_versions(
    page: SessionPage, versions: dict[str, int], recent: int
) -> list[ParsedRow[SessionUpdate]]:
    """Return the sessions of a page, without those of which a newer version was already pulled.

    Only sessions that changed since the instant `recent` can be pulled in two versions. `versions`
    has the newest `updated_at` of each by id. It is updated.
    """
    rows = []
    for number, session in enumerate(page.items):
        if session.updated_at < versions.get(session.session_id, 0):
            continue
        if session.updated_at >= recent:
            versions[session.session_id] = session.updated_at
        rows.append(ParsedRow(f"items.{number}", session.to_update(session.org_id)))
    return rows
