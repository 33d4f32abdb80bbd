"""Known organizations, and the data version of each."""

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.core.tenants import ENTERPRISE, Tenant
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.dialects import CompiledStatement, DatabaseDialect
from metrics_graphql.storage.tables import organizations

NO_LIMIT: Final = 2**62
"""A LIMIT that no table reaches."""


async def fetch_data_versions(database: Database, tenants: Collection[Tenant]) -> dict[Tenant, int]:
    """Return the data version of each known tenant: see `Repository.fetch_data_versions`.

    Raises:
        Unavailable: the database is unavailable.
        TimedOut: the request passed its deadline.
    """
    versions: dict[Tenant, int] = {}
    org_ids = [tenant for tenant in tenants if tenant is not ENTERPRISE]
    if org_ids:
        values = {"org_ids": database.dialect.bind_ids(org_ids)}
        rows = await database.fetch(select_data_versions(database.dialect), values)
        versions.update((org_id, version) for org_id, version in rows)
    if ENTERPRISE in tenants:
        rows = await database.fetch(select_enterprise_version(database.dialect), {})
        versions[ENTERPRISE] = rows[0][0]
    return versions


async def list_organizations(database: Database, first: int = NO_LIMIT) -> list[str]:
    """Return the ids of the first `first` known organizations, in order; by default, of all.

    Raises:
        Unavailable: the database is unavailable.
        TimedOut: the request passed its deadline.
    """
    rows = await database.fetch(select_organizations(database.dialect), {"first": first})
    return [row[0] for row in rows]


async def bump_data_versions(
    connection: AsyncConnection, dialect: DatabaseDialect, org_ids: Iterable[str]
) -> None:
    """Increment the data versions of organizations, which invalidates cached responses.

    An organization becomes known if it was not.
    """
    rows = [(org_id, 1) for org_id in sorted(org_ids)]
    await dialect.insert_rows(connection, insert_or_add_data_version(dialect), rows)


async def bump_known_data_version(connection: AsyncConnection, org_id: str) -> None:
    """Increment the data version of an organization if it is known."""
    await connection.execute(
        sa.update(organizations)
        .where(organizations.c.org_id == org_id)
        .values(data_version=organizations.c.data_version + 1)
    )


async def ensure_organizations(
    connection: AsyncConnection, dialect: DatabaseDialect, org_ids: Iterable[str]
) -> None:
    """Insert organizations that are not known yet."""
    rows = [(org_id, 0) for org_id in sorted(org_ids)]
    await dialect.insert_rows(connection, insert_organization(dialect), rows)


@lru_cache
def select_data_versions(dialect: DatabaseDialect) -> CompiledStatement:
    """Return the statement for the known organizations in `org_ids`, with their data versions."""
    columns = organizations.c.org_id, organizations.c.data_version
    return dialect.compile(sa.select(*columns).where(dialect.in_ids(columns[0], "org_ids")))


@lru_cache
def select_enterprise_version(dialect: DatabaseDialect) -> CompiledStatement:
    """Return the statement for the data version of the enterprise.

    It is the sum of all versions plus the number of organizations. Neither ever decreases.
    Therefore equal sums mean equal data.
    """
    version = dialect.sum(organizations.c.data_version + 1)
    return dialect.compile(sa.select(sa.func.coalesce(version, 0)))


@lru_cache
def select_organizations(dialect: DatabaseDialect) -> CompiledStatement:
    """Return the statement for the ids of the first `first` organizations."""
    column = organizations.c.org_id
    return dialect.compile(sa.select(column).order_by(column).limit(sa.bindparam("first")))


@lru_cache
def insert_or_add_data_version(dialect: DatabaseDialect) -> CompiledStatement:
    """Return the statement that adds to an organization's data version, or inserts it."""
    return dialect.compile_insert(organizations, ["org_id"], "add")


@lru_cache
def insert_organization(dialect: DatabaseDialect) -> CompiledStatement:
    """Return the statement that inserts an organization if it is not known yet."""
    return dialect.compile_insert(organizations, ["org_id"], "keep")
