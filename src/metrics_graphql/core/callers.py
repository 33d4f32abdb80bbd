"""Callers: service users, and which tenants they may read."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from metrics_graphql.core.tenants import ENTERPRISE, Tenant

VIEW_METRICS: Final = frozenset({"ViewAccountMetrics", "ViewOrgMetrics"})
"""Permissions to read session metrics. Either is enough; the second is the newer name."""
DEFAULT_PERMISSION: Final = "ViewAccountMetrics"


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """A program with a credential of its own. Instants are Unix seconds."""

    service_user_id: str
    name: str
    tenant: Tenant
    """The organization it belongs to; `ENTERPRISE` covers every organization."""
    permissions: tuple[str, ...]
    created_at: int
    token_lifetime: int | None
    """Seconds for which a token is valid; None: it does not expire."""
    revoked_at: int | None
    last_used_at: int | None
    token_expires_at: int | None = None
    """When the token that authenticated the caller expires; None: never, or there was no token."""

    @property
    def org_id(self) -> str | None:
        """The organization it belongs to; None at enterprise level."""
        return None if self.tenant is ENTERPRISE else self.tenant

    @property
    def cache_scope(self) -> str:
        """Everything about a caller that a response may depend on. No part contains NUL."""
        parts = (self.service_user_id, self.name, self.org_id or "", str(self.token_expires_at))
        return "\0".join((*parts, *self.permissions))

    def can_view_metrics(self) -> bool:
        """Return whether any metrics may be read at all."""
        return not VIEW_METRICS.isdisjoint(self.permissions)


def permitted_tenants(
    caller: ServiceUser, tenants: AbstractSet[Tenant], known: AbstractSet[Tenant]
) -> AbstractSet[Tenant]:
    """Return the subset of `tenants` whose metrics the caller may read.

    `known` are the tenants that exist. It is used only for a caller at enterprise level.
    """
    if not caller.can_view_metrics():
        return frozenset()
    return tenants & (known if caller.tenant is ENTERPRISE else {caller.tenant})
