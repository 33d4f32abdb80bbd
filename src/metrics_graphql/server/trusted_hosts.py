"""Trusted hosts: refuses requests that were sent to another host name."""

from collections.abc import Sequence

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from metrics_graphql.server.health import PROBE_PATHS


class TrustedHostsMiddleware(TrustedHostMiddleware):
    """Starlette's `TrustedHostMiddleware`, except for paths that are probed at an IP address."""

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str], path_prefix: str = "") -> None:
        super().__init__(app, allowed_hosts, www_redirect=False)
        self._path_prefix = path_prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if its host is trusted."""
        if scope["type"] == "http":
            path: str = scope["path"]
            if path.removeprefix(self._path_prefix) in PROBE_PATHS:
                await self.app(scope, receive, send)
                return
        await super().__call__(scope, receive, send)
