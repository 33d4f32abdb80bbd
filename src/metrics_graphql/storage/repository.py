"""`Storage`: implements the core's repository on a database and a session store."""

from collections.abc import Collection, Mapping, Sequence
from typing import Self

from metrics_graphql.core.breakdowns import Breakdown, BreakdownQuery
from metrics_graphql.core.callers import ServiceUser
from metrics_graphql.core.errors import value_or_raise
from metrics_graphql.core.measures import SESSIONS_CREATED
from metrics_graphql.core.names import KIND_OF_DIMENSION, NamedKind, NameUpdate
from metrics_graphql.core.periods import MAX_INSTANT, MIN_INSTANT, TimePeriod
from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.core.repository import MetricsResult
from metrics_graphql.core.tenants import ENTERPRISE, Tenant
from metrics_graphql.storage import breakdowns, names, organizations, service_users, totals
from metrics_graphql.storage.clickhouse import open_client
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.database_sessions import DatabaseSessionStore
from metrics_graphql.storage.migrations import runner
from metrics_graphql.storage.schema import SchemaMismatch, SchemaStatus
from metrics_graphql.storage.session_store import SessionStore
from metrics_graphql.telemetry.request_record import StatementObserver


class InvalidDatabaseURL(ValueError):
    """A database URL that cannot be used. The message names the setting."""


class Storage:
    """Implements `core.repository.Repository`, and manages the tables.

    Every method raises `Unavailable` when an engine is unavailable. Reads also raise
    `TimedOut` at the deadline, if there is one.
    """

    def __init__(self, database: Database, sessions: SessionStore) -> None:
        self.database = database
        """Service users, organizations, data versions, names and sync checkpoints."""
        self.sessions = sessions
        """Sessions, in the same database or in ClickHouse."""

    async def fetch_metrics(self, requests: Sequence[MetricsRequest]) -> list[MetricsResult]:
        """Return the result of each request, in order."""
        return await totals.fetch_metrics(self.sessions, requests)

    async def has_sessions(self, tenant: Tenant) -> bool:
        """Return whether a tenant has any sessions."""
        query = SessionMetricsQuery(tenant, TimePeriod(MIN_INSTANT, MAX_INSTANT))
        (result,) = await self.fetch_metrics([MetricsRequest(query, (SESSIONS_CREATED,))])
        return value_or_raise(result)[SESSIONS_CREATED] > 0

    async def fetch_breakdown(self, query: BreakdownQuery) -> Breakdown:
        """Return a page of a breakdown, with names if they are requested."""
        breakdown = await breakdowns.fetch_breakdown(self.sessions, query)
        kind = KIND_OF_DIMENSION.get(query.dimension)
        if not query.with_names or kind is None:
            return breakdown
        found = await self.fetch_names(kind, [row.id for row in breakdown.rows])
        named = tuple(row._replace(name=found.get(row.id)) for row in breakdown.rows)
        return breakdown._replace(rows=named)

    async def fetch_names(self, kind: NamedKind, ids: Collection[str]) -> Mapping[str, str]:
        """Return the names of those ids that have one."""
        return await names.fetch_names(self.database, kind, ids)

    async def erase_user(self, org_id: str, user_id: str) -> int:
        """Remove a user's id from the sessions of an organization, and the name of the user.

        The name stays if sessions of other organizations have the id. Returns how many sessions
        had it here.
        """
        erased = await self.sessions.erase_user(org_id, user_id)
        if user_id not in await self.list_ids(ENTERPRISE, NamedKind.USER):
            await names.store_names(self.database, [NameUpdate(NamedKind.USER, user_id, None)])
        return erased

    async def list_ids(self, tenant: Tenant, kind: NamedKind) -> list[str]:
        """Return the ids of one kind that occur in the sessions of a tenant, in any order."""
        return await names.list_ids(self.database, self.sessions, tenant, kind)

    async def fetch_data_versions(self, tenants: Collection[Tenant]) -> Mapping[Tenant, int]:
        """Return the data version of each of these tenants that is known."""
        return await organizations.fetch_data_versions(self.database, tenants)

    async def fetch_callers(self, hashes: Collection[bytes]) -> Mapping[bytes, ServiceUser]:
        """Return the service users whose tokens have these hashes, with `token_expires_at`."""
        return await service_users.fetch_callers(self.database, hashes)

    async def list_organizations(self, first: int) -> list[str]:
        """Return the ids of the first `first` known organizations, in order."""
        return await organizations.list_organizations(self.database, first)

    async def record_last_use(self, service_user_id: str, at: int) -> None:
        """Store when a service user last sent a request, in Unix seconds."""
        await service_users.record_last_use(self.database, service_user_id, at)

    async def newest_session_at(self) -> int | None:
        """Return when the newest session was created; None if unknown or there is none."""
        return await self.sessions.newest_session_at()

    async def ping(self) -> None:
        """Check that every engine responds."""
        await self.database.ping()
        await self.sessions.ping()

    @property
    def engines(self) -> Mapping[str, Database | SessionStore]:
        """The engines in use, by the variable of the setting with the URL."""
        engines: dict[str, Database | SessionStore] = {DatabaseSessionStore.setting: self.database}
        engines.setdefault(self.sessions.setting, self.sessions)
        return engines

    async def migrate(self) -> None:
        """Create or upgrade the tables of every engine.

        Raises:
            SchemaMismatch: a newer version migrated the tables, or those in ClickHouse cannot be
                migrated.
        """
        # The sessions first: if they have to be repaired by the version that stored them, the
        # database must still be one of that version.
        await self.sessions.migrate()
        await runner.migrate(self.database)

    async def schema_status(self) -> SchemaStatus:
        """Return the status of the tables: the database's if it is not current."""
        status = await runner.schema_status(self.database)
        return status if status is not SchemaStatus.CURRENT else await self.sessions.schema_status()

    async def ensure_schema(self, *, upgrade_embedded: bool) -> None:
        """Check that the tables of every engine are current.

        With `upgrade_embedded`, creates or upgrades those of an embedded engine, which has no
        administrator. Tables on a server are only migrated by `migrate`.

        Raises:
            SchemaMismatch: the tables are not current. The message explains what to do.
        """
        if upgrade_embedded and self.database.is_embedded:
            await runner.migrate(self.database)
        else:
            await runner.require_current(self.database)
        if upgrade_embedded and self.sessions.is_embedded:
            await self.sessions.migrate()
        elif (status := await self.sessions.schema_status()) is not SchemaStatus.CURRENT:
            raise SchemaMismatch.of(status, "ClickHouse")

    async def close(self) -> None:
        """Close every connection."""
        await self.sessions.close()
        await self.database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def open_storage(
    database_url: str,
    sessions_url: str = "",
    on_statement: StatementObserver = lambda _statement: None,
) -> Storage:
    """Return storage on a database, with the sessions in ClickHouse if it has a URL.

    Nothing connects yet. `on_statement` is called with each statement that reads, when it ends.

    Raises:
        InvalidDatabaseURL: a URL is malformed, or names an engine that is not supported.
    """
    try:
        database = Database(database_url, on_statement)
    except ValueError as error:
        raise InvalidDatabaseURL(f"{DatabaseSessionStore.setting}: {error}") from None
    if not sessions_url:
        return Storage(database, DatabaseSessionStore(database))
    try:
        client = open_client(sessions_url, on_statement)
    except ValueError as error:
        raise InvalidDatabaseURL(f"METRICS_SESSIONS_URL: {error}") from None
    from metrics_graphql.storage.clickhouse.session_store import ClickHouseSessionStore  # noqa: PLC0415 - an extra

    return Storage(database, ClickHouseSessionStore(client, database))
