"""The roll-ups, and what a batch of changed sessions adds to them. Contains no SQL."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import add, itemgetter
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from metrics_graphql.core.measures import Measure, Present
from metrics_graphql.core.periods import (
    DAY,
    FIFTEEN_DAYS,
    FIVE_DAYS,
    HOUR,
    QUARTER_HOUR,
    THIRTY_DAYS,
)
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
    code: int
    """The value of the column `scope`, if the table has one."""

    @property
    def id_field(self) -> str | None:
        """The field whose value is the `scope_id` of a roll-up.

        None if a roll-up is of all sessions, or of the values of several fields.
        """
        return next(iter(self.fields)) if len(self.fields) == 1 else None


def id_dimension(code: int, field: str | None, *grains: int) -> RollupDimension:
    """Return a dimension of the table `rollups`."""
    fields = frozenset(() if field is None else (field,))
    return RollupDimension(rollups, STORED_MEASURES, fields, grains, code)


# Users have no hours, because they would be about as many roll-ups as sessions. So a query by user
# reads up to a day of raw sessions at each end of its period, through the index by user. The
# coarse grains are for breakdowns, which read all users; of these, filtered queries skip 15 days.
# docs/decisions/0003 has the measurements.
ORGANIZATION: Final = id_dimension(0, None, THIRTY_DAYS, DAY, HOUR, QUARTER_HOUR)
USER: Final = id_dimension(1, "user_id", THIRTY_DAYS, FIFTEEN_DAYS, FIVE_DAYS, DAY)
SERVICE_USER: Final = id_dimension(2, "service_user_id", THIRTY_DAYS, FIFTEEN_DAYS, FIVE_DAYS, DAY)
PLAYBOOK: Final = id_dimension(3, "playbook_id", THIRTY_DAYS, DAY)
CATEGORY: Final = RollupDimension(
    category_rollups, BASE_MEASURES, frozenset(CATEGORY_FIELDS), (THIRTY_DAYS, DAY), 4
)
ROLLUP_DIMENSIONS: Final = (ORGANIZATION, USER, SERVICE_USER, PLAYBOOK, CATEGORY)
"""In order of preference: a query is answered from the first one that has its fields."""
ID_DIMENSIONS: Final = tuple(each for each in ROLLUP_DIMENSIONS if each.table is rollups)
"""The dimensions of the table `rollups`. A code is an index of this tuple."""


SessionChange = tuple[Session | None, Session]
"""A session before and after an update; None before if it is new."""

RollupKey = tuple[str | int, ...]
"""The primary key of a roll-up, in the order of its table."""
RollupRow = tuple[str | int, ...]
"""A key, and a sum for each measure of the table."""

Group = tuple[str | int, ...]
"""The key of roll-ups without their time: the organization, and an id or categories."""
Buckets = dict[tuple[Group, int], Sequence[int]]
"""What to add to the roll-ups of one dimension and one grain, by group and bucket."""


class RollupDeltas(NamedTuple):
    """The rows to add to `rollups`, and those to add to `category_rollups` after them.

    The order prevents deadlocks: every writer locks rows in it. Roll-ups that every batch changes,
    those of an organization and those by category, come last. So they are locked only shortly
    before the commit, and writers rarely wait for each other (docs/decisions/0007).
    """

    by_id: list[RollupRow]
    by_category: list[RollupRow]


def rollup_deltas(changes: Iterable[SessionChange]) -> RollupDeltas:
    """Return what changed sessions add to the roll-ups: rows of a key and a delta per measure.

    An update subtracts the old session and adds the new one. So it costs what an insert costs.
    Rows without a difference are left out.
    """
    by_id: list[Buckets] = [{} for _ in ID_DIMENSIONS]
    by_category: Buckets = {}
    for before, after in changes:
        if before is not None:
            _add_session(by_id, by_category, before, -1)
        _add_session(by_id, by_category, after, 1)
    return RollupDeltas(
        by_id=[
            (org_id, code, dimension_id, grain, bucket, *deltas)
            for code, dimension in reversed(list(enumerate(ID_DIMENSIONS)))
            for (org_id, dimension_id), grain, bucket, deltas in _rows(dimension, by_id[code])
        ],
        by_category=sorted(
            (org_id, grain, bucket, *categories, *deltas)
            for (org_id, *categories), grain, bucket, deltas in _rows(CATEGORY, by_category)
        ),
    )


def _add_session(by_id: list[Buckets], by_category: Buckets, session: Session, sign: int) -> None:
    """Add a session to its bucket of the finest grain in each dimension, or subtract it."""
    # The innermost loop of ingest: fields are read by position, which takes a third of the time.
    counts, categories = _counts(
        *_COMPARED_VALUES(session), *[session[field] is not None for field in _PRESENCE]
    )
    values: tuple[Any, ...] = session
    deltas = [sign * count for count in counts]
    for measure, field in _SUMS:
        deltas[measure] *= values[field]
    org_id, created_at = session.org_id, session.created_at
    for buckets, (id_field, grain) in zip(by_id, _FINEST_GRAINS, strict=True):
        dimension_id = "" if id_field is None else values[id_field]
        if dimension_id is not None:
            _add(buckets, (org_id, dimension_id), created_at // grain * grain, deltas)
    grain = CATEGORY.grains[-1]
    group = org_id, *categories
    _add(by_category, group, created_at // grain * grain, _BASE_VALUES(deltas))


def _add(buckets: Buckets, group: Group, bucket: int, deltas: Sequence[int]) -> None:
    key = group, bucket
    before = buckets.get(key)
    buckets[key] = deltas if before is None else [*map(add, before, deltas)]


def _rows(
    dimension: RollupDimension, finest: Buckets
) -> list[tuple[Group, int, int, Sequence[int]]]:
    """Return the deltas of all grains, each with its group, grain and bucket, in this order.

    Those of the coarser grains are sums of the finer ones. Deltas of zero are left out.
    """
    by_grain = {dimension.grains[-1]: finest}
    for finer, grain in pairwise(reversed(dimension.grains)):
        buckets = by_grain[grain] = {}
        for (group, bucket), deltas in by_grain[finer].items():
            _add(buckets, group, bucket // grain * grain, deltas)
    rows = [
        (group, grain, bucket, deltas)
        for grain, buckets in by_grain.items()
        for (group, bucket), deltas in buckets.items()
        if any(deltas)
    ]
    return sorted(rows)


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
"""The positions of the fields that conditions only require to be non-null."""
_COMPARED: Final = _fields_compared_with(tuple, bool)
"""The positions of the fields whose values conditions compare."""
_COMPARED_VALUES: Final = itemgetter(*_COMPARED)
_SUMS: Final = tuple(
    (position, Session._fields.index(measure.adds))
    for position, measure in enumerate(STORED_MEASURES)
    if measure.adds is not None
)
"""The position in a row of each measure that adds up a field, and the position of the field."""
_BASE_VALUES: Final = itemgetter(*map(STORED_MEASURES.index, BASE_MEASURES))
_FINEST_GRAINS: Final = tuple(
    (
        Session._fields.index(dimension.id_field) if dimension.id_field else None,
        dimension.grains[-1],
    )
    for dimension in ID_DIMENSIONS
)
"""The position of the id's field, and the finest grain, of each dimension of `ID_DIMENSIONS`."""


@lru_cache(maxsize=4096)
def _counts(*values: Any) -> tuple[tuple[int, ...], tuple[str | int, ...]]:  # noqa: ANN401 - of several types
    """Return for each measure whether it counts a session (1 or 0), and the session's categories.

    `values` are those of `_COMPARED`, then whether those of `_PRESENCE` are non-null. Few
    combinations occur, so a small cache holds them.
    """
    names = map(Session._fields.__getitem__, _COMPARED + _PRESENCE)
    by_name = dict(zip(names, values, strict=True))

    def is_met(name: str, expected: object) -> bool:
        value = by_name[name]
        return value in expected if isinstance(expected, tuple) else value is True

    counts = (
        int(all(is_met(name, expected) for name, expected in measure.condition.items()))
        for measure in STORED_MEASURES
    )
    categories = (
        category_of(name, by_name[name]) if name in CATEGORIES else by_name[name]
        for name in CATEGORY_FIELDS
    )
    return tuple(counts), tuple(categories)
