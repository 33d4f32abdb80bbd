"""The keys under which responses are cached and replayed."""

from typing import NamedTuple

from starlette.types import Scope


class RequestKey(NamedTuple):
    """Everything that a response depends on, but for its caller and the data."""

    method: str
    path: str
    query_string: bytes
    response_type: str
    """The negotiated media type of the response."""
    content_type: str = ""
    body: bytes = b""

    @classmethod
    def of(
        cls, scope: Scope, response_type: str, content_type: str = "", body: bytes = b""
    ) -> "RequestKey":
        """Return the key of a request."""
        return cls(
            scope["method"], scope["path"], scope["query_string"], response_type, content_type, body
        )

    @property
    def size(self) -> int:
        """The size in bytes of what has no fixed bound."""
        return len(self.path) + len(self.query_string) + len(self.content_type) + len(self.body)


class CacheKey(NamedTuple):
    """A request, and the `cache_scope` of its caller: service users share no entries."""

    cache_scope: str
    request: RequestKey


class ReplayKey(NamedTuple):
    """A request with the same credential, byte for byte."""

    credential_hash: bytes
    """The SHA-256 of the `Authorization` header, which itself must not stay in memory."""
    request: RequestKey
