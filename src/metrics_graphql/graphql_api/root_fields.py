"""The root fields that fetch: the metrics of an organization, and of the enterprise."""

from collections.abc import Callable
from typing import ClassVar, Self

import strawberry

from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.core.tenants import ENTERPRISE
from metrics_graphql.graphql_api.fetch_spec import Fetched, FetchSpec
from metrics_graphql.graphql_api.inputs import SessionMetricsFilters
from metrics_graphql.graphql_api.lookahead import Lookahead
from metrics_graphql.graphql_api.query_types import (
    EnterpriseSessionMetrics,
    SessionMetrics,
    SessionMetricsResult,
)


class RootField(FetchSpec):
    """The totals of a query. Fields below are bound to the same query."""

    result_type: ClassVar[Callable[..., SessionMetricsResult]]

    def __init__(self, query: SessionMetricsQuery, lookahead: Lookahead) -> None:
        self.query = query
        self.requests = (MetricsRequest(query, lookahead.measures),)

    def render(self, fetched: Fetched) -> SessionMetricsResult:
        """Return the result of the query."""
        (sums,) = fetched
        return type(self).result_type(sums=sums, query=self.query)


class OrganizationMetrics(RootField):
    """`sessionMetrics`."""

    result_type = SessionMetrics

    @classmethod
    def bind(
        cls,
        _parent: None,
        lookahead: Lookahead,
        *,
        org_id: strawberry.ID,
        filters: SessionMetricsFilters,
    ) -> Self:
        """Query an organization.

        Raises:
            BadUserInput: an argument was refused.
        """
        return cls(filters.to_query(org_id), lookahead)


class EnterpriseMetrics(RootField):
    """`enterpriseSessionMetrics`."""

    result_type = EnterpriseSessionMetrics

    @classmethod
    def bind(
        cls,
        _parent: None,
        lookahead: Lookahead,
        *,
        filters: SessionMetricsFilters,
        org_ids: list[strawberry.ID] | None = None,
    ) -> Self:
        """Query the enterprise.

        Raises:
            BadUserInput: an argument was refused.
        """
        return cls(filters.to_query(ENTERPRISE, org_ids), lookahead)
