"""Recounts roll-ups from raw sessions: finds those that differ, and rebuilds them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.core.measures import Measure
from metrics_graphql.core.periods import THIRTY_DAYS
from metrics_graphql.core.sessions import CATEGORIES
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.dialects import CompiledStatement, Dialect
from metrics_graphql.storage.rollups import (
    CATEGORY,
    ID_DIMENSIONS,
    ROLLUP_DIMENSIONS,
    RollupDimension,
    RollupKey,
)
from metrics_graphql.storage.session_sql import Select, category_expression, measure_sum
from metrics_graphql.storage.session_store import VerificationUnit
from metrics_graphql.storage.tables import (
    CATEGORY_FIELDS,
    category_rollups,
    organizations,
    rollups,
    sessions,
)

ROLLUP_TABLES: Final = (rollups, category_rollups)


class RollupMismatch(NamedTuple):
    """A roll-up that differs from the sum of its sessions. A missing one has zeros."""

    table: sa.Table
    key: RollupKey
    stored: tuple[int, ...]
    counted: tuple[int, ...]

    def __str__(self) -> str:
        key = dict(zip(self.table.primary_key.columns.keys(), self.key, strict=True))
        start = f"{datetime.fromtimestamp(int(key['bucket']), UTC):%Y-%m-%dT%H:%M:%SZ}"
        sums = ", ".join(
            f"{measure.name} is {stored}, counted {counted}"
            for measure, stored, counted in zip(
                measures_of(self.table), self.stored, self.counted, strict=True
            )
            if stored != counted
        )
        return f"{key['org_id']}, {rollup_name(key)}, {key['grain']} seconds from {start}: {sums}"


def rollup_name(key: Mapping[str, str | int]) -> str:
    """Return what the sessions of a roll-up have in common, for messages."""
    if "scope" not in key:
        outcome = "with" if key["has_merged_pr"] else "without"
        return f"origin {key['origin']}, size {key['size']}, {outcome} merged pull requests"
    field = ID_DIMENSIONS[int(key["scope"])].id_field
    return f"{field} {key['scope_id']}" if field else "all sessions"


def measures_of(table: sa.Table) -> tuple[Measure, ...]:
    """Return the measures that a table of roll-ups has columns for."""
    return next(each.measures for each in ROLLUP_DIMENSIONS if each.table is table)


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
    return [
        mismatch
        for table in ROLLUP_TABLES
        for mismatch in await find_mismatches_in(database, table, unit)
    ]


async def find_mismatches_in(
    database: Database, table: sa.Table, unit: VerificationUnit
) -> list[RollupMismatch]:
    """Return the roll-ups in one table that differ from a recount."""
    key_length = len(table.primary_key.columns)
    zeros = (0,) * len(measures_of(table))
    counted: dict[Any, tuple[int, ...]] = {}
    stored: dict[Any, tuple[int, ...]] = {}
    for is_stored, *row in await database.fetch(
        select_mismatches(database.dialect, table), unit._asdict()
    ):
        side = stored if is_stored else counted
        side[tuple(row[:key_length])] = tuple(map(int, row[key_length:]))
    return [
        RollupMismatch(table, key, stored.get(key, zeros), counted.get(key, zeros))
        for key in sorted(counted.keys() | stored.keys())
    ]


async def rebuild(connection: AsyncConnection, dialect: Dialect, unit: VerificationUnit) -> None:
    """Replace the roll-ups of a unit by a recount, in the caller's exclusive transaction.

    Otherwise the recount could include the sessions of a concurrent writer, whose deltas would then
    be added again.
    """
    for table in ROLLUP_TABLES:
        for statement in (delete_rollups(dialect, table), insert_recount(dialect, table)):
            await connection.exec_driver_sql(statement.sql, statement.bind(unit._asdict()))


@lru_cache
def select_mismatches(dialect: Dialect, table: sa.Table) -> CompiledStatement:
    """Return the statement for the rows of a unit that differ: 0 and counted, or 1 and stored."""
    counted = recount(dialect, table).cte("counted").prefix_with("MATERIALIZED")
    stored = stored_rollups(table).cte("stored").prefix_with("MATERIALIZED")
    only_counted = sa.except_(sa.select(counted), sa.select(stored)).subquery()
    only_stored = sa.except_(sa.select(stored), sa.select(counted)).subquery()
    return dialect.compile(
        sa.union_all(sa.select(sa.literal(0), only_counted), sa.select(sa.literal(1), only_stored))
    )


@lru_cache
def delete_rollups(dialect: Dialect, table: sa.Table) -> CompiledStatement:
    """Return the statement that deletes the roll-ups of a unit."""
    return dialect.compile(sa.delete(table).where(*in_unit(table.c.bucket)))


@lru_cache
def insert_recount(dialect: Dialect, table: sa.Table) -> CompiledStatement:
    """Return the statement that inserts the roll-ups of a unit."""
    return dialect.compile(sa.insert(table).from_select(table.c.keys(), recount(dialect, table)))


def in_unit(instant: sa.Column[int]) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions that a row belongs to the bound unit."""
    return (
        instant.table.c.org_id == sa.bindparam("org_id"),
        instant >= sa.bindparam("start"),
        instant < sa.bindparam("end"),
    )


def stored_rollups(table: sa.Table) -> Select:
    """Select the stored roll-ups of a unit without those of zeros, which equal missing ones."""
    not_zero = sa.or_(*(table.c[measure.name] != 0 for measure in measures_of(table)))
    return sa.select(table).where(*in_unit(table.c.bucket), not_zero)


def recount(dialect: Dialect, table: sa.Table) -> sa.CompoundSelect[*tuple[Any, ...]]:
    """Select the roll-ups that the sessions of a unit should have."""
    return sa.union_all(
        *(
            recount_buckets(dialect, dimension, grain)
            for dimension in ROLLUP_DIMENSIONS
            if dimension.table is table
            for grain in dimension.grains
        )
    )


def recount_buckets(dialect: Dialect, dimension: RollupDimension, grain: int) -> Select:
    """Select the roll-ups of one dimension and grain that the sessions of a unit should have."""
    bucket = sessions.c.created_at - sessions.c.created_at % grain
    key: dict[str, sa.ColumnElement[Any]] = {
        "org_id": sessions.c.org_id,
        "grain": sa.literal(grain),
        "bucket": bucket,
    }
    group = [sessions.c.org_id, bucket]
    conditions = []
    if dimension is CATEGORY:
        categories = {field: category_or_flag(field) for field in CATEGORY_FIELDS}
        key |= categories
        group += categories.values()
    else:
        field = dimension.id_field
        key |= {
            "scope": sa.literal(dimension.code),
            "scope_id": sa.literal("") if field is None else sessions.c[field],
        }
        if field is not None:
            group.append(sessions.c[field])
            conditions.append(sessions.c[field].is_not(None))
    return (
        sa.select(
            *(key[column.name].label(column.name) for column in dimension.table.primary_key),
            *(measure_sum(dialect, measure, sessions.c) for measure in dimension.measures),
        )
        .where(*in_unit(sessions.c.created_at), *conditions)
        .group_by(*group)
    )


def category_or_flag(field: str) -> sa.ColumnElement[Any]:
    """Return what a category roll-up has of a field: the public origin or size, or the flag."""
    column = sessions.c[field]
    return category_expression(field, column) if field in CATEGORIES else column
