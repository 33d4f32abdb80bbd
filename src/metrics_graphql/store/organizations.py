"""Organizations: which are known, and the version of what is known of them."""

from collections.abc import Collection, Iterable
from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.store.dialects import DatabaseDialect, Prepared
from metrics_graphql.store.engine import Database
from metrics_graphql.store.tables import organizations, sessions


async def data_versions(
    database: Database, org_ids: Collection[str | None]
) -> dict[str | None, int]:
    """Return the data version of those of some organizations that are known.

    An organization is known when sessions or a service user named it. None is the enterprise,
    whose version goes up with that of any organization, and when one becomes known.

    Raises:
        Unavailable: the database can't answer.
    """
    versions: dict[str | None, int] = {}
    ids = [org_id for org_id in org_ids if org_id is not None]
    if ids:
        values = {"org_ids": database.dialect.bind_ids(ids)}
        rows = await database.fetch(versions_of(database.dialect), values)
        versions.update((org_id, version) for org_id, version in rows)
    if None in org_ids:
        ((versions[None],),) = await database.fetch(version_of_all(database.dialect), {})
    return versions


async def first_organizations(database: Database, first: int) -> list[str]:
    """Return the first of all organizations, by id.

    Raises:
        Unavailable: the database can't answer.
    """
    return [row[0] for row in await database.fetch(listed(database.dialect), {"first": first})]


async def all_organizations(database: Database) -> list[str]:
    """Return all organizations, by id.

    Raises:
        Unavailable: the database can't answer.
    """
    return await first_organizations(database, 2**62)


async def newest_session(database: Database) -> int | None:
    """Return when the newest session of all organizations was created.

    Raises:
        Unavailable: the database can't answer.
    """
    newest: int | None = (await database.fetch(newest_of_all(database.dialect), {}))[0][0]
    return newest


@lru_cache
def newest_of_all(dialect: DatabaseDialect) -> Prepared:
    """Return the statement for it: of each organization, the end of an index."""
    same = sessions.c.org_id == organizations.c.org_id
    newest = sa.select(sa.func.max(sessions.c.created_at)).where(same).scalar_subquery()
    each = sa.select(newest.label("newest")).select_from(organizations).subquery()
    return dialect.prepare(sa.select(sa.func.max(each.c.newest)))


@lru_cache
def versions_of(dialect: DatabaseDialect) -> Prepared:
    """Return the statement for those of `org_ids` that are known, each with its data version."""
    columns = organizations.c.org_id, organizations.c.data_version
    return dialect.prepare(sa.select(*columns).where(dialect.one_of(columns[0], "org_ids")))


@lru_cache
def version_of_all(dialect: DatabaseDialect) -> Prepared:
    """Return the statement for the version of all organizations together.

    None of them ever goes down or away, so that equal sums are sums of the same.
    """
    together = dialect.sum(organizations.c.data_version + 1)
    return dialect.prepare(sa.select(sa.func.coalesce(together, 0)))


@lru_cache
def listed(dialect: DatabaseDialect) -> Prepared:
    """Return the statement for the `first` organizations."""
    column = organizations.c.org_id
    return dialect.prepare(sa.select(column).order_by(column).limit(sa.bindparam("first")))


async def raise_data_versions(
    connection: AsyncConnection, dialect: DatabaseDialect, org_ids: Iterable[str]
) -> None:
    """Let everyone see that what they know of these organizations is no longer true."""
    await dialect.insert_rows(
        connection, raising(dialect), [(org_id, 1) for org_id in sorted(org_ids)]
    )


@lru_cache
def raising(dialect: DatabaseDialect) -> Prepared:
    """Return the statement that adds to an organization's data version."""
    return dialect.insert(organizations, ["org_id"], "add")


async def name_organizations(
    connection: AsyncConnection, dialect: DatabaseDialect, org_ids: Iterable[str]
) -> None:
    """Make organizations known that are not yet."""
    await dialect.insert_rows(
        connection, naming(dialect), [(org_id, 0) for org_id in sorted(org_ids)]
    )


@lru_cache
def naming(dialect: DatabaseDialect) -> Prepared:
    """Return the statement that makes an organization known, with no data yet."""
    return dialect.insert(organizations, ["org_id"], "keep")
