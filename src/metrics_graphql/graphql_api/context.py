"""The context of one GraphQL request: caller, response fields, and data versions read."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, cast

import strawberry
from graphql import GraphQLObjectType, get_named_type

from metrics_graphql.core.breakdowns import Breakdown, BreakdownQuery
from metrics_graphql.core.callers import ServiceUser
from metrics_graphql.core.errors import (
    Forbidden,
    MetricsError,
    TimedOut,
    Unavailable,
    value_or_raise,
)
from metrics_graphql.core.names import NamedId, NamedKind
from metrics_graphql.core.queries import MetricsRequest
from metrics_graphql.core.service import MetricsService
from metrics_graphql.core.tenants import Tenant
from metrics_graphql.graphql_api.errors import QueryTooExpensive
from metrics_graphql.graphql_api.fetch_spec import FETCH_SPEC, Fetched, FetchSpec
from metrics_graphql.graphql_api.lookahead import Lookahead, look_ahead
from metrics_graphql.telemetry.request_record import RequestRecord


class Context:
    """The state of one request: response fields counted, and data versions read."""

    def __init__(
        self,
        service: MetricsService,
        caller: ServiceUser,
        record: RequestRecord,
        max_response_fields: int,
    ) -> None:
        self.caller = caller
        self._service = service
        self.record = record
        self._response_fields = 0
        self._max_response_fields = max_response_fields
        self.data_versions: dict[Tenant, int] = {}
        """The data versions of the tenants queried, from before the first query."""
        self.is_cacheable = True
        """Whether the response depends on nothing but these versions and the caller."""

    async def fetch(self, specs: Sequence[FetchSpec]) -> list[Fetched | MetricsError]:
        """Return what each spec fetches, or its error, in order.

        All are fetched together: queries that differ only in their period share a statement.
        """
        requests = [request for spec in specs for request in spec.requests]
        breakdowns = list(dict.fromkeys(query for spec in specs for query in spec.breakdowns))
        tenants = {each.query.tenant for each in requests}
        tenants |= {each.query.tenant for each in breakdowns}
        try:
            await self._read_data_versions(tenants)
        except (Unavailable, TimedOut) as error:
            return [error] * len(specs)
        if not breakdowns:  # The usual request does not pay for tasks.
            metrics = await self._service.fetch_metrics(self.caller, requests)
            rows: list[Breakdown | MetricsError] = []
        else:
            metrics, rows = await asyncio.gather(
                self._service.fetch_metrics(self.caller, requests),
                self._service.fetch_breakdowns(self.caller, breakdowns),
            )
        self._record_tenants(requests, metrics)
        self._record_tenants(breakdowns, rows)
        next_metrics = iter(metrics)
        by_query = dict(zip(breakdowns, rows, strict=True))
        return [
            values_or_error(
                [
                    *(next(next_metrics) for _ in spec.requests),
                    *(by_query[query] for query in spec.breakdowns),
                ]
            )
            for spec in specs
        ]

    async def search_ids(
        self, tenant: Tenant, kind: NamedKind, text: str, first: int
    ) -> list[NamedId]:
        """Return ids that the sessions of a tenant name, found by name or id.

        Raises:
            BadUserInput, Forbidden, Unavailable, TimedOut: as the service does.
        """
        await self._read_data_versions({tenant})
        return await self._service.search_ids(self.caller, tenant, kind, text, first)

    async def organization_name(self, org_id: str) -> str | None:
        """Return the name of the caller's organization.

        Raises:
            Unavailable, TimedOut: as the service does.
        """
        self.is_cacheable = False  # No data version is read that changes with the name.
        (named,) = await self._service.with_names(NamedKind.ORGANIZATION, [org_id])
        return named.name

    async def list_organizations(self, first: int) -> list[NamedId]:
        """Return the organizations whose metrics the caller may read.

        Raises:
            BadUserInput, Unavailable: as the service does.
        """
        # Its data version, the enterprise's, would take a statement of its own to read.
        self.is_cacheable = False
        return await self._service.list_organizations(self.caller, first)

    def charge(self, fields: int) -> None:
        """Count fields that the response will have.

        Raises:
            QueryTooExpensive: with those counted before, they exceed the limit. They do not count.
        """
        total = self._response_fields + fields
        if total > self._max_response_fields:
            raise QueryTooExpensive("response_fields", total, self._max_response_fields)
        self._response_fields = total

    async def _read_data_versions(self, tenants: set[Tenant]) -> None:
        missing = tenants - self.data_versions.keys()
        if missing:
            self.data_versions.update(await self._service.data_versions(missing))

    def _record_tenants(
        self, queries: Iterable[MetricsRequest | BreakdownQuery], results: Iterable[object]
    ) -> None:
        self.record.record_tenants(
            each.query.tenant
            for each, result in zip(queries, results, strict=True)
            if not isinstance(result, Forbidden)
        )


def values_or_error(results: Sequence[object]) -> Fetched | MetricsError:
    """Return results, or the first error among them."""
    return next((each for each in results if isinstance(each, MetricsError)), results)


class Info(strawberry.Info[Context, None]):
    """What Strawberry passes to a resolver, and how a field that fetches is resolved."""

    async def fetch(self, parent: object = None, **arguments: object) -> Any:  # noqa: ANN401 - the field's value
        """Resolve a field whose metadata names a `FetchSpec`, with a statement of its own.

        Raises:
            MetricsError: the field's error.
        """
        info = self._raw_info
        object_type = cast("GraphQLObjectType", get_named_type(info.return_type))
        lookahead: Lookahead = look_ahead(object_type, info.field_nodes, info.fragments)
        spec: FetchSpec = self._field.metadata[FETCH_SPEC].bind(parent, lookahead, **arguments)
        self.context.charge(spec.response_fields)
        (outcome,) = await self.context.fetch([spec])
        fetched = value_or_raise(outcome)
        self.context.charge(spec.fetched_fields(fetched))
        return spec.render(fetched)
