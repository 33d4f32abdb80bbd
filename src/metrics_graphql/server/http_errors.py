"""The HTTP status and header fields of the core's errors, and the logging of errors."""

import logging
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from metrics_graphql.core.errors import (
    BadUserInput,
    Forbidden,
    MetricsError,
    Overloaded,
    RateLimited,
    TimedOut,
    Unauthenticated,
    Unavailable,
)

logger = logging.getLogger(__name__)

STATUS: Final[Mapping[type[MetricsError], HTTPStatus]] = {
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    BadUserInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    TimedOut: HTTPStatus.GATEWAY_TIMEOUT,
    MetricsError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""A subclass that is not listed has the status of its base class."""


def http_status(error: MetricsError) -> int:
    """Return the HTTP status of an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def http_headers(error: MetricsError) -> dict[str, str]:
    """Return the header fields that a response with this error must have."""
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, RateLimited):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, (Unavailable, Overloaded)):
        return {"Retry-After": "1"}
    return {}


def log_error(error: Exception) -> str:
    """Log an error where it leaves an API, and return the message for the client.

    Of the errors that a caller may read, only a database that is not available concerns the
    operator. Any other exception is a bug: logged with its traceback, and masked by an id.
    """
    if isinstance(error, MetricsError):
        if isinstance(error, Unavailable):
            logger.warning("The database is not available: %r", error.__cause__)
        return error.message
    error_id = secrets.token_hex(8)
    logger.error("Unexpected error %s", error_id, exc_info=error)
    return f"Internal error. The server's log has the details under the id {error_id}."


class ErrorMiddleware:
    """Turns exceptions into responses: those of routing (404, 405), and bugs outside of the APIs.

    The APIs render their own errors, in the shapes that they promise.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; respond in its place if an exception is raised."""
        try:
            await self._app(scope, receive, send)
        except HTTPException as error:
            response = JSONResponse({"detail": error.detail}, error.status_code, error.headers)
        except Exception as error:
            if scope["type"] != "http":
                raise
            response = JSONResponse({"detail": log_error(error)}, 500)
        else:
            return
        await response(scope, receive, send)
