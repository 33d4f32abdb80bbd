"""GraphQL over HTTP: one question in, one answer out, an error always in the promised shape."""

import json
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

from graphql import ExecutionResult, execute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.http.ides import get_graphql_ide_html

from metrics_graphql.answers import Answer, Answers
from metrics_graphql.auth import sha256
from metrics_graphql.errors import MetricsError, QueryTooExpensive, UnknownPersistedQuery
from metrics_graphql.graphql_api.bodies import BadRequest, GraphQLRequest, parse_request, read_body
from metrics_graphql.graphql_api.budget import Budget
from metrics_graphql.graphql_api.context import Context
from metrics_graphql.graphql_api.documents import Document, Documents, InvalidDocument
from metrics_graphql.graphql_api.failures import bad_request, formatted, formatted_error, masked
from metrics_graphql.graphql_api.negotiation import (
    JSON_TYPE,
    RESPONSE_TYPE,
    response_type,
    wants_page,
)
from metrics_graphql.graphql_api.schema import graphql_schema
from metrics_graphql.limits import Admission
from metrics_graphql.seen import saw_operation, saw_page
from metrics_graphql.service import MetricsService
from metrics_graphql.settings import Settings
from metrics_graphql.store.accounts import ServiceUser


class GraphQLEndpoint:
    """Answers `/graphql`: questions by POST and GET, and a page to explore for browsers."""

    def __init__(
        self,
        service: MetricsService,
        admission: Admission,
        answers: Answers,
        settings: Settings,
        page: ASGIApp,
    ) -> None:
        """Read the trusted documents; `page` is the one to explore in.

        Raises:
            ValueError: they can't be read, or one of them can't run.
        """
        self._service = service
        self._admission = admission
        self._answers = answers
        self._page = page
        self._documents = Documents(
            Budget.of(settings),
            suggestions=settings.suggestions,
            trusted=read_manifest(settings.trusted_documents),
            trusted_only=settings.trusted_documents_only,
        )
        self._body_timeout = settings.body_timeout
        self._max_values = settings.max_values

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever its method."""
        request = Request(scope, receive)
        media_type = response_type(request.headers.get("accept"))
        try:
            response = await self._answer(request, media_type)
        except MetricsError as error:
            response = failure(error.status, formatted_error(error), media_type, error.headers)
        except BadRequest as error:
            response = failure(error.status, bad_request(error.message), media_type, error.headers)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the last line: nothing unmasked gets past it
            response = failure(MetricsError.status, masked(error), media_type)
        await response(scope, receive, send)

    async def _answer(self, request: Request, media_type: str | None) -> ASGIApp:
        if request.method not in {"GET", "POST"}:
            raise BadRequest(405, "Ask with GET or POST.", {"Allow": "GET, POST"})
        if wants_page(request):
            saw_page()
            return self._page
        if media_type is None:
            raise BadRequest(406, f"The Accept header must allow {RESPONSE_TYPE} or {JSON_TYPE}.")
        # A place is for those who have said what they want, not for those who are still speaking.
        body = await read_body(request, self._body_timeout)
        given, scope = request.headers, request.scope
        asked = (
            *(scope["method"], media_type, given.get("content-type", "")),
            *(scope["query_string"], body),
        )
        said = (sha256(given.get("authorization", "")), *asked)
        if repeat := self._answers.repeated(said):
            self._admission.count(request, repeat.caller_id)
            return repeat.response
        async with self._admission.admitted(request) as (caller, until):
            response = await self._answers.get(
                (caller.rights, *asked),
                media_type,
                lambda: self._made(parse_request(request, body), caller, media_type),
            )
        self._answers.remember(said, caller.service_user_id, until, response)
        return response

    async def _made(self, asked: GraphQLRequest, caller: ServiceUser, media_type: str) -> Answer:
        """Answer what has not been answered before."""
        context = Context(self._service, caller, self._max_values)
        try:
            document = self._documents.find(asked)
            saw_operation(document.name(asked.operation_name))
            plan = document.plan(asked.operation_name)
        except InvalidDocument as invalid:
            return nothing_ran([formatted(error) for error in invalid.errors], media_type)
        except (QueryTooExpensive, UnknownPersistedQuery) as error:
            return nothing_ran([formatted_error(error)], media_type)
        if plan is not None:
            data = await plan.run(context, asked.variables or {})
            if data is not None:
                return Answer(f'{{"data":{data}}}'.encode(), context.versions)
        return await self._executed(document, asked, context, media_type)

    async def _executed(
        self, document: Document, asked: GraphQLRequest, context: Context, media_type: str
    ) -> Answer:
        """Run on graphql-core what no plan answers."""
        result = await execution(
            execute(
                graphql_schema,
                document.ast,
                context_value=context,
                variable_values=asked.variables,
                operation_name=asked.operation_name,
                hide_suggestions=self._documents.hide_suggestions,
            )
        )
        errors = [formatted(error) for error in result.errors or ()]
        if result.data is None and not any("path" in error for error in errors):
            return nothing_ran(errors, media_type)
        body: dict[str, Any] = {"data": result.data}
        if errors:
            return Answer(as_json({**body, "errors": errors}), None)
        return Answer(as_json(body), context.versions if context.is_repeatable else None)


def strawberrys_page() -> str:
    """Return GraphiQL as Strawberry has it, which loads its parts from unpkg.com."""
    return get_graphql_ide_html("graphiql")


async def execution(result: ExecutionResult | Awaitable[ExecutionResult]) -> ExecutionResult:
    """Return a result, which graphql-core gives at once where nothing had to be waited for."""
    return await result if isinstance(result, Awaitable) else result


def nothing_ran(errors: list[dict[str, Any]], media_type: str) -> Answer:
    """Return the answer to a document or variables that could not be run."""
    # Clients of the older media type look at the body, not at the status.
    status = 400 if media_type == RESPONSE_TYPE else 200
    return Answer(as_json({"errors": errors}), None, status)


def as_json(content: object) -> bytes:
    """Return a body."""
    return bytes(JSONResponse(content).body)


def read_manifest(path: Path | None) -> dict[str, str]:
    """Return the trusted documents by id.

    Raises:
        ValueError: the file can't be read, or is not an object of texts in JSON.
    """
    if path is None:
        return {}
    try:
        manifest = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"the trusted documents can't be read: {error}") from None
    if not isinstance(manifest, dict) or not all(
        isinstance(text, str) for text in manifest.values()
    ):
        raise ValueError(f"{path} must be an object of documents by id")
    return manifest


def failure(
    status: int,
    error: Mapping[str, Any],
    media_type: str | None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer to a request of which nothing ran."""
    return JSONResponse({"errors": [error]}, status, headers, media_type or JSON_TYPE)
