"""SQL that sums measures, derived from `core.measures`. Each statement is compiled once."""

from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from metrics_graphql.core.measures import Condition, Measure, NoneOf, Present, whole_and_parts
from metrics_graphql.core.sessions import CATEGORIES, OTHER, category_of
from metrics_graphql.storage.dialects import CompiledStatement, Dialect
from metrics_graphql.storage.query_planner import FILTERED_FIELDS, OrganizationFilter, QueryPlan
from metrics_graphql.storage.rollups import CATEGORY, RollupDimension
from metrics_graphql.storage.tables import (
    BASE_MEASURES,
    CATEGORY_FIELDS,
    category_rollups,
    organizations,
    rollups,
    sessions,
)

Select = sa.Select[*tuple[Any, ...]]
SESSIONS_PRIMARY_KEY: Final = tuple(sessions.primary_key.columns)
INDEXED_FILTERS: Final = ("user_ids", "service_user_ids", "playbook_ids")
"""The filters that sessions have an index for. Those by creator are one filter."""


@lru_cache(maxsize=1024)
def session_sums(
    dialect: Dialect, plan: QueryPlan, measures: tuple[Measure, ...], *, single_query: bool
) -> CompiledStatement:
    """Return the statement that sums measures for the queries of a plan.

    A row is a group key (see `Dialect.group_queries`) and a sum for each measure. A group has up
    to two rows, from raw sessions and from roll-ups; the caller adds them up, with null as 0.

    The parameters are `org_id` or `org_ids`, the ranges `raw` and `rolled_up`, and those of the
    filters, by their names.
    """
    parts = [
        select_sums(
            raw_sessions(dialect, plan, single_query=single_query),
            [measure_sum(dialect, measure) for measure in measures],
            single_query=single_query,
        )
    ]
    if (dimension := plan.rollup_dimension) is not None:
        parts.append(
            select_sums(
                matching_rollups(dialect, plan, dimension),
                [rollup_sum(dialect, dimension, measure) for measure in measures],
                single_query=single_query,
            )
        )
    statement = dialect.compile(sa.union_all(*parts))
    return statement._replace(data_source=plan.data_source)


def select_sums(rows: Select, sums: list[sa.ColumnElement[int]], *, single_query: bool) -> Select:
    """Return the sums over rows, of which the only selected column is the group key."""
    (group,) = rows.selected_columns
    statement = rows.with_only_columns(sa.func.min(group), *sums)
    # For a single query, GROUP BY would sort all rows only to find one group.
    return statement if single_query else statement.group_by(group)


def raw_sessions(dialect: Dialect, plan: QueryPlan, *, single_query: bool) -> Select:
    """Select the group key of the matching sessions in the ranges `raw`."""
    by_organization = organization_condition(dialect, plan.organizations, sessions.c.org_id)
    rows = dialect.in_ranges(
        "raw", sessions.c.created_at, by_organization, single_query=single_query
    )
    conditions = {name: filter_condition(dialect, name) for name in sorted(plan.filters)}
    if indexed := indexed_filters(plan.filters):
        alternatives = [conditions.pop(name) for name in indexed]
        if dialect.has_rollups:
            # A branch for each index. UNION makes a session that both match count once.
            keys = rows.add_columns(*SESSIONS_PRIMARY_KEY)
            matching = sa.union(*(keys.where(condition) for condition in alternatives))
            rows = select_by_key(sessions, matching.cte("matching_sessions"))
        else:
            rows = rows.where(sa.or_(*alternatives))
    return rows.where(*conditions.values())


def indexed_filters(filters: frozenset[str]) -> tuple[str, ...]:
    """Return the filters to find sessions by: those by creator if there are any.

    A session must match one of these, and all other filters.
    """
    given = tuple(name for name in INDEXED_FILTERS if name in filters)
    return given[:-1] if len(given) > 1 and given[-1] == "playbook_ids" else given


def filter_condition(dialect: Dialect, name: str) -> sa.ColumnElement[bool]:
    """Return the condition that a session matches the bound values of a filter."""
    field = FILTERED_FIELDS[name]
    if field not in CATEGORIES:
        return column_condition(dialect, sessions.c[field], name)
    return column_condition(dialect, category_expression(field), name)


def column_condition(
    dialect: Dialect, column: sa.ColumnElement[Any], name: str
) -> sa.ColumnElement[bool]:
    """Return the condition that a column matches the bound value, or one of the values."""
    if name == "has_merged_pr":
        return column == sa.bindparam(name, type_=sa.Boolean)
    return dialect.in_ids(column, name)


def category_expression(field: str) -> sa.ColumnElement[str]:
    """Return the public origin or size of a session, or `OTHER`."""
    column = sessions.c[field]
    branches = (
        (column.in_([text_literal(text) for text in stored]), text_literal(category))
        for category, stored in CATEGORIES[field].items()
    )
    return sa.case(*branches, else_=text_literal(OTHER))


def text_literal(text: str) -> sa.ColumnElement[str]:
    """Return one of our own texts as part of the SQL: GROUP BY compares expressions by text."""
    return sa.literal_column(f"'{text}'", sa.Text)


def matching_rollups(dialect: Dialect, plan: QueryPlan, dimension: RollupDimension) -> Select:
    """Select the group key of the matching roll-ups in the ranges `rolled_up`."""
    rows = rollups_in_ranges(dialect, plan.organizations, dimension)
    if dimension is CATEGORY:
        columns = category_rollups.c
        return rows.where(
            *(
                column_condition(dialect, columns[FILTERED_FIELDS[name]], name)
                for name in sorted(plan.filters)
            )
        )
    if not plan.filters:
        return rows
    (name,) = plan.filters
    keys = rows.add_columns(*rollups.primary_key.columns)
    matching = keys.where(dialect.in_ids(rollups.c.scope_id, name))
    return select_by_key(rollups, matching.cte("matching_rollups"))


def rollups_in_ranges(
    dialect: Dialect, organization_filter: OrganizationFilter, dimension: RollupDimension
) -> Select:
    """Select the group key of the roll-ups of a dimension in the ranges `rolled_up`."""
    columns = dimension.table.c
    conditions = [organization_condition(dialect, organization_filter, columns.org_id)]
    if dimension.code is not None:
        conditions.append(columns.scope == dimension.code)
    return dialect.in_ranges(
        "rolled_up", columns.bucket, *conditions, grain=columns.grain, single_query=False
    )


def select_by_key(table: sa.Table, keys: sa.CTE) -> Select:
    """Select the group key of the rows with the collected primary keys.

    Written as one condition, SQLite would read the whole period through the primary key instead
    of the filter's index, with or without statistics: docs/decisions/0001.
    """
    matching = keys.prefix_with("MATERIALIZED")
    same_key = (column == matching.c[column.name] for column in table.primary_key)
    return sa.select(matching.c.query_index).select_from(matching.join(table, sa.and_(*same_key)))


def organization_condition(
    dialect: Dialect, organization_filter: OrganizationFilter, org_id: sa.Column[Any]
) -> sa.ColumnElement[bool]:
    """Return the condition that a row belongs to the organizations of a query."""
    if organization_filter is OrganizationFilter.ONE:
        return org_id == sa.bindparam("org_id")
    if organization_filter is OrganizationFilter.SOME:
        return dialect.in_ids(org_id, "org_ids")
    if not dialect.has_rollups:
        return sa.true()
    # Every index begins with the organization, and is only used if all are listed.
    return org_id.in_(sa.select(organizations.c.org_id))


def measure_sum(dialect: Dialect, measure: Measure) -> sa.ColumnElement[int]:
    """Return the sum of a measure over sessions.

    CASE in an aggregate takes one pass, and is faster than FILTER on SQLite.
    """
    add_up, amount = (
        (sa.func.count, sa.literal(1))
        if measure.adds is None
        else (dialect.sum, sessions.c[measure.adds])
    )
    condition = measure_condition(measure.condition)
    counted = amount if condition is None else sa.case((condition, amount))
    return add_up(counted).label(measure.name)


def measure_condition(condition: Condition) -> sa.ColumnElement[bool] | None:
    """Return the condition of a measure in SQL; None if it counts every session."""
    if not condition:
        return None
    return sa.and_(*(_compare(sessions.c[name], value) for name, value in condition.items()))


def _compare(column: sa.Column[Any], expected: object) -> sa.ColumnElement[bool]:
    if isinstance(expected, Present):
        return column.is_not(None)
    if isinstance(expected, NoneOf):
        return sa.or_(column.is_(None), *(sa.and_(*(column != text for text in expected.texts)),))
    if isinstance(expected, tuple):
        return sa.or_(*(column == text for text in expected))
    return sa.and_(column)


def rollup_sum(
    dialect: Dialect, dimension: RollupDimension, measure: Measure
) -> sa.ColumnElement[int]:
    """Return the sum of a measure over the roll-ups of a dimension."""
    value = category_value(measure) if dimension is CATEGORY else rollup_value(measure)
    return dialect.sum(value).label(measure.name)


def rollup_value(measure: Measure) -> sa.ColumnElement[int]:
    """Return the value of a measure in a row of `rollups`."""
    if not measure.is_remainder:
        return rollups.c[measure.name]
    whole, parts = whole_and_parts(measure)
    value: sa.ColumnElement[int] = rollups.c[whole.name]
    for part in parts:
        value = value - rollups.c[part.name]
    return value


def category_value(measure: Measure) -> sa.ColumnElement[int]:
    """Return the value of a measure in a row of `category_rollups`.

    It is that of a base measure, if the row has the categories that the measure counts.
    """
    condition = measure.condition
    base_condition = {name: each for name, each in condition.items() if name not in CATEGORY_FIELDS}
    (base,) = (
        each
        for each in BASE_MEASURES
        if each.adds == measure.adds and each.condition == base_condition
    )
    value = category_rollups.c[base.name]
    restricted = [
        _is_category(name, condition[name]) for name in CATEGORY_FIELDS if name in condition
    ]
    return sa.case((sa.and_(*restricted), value), else_=0) if restricted else value


def _is_category(name: str, expected: object) -> sa.ColumnElement[bool]:
    column = category_rollups.c[name]
    if not isinstance(expected, tuple):
        return sa.and_(column)
    is_other = isinstance(expected, NoneOf)
    return column == text_literal(OTHER if is_other else category_of(name, str(expected[0])))
