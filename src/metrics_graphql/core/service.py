"""The service that both APIs call: authenticates, authorizes, and queries storage.

A method that returns one thing raises its errors. A batch returns the errors of its entries as
values, in order, so that a refused entry does not affect the others.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from cachetools import TTLCache

from metrics_graphql.core.breakdowns import Breakdown, BreakdownQuery
from metrics_graphql.core.callers import ServiceUser, permitted_tenants
from metrics_graphql.core.errors import (
    BadUserInput,
    Forbidden,
    MetricsError,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from metrics_graphql.core.names import MAX_FOUND_IDS, NamedId, NamedKind, search_named_ids
from metrics_graphql.core.queries import MetricsRequest
from metrics_graphql.core.refresh_ahead import MAX_ENTRIES, RefreshAheadCache
from metrics_graphql.core.repository import Repository
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.core.tenants import ENTERPRISE, Tenant
from metrics_graphql.core.tokens import INVALID_TOKEN, hash_token

logger = logging.getLogger(__name__)

MAX_ORGANIZATIONS: Final = 1_000
"""Organizations in one list."""
LAST_USED_RESOLUTION: Final = 60
"""Seconds that a stored `last_used_at` may be behind. Otherwise each request would write it."""
CLOSE_TIMEOUT: Final = 2.0
"""Seconds that a shutdown waits for last uses to be stored."""


class MetricsService:
    """Executes queries of callers on a repository, as far as their permissions allow."""

    def __init__(self, repository: Repository, ttl: float) -> None:
        """Cache callers and data versions for `ttl` seconds; 0 caches neither.

        `ttl` is half of the setting `METRICS_CACHE_TTL`: see `Settings.cache_stage_ttl`.
        """
        self._repository = repository
        self._callers: RefreshAheadCache[bytes, ServiceUser] = RefreshAheadCache(
            repository.fetch_callers, ttl
        )
        self._data_versions: RefreshAheadCache[Tenant, int] = RefreshAheadCache(
            repository.fetch_data_versions, ttl
        )
        self._last_use_tasks: dict[str, asyncio.Task[None]] = {}
        """The tasks that store last uses, by the id of the service user."""
        self._recently_used: TTLCache[str, None] = TTLCache(MAX_ENTRIES, LAST_USED_RESOLUTION)
        """The ids of service users whose last use was stored recently, or is being stored."""

    async def authenticate(self, token: str) -> ServiceUser:
        """Return the service user of a token.

        Raises:
            Unauthenticated: the token is unknown, expired or revoked. The message is the same.
            Unavailable: the database is unavailable.
            TimedOut: the request passed its deadline.
        """
        key = hash_token(token)
        caller = (await self._callers.get((key,))).get(key)
        if (
            caller is None
            or caller.revoked_at is not None
            or (caller.token_expires_at is not None and caller.token_expires_at <= time.time())
        ):
            raise Unauthenticated(INVALID_TOKEN)
        self._record_last_use(caller)
        return caller

    async def data_versions(self, tenants: Collection[Tenant]) -> Mapping[Tenant, int]:
        """Return the data version of each of these tenants that is known.

        Results fetched after this call are at least as new as these versions.

        Raises:
            Unavailable: the database is unavailable.
            TimedOut: the request passed its deadline.
        """
        return await self._data_versions.get(tenants)

    async def fetch_metrics(
        self, caller: ServiceUser, requests: Sequence[MetricsRequest]
    ) -> list[SessionMetrics | MetricsError]:
        """Return a result for each request, in order, or the error in its place.

        The errors are `Forbidden`, `Unavailable` and `TimedOut`.
        """
        tenants = [each.query.tenant for each in requests]
        try:
            permitted = await self._permitted(caller, set(tenants))
        except (Unavailable, TimedOut) as error:
            return [error] * len(requests)
        allowed = [each for each in requests if each.query.tenant in permitted]
        results = iter(await self._repository.fetch_metrics(allowed))
        return [next(results) if tenant in permitted else forbidden(tenant) for tenant in tenants]

    async def fetch_breakdowns(
        self, caller: ServiceUser, queries: Sequence[BreakdownQuery]
    ) -> list[Breakdown | MetricsError]:
        """Return a breakdown for each query, in order, or the error in its place.

        The errors are those of `fetch_metrics`.
        """
        return list(
            await asyncio.gather(*(self._fetch_breakdown(caller, each) for each in queries))
        )

    async def _fetch_breakdown(
        self, caller: ServiceUser, query: BreakdownQuery
    ) -> Breakdown | MetricsError:
        tenant = query.query.tenant
        try:
            if tenant not in await self._permitted(caller, {tenant}):
                return forbidden(tenant)
            versions = await self._data_versions.get({tenant})
            breakdown = await self._repository.fetch_breakdown(query)
            return breakdown._replace(data_version=versions.get(tenant, 0))
        except (Unavailable, TimedOut) as error:
            return error

    async def search_ids(
        self, caller: ServiceUser, tenant: Tenant, kind: NamedKind, text: str, first: int
    ) -> list[NamedId]:
        """Return ids that occur in the sessions of a tenant, found by their name or by the id.

        Raises:
            BadUserInput: `first` is not from 1 to `MAX_FOUND_IDS`.
            Forbidden: the caller may not read the metrics of the tenant.
            Unavailable: the database is unavailable.
            TimedOut: the request passed its deadline.
        """
        if not 1 <= first <= MAX_FOUND_IDS:
            raise BadUserInput(("first",), f"must be from 1 to {MAX_FOUND_IDS}, not {first}")
        if tenant not in await self._permitted(caller, {tenant}):
            raise forbidden(tenant)
        ids = await self.with_names(kind, await self._repository.list_ids(tenant, kind))
        return search_named_ids(ids, text, first)

    async def list_organizations(self, caller: ServiceUser, first: int) -> list[NamedId]:
        """Return the organizations whose metrics the caller may read, ordered by id.

        Raises:
            BadUserInput: `first` is not from 1 to `MAX_ORGANIZATIONS`.
            Unavailable: the database is unavailable.
            TimedOut: the request passed its deadline.
        """
        if not 1 <= first <= MAX_ORGANIZATIONS:
            raise BadUserInput(("first",), f"must be from 1 to {MAX_ORGANIZATIONS}, not {first}")
        if not caller.can_view_metrics():
            return []
        if caller.tenant is not ENTERPRISE:
            org_ids = [caller.tenant]
        else:
            org_ids = await self._repository.list_organizations(first)
        return await self.with_names(NamedKind.ORGANIZATION, org_ids)

    async def with_names(self, kind: NamedKind, ids: Sequence[str]) -> list[NamedId]:
        """Return ids of one kind with their names.

        Raises:
            Unavailable: the database is unavailable.
            TimedOut: the request passed its deadline.
        """
        names = await self._repository.fetch_names(kind, ids)
        return [NamedId(each, names.get(each)) for each in ids]

    async def close(self) -> None:
        """Wait for at most `CLOSE_TIMEOUT` seconds for last uses to be stored."""
        pending = set(self._last_use_tasks.values())
        if pending:
            _, pending = await asyncio.wait(pending, timeout=CLOSE_TIMEOUT)
        for task in pending:
            task.cancel()

    async def _permitted(
        self, caller: ServiceUser, tenants: AbstractSet[Tenant]
    ) -> AbstractSet[Tenant]:
        """Return the subset of `tenants` that exist and that the caller may read.

        For an organization-level caller, neither the result nor its timing reveals whether another
        organization exists. An enterprise-level caller may list them anyway.
        """
        known: AbstractSet[Tenant] = frozenset()
        if caller.tenant is ENTERPRISE and caller.can_view_metrics():
            known = (await self._data_versions.get(tenants)).keys()
        return permitted_tenants(caller, tenants, known)

    def _record_last_use(self, caller: ServiceUser) -> None:
        """Store the caller's last use in a task of its own: requests must not wait for writers."""
        key = caller.service_user_id
        # A stored instant in the future, after a clock was set back, is not recent.
        is_recent = abs(time.time() - (caller.last_used_at or 0)) < LAST_USED_RESOLUTION
        if key in self._recently_used or is_recent:
            return
        # The cached caller has the earlier `last_used_at` until it is loaded again.
        self._recently_used[key] = None
        task = asyncio.create_task(self._store_last_use(key))
        self._last_use_tasks[key] = task
        task.add_done_callback(lambda _: self._last_use_tasks.pop(key, None))

    async def _store_last_use(self, service_user_id: str) -> None:
        try:
            await self._repository.record_last_use(service_user_id, int(time.time()))
        except Unavailable as error:
            self._recently_used.pop(service_user_id, None)
            logger.warning("The last use of %s was not stored: %r", service_user_id, error)


def forbidden(tenant: Tenant) -> Forbidden:
    """Return the error for a tenant that the caller may not read."""
    return Forbidden("the enterprise") if tenant is ENTERPRISE else Forbidden()
