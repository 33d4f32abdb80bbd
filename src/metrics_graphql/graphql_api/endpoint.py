"""GraphQL over HTTP: one question in, one answer out, an error always in the promised shape."""

import json
import re
from collections.abc import Awaitable, Mapping
from dataclasses import fields
from typing import Any, Final

from graphql import ExecutionResult, FieldNode, GraphQLError, execute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send
from strawberry.http.ides import get_graphql_ide_html
from strawberry.utils.str_converters import to_camel_case

from metrics_graphql.errors import BadUserInput, MetricsError, Unauthenticated, Unavailable
from metrics_graphql.graphql_api.bodies import BadRequest, GraphQLRequest, read_request
from metrics_graphql.graphql_api.context import Context
from metrics_graphql.graphql_api.documents import InvalidDocument, read_operation
from metrics_graphql.graphql_api.inputs import SessionMetricsFilters
from metrics_graphql.graphql_api.schema import graphql_schema
from metrics_graphql.observability import report, report_unavailable
from metrics_graphql.service import MetricsService

RESPONSE_TYPE: Final = "application/graphql-response+json"
"""What a client that knows GraphQL over HTTP asks for; others get `application/json`."""
FILTERS: Final = frozenset(field.name for field in fields(SessionMetricsFilters))
"""The arguments of a question that the schema keeps in `filters`."""
WEIGHT: Final = re.compile(r"[01](\.\d{0,3})?")
"""How much a client likes a media type, as RFC 9110 spells it."""


class GraphQLEndpoint:
    """Answers `/graphql`: questions by POST and GET, and a page to explore for browsers."""

    def __init__(self, service: MetricsService) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever its method."""
        request = Request(scope, receive)
        media_type = response_type(request)
        try:
            response = await self._answer(request, media_type)
        except MetricsError as error:
            headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else None
            response = failure(error.status, formatted_error(error), media_type, headers)
        except BadRequest as error:
            response = failure(error.status, bad_request(error.message), media_type, error.headers)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the last line: nothing unmasked gets past it
            response = failure(MetricsError.status, masked(error), media_type)
        await response(scope, receive, send)

    async def _answer(self, request: Request, media_type: str) -> Response:
        if request.method not in {"GET", "POST"}:
            raise BadRequest(405, "Ask with GET or POST.", {"Allow": "GET, POST"})
        if wants_page(request):
            return HTMLResponse(get_graphql_ide_html("graphiql"), headers={"Vary": "Accept"})
        caller = await self._service.authenticate(request.headers.get("authorization"))
        asked = await read_request(request)
        return await self._execute(asked, Context(self._service, caller), media_type)

    async def _execute(self, asked: GraphQLRequest, context: Context, media_type: str) -> Response:
        try:
            operation = read_operation(asked.query, asked.operation_name)
        except InvalidDocument as invalid:
            return nothing_ran([formatted(error) for error in invalid.errors], media_type)
        result = await execution(
            execute(
                graphql_schema,
                operation.document,
                context_value=context,
                variable_values=asked.variables,
                operation_name=asked.operation_name,
            )
        )
        errors = [formatted(error) for error in result.errors or ()]
        if result.data is None and not any("path" in error for error in errors):
            return nothing_ran(errors, media_type)
        body: dict[str, Any] = {"data": result.data}
        if errors:
            body["errors"] = errors
        return GraphQLResponse(body, media_type=media_type)


class GraphQLResponse(JSONResponse):
    """JSON, in which an unpaired surrogate that an error repeats is escaped."""

    def render(self, content: object) -> bytes:
        """Return the body."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode(errors="backslashreplace")


async def execution(result: ExecutionResult | Awaitable[ExecutionResult]) -> ExecutionResult:
    """Return a result, which graphql-core gives at once where nothing had to be waited for."""
    return await result if isinstance(result, Awaitable) else result


def nothing_ran(errors: list[dict[str, Any]], media_type: str) -> Response:
    """Return the answer to a document or variables that could not be run."""
    # Clients of the older media type look at the body, not at the status.
    status = 400 if media_type == RESPONSE_TYPE else 200
    return GraphQLResponse({"errors": errors}, status, media_type=media_type)


def wants_page(request: Request) -> bool:
    """Return whether a browser opened the address, rather than a client asked something."""
    return (
        request.method == "GET"
        and "query" not in request.query_params
        and "text/html" in request.headers.get("accept", "")
    )


def response_type(request: Request) -> str:
    """Return the media type to answer in: the one that the client prefers, if it knows both."""
    newer = quality(request.headers.get("accept", ""), RESPONSE_TYPE)
    older = quality(request.headers.get("accept", ""), "application/json")
    return RESPONSE_TYPE if newer > 0 and newer >= older else "application/json"


def quality(accept: str, media_type: str) -> float:
    """Return how much a client that names a media type likes it, from 0 to 1."""
    for entry in accept.lower().split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        if name == media_type:
            weights = [text[2:] for text in parameters if text.startswith("q=")]
            return float(weights[0]) if weights and WEIGHT.fullmatch(weights[0]) else 1.0
    return 0.0


def failure(
    status: int,
    error: Mapping[str, Any],
    media_type: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer to a request of which nothing ran."""
    return GraphQLResponse({"errors": [error]}, status, headers, media_type)


def bad_request(message: str) -> dict[str, Any]:
    """Return an error that is the client's, as the response shows it."""
    return {"message": message, "extensions": {"code": BadUserInput.code}}


def formatted(error: GraphQLError) -> dict[str, Any]:
    """Return an error of a document or of its execution as the response shows it.

    One without a path is about the request, and the caller's. One with a path came of running it:
    it is one of ours that a caller may read, or it is reported, and masked.
    """
    shown = error.formatted
    original = error.original_error
    if isinstance(original, MetricsError):
        return {**shown, **formatted_error(original)}
    if error.path is None or is_about_arguments(error):
        return {**shown, "extensions": {"code": BadUserInput.code}}
    return {**shown, **masked(original or error)}


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
    extensions = {"code": error.code}
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
