"""Totals of queries. Queries that differ only in their period share one statement."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import chain
from operator import add, neg
from typing import Any, NamedTuple

import sqlalchemy as sa

from metrics_graphql.core.errors import TimedOut, Unavailable
from metrics_graphql.core.measures import Measure, summed_measures
from metrics_graphql.core.periods import TimePeriod
from metrics_graphql.core.queries import Filters, MetricsRequest, SessionMetricsQuery
from metrics_graphql.core.repository import MetricsResult
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.core.tenants import ENTERPRISE, Tenant
from metrics_graphql.storage.dialects import (
    CompiledStatement,
    Dialect,
    SumsPart,
    SumsSpec,
    TimeRange,
    number_literal,
)
from metrics_graphql.storage.query_planner import QueryPlan, plan_query
from metrics_graphql.storage.session_sql import Select
from metrics_graphql.storage.session_store import StatementReader


class GroupKey(NamedTuple):
    """What queries that share a statement have in common: everything but the period."""

    tenant: Tenant
    filters: Filters


async def fetch_metrics(
    reader: StatementReader, requests: Sequence[MetricsRequest]
) -> list[MetricsResult]:
    """Return the result of each request, in order: see `Repository.fetch_metrics`."""
    groups: defaultdict[GroupKey, list[MetricsRequest]] = defaultdict(list)
    for request in requests:
        groups[GroupKey(request.query.tenant, request.query.filters)].append(request)
    if len(groups) == 1:  # The usual case avoids the cost of tasks.
        results = [await execute_group(reader, requests)]
    else:
        results = await asyncio.gather(*(execute_group(reader, group) for group in groups.values()))
    by_query = {query: result for group in results for query, result in group.items()}
    return [by_query[request.query] for request in requests]


async def execute_group(
    reader: StatementReader, requests: Sequence[MetricsRequest]
) -> dict[SessionMetricsQuery, MetricsResult]:
    """Return the result of each query of a group, from one statement."""
    queries = list(dict.fromkeys(request.query for request in requests))
    # All requests for a series usually have the same measures: the inner set has one element then.
    measures = set(chain.from_iterable({request.measures for request in requests}))
    try:
        results: Sequence[MetricsResult] = await fetch_totals(
            reader, queries[0], [query.period for query in queries], measures
        )
    except (Unavailable, TimedOut) as error:
        results = [error] * len(queries)
    return dict(zip(queries, results, strict=True))


async def fetch_totals(
    reader: StatementReader,
    query: SessionMetricsQuery,
    periods: Sequence[TimePeriod],
    measures: Collection[Measure],
) -> list[SessionMetrics]:
    """Return the sums of measures for a query with each of these periods instead of its own.

    Takes one statement and one round trip for any number of periods.

    Raises:
        Unavailable: the engine is unavailable.
        TimedOut: the request passed its deadline.
    """
    if not measures:
        return [SessionMetrics({}) for _ in periods]
    dialect = reader.dialect
    plan = plan_query(query, dialect.rollup_dimensions)
    by_range = plan.is_signed(dialect, periods)
    ranges = plan.ranges(dialect, periods)
    summed = summed_measures(measures)
    statement = select_totals(dialect, plan, summed, by_range=by_range)
    rows = await reader.fetch(statement, statement_parameters(query, ranges, dialect))
    sums: list[Sequence[int]] = [()] * len(periods)
    queries_of = dialect.query_lookup(ranges)
    for range_key, *values in rows:
        if range_key is None:
            continue  # No row matched.
        for index in queries_of(range_key) if by_range else (0,):
            before, signed = sums[index], values if index >= 0 else map(neg, values)
            sums[index] = list(map(add, before, signed) if before else signed)
    names = [measure.name for measure in summed]
    remainders = [measure for measure in measures if measure.is_remainder]
    zeros = [0] * len(names)
    return [SessionMetrics.from_sums(names, each or zeros, remainders) for each in sums]


@lru_cache(maxsize=1024)
def select_totals(
    dialect: Dialect, plan: QueryPlan, measures: tuple[Measure, ...], *, by_range: bool
) -> CompiledStatement:
    """Return the statement that sums measures for the queries of a plan.

    A row is a range key (see `Dialect.query_lookup`) and a sum for each measure. Without
    `by_range`, there is one query, and the range key is 0. A query may have several rows, from raw
    sessions and from roll-ups. The caller adds them up.

    The parameters are those of `Dialect.sums_parts`.
    """
    parts = dialect.sums_parts(SumsSpec(plan, measures, by_range=by_range))
    statement = dialect.compile(
        sa.union_all(*(select_part_sums(dialect, part, by_range=by_range) for part in parts))
    )
    return statement._replace(data_source=plan.data_source)


def select_part_sums(dialect: Dialect, part: SumsPart, *, by_range: bool) -> Select:
    """Return the statement for the sums of a part, by range key."""
    sums = [dialect.sum(value) for value in part.values]
    # Without `by_range`, there is one group: GROUP BY would sort all rows only to find it. MIN is
    # null on SQLite and PostgreSQL if no row matched.
    if not by_range:
        return part.select.with_only_columns(sa.func.min(number_literal(0)), *sums)
    (range_key,) = part.select.selected_columns
    return part.select.with_only_columns(range_key, *sums).group_by(range_key)


def statement_parameters(
    query: SessionMetricsQuery, ranges: Collection[TimeRange], dialect: Dialect
) -> dict[str, Any]:
    """Return the values to bind to a statement: organizations, filters and ranges."""
    filters = query.filters
    parameters = {
        "org_id": None if query.tenant is ENTERPRISE else query.tenant,
        **dialect.bind_ranges(ranges),
    }
    for name, value in zip(Filters._fields, filters, strict=True):
        if value is not None:
            parameters[name] = dialect.bind_ids(value) if isinstance(value, frozenset) else value
    return parameters
