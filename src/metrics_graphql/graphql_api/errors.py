"""Errors as a GraphQL response has them: with a code, and masked if they are bugs."""

import re
from typing import Any, Final

from graphql import FieldNode, GraphQLError
from strawberry.utils.str_converters import to_camel_case

from metrics_graphql.core.errors import MAX_ECHO, BadUserInput, MetricsError
from metrics_graphql.server.http_errors import log_error

LONG_WORD: Final = re.compile(rf"(\S{{{MAX_ECHO}}})\S+")
MAX_MESSAGE: Final = 3 * MAX_ECHO
"""Characters of a message of graphql-core's, which are fewer unless it repeats a long value."""


class QueryTooExpensive(MetricsError):
    """A document, or its response, exceeds a limit.

    `limit` is the name of the limit as in the settings, `value` the count, `maximum` the limit.
    """

    code = "QUERY_TOO_EXPENSIVE"

    def __init__(self, limit: str, value: int, maximum: int) -> None:
        super().__init__(
            f"The query is too expensive: {limit.replace('_', ' ')} {value:,}, at most {maximum:,}."
        )
        self.limit = limit
        self.value = value
        self.maximum = maximum


class PersistedQueryNotFound(MetricsError):
    """The document with this hash is not cached: the client is to send it along.

    Clients of "automatic persisted queries" recognize this error by its message.
    """

    code = "PERSISTED_QUERY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")


class InvalidDocument(Exception):
    """A document of which nothing can be executed, and why."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors = errors


def bad_request_error(message: str) -> dict[str, Any]:
    """Return an error of the client's as the response has it."""
    return {"message": message, "extensions": {"code": BadUserInput.code}}


def format_error(error: GraphQLError) -> dict[str, Any]:
    """Return an error of validation or execution as the response has it; a bug is logged."""
    formatted = {**error.formatted, "message": shorten_message(error.message)}
    original = error.original_error
    if isinstance(original, MetricsError):
        return {**formatted, **format_metrics_error(original)}
    if is_bug(error):
        return {**formatted, **mask_error(original or error)}
    return {**formatted, "extensions": {"code": BadUserInput.code}}


def is_bug(error: GraphQLError) -> bool:
    """Return whether an error is the server's fault.

    An error without a path is about the request, and so the client's. One with a path comes from
    execution: a `MetricsError`, an argument that graphql-core refused, or a bug.
    """
    if error.path is None or isinstance(error.original_error, MetricsError):
        return False
    return not is_argument_error(error)


def shorten_message(message: str) -> str:
    """Return a message of graphql-core's, with long values of the request cut."""
    message = LONG_WORD.sub(r"\1…", message)
    if len(message) <= MAX_MESSAGE:
        return message
    # The value is in the middle, and the reason at the end.
    return f"{message[:MAX_ECHO]}…{message[-MAX_ECHO:]}"


def is_argument_error(error: GraphQLError) -> bool:
    """Return whether graphql-core refused an argument, rather than a value that we returned."""
    if not isinstance(error.original_error or error, GraphQLError):
        return False
    return not any(isinstance(node, FieldNode) for node in error.nodes or ())


def mask_error(error: Exception) -> dict[str, Any]:
    """Log a bug, and return the error that the client sees in its place."""
    return {"message": log_error(error), "extensions": {"code": MetricsError.code}}


def format_metrics_error(error: MetricsError) -> dict[str, Any]:
    """Return a `MetricsError`: message, code, and the argument or the limit at fault."""
    message = log_error(error)
    extensions: dict[str, Any] = {"code": error.code}
    if isinstance(error, QueryTooExpensive):
        extensions |= {"limit": error.limit, "value": error.value, "maximum": error.maximum}
    if isinstance(error, BadUserInput):
        argument = ".".join(to_camel_case(name) for name in error.path)
        message = f"`{argument}` {error.reason}."
        extensions["argument"] = argument
    return {"message": message, "extensions": extensions}
