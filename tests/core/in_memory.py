"""A repository of dictionaries, and service users for it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from metrics_graphql.core.breakdowns import Breakdown, BreakdownQuery, BreakdownRow
from metrics_graphql.core.callers import DEFAULT_PERMISSION, ServiceUser
from metrics_graphql.core.errors import Unavailable
from metrics_graphql.core.measures import SESSIONS_CREATED
from metrics_graphql.core.names import NamedKind
from metrics_graphql.core.queries import MetricsRequest
from metrics_graphql.core.repository import MetricsResult
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.core.tenants import ENTERPRISE, Tenant
from metrics_graphql.core.tokens import generate_token, hash_token


class InMemoryRepository:
    """Implements `core.repository.Repository`; operations that `broken` names are unavailable."""

    def __init__(self, sessions: Mapping[str, int]) -> None:
        """Hold so many sessions of each organization."""
        self.sessions = sessions
        self.callers: dict[bytes, ServiceUser] = {}
        self.names: dict[tuple[NamedKind, str], str] = {}
        self.last_uses: list[tuple[str, int]] = []
        self.broken: set[str | Tenant] = set()
        """Names of methods, and tenants whose sessions cannot be read."""
        self.calls: list[str] = []
        """The names of the methods that were called, in order."""

    async def fetch_metrics(self, requests: Sequence[MetricsRequest]) -> list[MetricsResult]:
        """Return the number of sessions of each tenant, or `Unavailable` in its place."""
        self.calls.append("fetch_metrics")
        return [
            Unavailable() if each.query.tenant in self.broken else self._metrics(each.query.tenant)
            for each in requests
        ]

    async def fetch_breakdown(self, query: BreakdownQuery) -> Breakdown:
        """Return a breakdown of one row."""
        self._call("fetch_breakdown")
        tenant = query.query.tenant
        if tenant in self.broken:
            raise Unavailable
        return Breakdown(
            (BreakdownRow("user-1", self._metrics(tenant)),), has_next_page=False, total_count=1
        )

    async def fetch_data_versions(self, tenants: Collection[Tenant]) -> Mapping[Tenant, int]:
        """Return 1 for each known tenant."""
        self._call("fetch_data_versions")
        known = {*self.sessions, ENTERPRISE}
        return {tenant: 1 for tenant in tenants if tenant in known}

    async def fetch_callers(self, hashes: Collection[bytes]) -> Mapping[bytes, ServiceUser]:
        """Return the service users whose tokens have these hashes."""
        self._call("fetch_callers")
        return {each: self.callers[each] for each in hashes if each in self.callers}

    async def fetch_names(self, kind: NamedKind, ids: Collection[str]) -> Mapping[str, str]:
        """Return the names of those ids that have one."""
        self._call("fetch_names")
        return {each: self.names[kind, each] for each in ids if (kind, each) in self.names}

    async def list_ids(self, tenant: Tenant, kind: NamedKind) -> list[str]:
        """Return the ids that have a name; those of organizations as far as the tenant has them."""
        self._call("list_ids")
        if kind is NamedKind.ORGANIZATION:
            return list(self.sessions) if tenant is ENTERPRISE else [tenant]
        return [name_id for each, name_id in self.names if each is kind]

    async def list_organizations(self, first: int) -> list[str]:
        """Return the ids of the first organizations."""
        self._call("list_organizations")
        return sorted(self.sessions)[:first]

    async def record_last_use(self, service_user_id: str, at: int) -> None:
        """Store a last use."""
        self._call("record_last_use")
        self.last_uses.append((service_user_id, at))

    def add_token(self, caller: ServiceUser, expires_at: int | None = None) -> str:
        """Return a new token of a service user."""
        token = generate_token()
        self.callers[hash_token(token)] = replace(caller, token_expires_at=expires_at)
        return token

    def _call(self, method: str) -> None:
        self.calls.append(method)
        if method in self.broken:
            raise Unavailable

    def _metrics(self, tenant: Tenant) -> SessionMetrics:
        count = sum(self.sessions.values()) if tenant is ENTERPRISE else self.sessions[tenant]
        return SessionMetrics({SESSIONS_CREATED.name: count})


def service_user(
    tenant: Tenant,
    *permissions: str,
    revoked_at: int | None = None,
    last_used_at: int | None = None,
) -> ServiceUser:
    """Return a service user, by default with the permission to read metrics."""
    return ServiceUser(
        service_user_id="service-user-1",
        name="test",
        tenant=tenant,
        permissions=permissions or (DEFAULT_PERMISSION,),
        created_at=0,
        token_lifetime=None,
        revoked_at=revoked_at,
        last_used_at=last_used_at,
    )
