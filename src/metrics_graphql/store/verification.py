"""Recounts roll-ups from raw sessions: compares the two, and rebuilds the ones that differ."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.domain.measures import MEASURES
from metrics_graphql.domain.periods import THIRTY_DAYS
from metrics_graphql.store.dialects import Dialect, Prepared
from metrics_graphql.store.engine import Database
from metrics_graphql.store.organizations import raise_data_versions
from metrics_graphql.store.rollups import SCOPES, Scope
from metrics_graphql.store.statements import total
from metrics_graphql.store.tables import organizations, rollups, sessions


class Chunk(NamedTuple):
    """One organization's sessions of one bucket of the coarsest grain.

    Every finer bucket lies in one chunk, so chunks are recounted one by one: a comparison is one
    statement, and sees the sessions and the roll-ups of one instant, while others write.
    """

    org_id: str
    start: int
    end: int


class Difference(NamedTuple):
    """A roll-up that is not what its sessions add up to; a side that has no such row is zeros."""

    key: tuple[str, int, int, int, str]
    """Organization, scope, grain, bucket and scope id."""
    stored: tuple[int, ...]
    counted: tuple[int, ...]

    def __str__(self) -> str:
        org_id, scope, grain, bucket, scope_id = self.key
        field = SCOPES[scope].field
        whose = f"{field} {scope_id}" if field else "all sessions"
        since = datetime.fromtimestamp(bucket, UTC).isoformat()
        wrong = ", ".join(
            f"{measure.name} is {stored}, counted {counted}"
            for measure, stored, counted in zip(MEASURES, self.stored, self.counted, strict=True)
            if stored != counted
        )
        return f"{org_id}, {whose}, {grain} seconds from {since}: {wrong}"


KEY: Final = len(rollups.primary_key.columns)
NOTHING: Final = (0,) * len(MEASURES)


async def chunks(database: Database) -> list[Chunk]:
    """Return the chunks that have a session or a roll-up, or lie between such.

    Raises:
        Unavailable: the database can't answer.
    """
    async with database.reading() as connection:
        return await chunks_of(connection)


def newest_of(found: Iterable[Chunk], organizations: int) -> list[Chunk]:
    """Return the newest chunk of each of so many organizations, those with the newest of all."""
    newest = {chunk.org_id: chunk for chunk in sorted(found, key=lambda chunk: chunk.start)}
    return sorted(newest.values(), key=lambda chunk: -chunk.start)[:organizations]


async def chunks_of(connection: AsyncConnection) -> list[Chunk]:
    """Return the chunks, as this connection sees them."""

    def end(column: sa.Column[int], first_or_last: Any) -> sa.ScalarSelect[int]:  # noqa: ANN401 - min or max
        same = column.table.c.org_id == organizations.c.org_id
        return sa.select(first_or_last(column)).where(same).scalar_subquery()

    ends = (
        end(column, function)
        for column in (sessions.c.created_at, rollups.c.bucket)
        for function in (sa.func.min, sa.func.max)
    )
    rows = await connection.execute(sa.select(organizations.c.org_id, *ends))
    found = []
    for org_id, *instants in rows:
        buckets = [at // THIRTY_DAYS * THIRTY_DAYS for at in instants if at is not None]
        if buckets:
            starts = range(min(buckets), max(buckets) + 1, THIRTY_DAYS)
            found += [Chunk(org_id, start, start + THIRTY_DAYS) for start in starts]
    return found


async def verify(database: Database, chunk: Chunk) -> list[Difference]:
    """Return the roll-ups of a chunk that differ from a recount.

    Raises:
        Unavailable: the database can't answer.
    """
    counts: dict[Any, tuple[int, ...]] = {}
    stores: dict[Any, tuple[int, ...]] = {}
    for is_stored, *row in await database.fetch(comparison(database.dialect), chunk._asdict()):
        side = stores if is_stored else counts
        side[tuple(row[:KEY])] = tuple(map(int, row[KEY:]))
    return [
        Difference(key, stores.get(key, NOTHING), counts.get(key, NOTHING))
        for key in sorted(counts.keys() | stores.keys())
    ]


@lru_cache
def comparison(dialect: Dialect) -> Prepared:
    """Return the statement for the rows of a chunk that differ: 0 and counted, or 1 and stored."""
    counted = recount(dialect).cte("counted").prefix_with("MATERIALIZED")
    stored = stored_rows().cte("stored").prefix_with("MATERIALIZED")
    only_counted = sa.except_(sa.select(counted), sa.select(stored)).subquery()
    only_stored = sa.except_(sa.select(stored), sa.select(counted)).subquery()
    return dialect.prepare(
        sa.union_all(sa.select(sa.literal(0), only_counted), sa.select(sa.literal(1), only_stored))
    )


async def repair(database: Database, chunk: Chunk) -> None:
    """Rebuild the roll-ups of a chunk, in one transaction.

    Raises:
        Unavailable: the database can't be written to; the chunk is as it was.
    """
    # What others write meanwhile would be in the recount or not, and in the roll-ups or not.
    async with database.writing(alone=True) as connection:
        await rebuild(connection, database.dialect, chunk)
        await raise_data_versions(connection, database.dialect, [chunk.org_id])


async def rebuild(connection: AsyncConnection, dialect: Dialect, chunk: Chunk) -> None:
    """Replace the roll-ups of a chunk by a recount, in the caller's transaction."""
    for statement in replacement(dialect):
        await connection.exec_driver_sql(statement.sql, statement.bound(chunk._asdict()))


@lru_cache
def replacement(dialect: Dialect) -> tuple[Prepared, Prepared]:
    """Return the statements that remove the roll-ups of a chunk and insert a recount."""
    return (
        dialect.prepare(sa.delete(rollups).where(*in_chunk(rollups.c.bucket))),
        dialect.prepare(sa.insert(rollups).from_select(rollups.c.keys(), recount(dialect))),
    )


def in_chunk(column: sa.Column[int]) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions that a row belongs to the chunk that is bound."""
    return (
        column.table.c.org_id == sa.bindparam("org_id"),
        column >= sa.bindparam("start"),
        column < sa.bindparam("end"),
    )


def stored_rows() -> sa.Select[*tuple[Any, ...]]:
    """Return the roll-ups of a chunk; one of nothing says as much as none."""
    something = sa.or_(*(rollups.c[measure.name] != 0 for measure in MEASURES))
    return sa.select(rollups).where(*in_chunk(rollups.c.bucket), something)


def recount(dialect: Dialect) -> sa.CompoundSelect[*tuple[Any, ...]]:
    """Return what the roll-ups of a chunk should be: rows of their table."""
    return sa.union_all(
        *(recount_of(dialect, scope, grain) for scope in SCOPES for grain in scope.grains)
    )


def recount_of(dialect: Dialect, scope: Scope, grain: int) -> sa.Select[*tuple[Any, ...]]:
    """Return what the roll-ups of one scope and grain should be."""
    bucket = sessions.c.created_at - sessions.c.created_at % grain
    scope_id: Any = sa.literal("") if scope.field is None else sessions.c[scope.field]
    named = () if scope.field is None else (scope_id.is_not(None),)
    return (
        sa.select(
            sessions.c.org_id,
            sa.literal(scope.code).label("scope"),
            sa.literal(grain).label("grain"),
            bucket.label("bucket"),
            scope_id.label("scope_id"),
            *(total(dialect, measure) for measure in MEASURES),
        )
        .where(*in_chunk(sessions.c.created_at), *named)
        .group_by(sessions.c.org_id, bucket, *(() if scope.field is None else (scope_id,)))
    )
