"""Conditional requests (RFC 9110, section 13): strong entity tags and `If-None-Match`."""

from base64 import urlsafe_b64encode
from hashlib import sha256

from starlette.types import Scope


def entity_tag(body: bytes) -> bytes:
    """Return the strong entity tag of a representation."""
    return b'"%b"' % urlsafe_b64encode(sha256(body).digest()[:18])


def if_none_match(scope: Scope, etag: bytes) -> bool:
    """Return whether the client already has the representation with this entity tag."""
    return any(
        each.strip().removeprefix(b"W/") in {etag, b"*"}
        for name, value in scope["headers"]
        if name == b"if-none-match"
        for each in value.split(b",")
    )
