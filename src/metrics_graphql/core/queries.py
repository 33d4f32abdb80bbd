"""Queries of session metrics, as immutable values.

`from_params` checks the ids and the period. Origins and sizes are not checked: one that is unknown
matches no session.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from metrics_graphql.core.errors import BadUserInput, FieldPath
from metrics_graphql.core.identifiers import check_id
from metrics_graphql.core.measures import MEASURES, Measure
from metrics_graphql.core.periods import TimePeriod
from metrics_graphql.core.tenants import ENTERPRISE, Tenant

MAX_FILTER_IDS: Final = 1_000
"""Ids in one filter."""


class Filters(NamedTuple):
    """Which sessions of a tenant are counted: those that every filter matches.

    None restricts nothing, an empty set matches nothing. `user_ids` and `service_user_ids` are one
    filter by creator: with both given, either may match. A session that matches both counts once.
    """

    user_ids: frozenset[str] | None = None
    service_user_ids: frozenset[str] | None = None
    playbook_ids: frozenset[str] | None = None
    origins: frozenset[str] | None = None
    """Public origins, and `OTHER` for the rest."""
    sizes: frozenset[str] | None = None
    """Public sizes, and `OTHER` for the rest."""
    has_merged_pr: bool | None = None
    org_ids: frozenset[str] | None = None
    """Some organizations of the enterprise. An unknown one has no sessions."""


NO_FILTERS: Final = Filters()


class SessionMetricsQuery(NamedTuple):
    """A query of the sessions that a tenant created in a period and that the filters match."""

    tenant: Tenant
    period: TimePeriod
    filters: Filters = NO_FILTERS

    @classmethod
    def from_params(  # noqa: PLR0913 - the arguments of both APIs, all by name
        cls,
        *,
        tenant: Tenant,
        time_after: int,
        time_before: int,
        user_ids: Iterable[str] | None = None,
        service_user_ids: Iterable[str] | None = None,
        playbook_ids: Iterable[str] | None = None,
        origins: Iterable[str] | None = None,
        sizes: Iterable[str] | None = None,
        has_merged_pr: bool | None = None,
        org_ids: Iterable[str] | None = None,
    ) -> "SessionMetricsQuery":
        """Return the query with these arguments.

        Raises:
            BadUserInput: an argument was refused. The error names it.
        """
        return cls(
            tenant=tenant if tenant is ENTERPRISE else check_id(("org_id",), tenant),
            period=TimePeriod.between(time_after, time_before),
            filters=Filters(
                check_ids(("filters", "user_ids"), user_ids),
                check_ids(("filters", "service_user_ids"), service_user_ids),
                check_ids(("filters", "playbook_ids"), playbook_ids),
                None if origins is None else frozenset(origins),
                None if sizes is None else frozenset(sizes),
                has_merged_pr,
                check_ids(("org_ids",), org_ids),
            ),
        )

    def with_period(self, period: TimePeriod) -> "SessionMetricsQuery":
        """Return the same query for another period."""
        return SessionMetricsQuery(self.tenant, period, self.filters)


class MetricsRequest(NamedTuple):
    """A query, and the measures that its result must have."""

    query: SessionMetricsQuery
    measures: tuple[Measure, ...] = MEASURES


def check_ids(path: FieldPath, values: Iterable[str] | None) -> frozenset[str] | None:
    """Return the distinct ids of a filter; None, which restricts nothing, stays None.

    Raises:
        BadUserInput: an id cannot be stored, or more than `MAX_FILTER_IDS` are given.
    """
    if values is None:
        return None
    given = list(values)
    if len(given) > MAX_FILTER_IDS:
        raise BadUserInput(path, f"must have at most {MAX_FILTER_IDS} ids, not {len(given)}")
    return frozenset(check_id(path, value) for value in given)
