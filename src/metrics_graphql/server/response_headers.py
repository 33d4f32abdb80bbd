"""Header fields of every response: security, caching, rate limit, request id, shutdown."""

from threading import Event
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metrics_graphql.server.rate_limit import QUOTA_KEY
from metrics_graphql.telemetry.request_record import RequestRecord

ALWAYS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
DEFAULTS: Final = [
    # A browser that displays a response executes nothing of it. Pages bring their own policy.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    # The numbers of one organization, for one caller: no shared cache may store them.
    (b"cache-control", b"no-store"),
]
"""Fields that a response has unless it sets them itself."""


class ResponseHeadersMiddleware:
    """Adds header fields to every response, and records its status.

    `Connection: close` is added while the process shuts down.
    """

    def __init__(self, app: ASGIApp, shutting_down: Event) -> None:
        self._app = app
        self._shutting_down = shutting_down

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its response back with more header fields."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        record = RequestRecord.of(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                headers = self._completed(list(message.get("headers", ())), scope)
                headers.append((b"x-request-id", record.request_id.encode()))
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _completed(
        self, headers: list[tuple[bytes, bytes]], scope: Scope
    ) -> list[tuple[bytes, bytes]]:
        names = [name for name, _ in headers]
        headers += ALWAYS
        for field in DEFAULTS:
            if field[0] not in names:
                headers.append(field)
        if quota := scope.get(QUOTA_KEY):
            headers += quota.headers()
        if self._shutting_down.is_set():
            headers.append((b"connection", b"close"))
        return headers
