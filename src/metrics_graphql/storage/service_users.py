"""Service users and the hashes of their tokens: administration, and credentials by token hash."""

import json
import secrets
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.core.callers import DEFAULT_PERMISSION, Credential, ServiceUser
from metrics_graphql.core.errors import BadUserInput
from metrics_graphql.core.identifiers import check_id, check_new_id
from metrics_graphql.core.periods import DAY
from metrics_graphql.core.tenants import ENTERPRISE, Tenant
from metrics_graphql.core.tokens import generate_token, hash_token
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.dialects import CompiledStatement, Dialect
from metrics_graphql.storage.organizations import ensure_organizations
from metrics_graphql.storage.tables import service_users, tokens


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A service user with a new token, which is shown once: only its hash is stored."""

    service_user: ServiceUser
    token: str
    expires_at: int | None
    """Unix seconds; None: never."""


async def create_service_user(
    database: Database,
    name: str,
    *,
    tenant: Tenant,
    permissions: tuple[str, ...] = (DEFAULT_PERMISSION,),
    expires_in_days: float | None = None,
) -> IssuedToken:
    """Create a service user and its first token. Its organization becomes known if it was not.

    Raises:
        BadUserInput: the name, the organization or a permission cannot be stored.
        Unavailable: the database cannot be written to.
    """
    check_new_id(("name",), name)
    if tenant is not ENTERPRISE:
        check_new_id(("org_id",), tenant)
    for permission in permissions:
        check_new_id(("permission",), permission)
    service_user = ServiceUser(
        service_user_id=f"service-user-{secrets.token_hex(8)}",
        name=name,
        tenant=tenant,
        permissions=permissions,
        created_at=int(time.time()),
        token_lifetime=None if expires_in_days is None else int(expires_in_days * DAY),
        revoked_at=None,
        last_used_at=None,
    )
    async with database.transaction(sessions_lock=None) as connection:
        if tenant is not ENTERPRISE:
            await ensure_organizations(connection, database.dialect, [tenant])
        await insert_service_user(connection, service_user)
        return await issue_token(connection, service_user, service_user.created_at)


async def rotate_token(
    database: Database, service_user_id: str, *, overlap_seconds: int
) -> IssuedToken:
    """Create a new token for a service user, with the lifetime of the first one.

    Older tokens expire `overlap_seconds` from now, or when they would anyway, if that is sooner.

    Raises:
        BadUserInput: the service user does not exist or is revoked.
        Unavailable: the database cannot be written to.
    """
    path = ("service_user_id",)
    check_id(path, service_user_id)
    now = int(time.time())
    async with database.transaction(sessions_lock=None) as connection:
        service_user = await find_active(connection, service_user_id)
        if service_user is None:
            raise BadUserInput(path, "is not the id of an active service user")
        await expire_tokens(connection, service_user_id, now + overlap_seconds)
        return await issue_token(connection, service_user, now)


async def revoke_service_user(database: Database, service_user_id: str) -> None:
    """Revoke a service user, so that no token of it is valid. The first revocation is recorded.

    Raises:
        BadUserInput: the service user does not exist.
        Unavailable: the database cannot be written to.
    """
    path = ("service_user_id",)
    check_id(path, service_user_id)
    statement = (
        sa.update(service_users)
        .where(service_users.c.service_user_id == service_user_id)
        .values(revoked_at=sa.func.coalesce(service_users.c.revoked_at, int(time.time())))
    )
    async with database.transaction(sessions_lock=None) as connection:
        if not (await connection.execute(statement)).rowcount:
            raise BadUserInput(path, "is not the id of a service user")


async def list_service_users(database: Database) -> list[ServiceUser]:
    """Return all service users, also revoked ones, oldest first.

    Raises:
        Unavailable: the database is unavailable.
    """
    statement = sa.select(service_users).order_by(
        service_users.c.created_at, service_users.c.service_user_id
    )
    async with database.connect() as connection:
        return [service_user_from_row(row) for row in await connection.execute(statement)]


async def record_last_use(database: Database, service_user_id: str, at: int) -> None:
    """Store when a service user last sent a request, in Unix seconds.

    Raises:
        Unavailable: the database cannot be written to.
    """
    statement = (
        sa.update(service_users)
        .where(service_users.c.service_user_id == service_user_id)
        .values(last_used_at=at)
    )
    async with database.transaction(sessions_lock=None) as connection:
        await connection.execute(statement)


async def fetch_credentials(
    database: Database, hashes: Collection[bytes]
) -> dict[bytes, Credential]:
    """Return the credentials stored under these token hashes, with one statement each.

    Raises:
        Unavailable: the database is unavailable.
    """
    statement = select_credential(database.dialect)
    credentials = {}
    for token_hash in hashes:
        for *row, expires_at in await database.fetch(statement, {"sha256": token_hash}):
            service_user = replace(service_user_from_row(row), token_expires_at=expires_at)
            credentials[token_hash] = Credential(service_user, expires_at)
    return credentials


@lru_cache
def select_credential(dialect: Dialect) -> CompiledStatement:
    """Return the statement for the service user and the expiry of the token with hash `sha256`."""
    columns = [
        # As text, because drivers differ in the Python type of JSON.
        sa.cast(column, sa.Text) if column is service_users.c.permissions else column
        for column in service_users.c
    ]
    return dialect.compile(
        sa.select(*columns, tokens.c.expires_at)
        .join_from(tokens, service_users)
        .where(tokens.c.sha256 == sa.bindparam("sha256"))
    )


async def insert_service_user(connection: AsyncConnection, service_user: ServiceUser) -> None:
    """Insert a service user without tokens."""
    await connection.execute(
        sa.insert(service_users).values(
            service_user_id=service_user.service_user_id,
            name=service_user.name,
            org_id=service_user.org_id,
            permissions=list(service_user.permissions),
            created_at=service_user.created_at,
            token_lifetime=service_user.token_lifetime,
        )
    )


async def issue_token(
    connection: AsyncConnection, service_user: ServiceUser, now: int
) -> IssuedToken:
    """Create a token for a service user, and insert its hash."""
    token, lifetime = generate_token(), service_user.token_lifetime
    expires_at = None if lifetime is None else now + lifetime
    await connection.execute(
        sa.insert(tokens).values(
            sha256=hash_token(token),
            service_user_id=service_user.service_user_id,
            created_at=now,
            expires_at=expires_at,
        )
    )
    return IssuedToken(service_user, token, expires_at)


async def find_active(connection: AsyncConnection, service_user_id: str) -> ServiceUser | None:
    """Return a service user; None if it does not exist or is revoked."""
    statement = sa.select(service_users).where(
        service_users.c.service_user_id == service_user_id, service_users.c.revoked_at.is_(None)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else service_user_from_row(row)


async def expire_tokens(connection: AsyncConnection, service_user_id: str, at: int) -> None:
    """Set the expiry of a service user's tokens to an instant, unless they expire earlier."""
    await connection.execute(
        sa.update(tokens)
        .where(
            tokens.c.service_user_id == service_user_id,
            sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > at),
        )
        .values(expires_at=at)
    )


def service_user_from_row(row: Sequence[Any]) -> ServiceUser:
    """Return the service user in a row of the table, whose columns are in the order of fields."""
    service_user_id, name, org_id, permissions, *rest = row
    if isinstance(permissions, str):
        permissions = json.loads(permissions)
    tenant = ENTERPRISE if org_id is None else org_id
    return ServiceUser(service_user_id, name, tenant, tuple(permissions), *rest)
