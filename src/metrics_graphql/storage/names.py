"""Names of users, service users, playbooks and organizations."""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final

import sqlalchemy as sa

from metrics_graphql.core.measures import SESSIONS_CREATED
from metrics_graphql.core.names import KIND_OF_DIMENSION, NamedKind, NameUpdate
from metrics_graphql.core.tenants import ENTERPRISE, Tenant
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.dialects import CompiledStatement, DatabaseDialect, Dialect
from metrics_graphql.storage.migrations.runner import require_head
from metrics_graphql.storage.organizations import bump_data_versions, list_organizations
from metrics_graphql.storage.session_store import StatementReader
from metrics_graphql.storage.tables import names, organizations

ID_FIELDS: Final = {kind: dimension.value for dimension, kind in KIND_OF_DIMENSION.items()}
"""The field of a session that has the ids of each kind."""


async def fetch_names(
    database: Database, kind: NamedKind, ids: Collection[str]
) -> Mapping[str, str]:
    """Return the names of those ids that have one.

    Raises:
        Unavailable: the database is unavailable.
        TimedOut: the request passed its deadline.
    """
    if not ids:
        return {}
    values = {"kind": kind.value, "ids": database.dialect.bind_ids(ids)}
    return {row[0]: row[1] for row in await database.fetch(select_names(database.dialect), values)}


async def store_names(database: Database, updates: Iterable[NameUpdate]) -> None:
    """Store or remove names; of several updates of an id, the last one counts.

    All data versions are bumped, because cached responses may contain names. Writers of sessions
    wait until then: they could add an organization, whose version would not be bumped.

    Raises:
        SchemaMismatch: the tables are not those of this version.
        Unavailable: the database cannot be written to; nothing is stored.
    """
    dialect = database.dialect
    by_key = {(kind.value, each): name for kind, each, name in updates}
    stored = [(*key, name) for key, name in sorted(by_key.items()) if name is not None]
    removed = [{"k": kind, "i": each} for (kind, each), name in by_key.items() if name is None]
    matching = names.c.kind == sa.bindparam("k"), names.c.id == sa.bindparam("i")
    async with database.transaction(sessions_lock="exclusive") as connection:
        await require_head(connection)
        await dialect.insert_rows(connection, insert_or_replace_name(dialect), stored)
        if removed:
            await connection.execute(sa.delete(names).where(*matching), removed)
        org_ids = (await connection.execute(sa.select(organizations.c.org_id))).scalars()
        await bump_data_versions(connection, dialect, org_ids)


async def list_names(database: Database, kind: NamedKind | None = None) -> list[NameUpdate]:
    """Return the stored names, of one kind or of all, ordered by kind and id.

    Raises:
        Unavailable: the database is unavailable.
    """
    statement = sa.select(names).order_by(names.c.kind, names.c.id)
    if kind is not None:
        statement = statement.where(names.c.kind == kind.value)
    async with database.connect() as connection:
        rows = (await connection.execute(statement)).all()
    return [NameUpdate(NamedKind(row.kind), row.id, row.name) for row in rows]


async def list_ids(
    database: Database, reader: StatementReader, tenant: Tenant, kind: NamedKind
) -> list[str]:
    """Return the ids of one kind that occur in the sessions of a tenant, in any order.

    Raises:
        Unavailable: an engine is unavailable.
        TimedOut: the request passed its deadline.
    """
    org_ids = await list_organizations(database) if tenant is ENTERPRISE else [tenant]
    if kind is NamedKind.ORGANIZATION:
        return org_ids
    dialect = reader.dialect
    rows = await reader.fetch(select_ids(dialect, kind), {"org_ids": dialect.bind_ids(org_ids)})
    return [row[0] for row in rows]


@lru_cache
def select_names(dialect: Dialect) -> CompiledStatement:
    """Return the statement for the names of the `ids` of a `kind`."""
    return dialect.compile(
        sa.select(names.c.id, names.c.name).where(
            names.c.kind == sa.bindparam("kind"), dialect.in_ids(names.c.id, "ids")
        )
    )


@lru_cache
def insert_or_replace_name(dialect: DatabaseDialect) -> CompiledStatement:
    """Return the statement that inserts or replaces a name."""
    return dialect.compile_insert(names, names.primary_key.columns.keys(), "replace")


@lru_cache
def select_ids(dialect: Dialect, kind: NamedKind) -> CompiledStatement:
    """Return the statement for the distinct ids of a kind in roll-ups of the `org_ids`.

    The ids of organizations are bound even if all are read: the indexes begin with them.
    """
    field = ID_FIELDS[kind]
    dimension = next(each for each in dialect.rollup_dimensions if each.id_field == field)
    rollups = dimension.table.c
    return dialect.compile(
        sa.select(rollups.scope_id)
        .where(
            dialect.in_ids(rollups.org_id, "org_ids"),
            rollups.scope == dimension.code,
            rollups.grain == dimension.grains[0],
        )
        .group_by(rollups.scope_id)
        # Roll-ups whose sessions moved or were deleted remain, with zeros.
        .having(dialect.sum(rollups[SESSIONS_CREATED.name]) > 0)
    )
