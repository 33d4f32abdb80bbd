"""The roll-ups, and what a batch of changed sessions adds to them. Contains no SQL."""

from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

from metrics_graphql.core.measures import MEASURES, Present
from metrics_graphql.core.periods import DAY, HOUR, QUARTER_HOUR, THIRTY_DAYS
from metrics_graphql.core.sessions import Session


class RollupDimension(NamedTuple):
    """What the sessions in a roll-up have in common besides their organization."""

    code: int
    """The value of `rollups.scope`."""
    field: str | None
    """The field of a session that has the id; None for all sessions of an organization."""
    grains: tuple[int, ...]
    """The lengths of buckets in seconds, coarsest first."""


# By hour, users would have about as many roll-ups as sessions; their 30 days serve breakdowns,
# which read all users and service users. There are few playbooks, so that days are enough. The raw
# sessions at the ends of a period, up to a day of one user's, come from that user's index. See
# docs/decisions/0003 for the measurements.
ORGANIZATION: Final = RollupDimension(0, None, (THIRTY_DAYS, DAY, HOUR, QUARTER_HOUR))
USER: Final = RollupDimension(1, "user_id", (THIRTY_DAYS, DAY))
SERVICE_USER: Final = RollupDimension(2, "service_user_id", (THIRTY_DAYS, DAY))
PLAYBOOK: Final = RollupDimension(3, "playbook_id", (DAY,))
ROLLUP_DIMENSIONS: Final = (ORGANIZATION, USER, SERVICE_USER, PLAYBOOK)


SessionChange = tuple[Session | None, Session]
"""A session before and after an update; None before if it is new."""

RollupKey = tuple[str, int, int, int, str]
"""The primary key of a roll-up: organization, dimension, grain, bucket (its first instant) and id
(empty for all sessions), in the order of the table."""


def rollup_deltas(changes: Iterable[SessionChange]) -> list[tuple[str | int, ...]]:
    """Return what changed sessions add to the roll-ups: rows of a key and a delta per measure.

    An update subtracts the old session and adds the new one, so that it costs what an insert does.
    Rows without a difference are left out.

    The order prevents deadlocks: every writer locks rows in it. An organization's own roll-ups,
    which every batch changes, come last, so that they are locked just before the commit and
    writers rarely wait for each other (docs/decisions/0007).
    """
    sums: dict[RollupKey, list[int]] = {}
    for before, after in changes:
        if before is not None:
            _add(sums, before, -1)
        _add(sums, after, 1)
    by_dimension = sorted(sorted(sums), key=itemgetter(1), reverse=True)
    return [(*key, *sums[key]) for key in by_dimension if any(sums[key])]


def _add(sums: dict[RollupKey, list[int]], session: Session, sign: int) -> None:
    # The innermost loop of ingest. Plain tuples and positions take a third of the time of names.
    counted, summed = _matching_measures(
        *_COMPARED_VALUES(session), *[session[position] is not None for position in _PRESENCE]
    )
    acus = sign * session.acus
    org_id, created_at = session.org_id, session.created_at
    for code, field, grains in _POSITIONS_OF_DIMENSIONS:
        dimension_id = "" if field is None else session[field]
        if not isinstance(dimension_id, str):
            continue
        for grain in grains:
            key = (org_id, code, grain, created_at // grain * grain, dimension_id)
            row = sums.get(key)
            if row is None:
                row = sums[key] = [0] * len(MEASURES)
            for position in counted:
                row[position] += sign
            for position in summed:
                row[position] += acus


def _fields_compared_with(*types: type) -> tuple[int, ...]:
    """Return the positions of the session fields that conditions compare with these types."""
    names = {
        name
        for measure in MEASURES
        for name, value in measure.condition.items()
        if isinstance(value, types)
    }
    return tuple(sorted(map(Session._fields.index, names)))


_PRESENCE: Final = _fields_compared_with(Present)
_COMPARED: Final = _fields_compared_with(tuple, bool)
_COMPARED_VALUES: Final = itemgetter(*_COMPARED)
_POSITIONS_OF_DIMENSIONS: Final = tuple(
    (
        dimension.code,
        Session._fields.index(dimension.field) if dimension.field else None,
        dimension.grains,
    )
    for dimension in ROLLUP_DIMENSIONS
)


@lru_cache(maxsize=4096)
def _matching_measures(*values: object) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the positions of the measures that count a session, and that sum its ACUs.

    `values` are those of the fields in conditions; few combinations occur, so the cache is small.
    """
    by_position = dict(zip(_COMPARED + _PRESENCE, values, strict=True))

    def is_met(name: str, expected: object) -> bool:
        value = by_position[Session._fields.index(name)]
        return value in expected if isinstance(expected, tuple) else value is True

    matching = [
        (position, measure.adds)
        for position, measure in enumerate(MEASURES)
        if all(is_met(name, expected) for name, expected in measure.condition.items())
    ]
    return (
        tuple(position for position, adds in matching if adds == "sessions"),
        tuple(position for position, adds in matching if adds == "acus"),
    )
