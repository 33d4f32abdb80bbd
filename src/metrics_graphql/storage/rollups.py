"""The roll-ups, and what a batch of changed sessions adds to them. Contains no SQL."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from struct import Struct
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

Group = tuple[str | int, ...]
"""The key of roll-ups without their time: the organization, and an id or categories."""
Buckets = dict[tuple[Group, int], int]
"""What to add to the roll-ups of one dimension and one grain, by group and bucket: see `_LANES`."""


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
            (org_id, grain, bucket, *categories, *_BASE_VALUES(deltas))
            for (org_id, *categories), grain, bucket, deltas in _rows(CATEGORY, by_category)
        ),
    )


def _add_session(by_id: list[Buckets], by_category: Buckets, session: Session, sign: int) -> None:
    """Add a session to its bucket of the finest grain in each dimension, or subtract it."""
    # The innermost loop of ingest: fields are read by position, which takes a third of the time.
    values: tuple[Any, ...] = session
    deltas, sums, categories = _matching_measures(
        *_COMPARED_VALUES(session), *[values[field] is not None for field in _PRESENCE]
    )
    for shift, field in sums:
        deltas += values[field] << shift
    deltas *= sign
    org_id, created_at = session.org_id, session.created_at
    for buckets, (id_field, grain) in zip(by_id, _FINEST_GRAINS, strict=True):
        dimension_id = "" if id_field is None else values[id_field]
        if dimension_id is not None:
            key = (org_id, dimension_id), created_at // grain * grain
            buckets[key] = buckets.get(key, 0) + deltas
    category_key = (org_id, *categories), created_at // _CATEGORY_GRAIN * _CATEGORY_GRAIN
    by_category[category_key] = by_category.get(category_key, 0) + deltas


def _rows(
    dimension: RollupDimension, finest: Buckets
) -> Iterator[tuple[Group, int, int, tuple[int, ...]]]:
    """Yield group, grain, bucket and deltas of all grains. The coarser ones are sums of the finer.

    They are in the order of group, grain and bucket. Deltas of zero are left out.
    """
    by_grain = {dimension.grains[-1]: finest}
    for finer, grain in pairwise(reversed(dimension.grains)):
        buckets = by_grain[grain] = {}
        for (group, bucket), deltas in by_grain[finer].items():
            key = group, bucket // grain * grain
            buckets[key] = buckets.get(key, 0) + deltas
    rows = sorted(
        (group, grain, bucket, deltas)
        for grain, buckets in by_grain.items()
        for (group, bucket), deltas in buckets.items()
        if deltas
    )
    for group, grain, bucket, deltas in rows:
        sums = _LANES.unpack(((deltas + _SIGNS) ^ _SIGNS).to_bytes(_LANES.size, "little"))
        yield group, grain, bucket, sums


_LANE_BITS: Final = 64
_LANES: Final = Struct(f"<{len(STORED_MEASURES)}q")
"""The deltas of all measures are one integer, with 64 bits for each, until they are written. So one
addition adds all of them."""
_SIGNS: Final = sum(1 << _LANE_BITS * lane + _LANE_BITS - 1 for lane in range(len(STORED_MEASURES)))
"""The sign bit of each measure. Added and flipped, they undo the borrows of negative deltas."""


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
_BASE_VALUES: Final = itemgetter(*map(STORED_MEASURES.index, BASE_MEASURES))
_CATEGORY_GRAIN: Final = CATEGORY.grains[-1]
_FINEST_GRAINS: Final = tuple(
    (
        Session._fields.index(dimension.id_field) if dimension.id_field else None,
        dimension.grains[-1],
    )
    for dimension in ID_DIMENSIONS
)
"""The position of the field with the id, and the finest grain, of each dimension with a code."""


class _Matching(NamedTuple):
    """The measures that count a session."""

    counts: int
    """1 for each measure that counts sessions, in its lane."""
    sums: tuple[tuple[int, int], ...]
    """The measures that add up a field: the position of the lane's first bit, and of the field."""
    categories: tuple[str | int, ...]


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

    matching = [
        (_LANE_BITS * lane, measure.adds)
        for lane, measure in enumerate(STORED_MEASURES)
        if all(is_met(name, expected) for name, expected in measure.condition.items())
    ]
    categories = (
        category_of(name, by_name[name]) if name in CATEGORIES else by_name[name]
        for name in CATEGORY_FIELDS
    )
    return _Matching(
        sum(1 << shift for shift, field in matching if field is None),
        tuple((shift, Session._fields.index(field)) for shift, field in matching if field),
        tuple(categories),
    )
