"""The bearer token in an `Authorization` header (RFC 6750)."""

from metrics_graphql.core.errors import Unauthenticated
from metrics_graphql.core.tokens import INVALID_TOKEN, is_well_formed


def bearer_token(authorization: str | None) -> str:
    """Return the token in an `Authorization` header, which is well-formed but may be unknown.

    Raises:
        Unauthenticated: there is no header, it has no bearer token, or the token is malformed.
    """
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("Not authenticated")
    if not is_well_formed(token):
        raise Unauthenticated(INVALID_TOKEN)
    return token
