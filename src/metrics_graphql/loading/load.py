"""Loads sessions in batches: each is one transaction, acknowledged when it is committed."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from metrics_graphql.loading.formats import Parsed, Rejection, UnreadableFile
from metrics_graphql.store.store import Store, Write

logger = logging.getLogger(__name__)


class StrictLoadRefused(Exception):
    """A strict load met rows that can't be loaded; nothing of it was kept."""


@dataclass(slots=True)
class Summary:
    """What a load came to, in rows. `read` is the sum of the others."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0


def ignore(*_: object) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Load:
    """A load on its way: where it writes, who is told, and what it has come to."""

    store: Store
    on_batch: Callable[[], None] = ignore
    on_rejection: Callable[[Rejection], None] = ignore
    summary: Summary = field(default_factory=Summary)
    batch_size: int | None = None
    """Rows that are written at once; None is what suits the store."""

    async def run(self, rows: Iterable[Parsed | Rejection]) -> None:
        """Load rows, keeping every good one.

        Each batch is kept once it is written, whatever happens after it; so a load that broke off
        is resumed by running it again.

        Raises:
            UnreadableFile: the source broke off; the batches before are kept.
            Unavailable: the database can't be written to; the batches before are kept.
        """
        for batch in batches(rows, self.batch_size or self.store.block_rows):
            await self.write(batch)
        await self.end()

    async def write(self, batch: Sequence[Parsed | Rejection]) -> None:
        """Load rows as one batch, keeping every good one.

        Raises:
            Unavailable: the database can't be written to; nothing of the batch is kept.
        """
        async with self.store.writing() as write:
            await self._write(write, batch)
        logger.debug("committed %d rows", self.summary.read)
        self.on_batch()

    async def end(self) -> None:
        """Have the database take note of the batches, once they are many and all are written."""
        await self.store.learn_sizes()

    async def run_strictly(self, rows: Iterable[Parsed | Rejection]) -> None:
        """Load all rows or, if there is a bad one, none. Other writers wait meanwhile.

        Raises:
            StrictLoadRefused: there is a bad row; all of them were reported.
            UnreadableFile: the source broke off.
            Unavailable: the database can't be written to.
        """
        async with self.store.writing(alone=True) as write:
            for batch in batches(rows, self.batch_size or self.store.block_rows):
                await self._write(write, batch)
                self.on_batch()
            if self.summary.rejected:
                raise StrictLoadRefused
        await self.end()

    async def _write(self, write: Write, batch: Sequence[Parsed | Rejection]) -> None:
        parsed = [(at, row) for at, row in enumerate(batch) if isinstance(row, Parsed)]
        written = await write([row.update for _, row in parsed])
        reasons = {parsed[position][0]: reason for position, reason in written.rejected}
        rejected = [
            row if isinstance(row, Rejection) else Rejection(row.place, reasons[at])
            for at, row in enumerate(batch)
            if isinstance(row, Rejection) or at in reasons
        ]
        self.summary.read += len(batch)
        self.summary.inserted += written.inserted
        self.summary.updated += written.updated
        self.summary.unchanged += written.unchanged
        self.summary.rejected += len(rejected)
        for rejection in rejected:
            self.on_rejection(rejection)


def batches(rows: Iterable[Parsed | Rejection], size: int) -> Iterator[list[Parsed | Rejection]]:
    """Cut rows into lists of at most `size`; a source that breaks off gives its last rows."""
    batch: list[Parsed | Rejection] = []
    try:
        for row in rows:
            batch.append(row)
            if len(batch) == size:
                yield batch
                batch = []
    except (UnreadableFile, OSError):
        if batch:
            yield batch
        raise
    if batch:
        yield batch
