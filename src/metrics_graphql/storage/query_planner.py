"""Plans which rows a query reads: roll-ups for whole buckets, raw sessions for the rest."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple

from metrics_graphql.core.periods import FIFTEEN_DAYS, Segment, TimePeriod
from metrics_graphql.core.queries import Filters, SessionMetricsQuery
from metrics_graphql.core.tenants import ENTERPRISE
from metrics_graphql.storage.dialects import Dialect, TimeRange
from metrics_graphql.storage.rollups import RollupDimension
from metrics_graphql.telemetry.request_record import DataSource

FILTERED_FIELDS: Final = {
    "user_ids": "user_id",
    "service_user_ids": "service_user_id",
    "playbook_ids": "playbook_id",
    "origins": "origin",
    "sizes": "size",
    "has_merged_pr": "has_merged_pr",
}
"""The field of a session that each filter of `Filters` compares, by the name of the filter."""


class OrganizationFilter(Enum):
    """How a statement selects organizations: by an id, by a list of ids, or all."""

    ONE = "one"
    SOME = "some"
    ALL = "all"


class QueryPlan(NamedTuple):
    """How one statement answers queries that differ only in their period."""

    filters: frozenset[str]
    """The names of the filters that are given; their values are bound to the statement."""
    organizations: OrganizationFilter
    rollup_dimension: RollupDimension | None
    """The roll-ups to read between the raw ends of a period; None to read raw sessions only."""
    grouped_by: str | None = None
    """The field of a session whose values are the ids to sum by; None to sum by query."""

    @property
    def data_source(self) -> DataSource:
        """What the request record shows as the source of the sums."""
        return "rollups" if self.rollup_dimension else "raw"

    @property
    def filters_by_ids(self) -> bool:
        """Whether the filter is by ids, and there are roll-ups of them."""
        dimension = self.rollup_dimension
        return bool(self.filters) and dimension is not None and dimension.id_field is not None

    @property
    def grains(self) -> tuple[int, ...]:
        """The grains of the roll-ups to read, coarsest first."""
        grains = self.rollup_dimension.grains if self.rollup_dimension else ()
        if not self.filters_by_ids:
            return grains
        # SQLite and PostgreSQL look up each id in each range. Two more ranges, of fifteen days,
        # take longer than reading the few buckets that they replace.
        return tuple(grain for grain in grains if grain != FIFTEEN_DAYS)

    def is_signed(self, dialect: Dialect, periods: Sequence[TimePeriod]) -> bool:
        """Return whether a statement for these periods may subtract ranges."""
        return len(periods) > 1 or dialect.subtracts_ranges(self)

    def ranges(self, dialect: Dialect, periods: Sequence[TimePeriod]) -> list[TimeRange]:
        """Cut the period of each query into ranges of buckets and of raw sessions.

        A subtracted range is outside of its period. Its `query_index` is negative: the index minus
        the number of queries, which selects the same element of a list.
        """
        is_signed = self.is_signed(dialect, periods)
        grains = self.grains
        cuts: dict[tuple[int, int], list[Segment]] = {}
        ranges = []
        for index, period in enumerate(periods):
            # Periods of equal length that begin at the same offset in a bucket of the coarsest
            # grain are cut in the same way: of a daily series, at most 30 are cut.
            length = period.end - period.start
            offset = period.start % grains[0] if grains else 0
            if (length, offset) not in cuts:
                cut = TimePeriod(offset, offset + length)
                cuts[length, offset] = (
                    # In a series by day, each bucket would have raw ranges of its own: too many to
                    # look up each id in.
                    cut.signed_segments(grains, subtracts_raw=not self.filters_by_ids)
                    if is_signed
                    else cut.segments(grains)
                )
            shift = period.start - offset
            ranges += [
                TimeRange(
                    index - len(periods) if is_subtracted else index,
                    grain or 0,
                    start + shift,
                    end + shift,
                )
                for grain, start, end, is_subtracted in cuts[length, offset]
            ]
        return ranges


def plan_query(
    query: SessionMetricsQuery,
    dimensions: Iterable[RollupDimension],
    *,
    grouped_by: str | None = None,
) -> QueryPlan:
    """Return the plan for a query.

    It reads the roll-ups of the first dimension that has all fields that the query filters and
    groups by. A session created by a user and a service user is in a roll-up of each, so filters by
    both need raw sessions. Other fields that no dimension combines need them, too.
    """
    filters = given_filters(query.filters)
    fields = ({FILTERED_FIELDS[name] for name in filters} | {grouped_by}) - {None, "org_id"}
    dimension = next((each for each in dimensions if fields <= each.fields), None)
    return QueryPlan(filters, organization_filter(query), dimension, grouped_by)


def given_filters(filters: Filters) -> frozenset[str]:
    """Return the names of the filters that are given."""
    return frozenset(name for name in FILTERED_FIELDS if getattr(filters, name) is not None)


def organization_filter(query: SessionMetricsQuery) -> OrganizationFilter:
    """Return how the statement of a query selects organizations."""
    if query.tenant is not ENTERPRISE:
        return OrganizationFilter.ONE
    if query.filters.org_ids is None:
        return OrganizationFilter.ALL
    return OrganizationFilter.SOME
