"""GraphQL over HTTP: reads a request, executes it, and responds, with errors in GraphQL's shape."""

from collections.abc import Awaitable, Mapping
from typing import Any, Final

from graphql import ExecutionResult, execute
from graphql.execution import get_variable_values
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.http.ides import get_graphql_ide_html

from metrics_graphql.core.callers import ServiceUser
from metrics_graphql.core.errors import MetricsError
from metrics_graphql.core.service import MetricsService
from metrics_graphql.graphql_api.content_negotiation import (
    JSON_TYPE,
    RESPONSE_TYPE,
    accept_field,
    is_navigation,
    response_type,
)
from metrics_graphql.graphql_api.context import Context
from metrics_graphql.graphql_api.document_store import Document, DocumentStore
from metrics_graphql.graphql_api.errors import (
    InvalidDocument,
    PersistedQueryNotFound,
    QueryTooExpensive,
    bad_request_error,
    format_error,
    format_metrics_error,
    mask_error,
)
from metrics_graphql.graphql_api.request import (
    GraphQLRequest,
    MalformedRequest,
    parse_request,
    read_body,
)
from metrics_graphql.graphql_api.schema import graphql_schema
from metrics_graphql.server.cached_response import CachedPayload
from metrics_graphql.server.http_errors import http_headers, http_status
from metrics_graphql.server.pipeline import RequestPipeline
from metrics_graphql.server.request_key import RequestKey
from metrics_graphql.settings import Settings
from metrics_graphql.telemetry.request_record import RequestRecord

MAX_COERCION_ERRORS: Final = 50
"""Errors in variables that are reported; graphql-core's own default."""


class GraphQLEndpoint:
    """The ASGI endpoint at `/graphql`: documents by POST and GET, and GraphiQL for browsers."""

    def __init__(
        self,
        service: MetricsService,
        pipeline: RequestPipeline,
        settings: Settings,
        documents: DocumentStore,
        graphiql: ASGIApp,
    ) -> None:
        self._service = service
        self._pipeline = pipeline
        self._graphiql = graphiql
        self._documents = documents
        self._body_timeout = settings.body_timeout
        self._max_response_fields = settings.max_response_fields

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request, whatever its method."""
        request = Request(scope, receive)
        accept = accept_field(request)
        media_type = response_type(accept)
        try:
            response = await self._respond(request, accept, media_type)
        except MetricsError as error:
            body = format_metrics_error(error)
            response = error_response(http_status(error), body, media_type, http_headers(error))
        except MalformedRequest as error:
            body = bad_request_error(error.message)
            response = error_response(error.status, body, media_type, error.headers)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - masked, in the API's shape
            response = error_response(500, mask_error(error), media_type)
        await response(scope, receive, send)

    async def _respond(self, request: Request, accept: str, media_type: str | None) -> ASGIApp:
        if request.method not in {"GET", "POST"}:
            raise MalformedRequest(405, "Use GET or POST.", {"Allow": "GET, POST"})
        if is_navigation(request, accept):
            RequestRecord.of(request.scope).endpoint = "page"
            return self._graphiql
        if media_type is None:
            accepted = f"{RESPONSE_TYPE} or {JSON_TYPE}"
            raise MalformedRequest(406, f"The Accept header must allow {accepted}.")
        # Before admission: a client that sends slowly must not hold a permit meanwhile.
        body = await read_body(request, self._body_timeout)
        content_type = request.headers.get("content-type", "")
        key = RequestKey.of(request.scope, media_type, content_type, body)

        async def execute_for(caller: ServiceUser) -> CachedPayload:
            record = RequestRecord.of(request.scope)
            context = Context(self._service, caller, record, self._max_response_fields)
            return await self._execute(parse_request(request, body), context, media_type)

        return await self._pipeline.respond(request, key, execute_for)

    async def _execute(
        self, request: GraphQLRequest, context: Context, media_type: str
    ) -> CachedPayload:
        """Execute a request: on the fast path, or on graphql-core if that does not support it."""
        try:
            document = self._documents.resolve(request)
            operation = document.operation(request.operation_name)
        except InvalidDocument as invalid:
            return request_errors([format_error(error) for error in invalid.errors], media_type)
        except (QueryTooExpensive, PersistedQueryNotFound) as error:
            return request_errors([format_metrics_error(error)], media_type)
        context.record.operation_name = operation.name
        variables = get_variable_values(
            graphql_schema,
            operation.ast.variable_definitions or (),
            request.variables or {},
            MAX_COERCION_ERRORS,
            self._documents.hide_suggestions,
        )
        if isinstance(variables, list):
            return request_errors([format_error(error) for error in variables], media_type)
        compiled = operation.compiled(variables)
        if compiled is None:
            return await self._execute_on_graphql_core(document, request, context, media_type)
        data, errors = await compiled.execute(context, variables)
        if not errors:
            return CachedPayload(f'{{"data":{data}}}'.encode(), context.data_versions)
        formatted = json_body([format_error(error) for error in errors])
        return CachedPayload(b'{"data":%b,"errors":%b}' % (data.encode(), formatted), None)

    async def _execute_on_graphql_core(
        self, document: Document, request: GraphQLRequest, context: Context, media_type: str
    ) -> CachedPayload:
        result = execute(
            graphql_schema,
            document.ast,
            root_value=context.caller,
            context_value=context,
            variable_values=request.variables,
            operation_name=request.operation_name,
            hide_suggestions=self._documents.hide_suggestions,
        )
        # A result is there at once if nothing had to be awaited.
        result = await result if isinstance(result, Awaitable) else result
        return execution_payload(result, context, media_type)


def execution_payload(result: ExecutionResult, context: Context, media_type: str) -> CachedPayload:
    """Return the payload of graphql-core's result."""
    errors = [format_error(error) for error in result.errors or ()]
    if result.data is None and not any("path" in error for error in errors):
        return request_errors(errors, media_type)
    if errors:
        return CachedPayload(json_body({"data": result.data, "errors": errors}), None)
    versions = context.data_versions if context.is_cacheable else None
    return CachedPayload(json_body({"data": result.data}), versions)


def request_errors(errors: list[dict[str, Any]], media_type: str) -> CachedPayload:
    """Return the payload for a request of which nothing was executed."""
    # Clients of the older media type expect 200, and look for errors in the body.
    status = 400 if media_type == RESPONSE_TYPE else 200
    return CachedPayload(json_body({"errors": errors}), None, status)


def json_body(content: object) -> bytes:
    """Return a value as JSON."""
    return bytes(JSONResponse(content).body)


def error_response(
    status: int,
    error: Mapping[str, Any],
    media_type: str | None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the response to a request that was refused as a whole."""
    return JSONResponse({"errors": [error]}, status, headers, media_type or JSON_TYPE)


def strawberry_graphiql() -> str:
    """Return Strawberry's GraphiQL page, which loads its parts from unpkg.com."""
    return get_graphql_ide_html("graphiql")
