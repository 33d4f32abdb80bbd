"""Sums in a database, which has raw sessions and roll-ups in separate tables."""

from typing import Any

import sqlalchemy as sa

from metrics_graphql.core.sessions import CATEGORIES
from metrics_graphql.storage.dialects import Key, RangeDialect, SumsPart, SumsSpec
from metrics_graphql.storage.rollup_sql import (
    matching_rollups,
    rollup_columns,
    rollup_sum,
    scan_rollups,
)
from metrics_graphql.storage.rollups import RollupDimension
from metrics_graphql.storage.session_sql import (
    category_expression,
    matching_sessions,
    measure_sum,
    session_columns,
    session_scan,
)
from metrics_graphql.storage.tables import rollups, sessions


def database_sums(dialect: RangeDialect, spec: SumsSpec) -> list[SumsPart]:
    """Return the parts of sums: see `Dialect.sums_parts`."""
    dimension = spec.plan.rollup_dimension
    if dimension is not None and spec.ranked is not None:
        return sums_of_ranked(dialect, spec, dimension, spec.ranked)
    parts = raw_sums(dialect, spec)
    if dimension is not None:
        parts.append(rollup_sums(dialect, spec, dimension))
    return parts


def raw_sums(dialect: RangeDialect, spec: SumsSpec) -> list[SumsPart]:
    """Return the sums of raw sessions, in disjoint parts."""
    field = spec.grouped_by
    columns = session_columns(spec.measures) | ({field} if field else set())
    parts = []
    for rows in matching_sessions(dialect, spec.plan, columns, by_range=spec.by_range):
        sums = tuple(measure_sum(dialect, measure, rows.columns) for measure in spec.measures)
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


def rollup_sums(dialect: RangeDialect, spec: SumsSpec, dimension: RollupDimension) -> SumsPart:
    """Return the sums of roll-ups."""
    name = spec.grouped_by
    if name is not None and name == dimension.id_field:
        name = "scope_id"
    columns = rollup_columns(dimension, spec.measures) | ({name} if name else set())
    rows = matching_rollups(dialect, spec.plan, dimension, columns, by_range=spec.by_range)
    sums = tuple(rollup_sum(dialect, dimension, measure, rows.columns) for measure in spec.measures)
    return SumsPart(rows.select, sums, sa.null() if name is None else rows.columns[name])


def sums_of_ranked(
    dialect: RangeDialect, spec: SumsSpec, dimension: RollupDimension, ranked: sa.CTE
) -> list[SumsPart]:
    """Return the sums for each id of a ranking: of its roll-ups, and of its raw sessions."""
    (field,) = dimension.fields
    ids = ranked.c.id
    rolled_up = scan_rollups(
        dialect,
        spec.plan,
        dimension,
        rollup_columns(dimension, spec.measures),
        Key(rollups.c.scope_id, ids),
        by_range=False,
    )
    raw = dialect.scan_ranges(
        session_scan(spec.plan, session_columns(spec.measures), Key(sessions.c[field], ids)),
        by_range=False,
    )
    rollup_totals = tuple(
        rollup_sum(dialect, dimension, measure, rolled_up.columns) for measure in spec.measures
    )
    raw_totals = tuple(measure_sum(dialect, measure, raw.columns) for measure in spec.measures)
    return [
        SumsPart(rolled_up.select, rollup_totals, ids),
        SumsPart(raw.select, raw_totals, ids),
    ]
