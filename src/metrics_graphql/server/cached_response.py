"""A response that can be sent any number of times."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from starlette.types import Receive, Scope, Send

from metrics_graphql.core.tenants import Tenant
from metrics_graphql.server.conditional import entity_tag, if_none_match
from metrics_graphql.telemetry.request_record import RequestRecord

OVERHEAD: Final = 2_000
"""Bytes of memory that a cached response takes beyond its key and its body."""
PRIVATE: Final = [(b"cache-control", b"private, no-cache"), (b"vary", b"Authorization, Accept")]
"""A browser may store the response for its caller, and must revalidate it before each use."""

DataVersions = Mapping[Tenant, int]
"""The data version of each tenant that a response was computed from."""


@dataclass(frozen=True, slots=True)
class CachedPayload:
    """A body in JSON, and the data versions under which it is valid.

    Without data versions it is not cacheable, for instance because it contains an error.
    """

    body: bytes
    data_versions: DataVersions | None
    status: int = 200


class CachedResponse:
    """An ASGI response: a payload, its entity tag, and fields of the request record."""

    def __init__(self, payload: CachedPayload, media_type: str, record: RequestRecord) -> None:
        """Copy the record fields that every reuse shares: organizations and operation name."""
        self.payload = payload
        self._organizations = record.organizations
        self._operation_name = record.operation_name
        self._content_headers = [
            (b"content-type", media_type.encode()),
            (b"content-length", str(len(payload.body)).encode()),
        ]

    @property
    def size(self) -> int:
        """The bytes of memory that it takes."""
        return len(self.payload.body) + OVERHEAD

    def record_reuse(self, record: RequestRecord) -> None:
        """Record that a request is served from a cache."""
        record.organizations = self._organizations
        record.operation_name = self._operation_name
        record.record_data_source("cache")

    @cached_property
    def _validators(self) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        """The entity tag and its header fields; computed on demand, because only GET needs them."""
        etag = entity_tag(self.payload.body)
        return etag, [(b"etag", etag), *PRIVATE]

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the response; 304 to a GET whose client has it already."""
        headers, status, body = self._content_headers, self.payload.status, self.payload.body
        if scope["method"] == "GET" and self.payload.data_versions is not None:
            etag, headers = self._validators
            if if_none_match(scope, etag):
                status, body = 304, b""
            else:
                headers = [*headers, *self._content_headers]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
