"""SQL that sums measures, derived from `core.measures`. Each statement is compiled once."""

from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from metrics_graphql.core.measures import Condition, Measure, NoneOf, Present, whole_and_parts
from metrics_graphql.core.sessions import CATEGORIES, OTHER, category_of
from metrics_graphql.storage.dialects import (
    CompiledStatement,
    Dialect,
    Key,
    RangeRead,
    RangeRows,
)
from metrics_graphql.storage.query_planner import FILTERED_FIELDS, OrganizationFilter, QueryPlan
from metrics_graphql.storage.rollups import CATEGORY, RollupDimension
from metrics_graphql.storage.tables import (
    BASE_MEASURES,
    CATEGORY_FIELDS,
    organizations,
    rollups,
    sessions,
)

Select = sa.Select[*tuple[Any, ...]]
Columns = ReadOnlyColumnCollection[str, Any]
"""The columns of the rows that are summed: of a table, or of a subquery of it."""
INDEXED_FILTERS: Final = ("user_ids", "service_user_ids", "playbook_ids")
"""The filters that sessions have an index for. Those by creator are one filter."""


@lru_cache(maxsize=1024)
def session_sums(
    dialect: Dialect, plan: QueryPlan, measures: tuple[Measure, ...], *, single_query: bool
) -> CompiledStatement:
    """Return the statement that sums measures for the queries of a plan.

    A row is a group key (see `Dialect.group_queries`) and a sum for each measure. A group may have
    several rows, from raw sessions and from roll-ups; the caller adds them up, with null as 0.

    The parameters are `org_id` or `org_ids`, the ranges `raw` and `rolled_up`, and those of the
    filters, by their names.
    """
    parts = [
        select_sums(
            rows.select,
            [measure_sum(dialect, measure, rows.columns) for measure in measures],
            single_query=single_query,
        )
        for rows in raw_sessions(
            dialect, plan, session_columns(measures), single_query=single_query
        )
    ]
    if (dimension := plan.rollup_dimension) is not None:
        rows = matching_rollups(dialect, plan, dimension, rollup_columns(dimension, measures))
        sums = [rollup_sum(dialect, dimension, measure, rows.columns) for measure in measures]
        parts.append(select_sums(rows.select, sums, single_query=single_query))
    statement = dialect.compile(sa.union_all(*parts))
    return statement._replace(data_source=plan.data_source)


def select_sums(rows: Select, sums: list[sa.ColumnElement[int]], *, single_query: bool) -> Select:
    """Return the sums over rows, of which the only selected column is the group key."""
    (group,) = rows.selected_columns
    statement = rows.with_only_columns(sa.func.min(group), *sums)
    # For a single query, GROUP BY would sort all rows only to find one group.
    return statement if single_query else statement.group_by(group)


def raw_sessions(
    dialect: Dialect, plan: QueryPlan, columns: frozenset[str], *, single_query: bool
) -> list[RangeRows]:
    """Return the matching sessions in the ranges `raw`, in disjoint parts.

    Each part is read through the index of one filter. With filters by user and by service user,
    the second part leaves out what the first one has.
    """
    conditions, keys = organization_read(plan.organizations, sessions.c.org_id)
    indexed = indexed_filters(plan.filters)
    residual = sorted(plan.filters - set(indexed))
    columns |= {FILTERED_FIELDS[name] for name in residual}
    if not dialect.has_rollups and indexed:
        alternatives = [filter_condition(dialect, name, sessions.c) for name in indexed]
        either = sa.or_(*alternatives)
        reads = [RangeRead("raw", sessions.c.created_at, columns, (*conditions, either), keys)]
    else:
        reads = [
            RangeRead(
                "raw",
                sessions.c.created_at,
                columns,
                conditions,
                (*keys, Key(sessions.c[FILTERED_FIELDS[name]], name)),
                index_of(FILTERED_FIELDS[name]),
            )
            for name in indexed
        ] or [RangeRead("raw", sessions.c.created_at, columns, conditions, keys)]
    if len(reads) > 1:
        reads[1] = reads[1]._replace(columns=columns | {"user_id"})
    parts = []
    for position, read in enumerate(reads):
        rows = dialect.read_ranges(read, single_query=single_query)
        filters = [filter_condition(dialect, name, rows.columns) for name in residual]
        if position:
            user_id = rows.columns.user_id
            filters.append(sa.or_(user_id.is_(None), sa.not_(dialect.in_ids(user_id, "user_ids"))))
        parts.append(rows._replace(select=rows.select.where(*filters)))
    return parts


def index_of(field: str) -> str:
    """Return the name of the index of sessions by a field."""
    return f"ix_sessions_org_id_{field}_created_at"


def indexed_filters(filters: frozenset[str]) -> tuple[str, ...]:
    """Return the filters whose indexes find sessions: those by creator, or else by playbook.

    A session must match one of these, and all other filters.
    """
    given = tuple(name for name in INDEXED_FILTERS if name in filters)
    return given[:-1] if len(given) > 1 and given[-1] == "playbook_ids" else given


def session_columns(measures: tuple[Measure, ...]) -> frozenset[str]:
    """Return the columns of sessions that measures read."""
    return frozenset(
        name
        for measure in measures
        for name in (*measure.condition, *([measure.adds] if measure.adds else []))
    )


def filter_condition(dialect: Dialect, name: str, columns: Columns) -> sa.ColumnElement[bool]:
    """Return the condition that a session matches the bound values of a filter."""
    field = FILTERED_FIELDS[name]
    column = columns[field]
    return column_condition(
        dialect, category_expression(field, column) if field in CATEGORIES else column, name
    )


def column_condition(
    dialect: Dialect, column: sa.ColumnElement[Any], name: str
) -> sa.ColumnElement[bool]:
    """Return the condition that a column matches the bound value, or one of the values."""
    if name == "has_merged_pr":
        return column == sa.bindparam(name, type_=sa.Boolean)
    return dialect.in_ids(column, name)


def category_expression(field: str, column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    """Return the public value of a column of stored origins or sizes, or `OTHER`."""
    branches = (
        (column.in_([text_literal(text) for text in stored]), text_literal(category))
        for category, stored in CATEGORIES[field].items()
    )
    return sa.case(*branches, else_=text_literal(OTHER))


def text_literal(text: str) -> sa.ColumnElement[str]:
    """Return a constant as a literal: GROUP BY must have the text of the selected expression."""
    return sa.literal_column(f"'{text}'", sa.Text)


def matching_rollups(
    dialect: Dialect, plan: QueryPlan, dimension: RollupDimension, columns: frozenset[str]
) -> RangeRows:
    """Return the matching roll-ups of a dimension in the ranges `rolled_up`."""
    if dimension is CATEGORY:
        fields = {FILTERED_FIELDS[name] for name in plan.filters}
        rows = read_rollups(dialect, plan, dimension, columns | fields)
        conditions = (
            column_condition(dialect, rows.columns[FILTERED_FIELDS[name]], name)
            for name in sorted(plan.filters)
        )
        return rows._replace(select=rows.select.where(*conditions))
    if plan.filters:
        (name,) = plan.filters
        return read_rollups(dialect, plan, dimension, columns, Key(rollups.c.scope_id, name))
    if dimension.id_field is None:
        return read_rollups(dialect, plan, dimension, columns, rollups.c.scope_id == "")
    return read_rollups(dialect, plan, dimension, columns, ALL_IDS, index=ROLLUPS_BY_TIME)


def read_rollups(  # noqa: PLR0913 - what to read
    dialect: Dialect,
    plan: QueryPlan,
    dimension: RollupDimension,
    columns: frozenset[str],
    ids: "Key | sa.ColumnElement[bool] | None" = None,
    *,
    index: str | None = None,
) -> RangeRows:
    """Return the roll-ups of a dimension in the ranges `rolled_up`.

    `ids` restricts them: to the values of a key, or by a condition.
    """
    table = dimension.table
    conditions, keys = organization_read(plan.organizations, table.c.org_id)
    if dimension.code is not None:
        # A parameter: with a literal, PostgreSQL could choose the partial index by time for an id,
        # and does so in a table that was not analyzed.
        conditions = (*conditions, table.c.scope == dimension.code)
    if isinstance(ids, Key):
        keys = (*keys, ids)
    elif ids is not None:
        conditions = (*conditions, ids)
    read = RangeRead("rolled_up", table.c.bucket, columns, conditions, keys, index)
    return dialect.read_ranges(read, single_query=False)


ALL_IDS: Final = rollups.c.scope > sa.literal_column("0")
"""The condition of the partial index by time, as a literal, so that planners recognize it."""
ROLLUPS_BY_TIME: Final = "ix_rollups_org_id_scope_grain_bucket_scope_id"


def rollup_columns(dimension: RollupDimension, measures: tuple[Measure, ...]) -> frozenset[str]:
    """Return the columns of roll-ups that measures read."""
    names = set()
    for measure in measures:
        if dimension is CATEGORY:
            names |= {base_measure(measure).name, *(measure.condition.keys() & CATEGORY_FIELDS)}
        elif measure.is_remainder:
            whole, parts = whole_and_parts(measure)
            names |= {whole.name, *(part.name for part in parts)}
        else:
            names.add(measure.name)
    return frozenset(names)


def organization_read(
    organization_filter: OrganizationFilter, org_id: sa.Column[Any]
) -> tuple[tuple[sa.ColumnElement[bool], ...], tuple[Key, ...]]:
    """Return what restricts rows to the organizations of a query: a condition, or a key.

    Every index begins with the organization, so that a key looks several up one by one.
    """
    if organization_filter is OrganizationFilter.ONE:
        return (org_id == sa.bindparam("org_id"),), ()
    if organization_filter is OrganizationFilter.SOME:
        return (), (Key(org_id, "org_ids"),)
    return (), (Key(org_id, organizations.c.org_id),)


def measure_sum(dialect: Dialect, measure: Measure, columns: Columns) -> sa.ColumnElement[int]:
    """Return the sum of a measure over sessions.

    CASE in an aggregate takes one pass, and is faster than FILTER on SQLite.
    """
    add_up, amount = (
        (sa.func.count, sa.literal(1))
        if measure.adds is None
        else (dialect.sum, columns[measure.adds])
    )
    condition = measure_condition(measure.condition, columns)
    counted = amount if condition is None else sa.case((condition, amount))
    return add_up(counted).label(measure.name)


def measure_condition(condition: Condition, columns: Columns) -> sa.ColumnElement[bool] | None:
    """Return the condition of a measure in SQL; None if it counts every session."""
    if not condition:
        return None
    return sa.and_(*(_compare(columns[name], value) for name, value in condition.items()))


def _compare(column: sa.ColumnElement[Any], expected: object) -> sa.ColumnElement[bool]:
    if isinstance(expected, Present):
        return column.is_not(None)
    if isinstance(expected, NoneOf):
        return sa.or_(column.is_(None), sa.and_(*(column != text for text in expected.texts)))
    if isinstance(expected, tuple):
        return sa.or_(*(column == text for text in expected))
    return sa.and_(column)


def rollup_sum(
    dialect: Dialect, dimension: RollupDimension, measure: Measure, columns: Columns
) -> sa.ColumnElement[int]:
    """Return the sum of a measure over the roll-ups of a dimension."""
    value = (
        category_value(measure, columns)
        if dimension is CATEGORY
        else rollup_value(measure, columns)
    )
    return dialect.sum(value).label(measure.name)


def rollup_value(measure: Measure, columns: Columns) -> sa.ColumnElement[int]:
    """Return the value of a measure in a row of `rollups`."""
    value: sa.ColumnElement[int]
    if not measure.is_remainder:
        value = columns[measure.name]
        return value
    whole, parts = whole_and_parts(measure)
    value = columns[whole.name]
    for part in parts:
        value = value - columns[part.name]
    return value


def category_value(measure: Measure, columns: Columns) -> sa.ColumnElement[int]:
    """Return the value of a measure in a row of `category_rollups`.

    It is that of a base measure, if the row has the categories that the measure counts.
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
    """Return the measure with the same condition, but for the fields that categories have."""
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
    if isinstance(expected, NoneOf):
        return column == text_literal(OTHER)
    if isinstance(expected, tuple):
        return column == text_literal(category_of(name, expected[0]))
    return sa.and_(column)
