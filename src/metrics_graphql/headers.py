"""What every answer carries: what browsers may do with it, and what its caller may still ask."""

from threading import Event
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DATA_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of an answer that is no page: a browser that shows it runs nothing.
A page brings its own."""


class AnswerHeaders:
    """Middleware that completes the headers of every answer."""

    def __init__(self, app: ASGIApp, draining: Event) -> None:
        self._app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with more headers."""

        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._complete(MutableHeaders(scope=message), scope)
            await send(message)

        await self._app(scope, receive, send_completed)

    def _complete(self, headers: MutableHeaders, scope: Scope) -> None:
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        headers.setdefault("Content-Security-Policy", DATA_POLICY)
        # Numbers of one organization, for one caller: not for a cache on the way.
        headers.setdefault("Cache-Control", "no-store")
        if quota := scope.get("state", {}).get("quota"):
            headers.update(quota.headers())
        if self._draining.is_set():
            headers["Connection"] = "close"
