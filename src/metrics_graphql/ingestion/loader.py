"""Loads rows in batches, each of which is usually a transaction, reported once it is committed."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.ingestion.read_ahead import read_ahead
from metrics_graphql.ingestion.rows import ParsedRow, RejectedRow, Row
from metrics_graphql.storage.session_store import SessionStore, Upsert

logger = logging.getLogger(__name__)


class StrictLoadFailed(Exception):
    """A strict load had rejected rows, or was incomplete. It stored nothing."""


class _DryRunEnded(Exception):
    """Raised in the transaction of a dry run, to roll it back."""


@dataclass(slots=True)
class LoadSummary:
    """Numbers of rows. `read` is the sum of the others."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0


def ignore(*_: object) -> None:
    """Do nothing: the default callback."""


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads rows into a session store and counts them in `summary`."""

    sessions: SessionStore
    on_batch: Callable[[LoadSummary], None] = ignore
    """Called after each batch."""
    on_rejection: Callable[[RejectedRow], None] = ignore
    """Called for each row that was not loaded, in order."""
    batch_size: int | None = None
    """Rows per batch; None: the store's own batch size."""
    summary: LoadSummary = field(default_factory=LoadSummary)

    async def load(self, rows: Iterable[Row[SessionUpdate]]) -> None:
        """Load rows, skipping those that are rejected.

        The next batch is read while one is stored. A batch stays stored once it is committed, so an
        interrupted load is resumed by running it again.

        Raises:
            Unavailable: an engine cannot be written to. Earlier batches are stored.
        """
        async for batch in read_ahead(self._batches(rows)):
            await self.load_batch(batch)
        await self.finish()

    async def load_batch(self, batch: Sequence[Row[SessionUpdate]]) -> None:
        """Load rows in one transaction, skipping those that are rejected.

        Raises:
            Unavailable: an engine cannot be written to. Nothing of the batch is stored, except that
                ClickHouse may have stored some of its sessions.
        """
        async with self.sessions.transaction() as upsert:
            await self._upsert(upsert, batch)
        logger.debug("committed %d rows", self.summary.read)
        self.on_batch(self.summary)

    async def finish(self) -> None:
        """Update the planner's statistics after a bulk load: see `SessionStore.analyze`."""
        await self.sessions.analyze()

    async def load_strict(
        self, rows: Iterable[Row[SessionUpdate]], is_complete: Callable[[], bool] = lambda: True
    ) -> None:
        """Load all rows in one transaction, or none if any is rejected. Other writers wait.

        `is_complete` is called after the last row. If it returns False, no row is loaded.

        Raises:
            StrictLoadFailed: nothing is stored. Each rejected row was passed to `on_rejection`.
            Unavailable: an engine cannot be written to. Nothing is stored, except that ClickHouse
                may have stored some of the sessions.
        """
        async with self.sessions.transaction(exclusive=True) as upsert:
            await self._upsert_all(upsert, rows)
            if self.summary.rejected or not is_complete():
                raise StrictLoadFailed
        await self.finish()

    async def dry_run(self, rows: Iterable[Row[SessionUpdate]]) -> None:
        """Count what `load` would do, in a transaction that is rolled back. Other writers wait.

        Raises:
            Unavailable: an engine cannot be written to.
        """
        with suppress(_DryRunEnded):
            async with self.sessions.transaction(exclusive=True) as upsert:
                await self._upsert_all(upsert, rows)
                raise _DryRunEnded

    async def _upsert_all(self, upsert: Upsert, rows: Iterable[Row[SessionUpdate]]) -> None:
        """Upsert rows, batch by batch."""
        async for batch in read_ahead(self._batches(rows)):
            await self._upsert(upsert, batch)
            self.on_batch(self.summary)

    async def _upsert(self, upsert: Upsert, batch: Sequence[Row[SessionUpdate]]) -> None:
        """Upsert the valid rows of a batch, count all of them, and report the rejected ones."""
        parsed = [(index, row) for index, row in enumerate(batch) if isinstance(row, ParsedRow)]
        result = await upsert([row.update for _, row in parsed])
        reasons = {parsed[position][0]: reason for position, reason in result.rejected}
        rejected = [
            row if isinstance(row, RejectedRow) else RejectedRow(row.location, reasons[index])
            for index, row in enumerate(batch)
            if isinstance(row, RejectedRow) or index in reasons
        ]
        self.summary.read += len(batch)
        self.summary.inserted += result.inserted
        self.summary.updated += result.updated
        self.summary.unchanged += result.unchanged
        self.summary.rejected += len(rejected)
        for row in rejected:
            self.on_rejection(row)

    def _batches(self, rows: Iterable[Row[SessionUpdate]]) -> Iterator[list[Row[SessionUpdate]]]:
        """Cut rows into lists of at most the batch size."""
        size = self.batch_size or self.sessions.batch_size
        rows = iter(rows)
        while batch := list(islice(rows, size)):
            yield batch
