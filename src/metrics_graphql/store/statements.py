"""Statements derived from the table of measures: each is built once for its shape."""

from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from metrics_graphql.domain.measures import Condition, Measure, Present
from metrics_graphql.store.dialects import Dialect, Prepared
from metrics_graphql.store.planner import Filters, Organizations, Plan
from metrics_graphql.store.rollups import Scope
from metrics_graphql.store.tables import organizations, rollups, sessions

SESSION_KEY: Final = tuple(sessions.primary_key.columns)
ROLLUP_KEY: Final = tuple(rollups.primary_key.columns)


@lru_cache(maxsize=1024)
def session_sums(
    dialect: Dialect, plan: Plan, measures: tuple[Measure, ...], *, one_question: bool
) -> Prepared:
    """Return the statement that adds up these measures for the questions of one plan.

    A row is the number of a question and a sum for each measure; the rows of a question, at most
    two, are to be added up, a null as 0. The parameters are `org_id` or `org_ids`, the runs of
    buckets `rolled_up` and of raw sessions `raw`, and those of the filters: `user_ids`,
    `service_user_ids`, `playbook_id`.
    """
    sources = [raw_sessions(dialect, plan, one_question=one_question)]
    sums = [[total(dialect, measure) for measure in measures]]
    if plan.scope is not None:
        sources.append(rolled_up_sessions(dialect, plan, plan.scope))
        sums.append([dialect.sum(rollups.c[measure.name]) for measure in measures])
    return dialect.prepare(
        sa.union_all(
            *(
                by_question(source, columns, one_question=one_question)
                for source, columns in zip(sources, sums, strict=True)
            )
        )
    )


def by_question(
    source: sa.Select[*tuple[Any, ...]], sums: list[sa.ColumnElement[int]], *, one_question: bool
) -> sa.Select[*tuple[Any, ...]]:
    """Return the sums over a source of rows, of which the one column is a question's number."""
    (question,) = source.selected_columns
    statement = source.with_only_columns(sa.func.min(question), *sums)
    # For one question, GROUP BY would sort all rows to find out that they are one group.
    return statement if one_question else statement.group_by(question)


def rolled_up_sessions(dialect: Dialect, plan: Plan, scope: Scope) -> sa.Select[*tuple[Any, ...]]:
    """Return the roll-ups in the runs of buckets, each with its question's number."""
    everything = buckets_in_runs(dialect, plan.organizations, rollups.c.scope == scope.code)
    if scope.field is None:
        return everything
    (named,) = filter_branches(dialect, plan.filters, rollups.c.scope_id)
    keys = everything.add_columns(*ROLLUP_KEY).where(named)
    return looked_up(rollups, keys.cte("matching_rollups"))


def buckets_in_runs(
    dialect: Dialect, of: Organizations, in_scope: sa.ColumnElement[bool]
) -> sa.Select[*tuple[Any, ...]]:
    """Return the roll-ups of a scope in the runs of buckets, each with its question's number."""
    return dialect.in_runs(
        "rolled_up",
        rollups.c.bucket,
        belongs_to(dialect, of, rollups.c.org_id),
        in_scope,
        grain=rollups.c.grain,
        one_question=False,
    )


def raw_sessions(
    dialect: Dialect, plan: Plan, *, one_question: bool
) -> sa.Select[*tuple[Any, ...]]:
    """Return the sessions in the runs of raw ones, each with its question's number."""
    belongs = belongs_to(dialect, plan.organizations, sessions.c.org_id)
    found = dialect.in_runs("raw", sessions.c.created_at, belongs, one_question=one_question)
    if branches := filter_branches(dialect, plan.filters):
        if dialect.rolls_up:
            keys = found.add_columns(*SESSION_KEY)
            matching = sa.union(*(keys.where(branch) for branch in branches))
            found = looked_up(sessions, matching.cte("matching_sessions"))
        else:
            found = found.where(sa.or_(*branches))
        if plan.filters.playbook:
            found = found.where(sessions.c.playbook_id == sa.bindparam("playbook_id"))
    return found


def belongs_to(
    dialect: Dialect, of: Organizations, org_id: sa.Column[Any]
) -> sa.ColumnElement[bool]:
    """Return the condition that a row is of the organizations of a question.

    Every index begins with the organization: where there are any, all of them are named, too.
    """
    if of is Organizations.ONE:
        return org_id == sa.bindparam("org_id")
    if of is Organizations.SOME:
        return dialect.one_of(org_id, "org_ids")
    return org_id.in_(sa.select(organizations.c.org_id)) if dialect.rolls_up else sa.true()


def looked_up(table: sa.Table, keys: sa.CTE) -> sa.Select[*tuple[Any, ...]]:
    """Return the rows that have the collected keys.

    Keys come from the filter's own index, and the rows are looked up by them. Asked in one step,
    SQLite prefers to read the whole period.
    """
    matching = keys.prefix_with("MATERIALIZED")
    same_key = (column == matching.c[column.name] for column in table.primary_key)
    return sa.select(matching.c.question).select_from(matching.join(table, sa.and_(*same_key)))


def filter_branches(
    dialect: Dialect, filters: Filters, column: sa.Column[Any] | None = None
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of which a row must meet one, each answered by one index.

    They look at the session's own fields or, if given, at the one `column` of a roll-up.
    """
    creators = []
    if filters.users:
        by_user = sessions.c.user_id if column is None else column
        creators.append(dialect.one_of(by_user, "user_ids"))
    if filters.service_users:
        by_service_user = sessions.c.service_user_id if column is None else column
        creators.append(dialect.one_of(by_service_user, "service_user_ids"))
    if filters.playbook and not creators:
        by_playbook = sessions.c.playbook_id if column is None else column
        return [by_playbook == sa.bindparam("playbook_id")]
    return creators


def total(dialect: Dialect, measure: Measure) -> sa.ColumnElement[int]:
    """Return the sum of one measure; count-if is one pass, and faster than FILTER on SQLite."""
    add_up, amount = (
        (dialect.sum, sessions.c.acus) if measure.adds == "acus" else (sa.func.count, sa.literal(1))
    )
    condition = meets(measure.condition)
    counted = amount if condition is None else sa.case((condition, amount))
    return add_up(counted).label(measure.name)


def meets(condition: Condition) -> sa.ColumnElement[bool] | None:
    """Return a measure's condition in SQL; None where it has none."""
    if not condition:
        return None
    return sa.and_(*(_is(sessions.c[name], value) for name, value in condition.items()))


def _is(column: sa.Column[Any], value: object) -> sa.ColumnElement[bool]:
    if isinstance(value, Present):
        return column.is_not(None)
    if isinstance(value, tuple):
        return sa.or_(*(column == text for text in value))
    return sa.and_(column)
