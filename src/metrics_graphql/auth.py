"""Tokens, who is asking, and what they may read. Does not know what is asked."""

import hashlib
import re
import secrets
import string
import time
import zlib
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from metrics_graphql.domain.metrics import check_id, check_new_id
from metrics_graphql.domain.periods import DAY
from metrics_graphql.errors import BadUserInput, Unauthenticated
from metrics_graphql.freshness import Fresh
from metrics_graphql.store import accounts
from metrics_graphql.store.accounts import ServiceUser, StoredToken
from metrics_graphql.store.engine import Database
from metrics_graphql.store.organizations import first_organizations

TOKEN_PREFIX: Final = "cog_"  # noqa: S105 - what every token begins with is no secret
BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
SECRET_LENGTH: Final = 32
"""Base62 characters of secret: 190 bits."""
CHECKSUM_LENGTH: Final = 6
"""Base62 characters of CRC32, enough for its 32 bits."""

TOKEN: Final = re.compile(
    rf"{TOKEN_PREFIX}[0-9A-Za-z]{{{SECRET_LENGTH},}}[0-9A-Za-z]{{{CHECKSUM_LENGTH}}}"
)

NOT_VALID: Final = "The token is not valid"

VIEW_METRICS: Final = frozenset({"ViewAccountMetrics", "ViewOrgMetrics"})
"""Either permission lets its holder read session metrics; the second is the newer name."""
DEFAULT_PERMISSION: Final = "ViewAccountMetrics"

USE_RESOLUTION: Final = 60
"""`last_used_at` is at most this many seconds behind: asking often must not write often."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A service user with a token that was just made. The token is shown once, and kept nowhere."""

    service_user: ServiceUser
    token: str
    expires_at: int | None


def generate_token() -> str:
    """Return a new token: the prefix, the secret, and the secret's checksum."""
    secret = "".join(secrets.choice(BASE62) for _ in range(SECRET_LENGTH))
    return f"{TOKEN_PREFIX}{secret}{checksum(secret)}"


def checksum(secret: str) -> str:
    """Return the CRC32 of a secret in base62, so that a mistyped token is known for one at once."""
    number = zlib.crc32(secret.encode("ascii"))
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(BASE62))
        digits = BASE62[digit] + digits
    return digits


def is_well_formed(token: str) -> bool:
    """Return whether a token could be one of ours; no database is asked."""
    return (
        TOKEN.fullmatch(token) is not None
        and checksum(token[len(TOKEN_PREFIX) : -CHECKSUM_LENGTH]) == token[-CHECKSUM_LENGTH:]
    )


def bearer_token(authorization: str | None) -> str:
    """Return the token of an `Authorization` header, which may be one of ours.

    Raises:
        Unauthenticated: there is no header, it holds no bearer token, or the token is mistyped.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Not authenticated")
    if not is_well_formed(token.strip()):
        raise Unauthenticated(NOT_VALID)
    return token.strip()


async def authenticate(tokens: Fresh[bytes, StoredToken], token: str) -> StoredToken:
    """Return what is known of a token that opens something.

    Raises:
        Unauthenticated: the token is unknown, expired or revoked; which of them, it does not say.
        Unavailable: the database can't answer.
    """
    key = sha256(token)
    stored = (await tokens.get((key,))).get(key)
    if (
        stored is None
        or stored.service_user.revoked_at is not None
        or (stored.expires_at is not None and stored.expires_at <= time.time())
    ):
        raise Unauthenticated(NOT_VALID)
    return stored


async def readable(
    versions: Fresh[str | None, int], caller: ServiceUser, org_ids: AbstractSet[str | None]
) -> AbstractSet[str | None]:
    """Return those of some organizations whose metrics the caller may read; None: the enterprise's.

    An organization-level caller costs no read, whether an organization exists or not; an
    enterprise-level one costs one, either way. So neither answer nor time tells which it was.

    Raises:
        Unavailable: the database can't answer.
    """
    if VIEW_METRICS.isdisjoint(caller.permissions):
        return frozenset()
    if caller.org_id is not None:
        return org_ids & {caller.org_id}
    return (await versions.get(org_ids)).keys()


async def readable_organizations(database: Database, caller: ServiceUser, first: int) -> list[str]:
    """Return the first organizations, by id, whose metrics the caller may read.

    Raises:
        Unavailable: the database can't answer.
    """
    if VIEW_METRICS.isdisjoint(caller.permissions):
        return []
    if caller.org_id is not None:
        return [caller.org_id]
    return await first_organizations(database, first)


async def record_use(database: Database, caller: ServiceUser) -> None:
    """Remember that a caller asked just now."""
    await accounts.record_use(database, caller.service_user_id, int(time.time()))


def use_is_recorded(caller: ServiceUser) -> bool:
    """Return whether the stored last use is recent enough; one in the future is not."""
    return abs(time.time() - (caller.last_used_at or 0)) < USE_RESOLUTION


async def create_service_user(
    database: Database,
    name: str,
    *,
    org_id: str | None,
    permissions: tuple[str, ...] = (DEFAULT_PERMISSION,),
    expires_in_days: float | None = None,
) -> NewToken:
    """Create a service user and its first token; `org_id` None is the enterprise level.

    Raises:
        BadUserInput: a name, an organization or a permission that can't be stored.
        Unavailable: the database can't be written to.
    """
    check_new_id("name", name)
    if org_id is not None:
        check_new_id("org_id", org_id)
    for permission in permissions:
        check_new_id("permission", permission)
    now = int(time.time())
    service_user = ServiceUser(
        service_user_id=f"service-user-{secrets.token_hex(8)}",
        name=name,
        org_id=org_id,
        permissions=permissions,
        created_at=now,
        token_lifetime=None if expires_in_days is None else int(expires_in_days * DAY),
        revoked_at=None,
        last_used_at=None,
    )
    expires_at = end_of_life(service_user, now)
    token = generate_token()
    await accounts.insert_service_user(database, service_user, sha256(token), expires_at)
    return NewToken(service_user, token, expires_at)


async def rotate_token(
    database: Database, service_user_id: str, *, overlap_seconds: int
) -> NewToken:
    """Give a service user a new token, which lives as long as the first one was meant to.

    Its older tokens keep working for `overlap_seconds`, or until they expire if that is sooner.

    Raises:
        BadUserInput: there is no such service user, or it is revoked.
        Unavailable: the database can't be written to.
    """
    check_id("id", service_user_id)
    now = int(time.time())
    token = generate_token()
    async with database.writing(sessions=False) as connection:
        service_user = await accounts.find_active(connection, service_user_id)
        if service_user is None:
            raise BadUserInput("id", "names no service user that is not revoked")
        expires_at = end_of_life(service_user, now)
        await accounts.expire_tokens(connection, service_user_id, now + overlap_seconds)
        await accounts.insert_token(connection, service_user_id, sha256(token), now, expires_at)
    return NewToken(service_user, token, expires_at)


def end_of_life(service_user: ServiceUser, now: int) -> int | None:
    """Return when a token that is made now ends; None is never."""
    return None if service_user.token_lifetime is None else now + service_user.token_lifetime


async def revoke_service_user(database: Database, service_user_id: str) -> None:
    """Let every token of a service user end now.

    Raises:
        BadUserInput: there is no such service user.
        Unavailable: the database can't be written to.
    """
    check_id("id", service_user_id)
    if not await accounts.revoke_service_user(database, service_user_id, int(time.time())):
        raise BadUserInput("id", "names no service user")


def sha256(token: str) -> bytes:
    """Return the hash under which a token is stored."""
    return hashlib.sha256(token.encode()).digest()
