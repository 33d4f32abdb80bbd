"""The fields `byUser`, `byPlaybook`, `byOrigin`...: how each is fetched, and its rows."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Self

import strawberry

from metrics_graphql.core.breakdowns import (
    Breakdown,
    BreakdownQuery,
    BreakdownRow,
    Dimension,
    Ranking,
)
from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.graphql_api import breakdown_types as types
from metrics_graphql.graphql_api.cursors import Cursor, RankedQuery
from metrics_graphql.graphql_api.enums import SessionOrigin, SessionSize
from metrics_graphql.graphql_api.fetch_spec import Fetched, FetchSpec
from metrics_graphql.graphql_api.inputs import SessionMetricsOrder
from metrics_graphql.graphql_api.lookahead import NAMES, TOTAL_COUNT, Lookahead

RowFactory = Callable[[BreakdownRow], object]


class BreakdownField(FetchSpec):
    """A breakdown by one dimension."""

    dimension: ClassVar[Dimension]
    breakdown_type: ClassVar[type]
    row: ClassVar[RowFactory]
    """Makes a row of the schema from one of the core's."""

    def __init__(self, query: BreakdownQuery, after: Cursor | None, fields_per_row: int) -> None:
        self.breakdowns = (query,)
        self._after = after
        self._fields_per_row = fields_per_row

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
        """Build the query of one page from the arguments.

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
        return cls(breakdown, cursor, lookahead.field_count)

    def fetched_fields(self, fetched: Fetched) -> int:
        """Count the fields of the rows that were fetched."""
        (breakdown,) = fetched
        return self._fields_per_row * len(breakdown.rows)

    def render(self, fetched: Fetched) -> object:
        """Return the breakdown, its rows ranked."""
        (breakdown,) = fetched
        version = breakdown.data_version
        return type(self).breakdown_type(
            nodes=[type(self).row(row) for row in breakdown.rows],
            total_count=breakdown.total_count,
            page_info=types.PageInfo(
                encode_end_cursor=partial(self._end_cursor, breakdown),
                has_next_page=breakdown.has_next_page,
                data_changed=self._after is not None and self._after.data_version != version,
            ),
        )

    def _end_cursor(self, breakdown: Breakdown) -> str | None:
        if not breakdown.rows:
            return None
        (query,) = self.breakdowns
        ranking = query.ranking
        cursor = Cursor(breakdown.rows[-1].position(ranking), breakdown.data_version)
        return cursor.encode(
            RankedQuery(query.query, query.dimension, ranking.field, ranking.direction)
        )


def named_row(row_type: type, named_type: type, field: str) -> RowFactory:
    """Return what makes rows whose `field` is an object with an id and a name."""

    def make(row: BreakdownRow) -> object:
        named = named_type(id=strawberry.ID(row.id), name=row.name)
        return row_type(sums=row.metrics, **{field: named})

    return make


def origin_row(row: BreakdownRow) -> types.OriginSessionMetrics:
    """Make a row whose id is the value of an enum member."""
    return types.OriginSessionMetrics(sums=row.metrics, origin=SessionOrigin(row.id))


def size_row(row: BreakdownRow) -> types.SizeSessionMetrics:
    """Make a row whose id is the value of an enum member."""
    return types.SizeSessionMetrics(sums=row.metrics, size=SessionSize(row.id))


class ByUser(BreakdownField):
    """`byUser`."""

    dimension = Dimension.USER
    breakdown_type = types.UserBreakdown
    row = named_row(types.UserSessionMetrics, types.User, "user")


class ByServiceUser(BreakdownField):
    """`byServiceUser`."""

    dimension = Dimension.SERVICE_USER
    breakdown_type = types.ServiceUserBreakdown
    row = named_row(types.ServiceUserSessionMetrics, types.ServiceUser, "service_user")


class ByPlaybook(BreakdownField):
    """`byPlaybook`."""

    dimension = Dimension.PLAYBOOK
    breakdown_type = types.PlaybookBreakdown
    row = named_row(types.PlaybookSessionMetrics, types.Playbook, "playbook")


class ByOrganization(BreakdownField):
    """`byOrganization`."""

    dimension = Dimension.ORGANIZATION
    breakdown_type = types.OrganizationBreakdown
    row = named_row(types.OrganizationSessionMetrics, types.Organization, "organization")


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
