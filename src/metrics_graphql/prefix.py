"""The path that a proxy shows the gateway at: taken off what is asked for, where it is there."""

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


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
