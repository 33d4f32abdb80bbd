"""Service users and the hashes of their tokens, as they are stored."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.store.dialects import Dialect, Prepared
from metrics_graphql.store.engine import Database
from metrics_graphql.store.organizations import name_organizations
from metrics_graphql.store.tables import service_users, tokens


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """A program that may ask. Instants are Unix seconds."""

    service_user_id: str
    name: str
    org_id: str | None
    """None: enterprise level, which covers every organization."""
    permissions: tuple[str, ...]
    created_at: int
    token_lifetime: int | None
    """Seconds from a token's making to its end; None is for ever."""
    revoked_at: int | None
    last_used_at: int | None

    @property
    def rights(self) -> str:
        """All that an answer may depend on of who asks for it; none of it has a NUL."""
        return "\0".join((self.service_user_id, self.name, self.org_id or "", *self.permissions))


@dataclass(frozen=True, slots=True)
class StoredToken:
    """What is known of a token. `expires_at` is its first instant of no use; None is never."""

    service_user: ServiceUser
    expires_at: int | None


async def insert_service_user(
    database: Database, service_user: ServiceUser, sha256: bytes, expires_at: int | None
) -> None:
    """Store a new service user and the hash of its first token.

    Its organization becomes known if it was not.
    """
    async with database.writing(sessions=False) as connection:
        if service_user.org_id is not None:
            await name_organizations(connection, database.dialect, [service_user.org_id])
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
        await insert_token(
            connection, service_user.service_user_id, sha256, service_user.created_at, expires_at
        )


async def insert_token(
    connection: AsyncConnection,
    service_user_id: str,
    sha256: bytes,
    created_at: int,
    expires_at: int | None,
) -> None:
    """Store the hash of one more token of a service user."""
    await connection.execute(
        sa.insert(tokens).values(
            sha256=sha256,
            service_user_id=service_user_id,
            created_at=created_at,
            expires_at=expires_at,
        )
    )


async def find_tokens(database: Database, hashes: Collection[bytes]) -> dict[bytes, StoredToken]:
    """Return the tokens with these hashes, each with its service user, in one read each."""
    statement = token_with_its_user(database.dialect)
    found = {}
    for sha256 in hashes:
        for *user, expires_at in await database.fetch(statement, {"sha256": sha256}):
            service_user = ServiceUser(*user)
            permissions = tuple(json.loads(str(service_user.permissions)))
            found[sha256] = StoredToken(replace(service_user, permissions=permissions), expires_at)
    return found


@lru_cache
def token_with_its_user(dialect: Dialect) -> Prepared:
    """Return the statement for the service user of the token with the hash `sha256`."""
    columns = [
        # Drivers differ in what they make of JSON.
        sa.cast(column, sa.Text) if column is service_users.c.permissions else column
        for column in service_users.c
    ]
    return dialect.prepare(
        sa.select(*columns, tokens.c.expires_at)
        .join_from(tokens, service_users)
        .where(tokens.c.sha256 == sa.bindparam("sha256"))
    )


async def find_active(connection: AsyncConnection, service_user_id: str) -> ServiceUser | None:
    """Return a service user that is not revoked."""
    statement = sa.select(service_users).where(
        service_users.c.service_user_id == service_user_id, service_users.c.revoked_at.is_(None)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else _service_user(row)


async def expire_tokens(connection: AsyncConnection, service_user_id: str, at: int) -> None:
    """Let every token of a service user end at an instant, if it does not end earlier."""
    await connection.execute(
        sa.update(tokens)
        .where(
            tokens.c.service_user_id == service_user_id,
            sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > at),
        )
        .values(expires_at=at)
    )


async def list_service_users(database: Database) -> list[ServiceUser]:
    """Return all service users, revoked ones too, oldest first."""
    statement = sa.select(service_users).order_by(
        service_users.c.created_at, service_users.c.service_user_id
    )
    async with database.reading() as connection:
        return [_service_user(row) for row in await connection.execute(statement)]


async def revoke_service_user(database: Database, service_user_id: str, at: int) -> bool:
    """Revoke a service user; return whether there is one. The first revocation's instant stays."""
    statement = (
        sa.update(service_users)
        .where(service_users.c.service_user_id == service_user_id)
        .values(revoked_at=sa.func.coalesce(service_users.c.revoked_at, at))
    )
    async with database.writing(sessions=False) as connection:
        return (await connection.execute(statement)).rowcount > 0


async def record_use(database: Database, service_user_id: str, at: int) -> None:
    """Remember when a service user last asked."""
    statement = (
        sa.update(service_users)
        .where(service_users.c.service_user_id == service_user_id)
        .values(last_used_at=at)
    )
    async with database.writing(sessions=False) as connection:
        await connection.execute(statement)


def _service_user(row: Sequence[Any]) -> ServiceUser:
    user = ServiceUser(*row)
    return replace(user, permissions=tuple(user.permissions))
