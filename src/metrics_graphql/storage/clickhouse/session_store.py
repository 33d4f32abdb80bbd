"""Sessions and their roll-ups in ClickHouse. Organizations stay in the database."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from metrics_graphql.storage.clickhouse import deletion as deletions
from metrics_graphql.storage.clickhouse import migration, verification
from metrics_graphql.storage.clickhouse.chain import Chain
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.facts import facts
from metrics_graphql.storage.clickhouse.ingest import UpsertBuffer
from metrics_graphql.storage.clickhouse.tables import FACTS_OF_SHARD
from metrics_graphql.storage.database import Database, SessionsLock
from metrics_graphql.storage.dialects import CompiledStatement, Dialect, Rows
from metrics_graphql.storage.migrations.runner import require_head
from metrics_graphql.storage.organizations import bump_known_data_version
from metrics_graphql.storage.schema import SchemaStatus
from metrics_graphql.storage.session_store import Deletion, Upsert, VerificationUnit

MAX_PARTS: Final = 100
"""More parts of `facts` mean that merges do not keep up, and that queries become slow."""


class ClickHouseSessionStore:
    """A `SessionStore` in ClickHouse.

    In a transaction of the database, writers of an organization take turns and bump its data
    version. It commits after the blocks are in ClickHouse. So a reader that sees a new version sees
    its sessions. Blocks are consistent without it, too: docs/decisions/0008.
    """

    setting: Final = "METRICS_SESSIONS_URL"
    # Each batch reads all ids of its organizations, and makes parts that have to be merged.
    batch_size: Final = 100_000
    inconsistencies: Final = "inconsistencies of sessions and roll-ups"

    def __init__(self, client: ClickHouseClient, database: Database) -> None:
        self.client = client
        self._database = database
        self._chain: Chain | None = None

    @property
    def dialect(self) -> Dialect:
        """The dialect of ClickHouse."""
        return self.client.dialect

    @property
    def is_embedded(self) -> bool:
        """Whether the engine is chdb."""
        return self.client.is_embedded

    async def fetch(self, statement: CompiledStatement, values: dict[str, Any]) -> Rows:
        """Return the rows of a statement."""
        return await self.client.fetch(statement, values)

    async def chain(self) -> Chain:
        """Return the chains of blocks."""
        if self._chain is None:
            self._chain = await Chain.open(self.client)
        return self._chain

    @asynccontextmanager
    async def transaction(self, *, exclusive: bool = False) -> AsyncGenerator[Upsert]:
        """Buffer upserts, and append them to the chains when the `async with` block ends."""
        lock: SessionsLock = "exclusive" if exclusive else "shared"
        async with self._database.transaction(sessions_lock=lock) as connection:
            await require_head(connection)
            chain = await self.chain()
            buffer = UpsertBuffer(chain, self.client, connection, self._database.dialect)
            yield buffer.upsert
            await buffer.flush()

    async def delete(self, deletion: Deletion) -> int:
        """Cancel sessions, and what they added to roll-ups."""
        async with self._exclusive_transaction(deletion.org_id) as chain:
            return await deletions.delete_sessions(chain, deletion)

    async def erase_user(self, org_id: str, user_id: str) -> int:
        """Replace the sessions of a user by the same ones without the user's id."""
        async with self._exclusive_transaction(org_id) as chain:
            return await deletions.erase_user(chain, org_id, user_id)

    @asynccontextmanager
    async def _exclusive_transaction(self, org_id: str) -> AsyncGenerator[Chain]:
        async with self._database.transaction(sessions_lock="exclusive") as connection:
            await require_head(connection)
            await bump_known_data_version(connection, org_id)
            yield await self.chain()

    async def analyze(self) -> None:
        """Do nothing: ClickHouse does not choose between plans by statistics."""

    async def ping(self) -> None:
        """Check that ClickHouse and all its shards respond."""
        await self.client.ping()

    async def clock(self) -> float:
        """Return the time of the server."""
        return await self.client.clock()

    async def newest_session_at(self) -> None:
        """Return None: ClickHouse would have to read the time of every session to find it."""

    async def migrate(self) -> None:
        """Create the tables, and move the sessions of version 0.1.0 into them."""
        await migration.migrate(self.client)

    async def schema_status(self) -> SchemaStatus:
        """Return the status of the tables."""
        return await migration.schema_status(self.client)

    async def warnings(self) -> Sequence[tuple[str, str]]:
        """Warn if deduplication is off, or if merges do not keep up."""
        found = []
        if not await (await self.chain()).deduplicates():
            found.append(
                (
                    "ClickHouse does not deduplicate inserts",
                    "see docs/scaling.md for the settings of deduplication",
                )
            )
        ((parts,),) = await self.client.execute(
            "SELECT count() FROM system.parts WHERE active AND database = currentDatabase()"
            f" AND table IN ('{facts.name}', '{FACTS_OF_SHARD}')"
        )
        if parts > MAX_PARTS:
            found.append((f"ClickHouse has {parts} parts", "load sessions in larger batches"))
        return found

    async def verification_units(self) -> Sequence[VerificationUnit]:
        """Return a unit for every organization, and one for every 30 days of it."""
        return await verification.list_units(self.client)

    async def sample_units(self, count: int) -> Sequence[VerificationUnit]:
        """Return the newest 30 days of organizations that have not too many sessions in them."""
        return await verification.sample_units(self.client, count)

    async def verify(self, unit: VerificationUnit) -> list[str]:
        """Describe duplicates of sessions, or roll-ups that differ from a recount."""
        org_id = unit.org_id
        if verification.is_of_organization(unit):
            damage = await verification.find_damage(await self.chain(), self.client, org_id)
            return verification.describe_damage(org_id, damage)
        found = await verification.find_mismatches(self.client, unit)
        return [verification.describe_mismatch(org_id, row) for row in found]

    async def repair(self, unit: VerificationUnit) -> None:
        """Cancel duplicates of sessions, or add to roll-ups what they lack."""
        async with self._exclusive_transaction(unit.org_id) as chain:
            if verification.is_of_organization(unit):
                await verification.repair_chain(chain, self.client, unit.org_id)
            else:
                await verification.repair_rollups(self.client, chain.shards, unit)

    async def close(self) -> None:
        """Close every connection."""
        await self.client.close()
