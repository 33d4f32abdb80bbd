"""Service users and the hashes of their tokens: administration, and look-up by token hash."""

import json
import secrets
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.core.callers import DEFAULT_PERMISSION, ServiceUser
from metrics_graphql.core.errors import BadUserInput
from metrics_graphql.core.identifiers import check_id, check_new_id
from metrics_graphql.core.periods import DAY
from metrics_graphql.core.tenants import ENTERPRISE, Tenant
from metrics_graphql.core.tokens import generate_token, hash_token
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.dialects import CompiledStatement, Dialect
from metrics_graphql.storage.organizations import ensure_organizations
from metrics_graphql.storage.tables import service_users, tokens

ID_ARGUMENT: Final = ("service_user_id",)
"""The argument that commands name a service user by, for error messages."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A service user with a new token, which is shown once: only its hash is stored."""

    service_user: ServiceUser
    token: str
    expires_at: int | None
    """Unix seconds; None: never."""


class LiveToken(NamedTuple):
    """A token that has not expired. Instants are Unix seconds."""

    created_at: int
    expires_at: int | None
    """None: never."""


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
        await store_service_user(connection, service_user)
        return await issue_token(connection, service_user, service_user.created_at)


async def rotate_token(database: Database, id_or_name: str, *, overlap_seconds: int) -> IssuedToken:
    """Create a new token for a service user, which is valid for its `token_lifetime`.

    Older tokens expire `overlap_seconds` from now, unless they expire earlier anyway.

    Raises:
        BadUserInput: no active service user, or more than one, has this id or name.
        Unavailable: the database cannot be written to.
    """
    now = int(time.time())
    async with database.transaction(sessions_lock=None) as connection:
        service_user = await find_service_user(connection, id_or_name)
        if service_user is None or service_user.revoked_at is not None:
            raise BadUserInput(
                ID_ARGUMENT, "is not the id of an active service user, nor the name of one"
            )
        await expire_tokens(connection, service_user.service_user_id, now + overlap_seconds)
        return await issue_token(connection, service_user, now)


async def revoke_service_user(database: Database, id_or_name: str) -> ServiceUser:
    """Revoke a service user, and return it with `revoked_at`. None of its tokens is valid then.

    Revoking it again does not change `revoked_at`.

    Raises:
        BadUserInput: no service user, or more than one, has this id or name.
        Unavailable: the database cannot be written to.
    """
    async with database.transaction(sessions_lock=None) as connection:
        service_user = await find_service_user(connection, id_or_name)
        if service_user is None:
            raise BadUserInput(ID_ARGUMENT, "is not the id of a service user, nor the name of one")
        if service_user.revoked_at is None:
            service_user = replace(service_user, revoked_at=int(time.time()))
            await connection.execute(
                sa.update(service_users)
                .where(service_users.c.service_user_id == service_user.service_user_id)
                .values(revoked_at=service_user.revoked_at)
            )
        return service_user


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


async def list_live_tokens(database: Database) -> dict[str, list[LiveToken]]:
    """Return the tokens that have not expired, oldest first, by the id of their service user.

    Revoked service users have none.

    Raises:
        Unavailable: the database is unavailable.
    """
    statement = (
        sa.select(tokens.c.service_user_id, tokens.c.created_at, tokens.c.expires_at)
        .join_from(tokens, service_users)
        .where(
            service_users.c.revoked_at.is_(None),
            sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > int(time.time())),
        )
        .order_by(tokens.c.created_at)
    )
    found: dict[str, list[LiveToken]] = {}
    async with database.connect() as connection:
        for service_user_id, *instants in await connection.execute(statement):
            found.setdefault(service_user_id, []).append(LiveToken(*instants))
    return found


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


async def fetch_callers(database: Database, hashes: Collection[bytes]) -> dict[bytes, ServiceUser]:
    """Return the service users whose tokens have these hashes, with one statement for each.

    Raises:
        Unavailable: the database is unavailable.
        TimedOut: the request passed its deadline.
    """
    statement = select_caller(database.dialect)
    callers = {}
    for token_hash in hashes:
        for *row, expires_at in await database.fetch(statement, {"sha256": token_hash}):
            callers[token_hash] = replace(service_user_from_row(row), token_expires_at=expires_at)
    return callers


@lru_cache
def select_caller(dialect: Dialect) -> CompiledStatement:
    """Return the statement for the service user of the token `sha256`, and the token's expiry."""
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


async def store_service_user(connection: AsyncConnection, service_user: ServiceUser) -> None:
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


async def find_service_user(connection: AsyncConnection, id_or_name: str) -> ServiceUser | None:
    """Return the service user with this id, or else with this name; None if there is none.

    Active service users take precedence over revoked ones of the same name.

    Raises:
        BadUserInput: several service users have this name. The message has their ids.
    """
    check_id(ID_ARGUMENT, id_or_name)
    columns = service_users.c
    statement = sa.select(service_users).where(
        sa.or_(columns.service_user_id == id_or_name, columns.name == id_or_name)
    )
    found = [service_user_from_row(row) for row in await connection.execute(statement)]
    matches = (
        [each for each in found if each.service_user_id == id_or_name]
        or [each for each in found if each.revoked_at is None]
        or found
    )
    if len(matches) > 1:
        ids = ", ".join(sorted(each.service_user_id for each in matches))
        raise BadUserInput(ID_ARGUMENT, f"is the name of several service users: give one of {ids}")
    return matches[0] if matches else None


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
    """Return the service user in a row of the table, whose columns have the order of the fields."""
    service_user_id, name, org_id, permissions, *rest = row
    if isinstance(permissions, str):
        permissions = json.loads(permissions)
    tenant = ENTERPRISE if org_id is None else org_id
    return ServiceUser(service_user_id, name, tenant, tuple(permissions), *rest)
