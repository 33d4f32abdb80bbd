"""The roll-ups, and what a batch of changed sessions adds to them. Contains no SQL."""

from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from metrics_graphql.core.measures import Measure, Present
from metrics_graphql.core.periods import DAY, FIVE_DAYS, HOUR, QUARTER_HOUR, THIRTY_DAYS
from metrics_graphql.core.sessions import CATEGORIES, Session, category_of
from metrics_graphql.storage.tables import (
    BASE_MEASURES,
    CATEGORY_FIELDS,
    STORED_MEASURES,
    category_rollups,
    rollups,
)


class RollupDimension(NamedTuple):
    """What the sessions in a roll-up have in common besides their organization."""

    table: sa.Table
    measures: tuple[Measure, ...]
    """The measures that the table has columns for."""
    fields: frozenset[str]
    """The fields of a session, besides `org_id`, that queries can filter and group by."""
    grains: tuple[int, ...]
    """The lengths of buckets in seconds, coarsest first."""
    code: int | None = None
    """The value of `rollups.scope`; None in a table without that column."""

    @property
    def id_field(self) -> str | None:
        """The field that `rollups.scope_id` has; None for all sessions of an organization."""
        return next(iter(self.fields), None) if self.code is not None else None


def id_dimension(code: int, field: str | None, *grains: int) -> RollupDimension:
    """Return a dimension of the table `rollups`."""
    fields = frozenset(() if field is None else (field,))
    return RollupDimension(rollups, STORED_MEASURES, fields, grains, code)


# By hour, users would have about as many roll-ups as sessions. Their five and 30 days serve
# breakdowns, which read all users. Up to a day at each end of a period is read from raw sessions,
# through the index by user. See docs/decisions/0003 for the measurements.
ORGANIZATION: Final = id_dimension(0, None, THIRTY_DAYS, DAY, HOUR, QUARTER_HOUR)
USER: Final = id_dimension(1, "user_id", THIRTY_DAYS, FIVE_DAYS, DAY)
SERVICE_USER: Final = id_dimension(2, "service_user_id", THIRTY_DAYS, FIVE_DAYS, DAY)
PLAYBOOK: Final = id_dimension(3, "playbook_id", THIRTY_DAYS, DAY)
CATEGORY: Final = RollupDimension(
    category_rollups, BASE_MEASURES, frozenset(CATEGORY_FIELDS), (THIRTY_DAYS, DAY)
)
ROLLUP_DIMENSIONS: Final = (ORGANIZATION, USER, SERVICE_USER, PLAYBOOK, CATEGORY)
"""In order of preference: a query is answered from the first one that has its fields."""
ID_DIMENSIONS: Final = tuple(each for each in ROLLUP_DIMENSIONS if each.code is not None)
"""The dimensions of the table `rollups`. A code is an index of this tuple."""


SessionChange = tuple[Session | None, Session]
"""A session before and after an update; None before if it is new."""

RollupKey = tuple[str | int, ...]
"""The primary key of a roll-up, in the order of its table."""
RollupRow = tuple[str | int, ...]
"""A key, and a sum for each measure of the table."""


class RollupDeltas(NamedTuple):
    """The rows to add to `rollups`, and those to add to `category_rollups` after them.

    The order prevents deadlocks: every writer locks rows in it. Roll-ups that every batch changes,
    those of an organization and those by category, come last, so that they are locked just before
    the commit and writers rarely wait for each other (docs/decisions/0007).
    """

    by_id: list[RollupRow]
    by_category: list[RollupRow]


def rollup_deltas(changes: Iterable[SessionChange]) -> RollupDeltas:
    """Return what changed sessions add to the roll-ups: rows of a key and a delta per measure.

    An update subtracts the old session and adds the new one, so that it costs what an insert does.
    Rows without a difference are left out.
    """
    by_id: dict[RollupKey, list[int]] = {}
    by_category: dict[RollupKey, list[int]] = {}
    for before, after in changes:
        if before is not None:
            _add(by_id, by_category, before, -1)
        _add(by_id, by_category, after, 1)
    id_keys = sorted(sorted(by_id), key=itemgetter(1), reverse=True)
    return RollupDeltas(
        by_id=[(*key, *by_id[key]) for key in id_keys if any(by_id[key])],
        by_category=[
            (*key, *by_category[key]) for key in sorted(by_category) if any(by_category[key])
        ],
    )


def _add(
    by_id: dict[RollupKey, list[int]],
    by_category: dict[RollupKey, list[int]],
    session: Session,
    sign: int,
) -> None:
    # The innermost loop of ingest: tuples indexed by position take a third of the time of names.
    matching = _matching_measures(
        *_COMPARED_VALUES(session), *[session[position] is not None for position in _PRESENCE]
    )
    org_id, created_at = session.org_id, session.created_at
    amounts = _amounts(matching.by_id, session, sign)
    key: RollupKey
    for code, field, grains in _POSITIONS_OF_DIMENSIONS:
        dimension_id = "" if field is None else session[field]
        if not isinstance(dimension_id, str):
            continue
        for grain in grains:
            key = (org_id, code, dimension_id, grain, created_at // grain * grain)
            row = by_id.get(key)
            if row is None:
                row = by_id[key] = [0] * len(STORED_MEASURES)
            for position, amount in amounts:
                row[position] += amount
    amounts = _amounts(matching.by_category, session, sign)
    for grain in CATEGORY.grains:
        key = (org_id, grain, created_at // grain * grain, *matching.categories)
        row = by_category.get(key)
        if row is None:
            row = by_category[key] = [0] * len(BASE_MEASURES)
        for position, amount in amounts:
            row[position] += amount


def _amounts(
    adds: tuple[tuple[int, int | None], ...], session: tuple[Any, ...], sign: int
) -> list[tuple[int, int]]:
    """Return the positions of measures in a row, and what a session adds to each."""
    return [
        (position, sign if field is None else sign * session[field])
        for position, field in adds
        if field is None or session[field]
    ]


def _fields_compared_with(*types: type) -> tuple[int, ...]:
    """Return the positions of the session fields that conditions compare with these types."""
    names = {
        name
        for measure in STORED_MEASURES
        for name, value in measure.condition.items()
        if isinstance(value, types)
    }
    return tuple(sorted(map(Session._fields.index, names)))


_PRESENCE: Final = _fields_compared_with(Present)
_COMPARED: Final = _fields_compared_with(tuple, bool)
_COMPARED_VALUES: Final = itemgetter(*_COMPARED)
_POSITIONS_OF_DIMENSIONS: Final = tuple(
    (
        code,
        Session._fields.index(dimension.id_field) if dimension.id_field else None,
        dimension.grains,
    )
    for code, dimension in enumerate(ID_DIMENSIONS)
)


class _Matching(NamedTuple):
    """The measures that count a session, each as its position in a row and what it adds.

    That is the position of a session field, or None for a measure that counts sessions.
    """

    by_id: tuple[tuple[int, int | None], ...]
    by_category: tuple[tuple[int, int | None], ...]
    categories: tuple[str | int, ...]
    """The key of the category roll-up."""


@lru_cache(maxsize=4096)
def _matching_measures(*values: Any) -> _Matching:  # noqa: ANN401 - of several types
    """Return the measures that count a session.

    `values` are those that conditions compare, then whether others are present. Few combinations
    occur, so that a small cache holds them.
    """
    names = map(Session._fields.__getitem__, _COMPARED + _PRESENCE)
    by_name = dict(zip(names, values, strict=True))

    def is_met(name: str, expected: object) -> bool:
        value = by_name[name]
        return value in expected if isinstance(expected, tuple) else value is True

    def matching(measures: tuple[Measure, ...]) -> tuple[tuple[int, int | None], ...]:
        return tuple(
            (position, None if measure.adds is None else Session._fields.index(measure.adds))
            for position, measure in enumerate(measures)
            if all(is_met(name, expected) for name, expected in measure.condition.items())
        )

    categories: Iterable[str | int] = (
        category_of(name, by_name[name]) if name in CATEGORIES else by_name[name]
        for name in CATEGORY_FIELDS
    )
    return _Matching(matching(STORED_MEASURES), matching(BASE_MEASURES), tuple(categories))
