"""Recounts roll-ups from raw sessions: finds those that differ, and rebuilds them."""

from collections.abc import Iterable
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
from metrics_graphql.storage.session_sql import Select, category_expression, measure_value
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
        if self.table is category_rollups:
            name = category_name(*(key[field] for field in CATEGORY_FIELDS))
        else:
            name = id_name(ID_DIMENSIONS[int(key["scope"])], key["scope_id"])
        sums = (
            f"{measure.name} is {stored}, counted {counted}"
            for measure, stored, counted in zip(
                measures_of(self.table), self.stored, self.counted, strict=True
            )
            if stored != counted
        )
        return describe_rollup(key["org_id"], name, int(key["grain"]), int(key["bucket"]), sums)


def describe_rollup(
    org_id: object, name: str, grain: int, bucket: int, differences: Iterable[str]
) -> str:
    """Return a line about a roll-up that differs from the sum of its sessions."""
    start = f"{datetime.fromtimestamp(bucket, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return f"{org_id}, {name}, {grain} seconds from {start}: {', '.join(differences)}"


def id_name(dimension: RollupDimension, scope_id: object) -> str:
    """Return what the sessions in a roll-up by id have in common."""
    return f"{dimension.id_field} {scope_id}" if dimension.id_field else "all sessions"


def category_name(origin: object, size: object, has_merged_pr: object) -> str:
    """Return what the sessions in a category roll-up have in common."""
    outcome = "with" if has_merged_pr else "without"
    return f"origin {origin}, size {size}, {outcome} merged pull requests"


def measures_of(table: sa.Table) -> tuple[Measure, ...]:
    """Return the measures that a table of roll-ups has columns for."""
    return next(each.measures for each in ROLLUP_DIMENSIONS if each.table is table)


async def list_units(database: Database) -> list[VerificationUnit]:
    """Return a unit for each bucket of the coarsest grain, from the first to the last in use.

    Every finer bucket is inside one of them. So a unit is compared by one statement per table,
    which sees its sessions and roll-ups as of the same instant while others write.

    Raises:
        Unavailable: the database is unavailable.
    """
    async with database.connect() as connection:
        return await list_units_on(connection)


async def list_units_on(connection: AsyncConnection) -> list[VerificationUnit]:
    """Return the units that a connection sees: see `list_units`."""

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

    With concurrent writers, the recount could include sessions whose deltas are added afterwards.
    """
    for table in ROLLUP_TABLES:
        for statement in (delete_rollups(dialect, table), insert_recount(dialect, table)):
            await connection.exec_driver_sql(statement.sql, statement.bind(unit._asdict()))


@lru_cache
def select_mismatches(dialect: Dialect, table: sa.Table) -> CompiledStatement:
    """Return the statement for the roll-ups of a unit that differ from a recount.

    A row is 0 and a recounted roll-up, or 1 and a stored one.
    """
    counted = select_recount(dialect, table).cte("counted").prefix_with("MATERIALIZED")
    stored = select_stored_rollups(table).cte("stored").prefix_with("MATERIALIZED")
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
    """Return the statement that inserts the recounted roll-ups of a unit."""
    recount = select_recount(dialect, table)
    return dialect.compile(sa.insert(table).from_select(table.c.keys(), recount))


def in_unit(instant: sa.Column[int]) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions that a row belongs to the bound unit."""
    return (
        instant.table.c.org_id == sa.bindparam("org_id"),
        instant >= sa.bindparam("start"),
        instant < sa.bindparam("end"),
    )


def select_stored_rollups(table: sa.Table) -> Select:
    """Return the statement for the stored roll-ups of a unit, without those that are all zeros."""
    not_zero = sa.or_(*(table.c[measure.name] != 0 for measure in measures_of(table)))
    return sa.select(table).where(*in_unit(table.c.bucket), not_zero)


def select_recount(dialect: Dialect, table: sa.Table) -> sa.CompoundSelect[*tuple[Any, ...]]:
    """Return the statement for the roll-ups that the sessions of a unit should have."""
    return sa.union_all(
        *(
            select_bucket_recount(dialect, dimension, grain)
            for dimension in ROLLUP_DIMENSIONS
            if dimension.table is table
            for grain in dimension.grains
        )
    )


def select_bucket_recount(dialect: Dialect, dimension: RollupDimension, grain: int) -> Select:
    """Return the part of `select_recount` for one dimension and one grain."""
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
            *(
                dialect.sum(measure_value(measure, sessions.c)).label(measure.name)
                for measure in dimension.measures
            ),
        )
        .where(*in_unit(sessions.c.created_at), *conditions)
        .group_by(*group)
    )


def category_or_flag(field: str) -> sa.ColumnElement[Any]:
    """Return the value of a field in a category roll-up: its category, or the flag itself."""
    column = sessions.c[field]
    return category_expression(field, column) if field in CATEGORIES else column
