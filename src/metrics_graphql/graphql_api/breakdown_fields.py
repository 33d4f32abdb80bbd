"""The fields `byUser`, `byPlaybook`, `byOrigin`...: how each is fetched, and its rows."""

from collections.abc import Callable
from typing import Any, ClassVar, Self

import strawberry

from metrics_graphql.core.breakdowns import BreakdownQuery, BreakdownRow, Dimension, Ranking
from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.graphql_api import breakdown_types as types
from metrics_graphql.graphql_api.cursors import Cursor, RankedQuery
from metrics_graphql.graphql_api.enums import SessionOrigin, SessionSize
from metrics_graphql.graphql_api.fetch_spec import Fetched, FetchSpec
from metrics_graphql.graphql_api.inputs import SessionMetricsOrder
from metrics_graphql.graphql_api.lookahead import NAMES, TOTAL_COUNT, Lookahead


class BreakdownField(FetchSpec):
    """A breakdown by one dimension."""

    dimension: ClassVar[Dimension]
    breakdown_type: ClassVar[Callable[..., object]]
    row: ClassVar[Callable[[BreakdownRow], object]]
    """Makes a row of the schema from one of the core's."""

    def __init__(self, query: BreakdownQuery, after: Cursor | None, row_fields: int) -> None:
        self.breakdowns = (query,)
        self._after = after
        self._row_fields = row_fields

    @classmethod
    def bind(
        cls,
        query: SessionMetricsQuery,
        lookahead: Lookahead,
        *,
        first: int,
        order_by: SessionMetricsOrder,
        after: str | None = None,
    ) -> Self:
        """Rank the rows.

        Raises:
            BadUserInput: `first` is out of bounds, or `after` is not a cursor of this breakdown.
        """
        field, direction = order_by.field.value, order_by.direction
        ranked = RankedQuery(query, cls.dimension, field, direction)
        cursor = None if after is None else Cursor.decode(after, ranked)
        breakdown = BreakdownQuery(
            query,
            cls.dimension,
            Ranking(field, direction, first, None if cursor is None else cursor.position),
            lookahead.measures,
            with_total_count=TOTAL_COUNT in lookahead.requires,
            with_names=NAMES in lookahead.requires,
        )
        return cls(breakdown, cursor, lookahead.fields)

    def fetched_fields(self, fetched: Fetched) -> int:
        """Return the fields of all rows."""
        (breakdown,) = fetched
        return self._row_fields * len(breakdown.rows)

    def render(self, fetched: Fetched) -> object:
        """Return the breakdown, its rows ranked."""
        (breakdown,) = fetched
        (query,) = self.breakdowns
        version = breakdown.data_version
        end_cursor = None
        if breakdown.rows:
            position = breakdown.rows[-1].position(query.ranking)
            end_cursor = Cursor(position, version).encode(
                RankedQuery(
                    query.query, query.dimension, query.ranking.field, query.ranking.direction
                )
            )
        return type(self).breakdown_type(
            nodes=[type(self).row(row) for row in breakdown.rows],
            total_count=breakdown.total_count,
            page_info=types.PageInfo(
                has_next_page=breakdown.has_next_page,
                end_cursor=end_cursor,
                data_changed=self._after is not None and self._after.data_version != version,
            ),
        )


def identity(row: BreakdownRow) -> dict[str, Any]:
    """Return the id and the name of a row."""
    return {"id": strawberry.ID(row.id), "name": row.name}


def user_row(row: BreakdownRow) -> types.UserSessionMetrics:
    """Return the row of a user."""
    return types.UserSessionMetrics(sums=row.metrics, user=types.User(**identity(row)))


def service_user_row(row: BreakdownRow) -> types.ServiceUserSessionMetrics:
    """Return the row of a service user."""
    service_user = types.ServiceUser(**identity(row))
    return types.ServiceUserSessionMetrics(sums=row.metrics, service_user=service_user)


def playbook_row(row: BreakdownRow) -> types.PlaybookSessionMetrics:
    """Return the row of a playbook."""
    playbook = types.Playbook(**identity(row))
    return types.PlaybookSessionMetrics(sums=row.metrics, playbook=playbook)


def organization_row(row: BreakdownRow) -> types.OrganizationSessionMetrics:
    """Return the row of an organization."""
    organization = types.Organization(**identity(row))
    return types.OrganizationSessionMetrics(sums=row.metrics, organization=organization)


def origin_row(row: BreakdownRow) -> types.OriginSessionMetrics:
    """Return the row of an origin."""
    return types.OriginSessionMetrics(sums=row.metrics, origin=SessionOrigin(row.id))


def size_row(row: BreakdownRow) -> types.SizeSessionMetrics:
    """Return the row of a size."""
    return types.SizeSessionMetrics(sums=row.metrics, size=SessionSize(row.id))


class ByUser(BreakdownField):
    """`byUser`."""

    dimension = Dimension.USER
    breakdown_type = types.UserBreakdown
    row = user_row


class ByServiceUser(BreakdownField):
    """`byServiceUser`."""

    dimension = Dimension.SERVICE_USER
    breakdown_type = types.ServiceUserBreakdown
    row = service_user_row


class ByPlaybook(BreakdownField):
    """`byPlaybook`."""

    dimension = Dimension.PLAYBOOK
    breakdown_type = types.PlaybookBreakdown
    row = playbook_row


class ByOrganization(BreakdownField):
    """`byOrganization`."""

    dimension = Dimension.ORGANIZATION
    breakdown_type = types.OrganizationBreakdown
    row = organization_row


class ByOrigin(BreakdownField):
    """`byOrigin`."""

    dimension = Dimension.ORIGIN
    breakdown_type = types.OriginBreakdown
    row = origin_row


class BySize(BreakdownField):
    """`bySize`."""

    dimension = Dimension.SIZE
    breakdown_type = types.SizeBreakdown
    row = size_row
