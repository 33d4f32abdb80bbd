"""GraphQL over HTTP: one question in, one answer out, an error always in the promised shape."""

from collections.abc import Mapping
from typing import Any, Final

from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send
from strawberry.http.ides import get_graphql_ide_html
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType
from strawberry.utils.str_converters import to_camel_case

from metrics_graphql.errors import BadUserInput, MetricsError, Unauthenticated, Unavailable
from metrics_graphql.graphql_api.bodies import BadRequest, GraphQLRequest, read_request
from metrics_graphql.graphql_api.schema import Context, schema
from metrics_graphql.observability import report, report_unavailable
from metrics_graphql.service import MetricsService

RESPONSE_TYPE: Final = "application/graphql-response+json"
"""What a client that knows GraphQL over HTTP asks for; others get `application/json`."""


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
        except Exception as error:  # noqa: BLE001 - the last line: nothing unmasked gets past it
            response = failure(MetricsError.status, masked(error), media_type)
        await response(scope, receive, send)

    async def _answer(self, request: Request, media_type: str) -> Response:
        if request.method not in {"GET", "POST"}:
            raise BadRequest(405, "Ask with GET or POST.", {"Allow": "GET, POST"})
        if wants_page(request):
            return HTMLResponse(get_graphql_ide_html("graphiql"))
        caller = await self._service.authenticate(request.headers.get("authorization"))
        asked = await read_request(request)
        return await self._execute(asked, Context(self._service, caller), media_type)

    async def _execute(self, asked: GraphQLRequest, context: Context, media_type: str) -> Response:
        result = await schema.execute(
            asked.query,
            variable_values=asked.variables,
            operation_name=asked.operation_name,
            context_value=context,
            allowed_operation_types=[OperationType.QUERY],
        )
        errors = [formatted(error) for error in result.errors or ()]
        if isinstance(result, PreExecutionError) or (errors and result.data is None):
            # Nothing ran. Clients of the older media type look at the body, not at the status.
            status = 400 if media_type == RESPONSE_TYPE else 200
            return JSONResponse({"errors": errors}, status, media_type=media_type)
        body: dict[str, Any] = {"data": result.data}
        if errors:
            body["errors"] = errors
        return JSONResponse(body, media_type=media_type)


def wants_page(request: Request) -> bool:
    """Return whether a browser opened the address, rather than a client asked something."""
    return (
        request.method == "GET"
        and "query" not in request.query_params
        and "text/html" in request.headers.get("accept", "")
    )


def response_type(request: Request) -> str:
    """Return the media type to answer in."""
    accepted = request.headers.get("accept", "")
    return RESPONSE_TYPE if RESPONSE_TYPE in accepted else "application/json"


def failure(
    status: int,
    error: Mapping[str, Any],
    media_type: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer to a request of which nothing ran."""
    return JSONResponse({"errors": [error]}, status, headers, media_type)


def bad_request(message: str) -> dict[str, Any]:
    """Return an error that is the client's, as the response shows it."""
    return {"message": message, "extensions": {"code": BadUserInput.code}}


def formatted(error: GraphQLError) -> dict[str, Any]:
    """Return an error of an execution as the response shows it.

    An error without an original is graphql-core's own, about the request; one that is not meant
    for callers is reported, and masked.
    """
    original = error.original_error
    shown = error.formatted
    if isinstance(original, MetricsError):
        return {**shown, **formatted_error(original)}
    if original is None or isinstance(original, GraphQLError):
        return {**shown, "extensions": {"code": BadUserInput.code}}
    return {**shown, **masked(original)}


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
    return name if name == "orgId" else f"filters.{name}"
