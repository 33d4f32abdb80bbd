"""What every answer carries, what browsers may do with it above all."""

from threading import Event
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metrics_graphql.watching import Watch

ALWAYS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
UNLESS_GIVEN: Final = {
    # A browser that shows the answer runs nothing. A page brings its own policy.
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    # Numbers of one organization, for one caller: not for a cache on the way.
    b"cache-control": b"no-store",
}


class AnswerHeaders:
    """Middleware that completes the headers of every answer, and has it watched."""

    def __init__(self, app: ASGIApp, draining: Event, watch: Watch) -> None:
        self._app = app
        self._draining = draining
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with more headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = self._watch.begin(scope)
        request_id = (b"x-request-id", request.request_id.encode())

        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = self._completed(list(message.get("headers", ())), scope)
                headers.append(request_id)
                message["headers"] = headers
                request.status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_completed)
        finally:
            self._watch.end(request, scope)

    def _completed(
        self, headers: list[tuple[bytes, bytes]], scope: Scope
    ) -> list[tuple[bytes, bytes]]:
        names = {name for name, _ in headers}
        headers += ALWAYS
        headers += [each for each in UNLESS_GIVEN.items() if each[0] not in names]
        if quota := scope.get("state", {}).get("quota"):
            headers += quota.headers()
        if self._draining.is_set():
            headers.append((b"connection", b"close"))
        return headers
