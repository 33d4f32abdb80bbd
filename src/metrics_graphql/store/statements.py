"""Statements derived from the table of measures: each is built once for its shape."""

from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from metrics_graphql.domain.measures import Condition, Measure, Present
from metrics_graphql.store.dialects import Dialect
from metrics_graphql.store.tables import sessions

KEY: Final = tuple(sessions.primary_key.columns)


class Shape(NamedTuple):
    """Which filters a question has; questions of one shape share a statement."""

    users: bool
    service_users: bool
    playbook: bool


@lru_cache(maxsize=1024)
def session_sums(
    dialect: Dialect, shape: Shape, measures: tuple[Measure, ...]
) -> sa.Select[*tuple[Any, ...]]:
    """Return the statement that adds up these measures, one column each, over raw sessions.

    Its parameters are `org_id`, `start` and `end`, and those of the filters in `shape`:
    `user_ids`, `service_user_ids`, `playbook_id`.
    """
    sums = sa.select(*(total(measure) for measure in measures))
    branches = filter_branches(dialect, shape)
    if not branches:
        return sums.where(*in_period())
    # The keys of the matching sessions come from the filters' own indexes, and the rows are
    # looked up by them. Asked in one step, SQLite prefers to read the whole period.
    matching = (
        sa.union(*(sa.select(*KEY).where(*in_period(), branch) for branch in branches))
        .cte("matching")
        .prefix_with("MATERIALIZED")
    )
    same_key = sa.and_(*(column == matching.c[column.name] for column in KEY))
    joined = sums.select_from(matching.join(sessions, same_key))
    if shape.playbook:
        return joined.where(sessions.c.playbook_id == sa.bindparam("playbook_id"))
    return joined


def in_period() -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions that every question has."""
    return (
        sessions.c.org_id == sa.bindparam("org_id"),
        sessions.c.created_at >= sa.bindparam("start"),
        sessions.c.created_at < sa.bindparam("end"),
    )


def filter_branches(dialect: Dialect, shape: Shape) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of which a session must meet one, each answered by one index."""
    creators = []
    if shape.users:
        creators.append(dialect.one_of(sessions.c.user_id, "user_ids"))
    if shape.service_users:
        creators.append(dialect.one_of(sessions.c.service_user_id, "service_user_ids"))
    if shape.playbook and not creators:
        return [sessions.c.playbook_id == sa.bindparam("playbook_id")]
    return creators


def total(measure: Measure) -> sa.ColumnElement[int]:
    """Return the sum of one measure; count-if is one pass, and faster than FILTER on SQLite."""
    condition = meets(measure.condition)
    if measure.adds == "acus":
        amount = sessions.c.acus if condition is None else sa.case((condition, sessions.c.acus))
        return sa.func.coalesce(sa.func.sum(amount), 0).label(measure.name)
    if condition is None:
        return sa.func.count().label(measure.name)
    return sa.func.count(sa.case((condition, 1))).label(measure.name)


def meets(condition: Condition) -> sa.ColumnElement[bool] | None:
    """Return a measure's condition in SQL; None where it has none."""
    if not condition:
        return None
    return sa.and_(*(_is(sessions.c[name], value) for name, value in condition.items()))


def _is(column: sa.Column[Any], value: object) -> sa.ColumnElement[bool]:
    if isinstance(value, Present):
        return column.is_not(None)
    if isinstance(value, tuple):
        return (
            column == value[0] if len(value) == 1 else sa.or_(*(column == text for text in value))
        )
    return column.is_(value)
