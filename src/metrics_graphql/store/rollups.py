"""Which roll-ups there are, and what a batch of changed sessions adds to them. Knows no SQL."""

from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

from metrics_graphql.domain.measures import MEASURES, Present
from metrics_graphql.domain.periods import DAY, HOUR, QUARTER_HOUR, THIRTY_DAYS
from metrics_graphql.domain.sessions import Session


class Scope(NamedTuple):
    """Whose sessions a roll-up adds up: all of an organization's, or those that name one id."""

    code: int
    """As it is stored."""
    field: str | None
    """The field of a session that names the id; None for the whole organization."""
    grains: tuple[int, ...]
    """Lengths of its buckets in seconds, coarsest first."""


# Of one user, roll-ups by hour would be about as many as sessions; those by 30 days are there for
# breakdowns, which read all users, and service users with them. Playbooks are few, and days do for
# them: docs/decisions/0003 has the measurements. The raw rows at the ends of a period, up to a day
# of one user's, come from that user's index.
ORGANIZATION: Final = Scope(0, None, (THIRTY_DAYS, DAY, HOUR, QUARTER_HOUR))
USER: Final = Scope(1, "user_id", (THIRTY_DAYS, DAY))
SERVICE_USER: Final = Scope(2, "service_user_id", (THIRTY_DAYS, DAY))
PLAYBOOK: Final = Scope(3, "playbook_id", (DAY,))
SCOPES: Final = (ORGANIZATION, USER, SERVICE_USER, PLAYBOOK)


Change = tuple[Session | None, Session]
"""A session before and after; None before is a new one."""

Key = tuple[str, int, int, int, str]
"""What identifies a roll-up: organization, scope, grain, bucket (its first instant) and scope id
(empty for the whole organization), in the order of the table."""


def fold(changes: Iterable[Change]) -> list[tuple[str | int, ...]]:
    """Return what changed sessions add to the roll-ups: rows of a key and its differences.

    In an order of keys, so that two writers lock rows in the same one: an organization's own, which
    every batch adds to, come last, just before the transaction ends. Differences of nothing are
    left out.
    """
    sums: dict[Key, list[int]] = {}
    for before, after in changes:
        if before is not None:
            _add(sums, before, -1)
        _add(sums, after, 1)
    ordered = sorted(sorted(sums), key=itemgetter(1), reverse=True)
    return [(*key, *sums[key]) for key in ordered if any(sums[key])]


def _add(sums: dict[Key, list[int]], session: Session, sign: int) -> None:
    # The innermost loop of ingest: plain tuples and positions, which cost a third of names.
    counted, acus = _counted_for(
        *_LOOKED_AT(session), *[session[at] is not None for at in _PRESENT]
    )
    amount = sign * session.acus
    org_id, created_at = session.org_id, session.created_at
    for code, field, grains in _POSITIONED_SCOPES:
        scope_id = "" if field is None else session[field]
        if not isinstance(scope_id, str):
            continue
        for grain in grains:
            key = (org_id, code, grain, created_at // grain * grain, scope_id)
            row = sums.get(key)
            if row is None:
                row = sums[key] = [0] * len(MEASURES)
            for position in counted:
                row[position] += sign
            for position in acus:
                row[position] += amount


def _fields_of_conditions(*kinds: type) -> tuple[int, ...]:
    """Return the positions of the fields that conditions compare with values of some kinds."""
    names = {
        name
        for measure in MEASURES
        for name, value in measure.condition.items()
        if isinstance(value, kinds)
    }
    return tuple(sorted(map(Session._fields.index, names)))


_PRESENT: Final = _fields_of_conditions(Present)
_COMPARED: Final = _fields_of_conditions(tuple, bool)
_LOOKED_AT: Final = itemgetter(*_COMPARED)
_POSITIONED_SCOPES: Final = tuple(
    (scope.code, Session._fields.index(scope.field) if scope.field else None, scope.grains)
    for scope in SCOPES
)


@lru_cache(maxsize=4096)
def _counted_for(*looked_at: object) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the positions of the measures that count such a session, and that add its ACUs.

    Few of the possible sessions ever occur, as far as conditions look at them.
    """
    seen = dict(zip(_COMPARED + _PRESENT, looked_at, strict=True))

    def met(name: str, value: object) -> bool:
        actual = seen[Session._fields.index(name)]
        return actual in value if isinstance(value, tuple) else actual is True

    matching = [
        (position, measure.adds)
        for position, measure in enumerate(MEASURES)
        if all(met(name, value) for name, value in measure.condition.items())
    ]
    return (
        tuple(position for position, adds in matching if adds == "sessions"),
        tuple(position for position, adds in matching if adds == "acus"),
    )
