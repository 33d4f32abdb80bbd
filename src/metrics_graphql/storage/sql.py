"""SQL that sums measures, derived from `core.measures`. Each statement is compiled once."""

from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from metrics_graphql.core.measures import Condition, Measure, Present
from metrics_graphql.storage.dialects import CompiledStatement, Dialect
from metrics_graphql.storage.query_planner import FilterShape, OrganizationFilter, QueryPlan
from metrics_graphql.storage.rollups import RollupDimension
from metrics_graphql.storage.tables import organizations, rollups, sessions

Select = sa.Select[*tuple[Any, ...]]
SESSIONS_PRIMARY_KEY: Final = tuple(sessions.primary_key.columns)
ROLLUPS_PRIMARY_KEY: Final = tuple(rollups.primary_key.columns)


@lru_cache(maxsize=1024)
def session_sums(
    dialect: Dialect, plan: QueryPlan, measures: tuple[Measure, ...], *, single_query: bool
) -> CompiledStatement:
    """Return the statement that sums measures for the queries of a plan.

    A row is a group key (see `Dialect.group_queries`) and a sum for each measure. A group has up
    to two rows, from raw sessions and from roll-ups; the caller adds them up, with null as 0.

    The parameters are `org_id` or `org_ids`, the ranges `raw` and `rolled_up`, and those of the
    filters: `user_ids`, `service_user_ids`, `playbook_id`.
    """
    parts = [
        select_sums(
            raw_sessions(dialect, plan, single_query=single_query),
            [measure_sum(dialect, measure) for measure in measures],
            single_query=single_query,
        )
    ]
    if plan.rollup_dimension is not None:
        parts.append(
            select_sums(
                matching_rollups(dialect, plan, plan.rollup_dimension),
                [dialect.sum(rollups.c[measure.name]) for measure in measures],
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
    if conditions := indexed_conditions(dialect, plan.filters):
        if dialect.has_rollups:
            # A branch for each index. UNION makes a session that both match count once.
            keys = rows.add_columns(*SESSIONS_PRIMARY_KEY)
            matching = sa.union(*(keys.where(condition) for condition in conditions))
            rows = select_by_key(sessions, matching.cte("matching_sessions"))
        else:
            rows = rows.where(sa.or_(*conditions))
        if plan.filters.playbook:
            rows = rows.where(sessions.c.playbook_id == sa.bindparam("playbook_id"))
    return rows


def matching_rollups(dialect: Dialect, plan: QueryPlan, dimension: RollupDimension) -> Select:
    """Select the group key of the matching roll-ups in the ranges `rolled_up`."""
    rows = rollups_in_ranges(dialect, plan.organizations, rollups.c.scope == dimension.code)
    if dimension.field is None:
        return rows
    (condition,) = indexed_conditions(dialect, plan.filters, rollups.c.scope_id)
    keys = rows.add_columns(*ROLLUPS_PRIMARY_KEY).where(condition)
    return select_by_key(rollups, keys.cte("matching_rollups"))


def rollups_in_ranges(
    dialect: Dialect, organization_filter: OrganizationFilter, condition: sa.ColumnElement[bool]
) -> Select:
    """Select the group key of the roll-ups that meet a condition, in the ranges `rolled_up`."""
    return dialect.in_ranges(
        "rolled_up",
        rollups.c.bucket,
        organization_condition(dialect, organization_filter, rollups.c.org_id),
        condition,
        grain=rollups.c.grain,
        single_query=False,
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


def indexed_conditions(
    dialect: Dialect, filters: FilterShape, column: sa.Column[Any] | None = None
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of which a row must meet one, each with an index of its own.

    They compare the fields of a session or, if given, the one `column` of a roll-up.
    """
    conditions = []
    if filters.users:
        user_id = sessions.c.user_id if column is None else column
        conditions.append(dialect.in_ids(user_id, "user_ids"))
    if filters.service_users:
        service_user_id = sessions.c.service_user_id if column is None else column
        conditions.append(dialect.in_ids(service_user_id, "service_user_ids"))
    if filters.playbook and not conditions:
        playbook_id = sessions.c.playbook_id if column is None else column
        conditions.append(playbook_id == sa.bindparam("playbook_id"))
    return conditions


def measure_sum(dialect: Dialect, measure: Measure) -> sa.ColumnElement[int]:
    """Return the sum of a measure over sessions.

    CASE in an aggregate takes one pass, and is faster than FILTER on SQLite.
    """
    add_up, amount = (
        (dialect.sum, sessions.c.acus) if measure.adds == "acus" else (sa.func.count, sa.literal(1))
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
    if isinstance(expected, tuple):
        return sa.or_(*(column == text for text in expected))
    return sa.and_(column)
