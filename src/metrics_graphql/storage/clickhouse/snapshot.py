"""What statements read of the chains: versions of sessions, and the markers of their lanes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple, Self

import sqlalchemy as sa

from metrics_graphql.core.errors import Unavailable
from metrics_graphql.core.sessions import Session
from metrics_graphql.storage.clickhouse.facts import ATTRIBUTES, MARKER_SCOPE, SESSION_SCOPE, facts
from metrics_graphql.storage.dialects import CompiledStatement, Dialect, Rows, number_literal
from metrics_graphql.storage.ingest import SessionKey
from metrics_graphql.storage.session_sql import Select
from metrics_graphql.storage.tables import STORED_MEASURES

AMOUNTS: Final = {
    measure.adds: measure.name for measure in STORED_MEASURES if measure.adds is not None
}
"""The column of `facts` that has the amount, by the field of a session: ACUs and pull requests."""


class ForkedChain(Unavailable):
    """A block was stored twice, or does not follow the block that its writer had read."""

    def __init__(self) -> None:
        super().__init__(
            "ClickHouse stored a block of sessions twice. Run: metrics-graphql verify --repair"
        )


class Marker(NamedTuple):
    """Identifies the last block of a lane: its number, and a random text."""

    block: int
    nonce: str

    @property
    def version(self) -> int:
        """The version of the sessions in the block, which is greater than those in earlier blocks.

        In a forked chain, the nonce gives two blocks with the same number different versions.
        """
        return self.block << 16 | int(self.nonce[:4], 16)


START: Final = Marker(0, "")
"""The marker of a lane without blocks. It is not stored."""


class StoredVersion(NamedTuple):
    """The current version of a session."""

    session: Session
    version: int
    times: int = 1
    """How often it was added, minus how often it was cancelled: 1 unless the chain is forked."""


@dataclass(slots=True)
class Snapshot:
    """What one or several statements read: versions of sessions, and the markers of their lanes."""

    markers: dict[int, Marker] = field(default_factory=dict)
    stored: dict[SessionKey, StoredVersion] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Rows, lanes: Iterable[int]) -> Self:
        """Return the snapshot that a statement of `select_versions` read.

        Raises:
            ForkedChain: a version or a marker is a duplicate.
        """
        versions, markers = parse_versions(rows)
        snapshot = cls(markers=dict.fromkeys(lanes, START))
        if any(version.times != 1 for version in versions) or any(
            count != 1 for _, _, count in markers
        ):
            raise ForkedChain
        snapshot.markers |= {lane: marker for lane, marker, _ in markers}
        snapshot.stored = {each.session[:2]: each for each in versions}
        if len(snapshot.stored) < len(versions) or len({lane for lane, *_ in markers}) < len(
            markers
        ):
            raise ForkedChain
        return snapshot

    def add(self, other: "Snapshot") -> bool:
        """Add what a later statement read; return whether no lane got another block in between."""
        is_same = all(
            self.markers.get(lane, marker) == marker for lane, marker in other.markers.items()
        )
        self.markers |= other.markers
        self.stored |= other.stored
        return is_same


def select_versions(condition: sa.ColumnElement[bool]) -> Select:
    """Return the statement for versions of sessions that meet a condition, and for markers.

    The markers of the bound `lanes` come first. One statement reads both. So they are of the same
    state, whichever replica responds.
    """
    scope = facts.c.scope
    is_session = sa.and_(
        scope == number_literal(SESSION_SCOPE), facts.c.grain == number_literal(0), condition
    )
    is_marker = sa.and_(
        facts.c.org_id == sa.literal_column("''", sa.Text),
        scope == number_literal(MARKER_SCOPE),
        facts.c.bucket.in_(sa.bindparam("lanes", type_=sa.BigInteger, expanding=True)),
    )
    key = (scope, facts.c.org_id, facts.c.bucket, facts.c.session_id, facts.c.version)
    count = sa.func.sum(facts.c.n)
    return (
        sa.select(
            *key,
            count.label("count"),
            *(sa.func.any(facts.c[name]) for name in ATTRIBUTES),
            *(sa.func.sum(facts.c[name]) for name in AMOUNTS.values()),
        )
        .where(sa.or_(is_session, is_marker))
        .group_by(*key)
        .having(count != 0)
        .order_by(scope, facts.c.bucket, facts.c.session_id, facts.c.version)
    )


@lru_cache
def select_markers(dialect: Dialect) -> CompiledStatement:
    """Return the statement for the markers of the bound `lanes`."""
    return dialect.compile(select_versions(sa.false()))


def parse_versions(rows: Rows) -> tuple[list[StoredVersion], list[tuple[int, Marker, int]]]:
    """Return the versions of sessions, and the lane, the marker and the count of each marker."""
    versions, markers = [], []
    for scope, org_id, bucket, session_id, version, count, *values in rows:
        if scope == MARKER_SCOPE:
            markers.append((bucket, Marker(version, session_id), count))
            continue
        attributes, amounts = values[: len(ATTRIBUTES)], values[len(ATTRIBUTES) :]
        named = dict(zip(ATTRIBUTES, attributes, strict=True))
        named |= {name: amount // count for name, amount in zip(AMOUNTS, amounts, strict=True)}
        versions.append(StoredVersion(Session(org_id, session_id, bucket, **named), version, count))
    return versions, markers
