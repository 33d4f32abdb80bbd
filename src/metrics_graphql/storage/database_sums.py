"""Sums in a database, which has raw sessions and roll-ups in separate tables."""

from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa

from metrics_graphql.core.measures import Measure
from metrics_graphql.core.sessions import CATEGORIES
from metrics_graphql.storage.dialects import Key, RangeDialect, RangeRows, SumsPart, SumsSpec
from metrics_graphql.storage.rollup_sql import (
    matching_rollups,
    rollup_columns,
    rollup_value,
    scan_rollups,
)
from metrics_graphql.storage.rollups import RollupDimension
from metrics_graphql.storage.session_sql import (
    Columns,
    category_expression,
    matching_sessions,
    measure_value,
    session_columns,
    session_scan,
)
from metrics_graphql.storage.tables import rollups, sessions


def database_sums(dialect: RangeDialect, spec: SumsSpec) -> list[SumsPart]:
    """Return the parts of sums: see `Dialect.sums_parts`."""
    dimension = spec.plan.rollup_dimension
    if dimension is not None and spec.ranked is not None:
        return ranked_parts(dialect, spec, dimension, spec.ranked)
    parts = raw_parts(dialect, spec)
    if dimension is not None:
        parts.append(rollup_part(dialect, spec, dimension))
    return parts


def raw_parts(dialect: RangeDialect, spec: SumsSpec) -> list[SumsPart]:
    """Return the matching raw sessions, in disjoint parts."""
    field = spec.plan.grouped_by
    columns = session_columns(spec.measures) | ({field} if field else set())
    parts = []
    for rows in matching_sessions(dialect, spec.plan, columns, by_range=spec.by_range):
        select = rows.select
        row_id: sa.ColumnElement[Any] = sa.null()
        if field is not None:
            row_id = rows.columns[field]
            if field in CATEGORIES:
                row_id = category_expression(field, row_id)
            else:
                # Not `IS NOT NULL`: SQLite would read all sessions in the index of the field.
                select = select.where(sa.func.length(row_id) > 0)
        parts.append(part_of(dialect, spec, rows._replace(select=select), measure_value, row_id))
    return parts


def rollup_part(dialect: RangeDialect, spec: SumsSpec, dimension: RollupDimension) -> SumsPart:
    """Return the matching roll-ups."""
    name = spec.plan.grouped_by
    if name is not None and name == dimension.id_field:
        name = "scope_id"
    columns = rollup_columns(dimension, spec.measures) | ({name} if name else set())
    rows = matching_rollups(dialect, spec.plan, dimension, columns, by_range=spec.by_range)
    row_id = sa.null() if name is None else rows.columns[name]
    return part_of(dialect, spec, rows, partial(rollup_value, dimension), row_id)


def ranked_parts(
    dialect: RangeDialect, spec: SumsSpec, dimension: RollupDimension, ranked: sa.CTE
) -> list[SumsPart]:
    """Return the roll-ups and the raw sessions of the ids of a ranking."""
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
    return [
        part_of(dialect, spec, rolled_up, partial(rollup_value, dimension), ids),
        part_of(dialect, spec, raw, measure_value, ids),
    ]


def part_of(
    dialect: RangeDialect,
    spec: SumsSpec,
    rows: RangeRows,
    value_of: Callable[[Measure, Columns], sa.ColumnElement[int]],
    row_id: sa.ColumnElement[Any],
) -> SumsPart:
    """Return the part of some rows, with the values of subtracted ranges negated."""
    values = [value_of(measure, rows.columns) for measure in spec.measures]
    if rows.sign is not None and dialect.subtracts_ranges(spec.plan):
        values = [value * rows.sign for value in values]
    names = [measure.name for measure in spec.measures]
    return SumsPart(rows.select, tuple(map(sa.ColumnElement.label, values, names)), row_id)
