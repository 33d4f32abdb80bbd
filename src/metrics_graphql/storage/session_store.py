"""The protocol of an engine that stores sessions: a database, or ClickHouse."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.storage.dialects import CompiledStatement, Dialect, Rows
from metrics_graphql.storage.ingest import IngestResult
from metrics_graphql.storage.schema import SchemaStatus

Upsert = Callable[[Sequence[SessionUpdate]], Awaitable[IngestResult]]
"""Inserts or updates sessions by `(org_id, session_id)`; the last update of a session wins. An
update that cannot be applied is rejected, without effect on the others."""


class StatementReader(Protocol):
    """Executes statements that read sessions."""

    @property
    def dialect(self) -> Dialect:
        """The dialect that statements are compiled with."""

    async def fetch(self, statement: CompiledStatement, values: dict[str, Any]) -> Rows:
        """Return the rows of a statement.

        Raises:
            Unavailable: the engine is unavailable.
            TimedOut: the request passed its deadline, and the engine stopped the statement.
        """


class VerificationUnit(NamedTuple):
    """The sessions that an organization created in `[start, end)`, verified by one statement."""

    org_id: str
    start: int
    end: int


class Deletion(NamedTuple):
    """Which sessions of an organization to delete: one, those before an instant, or all."""

    org_id: str
    session_id: str | None = None
    before: int | None = None
    """Unix seconds; sessions created earlier are deleted. Without `session_id` and `before`, all
    sessions of the organization are."""


class SessionStore(StatementReader, Protocol):
    """Stores sessions, and everything derived from them.

    Every method raises `Unavailable` when an engine is unavailable. Reads also raise
    `TimedOut` at the deadline, if there is one.
    """

    @property
    def setting(self) -> str:
        """The variable of the setting with the engine's URL, such as `METRICS_SESSIONS_URL`."""

    @property
    def is_embedded(self) -> bool:
        """Whether the engine runs in this process, on files."""

    @property
    def batch_size(self) -> int:
        """Updates that a load should upsert per transaction.

        Larger batches are faster; smaller ones are committed sooner.
        """

    def transaction(self, *, exclusive: bool = False) -> AbstractAsyncContextManager[Upsert]:
        """Open a transaction of upserts. When its block ends, all of them are durable.

        Transactions run concurrently where the engine supports it. An `exclusive` one waits until
        all others have ended, and others wait until it has ended.

        If the block or the commit raises, no upsert is acknowledged, and repeating all of them
        completes them. A database has stored none of them then. ClickHouse has no transactions:
        upserts are buffered in memory until the block ends, and an insert that fails may have
        stored some of them.

        Raises:
            SchemaMismatch: the tables are not those of this version. After a newer version
                migrated them, this one would not maintain everything they contain.
        """

    async def delete(self, deletion: Deletion) -> int:
        """Delete sessions, and bump the data version. Return how many were deleted."""

    async def erase_user(self, org_id: str, user_id: str) -> int:
        """Remove a user's id from the sessions of an organization, which stay.

        Returns how many sessions had it.
        """

    async def analyze(self) -> None:
        """Update the planner's statistics after a bulk load, if the planner depends on them."""

    async def ping(self) -> None:
        """Check that sessions can be read."""

    async def clock(self) -> float:
        """Return the time of the engine, in Unix seconds."""

    async def newest_session_at(self) -> int | None:
        """Return when the newest session was created; None if unknown or there is none."""

    async def migrate(self) -> None:
        """Create or upgrade the store's own tables, which are not those of the database."""

    async def schema_status(self) -> SchemaStatus:
        """Return the status of the store's own tables; `CURRENT` if it has none."""

    @property
    def inconsistencies(self) -> str:
        """What `verify` finds, as a plural noun for messages."""

    async def warnings(self) -> Sequence[tuple[str, str]]:
        """Return problems of the engine that do not stop it yet, each with what to do about it."""

    async def verification_units(self) -> Sequence[VerificationUnit]:
        """Return the units of all sessions."""

    async def sample_units(self, count: int) -> Sequence[VerificationUnit]:
        """Return at most `count` recent units that are quick to verify, one per organization."""

    async def verify(self, unit: VerificationUnit) -> list[str]:
        """Return a description of each inconsistency in a unit. Reads and writes continue."""

    async def repair(self, unit: VerificationUnit) -> None:
        """Remove the inconsistencies in a unit."""

    async def close(self) -> None:
        """Close every connection."""
