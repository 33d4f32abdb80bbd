"""SQL for roll-ups: which to read, and the value of each measure, from `core.measures`."""

from functools import lru_cache, partial
from typing import Any, Final

import sqlalchemy as sa

from metrics_graphql.core.measures import Measure
from metrics_graphql.core.sessions import category_of
from metrics_graphql.storage.dialects import Key, RangeDialect, RangeRows, RangeScan
from metrics_graphql.storage.query_planner import FILTERED_FIELDS, QueryPlan
from metrics_graphql.storage.rollups import CATEGORY, RollupDimension
from metrics_graphql.storage.session_sql import (
    Columns,
    column_condition,
    organization_restriction,
    text_literal,
)
from metrics_graphql.storage.tables import BASE_MEASURES, CATEGORY_FIELDS, rollups

ALL_IDS: Final = rollups.c.scope > sa.literal_column("0")
"""The condition of the partial index by time. It is a literal, for planners to recognize it."""
ROLLUPS_BY_TIME: Final = "ix_rollups_org_id_scope_grain_bucket_scope_id"


def matching_rollups(
    dialect: RangeDialect,
    plan: QueryPlan,
    dimension: RollupDimension,
    columns: frozenset[str],
    *,
    by_range: bool,
) -> RangeRows:
    """Return the matching roll-ups of a dimension in the time ranges bound to `rolled_up`."""
    scan = partial(scan_rollups, dialect, plan, dimension, by_range=by_range)
    if dimension is CATEGORY:
        fields = {FILTERED_FIELDS[name] for name in plan.filters}
        rows = scan(columns | fields)
        conditions = (
            column_condition(dialect, rows.columns[FILTERED_FIELDS[name]], name)
            for name in sorted(plan.filters)
        )
        return rows._replace(select=rows.select.where(*conditions))
    if plan.filters:
        (name,) = plan.filters
        return scan(columns, Key(rollups.c.scope_id, name))
    if dimension.id_field is None:
        return scan(columns, rollups.c.scope_id == "")
    return scan(columns, ALL_IDS, index=ROLLUPS_BY_TIME)


def scan_rollups(  # noqa: PLR0913 - everything that the scan depends on
    dialect: RangeDialect,
    plan: QueryPlan,
    dimension: RollupDimension,
    columns: frozenset[str],
    ids: "Key | sa.ColumnElement[bool] | None" = None,
    *,
    by_range: bool,
    index: str | None = None,
) -> RangeRows:
    """Return the roll-ups of a dimension in the time ranges bound to `rolled_up`.

    `ids` restricts them to the values of a key, or to those that meet a condition.
    """
    table = dimension.table
    conditions, keys = organization_restriction(plan.organizations, table.c.org_id)
    if "scope" in table.c:
        # A parameter: with a literal, PostgreSQL could choose the partial index by time for an id,
        # and does so in a table that was not analyzed.
        conditions = (*conditions, table.c.scope == dimension.code)
    if isinstance(ids, Key):
        keys = (*keys, ids)
    elif ids is not None:
        conditions = (*conditions, ids)
    scan = RangeScan("rolled_up", table.c.bucket, columns, conditions, keys, index)
    return dialect.scan_ranges(scan, by_range=by_range)


def rollup_columns(dimension: RollupDimension, measures: tuple[Measure, ...]) -> frozenset[str]:
    """Return the columns of roll-ups that measures read."""
    names = set()
    for measure in measures:
        if dimension is CATEGORY:
            names |= {base_measure(measure).name, *(measure.condition.keys() & CATEGORY_FIELDS)}
        else:
            names.add(measure.name)
    return frozenset(names)


def rollup_value(
    dimension: RollupDimension, measure: Measure, columns: Columns
) -> sa.ColumnElement[int]:
    """Return the value of a measure in a roll-up of a dimension."""
    return category_value(measure, columns) if dimension is CATEGORY else columns[measure.name]


def category_value(measure: Measure, columns: Columns) -> sa.ColumnElement[int]:
    """Return the value of a measure in a row of `category_rollups`.

    It is the value of the base measure if the row has the categories that the measure counts, else
    0.
    """
    value: sa.ColumnElement[int] = columns[base_measure(measure).name]
    restricted = [
        _is_category(name, columns[name], measure.condition[name])
        for name in CATEGORY_FIELDS
        if name in measure.condition
    ]
    return sa.case((sa.and_(*restricted), value), else_=0) if restricted else value


@lru_cache
def base_measure(measure: Measure) -> Measure:
    """Return the measure whose condition is the same without the fields of `CATEGORY_FIELDS`."""
    condition = {
        name: each for name, each in measure.condition.items() if name not in CATEGORY_FIELDS
    }
    (base,) = (
        each for each in BASE_MEASURES if each.adds == measure.adds and each.condition == condition
    )
    return base


def _is_category(
    name: str, column: sa.ColumnElement[Any], expected: object
) -> sa.ColumnElement[bool]:
    if isinstance(expected, tuple):
        return column == text_literal(category_of(name, expected[0]))
    return sa.and_(column)
