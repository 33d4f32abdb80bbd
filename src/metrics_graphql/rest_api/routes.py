"""The routes of the v3 API: a query string becomes a query, its result the document's JSON."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from metrics_graphql.core.callers import ServiceUser
from metrics_graphql.core.errors import Forbidden, MetricsError, value_or_raise
from metrics_graphql.core.measures import (
    ACUS_CONSUMED,
    PULL_REQUEST_MEASURES,
    SESSION_MEASURES,
    Measure,
)
from metrics_graphql.core.queries import MetricsRequest
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.core.service import MetricsService
from metrics_graphql.core.tenants import ENTERPRISE, Tenant
from metrics_graphql.rest_api.query_params import InvalidParameters, own_organization, parse_query
from metrics_graphql.rest_api.response_body import (
    openapi_document,
    pull_requests_body,
    service_user_body,
    sessions_body,
)
from metrics_graphql.server.cached_response import CachedPayload
from metrics_graphql.server.http_errors import http_headers, http_status, log_error
from metrics_graphql.server.pipeline import RequestPipeline
from metrics_graphql.server.request_key import RequestKey
from metrics_graphql.telemetry.request_record import RequestRecord

Handler = Callable[[Request], Awaitable[ASGIApp]]
TenantResolver = Callable[[Request, ServiceUser], Tenant]
TENANTS: Final[dict[str, TenantResolver]] = {
    "/v3/organizations/{org_id}/metrics": lambda request, _: str(request.path_params["org_id"]),
    "/v3/organizations/metrics": lambda _, caller: own_organization(caller),
    "/v3/enterprise/metrics": lambda *_: ENTERPRISE,
}
"""The paths of metrics, and whose sessions each of them counts."""


class Resource(NamedTuple):
    """One kind of metrics: what it reads, and how it is written."""

    measures: tuple[Measure, ...]
    body: Callable[[SessionMetrics], bytes]


RESOURCES: Final = {
    "sessions": Resource((*SESSION_MEASURES, ACUS_CONSUMED), sessions_body),
    "prs": Resource(PULL_REQUEST_MEASURES, pull_requests_body),
}
"""The last segments of the paths of metrics."""


def rest_routes(
    service: MetricsService, pipeline: RequestPipeline, path_prefix: str = ""
) -> list[Route]:
    """Return the routes of the v3 API, and of its document below a prefix of the paths."""

    async def metrics(
        resolve_tenant: TenantResolver, resource: Resource, request: Request
    ) -> ASGIApp:
        """Respond to a query: the token is checked first, then the parameters, then permission."""

        async def execute(caller: ServiceUser) -> CachedPayload:
            query = parse_query(resolve_tenant(request, caller), request.query_params)
            versions = await service.data_versions({query.tenant})
            (result,) = await service.fetch_metrics(
                caller, [MetricsRequest(query, resource.measures)]
            )
            if not isinstance(result, Forbidden):
                RequestRecord.of(request.scope).record_tenants([query.tenant])
            return CachedPayload(resource.body(value_or_raise(result)), versions)

        return await pipeline.respond(
            request, RequestKey.of(request.scope, JSONResponse.media_type), execute
        )

    async def current_service_user(request: Request) -> ASGIApp:
        """Respond with the caller, whatever its permissions."""
        async with pipeline.admission.admit(request) as admitted:
            return JSONResponse(service_user_body(admitted.caller))

    document = JSONResponse(openapi_document(path_prefix))

    async def openapi(_request: Request) -> Response:
        """Respond with the OpenAPI document."""
        return document

    return [
        *(
            get_route(f"{path}/{name}", partial(metrics, resolve_tenant, resource))
            for path, resolve_tenant in TENANTS.items()
            for name, resource in RESOURCES.items()
        ),
        get_route("/v3/self", current_service_user),
        get_route("/openapi.json", openapi),
    ]


def get_route(path: str, handler: Handler) -> Route:
    """Return a route for GET; HEAD, which Starlette adds, is not allowed by the v3 API."""
    route = EncodedRoute(path, RestEndpoint(handler), methods=["GET"], name="rest")
    route.methods = {"GET"}
    return route


class EncodedRoute(Route):
    """A route that splits the path as it was sent into segments, and then decodes each of them.

    So a parameter may contain a slash, as `%2F`. Starlette's `Route` matches the decoded path.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the route matches a request, and the scope with its parameters."""
        sent: bytes = scope.get("raw_path") or b""
        if b"%" not in sent:
            return super().matches(scope)
        segments = [escape_segment(unquote(each)) for each in sent.decode("latin-1").split("/")]
        match, matched = super().matches({**scope, "path": "/".join(segments)})
        params = matched.get("path_params", {})
        for name in params.keys() & self.param_convertors:
            params[name] = unquote(params[name])
        return match, matched


def escape_segment(segment: str) -> str:
    """Encode what would be ambiguous in a path: `/` inside of a segment, and `%`."""
    return segment.replace("%", "%25").replace("/", "%2F")


class RestEndpoint:
    """An ASGI endpoint that renders errors in the shape of the v3 API, `{"detail": ...}`."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> ASGIApp:
        try:
            return await self._handler(request)
        except InvalidParameters as error:
            return JSONResponse({"detail": error.detail}, 422)
        except MetricsError as error:
            return JSONResponse(
                {"detail": log_error(error)}, http_status(error), http_headers(error)
            )
        except Exception as error:  # noqa: BLE001 - masked, in the API's shape
            return JSONResponse({"detail": log_error(error)}, 500)
