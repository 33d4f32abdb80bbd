"""The protocol of what the core needs from storage.

`storage` implements it; tests can implement it with a dictionary.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from metrics_graphql.core.breakdowns import Breakdown, BreakdownQuery
from metrics_graphql.core.callers import ServiceUser
from metrics_graphql.core.errors import TimedOut, Unavailable
from metrics_graphql.core.names import NamedKind
from metrics_graphql.core.queries import MetricsRequest
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.core.tenants import Tenant

MetricsResult = SessionMetrics | Unavailable | TimedOut


class Repository(Protocol):
    """Sessions, organizations, service users and names.

    Methods that return one thing raise `Unavailable` when the database is unavailable, and
    `TimedOut` when the request passes its deadline. Batches return these errors as values.
    """

    async def fetch_metrics(self, requests: Sequence[MetricsRequest]) -> list[MetricsResult]:
        """Return the result of each request, in order.

        A result may contain measures of other requests of the batch. A failed statement
        fails only the requests that it served.
        """

    async def fetch_breakdown(self, query: BreakdownQuery) -> Breakdown:
        """Return the highest ranked rows of a breakdown, and how many rows there are."""

    async def fetch_data_versions(self, tenants: Collection[Tenant]) -> Mapping[Tenant, int]:
        """Return the data version of each of these tenants that is known.

        An organization becomes known with its first session or service user. The version of the
        enterprise changes with that of every organization, and when an organization becomes known.
        """

    async def fetch_callers(self, hashes: Collection[bytes]) -> Mapping[bytes, ServiceUser]:
        """Return the service users whose tokens have these hashes, with `token_expires_at`."""

    async def list_organizations(self, first: int) -> list[str]:
        """Return the ids of the first `first` known organizations, in order."""

    async def fetch_names(self, kind: NamedKind, ids: Collection[str]) -> Mapping[str, str]:
        """Return the names of those ids that have one."""

    async def list_ids(self, tenant: Tenant, kind: NamedKind) -> list[str]:
        """Return the ids of one kind that occur in the sessions of a tenant, in any order."""

    async def record_last_use(self, service_user_id: str, at: int) -> None:
        """Store when a service user last sent a request, in Unix seconds."""
