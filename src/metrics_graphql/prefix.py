"""The path that a proxy shows the gateway at: taken off what is asked for, where it is there."""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REDIRECT: Final = 307
"""What Starlette answers where a slash is too many."""


class PathPrefix:
    """Middleware that lets a request come with the prefix or, as some proxies send it, without."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix
        self._home = f"{prefix}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on as one at the root; the pages' links need the slash at the end."""
        app = self._app
        if scope["type"] == "http":
            path: str = scope["path"]
            if path.startswith(self._home):
                # In place: who is further out looks at the scope afterwards.
                scope["path"] = path.removeprefix(self._prefix)
            elif path == self._prefix and scope["method"] in {"GET", "HEAD"}:
                query = scope["query_string"].decode("latin-1")
                app = RedirectResponse(f"{self._home}?{query}" if query else self._home)
        await app(scope, receive, send)


class LocalRedirects:
    """Middleware that redirects without an address of ours, below the prefix.

    The address that a proxy asks at is not the one to tell: it is plain HTTP, most often, and a
    token would go there.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back."""

        async def send_local(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == REDIRECT:
                headers = MutableHeaders(scope=message)
                to = urlsplit(headers["location"])
                headers["location"] = to._replace(
                    scheme="", netloc="", path=f"{self._prefix}{to.path}"
                ).geturl()
            await send(message)

        await self._app(scope, receive, send_local)
