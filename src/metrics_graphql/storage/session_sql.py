"""SQL for raw sessions: which to read, and the value of each measure, from `core.measures`."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from metrics_graphql.core.measures import Condition, Measure, Present
from metrics_graphql.core.sessions import CATEGORIES, OTHER
from metrics_graphql.storage.dialects import (
    Dialect,
    Key,
    RangeDialect,
    RangeRows,
    RangeScan,
    number_literal,
)
from metrics_graphql.storage.query_planner import FILTERED_FIELDS, OrganizationFilter, QueryPlan
from metrics_graphql.storage.tables import organizations, sessions

Select = sa.Select[*tuple[Any, ...]]
Columns = ReadOnlyColumnCollection[str, Any]
"""The columns of the rows that are summed: those of a table, or of a subquery."""
CREATOR_FILTERS: Final = ("user_ids", "service_user_ids")
"""The filters by creator. A session matches them if it matches either."""


def matching_sessions(
    dialect: RangeDialect, plan: QueryPlan, columns: frozenset[str], *, by_range: bool
) -> list[RangeRows]:
    """Return the matching sessions in the time ranges bound to `raw`, in disjoint parts.

    Without a filter by id, it is one part, read through the primary key. Otherwise each part is
    read through the index of one such filter. With filters by user and by service user, the second
    part leaves out the sessions of the first one.
    """
    indexed = indexed_filters(plan.filters)
    residual = plan.filters - set(indexed)
    columns |= {FILTERED_FIELDS[name] for name in residual}
    parts = []
    for name in indexed or (None,):
        key = None if name is None else Key(sessions.c[FILTERED_FIELDS[name]], name)
        leaves_out_users = name == "service_user_ids" and "user_ids" in indexed
        part_columns = columns | {"user_id"} if leaves_out_users else columns
        rows = dialect.scan_ranges(session_scan(plan, part_columns, key), by_range=by_range)
        conditions = filter_conditions(dialect, residual, rows.columns)
        if leaves_out_users:
            user_id = rows.columns.user_id
            is_user = dialect.in_ids(user_id, "user_ids")
            conditions.append(sa.or_(user_id.is_(None), sa.not_(is_user)))
        parts.append(rows._replace(select=rows.select.where(*conditions)))
    return parts


def session_scan(plan: QueryPlan, columns: frozenset[str], key: Key | None = None) -> RangeScan:
    """Return the scan of the sessions in the ranges bound to `raw`, or of those with a key."""
    conditions, keys = organization_restriction(plan.organizations, sessions.c.org_id)
    scan = RangeScan("raw", sessions.c.created_at, columns, conditions, keys)
    if key is None:
        return scan
    return scan._replace(keys=(*keys, key), index_name=index_of(key.column.name))


def index_of(field: str) -> str:
    """Return the name of the index of sessions by a field."""
    return f"ix_sessions_org_id_{field}_created_at"


def indexed_filters(filters: frozenset[str]) -> tuple[str, ...]:
    """Return the filters whose indexes are read: those by creator, or else the one by playbook.

    A session must match one of these, and all other filters.
    """
    by_creator = tuple(name for name in CREATOR_FILTERS if name in filters)
    return by_creator or (("playbook_ids",) if "playbook_ids" in filters else ())


def session_columns(measures: tuple[Measure, ...]) -> frozenset[str]:
    """Return the columns of sessions that measures read."""
    return frozenset(
        name
        for measure in measures
        for name in (*measure.condition, *([measure.adds] if measure.adds else []))
    )


def filter_conditions(
    dialect: Dialect, filters: frozenset[str], columns: Columns
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that a session matches the bound values of filters.

    Filters by user and by service user are one: a session matches either.
    """
    conditions = {name: filter_condition(dialect, name, columns) for name in sorted(filters)}
    by_creator = [conditions.pop(name) for name in CREATOR_FILTERS if name in filters]
    return [*([sa.or_(*by_creator)] if by_creator else []), *conditions.values()]


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
    """Return the category of a stored origin or size: see `category_of`."""
    branches = (
        (column.in_([text_literal(text) for text in stored]), text_literal(category))
        for category, stored in CATEGORIES[field].items()
    )
    return sa.case(*branches, else_=text_literal(OTHER))


def text_literal(text: str) -> sa.ColumnElement[str]:
    """Return a constant as a literal.

    With parameters, a database would not see that GROUP BY has the selected expression.
    """
    return sa.literal_column(f"'{text}'", sa.Text)


def organization_restriction(
    organization_filter: OrganizationFilter, org_id: sa.Column[Any]
) -> tuple[tuple[sa.ColumnElement[bool], ...], tuple[Key, ...]]:
    """Return the conditions and the keys that restrict a scan to the organizations of a query.

    Every index begins with the organization. One is a condition; several, or all, are a key, whose
    values are looked up one by one.
    """
    if organization_filter is OrganizationFilter.ONE:
        return (org_id == sa.bindparam("org_id"),), ()
    if organization_filter is OrganizationFilter.SOME:
        return (), (Key(org_id, "org_ids"),)
    return (), (Key(org_id, organizations.c.org_id),)


def measure_value(measure: Measure, columns: Columns) -> sa.ColumnElement[int]:
    """Return the value of a measure in a session: the number that it adds to the sum.

    It is a CASE, because on SQLite its sum is faster than `sum(...) FILTER (...)`.
    """
    value = number_literal(1) if measure.adds is None else columns[measure.adds]
    condition = measure_condition(measure.condition, columns)
    if condition is not None:
        value = sa.case((condition, value), else_=number_literal(0))
    return value


def measure_condition(condition: Condition, columns: Columns) -> sa.ColumnElement[bool] | None:
    """Return the condition of a measure in SQL; None if it counts every session."""
    if not condition:
        return None
    return sa.and_(*(_compare(columns[name], value) for name, value in condition.items()))


def _compare(column: sa.ColumnElement[Any], expected: object) -> sa.ColumnElement[bool]:
    if isinstance(expected, Present):
        return column.is_not(None)
    if isinstance(expected, tuple):
        return sa.or_(*(column == text for text in expected))
    return sa.and_(column)
