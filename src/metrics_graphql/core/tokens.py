"""The format of tokens: a prefix, a secret, and a checksum that catches typing errors."""

import hashlib
import re
import secrets
import string
import zlib
from typing import Final

TOKEN_PREFIX: Final = "cog_"  # noqa: S105 - the public prefix of every token
BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
SECRET_LENGTH: Final = 32
"""Base62 characters of a generated secret: 190 bits. Longer secrets are well-formed, too."""
CHECKSUM_LENGTH: Final = 6
"""Base62 characters of the CRC32: 32 bits."""

INVALID_TOKEN: Final = "The token is not valid"  # noqa: S105 - a message
"""The message for a token that is malformed, unknown, expired or revoked."""

TOKEN: Final = re.compile(
    rf"{TOKEN_PREFIX}[0-9A-Za-z]{{{SECRET_LENGTH},}}[0-9A-Za-z]{{{CHECKSUM_LENGTH}}}"
)


def generate_token() -> str:
    """Return a new token: prefix, secret, checksum of the secret."""
    secret = "".join(secrets.choice(BASE62) for _ in range(SECRET_LENGTH))
    return f"{TOKEN_PREFIX}{secret}{checksum(secret)}"


def checksum(secret: str) -> str:
    """Return the CRC32 of a secret in base62. A mistyped token is refused without a database."""
    number = zlib.crc32(secret.encode("ascii"))
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(BASE62))
        digits = BASE62[digit] + digits
    return digits


def is_well_formed(token: str) -> bool:
    """Return whether a token has the format and a matching checksum."""
    return (
        TOKEN.fullmatch(token) is not None
        and checksum(token[len(TOKEN_PREFIX) : -CHECKSUM_LENGTH]) == token[-CHECKSUM_LENGTH:]
    )


def hash_token(token: str) -> bytes:
    """Return the SHA-256 under which a token is stored; the token itself is stored nowhere."""
    return hashlib.sha256(token.encode()).digest()
