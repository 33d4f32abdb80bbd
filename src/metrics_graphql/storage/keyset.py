"""Keyset pagination of breakdowns: their order, and the rows after a position in it."""

from typing import Any

import sqlalchemy as sa

from metrics_graphql.core.breakdowns import ORDER_MEASURES, Ranking
from metrics_graphql.core.measures import AVERAGE_ACUS, SESSIONS_CREATED
from metrics_graphql.storage.dialects import Dialect
from metrics_graphql.storage.session_sql import Columns


def page_parameters(ranking: Ranking) -> dict[str, Any]:
    """Return the values to bind for a page: its size, and the position that it begins after.

    One row more than the page is read, which shows whether there is a next page.
    """
    parameters: dict[str, Any] = {"first": ranking.first + 1}
    if ranking.after is not None:
        whole, rest = divmod(ranking.after.value.numerator, ranking.after.value.denominator)
        parameters |= {
            "after_whole": whole,
            "after_fraction": rest / ranking.after.value.denominator,
            "after_id": ranking.after.id,
        }
    return parameters


def ordering(
    keys: tuple[sa.ColumnElement[Any], ...], row_id: sa.ColumnElement[str], *, is_descending: bool
) -> list[sa.ColumnElement[Any]]:
    """Return the ORDER BY of a ranking: its keys in one direction, then the id."""
    return [*(key.desc() if is_descending else key for key in keys), row_id]


def order_keys(dialect: Dialect, columns: Columns, field: str) -> tuple[sa.ColumnElement[Any], ...]:
    """Return the sort keys of a ranking.

    An average is compared by the whole part of its quotient, then by the fraction as a float.
    Floats distinguish all fractions whose denominators, the sessions of a row, are at most 2**26.
    """
    if field != AVERAGE_ACUS:
        (measure,) = ORDER_MEASURES[field]
        return (measure.value_from(dict(columns.items())),)
    acus, count = columns.acus_consumed, columns[SESSIONS_CREATED.name]
    # SQLAlchemy's `/` would cast the count to NUMERIC, which has ten digits on ClickHouse.
    remainder = sa.cast(acus % count, sa.Double)
    return dialect.floor_divide(acus, count), remainder.op("/", return_type=sa.Double())(count)


def comes_after(
    keys: tuple[sa.ColumnElement[Any], ...],
    row_id: sa.ColumnElement[str],
    *,
    is_descending: bool,
) -> sa.ColumnElement[bool]:
    """Return the condition of keyset pagination: a row comes after a position in the ranking.

    The position is bound to the parameters `after_whole`, `after_fraction` and `after_id`.
    """
    condition = row_id > sa.bindparam("after_id", type_=sa.Text)
    bounds = (
        sa.bindparam("after_whole", type_=sa.BigInteger),
        sa.bindparam("after_fraction", type_=sa.Double),
    )
    for key, bound in reversed(list(zip(keys, bounds, strict=False))):
        is_later = key < bound if is_descending else key > bound
        condition = sa.or_(is_later, sa.and_(key == bound, condition))
    return condition
