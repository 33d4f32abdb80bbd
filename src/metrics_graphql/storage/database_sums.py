"""Sums in a database, whose raw sessions and roll-ups are in tables of their own."""

from typing import Any

import sqlalchemy as sa

from metrics_graphql.core.sessions import CATEGORIES
from metrics_graphql.storage.dialects import Key, RangeDialect, SumsPart, SumsRead
from metrics_graphql.storage.rollup_sql import (
    matching_rollups,
    read_rollups,
    rollup_columns,
    rollup_sum,
)
from metrics_graphql.storage.rollups import RollupDimension
from metrics_graphql.storage.session_sql import (
    category_expression,
    measure_sum,
    raw_sessions,
    session_columns,
    sessions_read,
)
from metrics_graphql.storage.tables import rollups, sessions


def database_sums(dialect: RangeDialect, read: SumsRead) -> list[SumsPart]:
    """Return the parts of sums: see `Dialect.sums_parts`."""
    dimension = read.plan.rollup_dimension
    if dimension is not None and read.ranked is not None:
        return sums_of_ranked(dialect, read, dimension, read.ranked)
    parts = raw_sums(dialect, read)
    if dimension is not None:
        parts.append(rollup_sums(dialect, read, dimension))
    return parts


def raw_sums(dialect: RangeDialect, read: SumsRead) -> list[SumsPart]:
    """Return the sums of raw sessions, in disjoint parts."""
    field = read.grouped_by
    columns = session_columns(read.measures) | ({field} if field else set())
    parts = []
    for rows in raw_sessions(dialect, read.plan, columns, single_query=read.single_query):
        sums = tuple(measure_sum(dialect, measure, rows.columns) for measure in read.measures)
        select = rows.select
        row_id: sa.ColumnElement[Any] = sa.null()
        if field is not None:
            row_id = rows.columns[field]
            if field in CATEGORIES:
                row_id = category_expression(field, row_id)
            else:
                # Not `IS NOT NULL`: SQLite would read all sessions in the index of the field.
                select = select.where(sa.func.length(row_id) > 0)
        parts.append(SumsPart(select, sums, row_id))
    return parts


def rollup_sums(dialect: RangeDialect, read: SumsRead, dimension: RollupDimension) -> SumsPart:
    """Return the sums of roll-ups."""
    name = read.grouped_by
    if name is not None and name == dimension.id_field:
        name = "scope_id"
    columns = rollup_columns(dimension, read.measures) | ({name} if name else set())
    rows = matching_rollups(dialect, read.plan, dimension, columns, single_query=read.single_query)
    sums = tuple(rollup_sum(dialect, dimension, measure, rows.columns) for measure in read.measures)
    return SumsPart(rows.select, sums, sa.null() if name is None else rows.columns[name])


def sums_of_ranked(
    dialect: RangeDialect, read: SumsRead, dimension: RollupDimension, ranked: sa.CTE
) -> list[SumsPart]:
    """Return the sums for each id of a ranking, looked up in roll-ups and raw sessions."""
    (field,) = dimension.fields
    ids = ranked.c.id
    rolled_up = read_rollups(
        dialect,
        read.plan,
        dimension,
        rollup_columns(dimension, read.measures),
        Key(rollups.c.scope_id, ids),
        single_query=True,
    )
    raw = dialect.read_ranges(
        sessions_read(read.plan, session_columns(read.measures), Key(sessions.c[field], ids)),
        single_query=True,
    )
    rollup_totals = tuple(
        rollup_sum(dialect, dimension, measure, rolled_up.columns) for measure in read.measures
    )
    raw_totals = tuple(measure_sum(dialect, measure, raw.columns) for measure in read.measures)
    return [
        SumsPart(rolled_up.select, rollup_totals, ids),
        SumsPart(raw.select, raw_totals, ids),
    ]
