"""Errors as a GraphQL response shows them: a code always, a reason for those who may read it."""

import re
from dataclasses import fields
from typing import Any, Final

from graphql import FieldNode, GraphQLError
from strawberry.utils.str_converters import to_camel_case

from metrics_graphql.errors import (
    MAX_ECHO,
    BadUserInput,
    MetricsError,
    QueryTooExpensive,
    Unavailable,
)
from metrics_graphql.graphql_api.inputs import SessionMetricsFilters
from metrics_graphql.observability import report, report_unavailable

FILTERS: Final = frozenset(field.name for field in fields(SessionMetricsFilters))
"""The arguments of a question that the schema keeps in `filters`."""
LONG_WORD: Final = re.compile(rf"(\S{{{MAX_ECHO}}})\S+")
LONG_MESSAGE: Final = 3 * MAX_ECHO
"""Characters; what graphql-core says of itself is shorter."""


def bad_request(message: str) -> dict[str, Any]:
    """Return an error that is the client's, as the response shows it."""
    return {"message": message, "extensions": {"code": BadUserInput.code}}


def formatted(error: GraphQLError) -> dict[str, Any]:
    """Return an error of a document or of its execution as the response shows it.

    One without a path is about the request, and the caller's. One with a path came of running it:
    it is one of ours that a caller may read, or it is reported, and masked.
    """
    shown = {**error.formatted, "message": shortened(error.message)}
    original = error.original_error
    if isinstance(original, MetricsError):
        return {**shown, **formatted_error(original)}
    if error.path is None or is_about_arguments(error):
        return {**shown, "extensions": {"code": BadUserInput.code}}
    return {**shown, **masked(original or error)}


def shortened(message: str) -> str:
    """Return what graphql-core says, with what it repeats of the request cut short."""
    message = LONG_WORD.sub(r"\1…", message)
    if len(message) <= LONG_MESSAGE:
        return message
    # A long value stands in the middle, and the reason behind it.
    return f"{message[:MAX_ECHO]}…{message[-MAX_ECHO:]}"


def is_about_arguments(error: GraphQLError) -> bool:
    """Return whether graphql-core refused an argument of a field, rather than a value of ours."""
    if not isinstance(error.original_error or error, GraphQLError):
        return False
    return not any(isinstance(node, FieldNode) for node in error.nodes or ())


def masked(error: Exception) -> dict[str, Any]:
    """Report an error that is not meant for callers, and return what they see instead."""
    return {"message": report(error), "extensions": {"code": MetricsError.code}}


def formatted_error(error: MetricsError) -> dict[str, Any]:
    """Return an error of ours: its message and its code, and the argument where one is at fault."""
    if isinstance(error, Unavailable):
        report_unavailable(error)
    extensions: dict[str, Any] = {"code": error.code}
    if isinstance(error, QueryTooExpensive):
        extensions |= {"limit": error.limit, "value": error.value, "maximum": error.maximum}
    if not isinstance(error, BadUserInput):
        return {"message": error.message, "extensions": extensions}
    argument = argument_path(error.argument)
    return {
        "message": f"`{argument}` {error.reason}.",
        "extensions": {**extensions, "argument": argument},
    }


def argument_path(argument: str) -> str:
    """Return how the schema spells an argument of a question."""
    name = to_camel_case(argument)
    return f"filters.{name}" if argument in FILTERS else name
