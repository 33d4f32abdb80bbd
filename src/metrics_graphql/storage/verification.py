"""Recounts roll-ups from raw sessions: finds those that differ, and rebuilds them."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.core.measures import MEASURES
from metrics_graphql.core.periods import THIRTY_DAYS
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.dialects import CompiledStatement, Dialect
from metrics_graphql.storage.organizations import bump_data_versions
from metrics_graphql.storage.rollups import ROLLUP_DIMENSIONS, RollupDimension, RollupKey
from metrics_graphql.storage.session_store import VerificationUnit
from metrics_graphql.storage.sql import Select, measure_sum
from metrics_graphql.storage.tables import organizations, rollups, sessions

KEY_LENGTH: Final = len(rollups.primary_key.columns)
ZEROS: Final = (0,) * len(MEASURES)


class RollupMismatch(NamedTuple):
    """A roll-up that differs from the sum of its sessions. A missing one has zeros."""

    key: RollupKey
    stored: tuple[int, ...]
    counted: tuple[int, ...]

    def __str__(self) -> str:
        org_id, code, grain, bucket, dimension_id = self.key
        field = ROLLUP_DIMENSIONS[code].field
        of = f"{field} {dimension_id}" if field else "all sessions"
        start = f"{datetime.fromtimestamp(bucket, UTC):%Y-%m-%dT%H:%M:%SZ}"
        sums = ", ".join(
            f"{measure.name} is {stored}, counted {counted}"
            for measure, stored, counted in zip(MEASURES, self.stored, self.counted, strict=True)
            if stored != counted
        )
        return f"{org_id}, {of}, {grain} seconds from {start}: {sums}"


async def list_units(database: Database) -> list[VerificationUnit]:
    """Return a unit for each bucket of the coarsest grain, from the first to the last in use.

    Every finer bucket is inside one of them. So a comparison is one statement, which sees sessions
    and roll-ups of the same instant while others write.

    Raises:
        Unavailable: the database is unavailable.
    """
    async with database.connect() as connection:
        return await list_units_on(connection)


async def list_units_on(connection: AsyncConnection) -> list[VerificationUnit]:
    """Return the units as a connection sees them."""

    def edge(column: sa.Column[int], min_or_max: Any) -> sa.ScalarSelect[int]:  # noqa: ANN401 - a generic function
        same_organization = column.table.c.org_id == organizations.c.org_id
        return sa.select(min_or_max(column)).where(same_organization).scalar_subquery()

    edges = (
        edge(column, function)
        for column in (sessions.c.created_at, rollups.c.bucket)
        for function in (sa.func.min, sa.func.max)
    )
    rows = await connection.execute(sa.select(organizations.c.org_id, *edges))
    units = []
    for org_id, *instants in rows:
        buckets = [
            instant // THIRTY_DAYS * THIRTY_DAYS for instant in instants if instant is not None
        ]
        if buckets:
            starts = range(min(buckets), max(buckets) + 1, THIRTY_DAYS)
            units += [VerificationUnit(org_id, start, start + THIRTY_DAYS) for start in starts]
    return units


async def find_mismatches(database: Database, unit: VerificationUnit) -> list[RollupMismatch]:
    """Return the roll-ups of a unit that differ from a recount.

    Raises:
        Unavailable: the database is unavailable.
    """
    counted: dict[Any, tuple[int, ...]] = {}
    stored: dict[Any, tuple[int, ...]] = {}
    for is_stored, *row in await database.fetch(
        select_mismatches(database.dialect), unit._asdict()
    ):
        side = stored if is_stored else counted
        side[tuple(row[:KEY_LENGTH])] = tuple(map(int, row[KEY_LENGTH:]))
    return [
        RollupMismatch(key, stored.get(key, ZEROS), counted.get(key, ZEROS))
        for key in sorted(counted.keys() | stored.keys())
    ]


async def repair(database: Database, unit: VerificationUnit) -> None:
    """Rebuild the roll-ups of a unit in one transaction.

    Raises:
        Unavailable: the database cannot be written to; nothing changed.
    """
    # A concurrent writer's sessions could be in the recount and its deltas added again after it.
    async with database.transaction(sessions_lock="exclusive") as connection:
        await rebuild(connection, database.dialect, unit)
        await bump_data_versions(connection, database.dialect, [unit.org_id])


async def rebuild(connection: AsyncConnection, dialect: Dialect, unit: VerificationUnit) -> None:
    """Replace the roll-ups of a unit by a recount, in the caller's exclusive transaction."""
    for statement in (delete_rollups(dialect), insert_recount(dialect)):
        await connection.exec_driver_sql(statement.sql, statement.bind(unit._asdict()))


@lru_cache
def select_mismatches(dialect: Dialect) -> CompiledStatement:
    """Return the statement for the rows of a unit that differ: 0 and counted, or 1 and stored."""
    counted = recount(dialect).cte("counted").prefix_with("MATERIALIZED")
    stored = stored_rollups().cte("stored").prefix_with("MATERIALIZED")
    only_counted = sa.except_(sa.select(counted), sa.select(stored)).subquery()
    only_stored = sa.except_(sa.select(stored), sa.select(counted)).subquery()
    return dialect.compile(
        sa.union_all(sa.select(sa.literal(0), only_counted), sa.select(sa.literal(1), only_stored))
    )


@lru_cache
def delete_rollups(dialect: Dialect) -> CompiledStatement:
    """Return the statement that deletes the roll-ups of a unit."""
    return dialect.compile(sa.delete(rollups).where(*in_unit(rollups.c.bucket)))


@lru_cache
def insert_recount(dialect: Dialect) -> CompiledStatement:
    """Return the statement that inserts the roll-ups of a unit."""
    return dialect.compile(sa.insert(rollups).from_select(rollups.c.keys(), recount(dialect)))


def in_unit(instant: sa.Column[int]) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions that a row belongs to the bound unit."""
    return (
        instant.table.c.org_id == sa.bindparam("org_id"),
        instant >= sa.bindparam("start"),
        instant < sa.bindparam("end"),
    )


def stored_rollups() -> Select:
    """Select the stored roll-ups of a unit without those of zeros, which equal missing ones."""
    not_zero = sa.or_(*(rollups.c[measure.name] != 0 for measure in MEASURES))
    return sa.select(rollups).where(*in_unit(rollups.c.bucket), not_zero)


def recount(dialect: Dialect) -> sa.CompoundSelect[*tuple[Any, ...]]:
    """Select the roll-ups that the sessions of a unit should have."""
    return sa.union_all(
        *(
            recount_buckets(dialect, dimension, grain)
            for dimension in ROLLUP_DIMENSIONS
            for grain in dimension.grains
        )
    )


def recount_buckets(dialect: Dialect, dimension: RollupDimension, grain: int) -> Select:
    """Select the roll-ups of one dimension and grain that the sessions of a unit should have."""
    bucket = sessions.c.created_at - sessions.c.created_at % grain
    field = dimension.field
    dimension_id: Any = sa.literal("") if field is None else sessions.c[field]
    has_id = () if field is None else (dimension_id.is_not(None),)
    by_id = () if field is None else (dimension_id,)
    return (
        sa.select(
            sessions.c.org_id,
            sa.literal(dimension.code).label("scope"),
            sa.literal(grain).label("grain"),
            bucket.label("bucket"),
            dimension_id.label("scope_id"),
            *(measure_sum(dialect, measure) for measure in MEASURES),
        )
        .where(*in_unit(sessions.c.created_at), *has_id)
        .group_by(sessions.c.org_id, bucket, *by_id)
    )
