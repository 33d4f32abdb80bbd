"""The v3 endpoints: a query string becomes a question, the answer becomes the document's JSON."""

import json
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from metrics_graphql.answers import Answer, Answers
from metrics_graphql.auth import sha256
from metrics_graphql.domain.measures import AVERAGE_ACUS, MEASURES
from metrics_graphql.domain.metrics import SessionMetrics
from metrics_graphql.errors import MetricsError, Unavailable
from metrics_graphql.limits import Admission
from metrics_graphql.observability import report, report_unavailable
from metrics_graphql.rest_api.openapi import (
    ENTERPRISE_PATH,
    OWN_PATH,
    SELF_PATH,
    SESSION_METRICS_PATH,
    document,
)
from metrics_graphql.rest_api.parameters import InvalidParameters, own_organization, read_query
from metrics_graphql.service import MetricsService
from metrics_graphql.store.accounts import ServiceUser
from metrics_graphql.store.questions import Asked

Endpoint = Callable[[Request], Awaitable[ASGIApp]]
OrganizationOf = Callable[[Request, ServiceUser], str | None]
ORGANIZATIONS: Final[dict[str, OrganizationOf]] = {
    SESSION_METRICS_PATH: lambda request, _: str(request.path_params["org_id"]),
    OWN_PATH: lambda _, caller: own_organization(caller),
    ENTERPRISE_PATH: lambda *_: None,
}
"""Whose sessions a path asks for; None is all organizations'."""


def routes(
    service: MetricsService, admission: Admission, answers: Answers, prefix: str = ""
) -> list[Route]:
    """Return the routes of this door, which a proxy shows below a prefix."""

    async def session_metrics(organization_of: OrganizationOf, request: Request) -> ASGIApp:
        """Answer one question: the token first, then the parameters, then the right to ask."""
        asked = (request.scope["path"], request.scope["query_string"])
        said = (sha256(request.headers.get("authorization", "")), *asked)
        if repeat := answers.repeated(said):
            admission.count(request, repeat.caller_id)
            return repeat.response
        async with admission.admitted(request) as (caller, until):
            response = await answers.get(
                (caller.rights, *asked),
                JSONResponse.media_type,
                lambda: answered(organization_of(request, caller), request, caller),
            )
        answers.remember(said, caller.service_user_id, until, response)
        return response

    async def answered(org_id: str | None, request: Request, caller: ServiceUser) -> Answer:
        query = read_query(org_id, request.query_params)
        versions = await service.versions({query.org_id})
        (answer,) = await service.session_metrics(caller, [Asked(query)])
        if isinstance(answer, MetricsError):
            raise answer
        return Answer(body_of(answer), versions)

    async def who_asks(request: Request) -> ASGIApp:
        """Tell a caller who it is, whatever it may do."""
        async with admission.admitted(request) as (caller, _):
            return JSONResponse(self_of(caller))

    async def openapi(_request: Request) -> Response:
        """Show the document."""
        return JSONResponse(document(prefix))

    return [
        *(get_only(path, partial(session_metrics, of)) for path, of in ORGANIZATIONS.items()),
        get_only(SELF_PATH, who_asks),
        get_only("/openapi.json", openapi),
    ]


def get_only(path: str, endpoint: Endpoint) -> Route:
    """Return a route for GET; HEAD, which Starlette adds, is not allowed by the v3 API."""
    route = Route(path, Answering(endpoint), methods=["GET"])
    route.methods = {"GET"}
    return route


class Answering:
    """An endpoint whose errors are answers in the shape of the v3 API."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> ASGIApp:
        try:
            return await self._endpoint(request)
        except InvalidParameters as error:
            return JSONResponse({"detail": error.detail}, 422)
        except MetricsError as error:
            if isinstance(error, Unavailable):
                report_unavailable(error)
            return JSONResponse({"detail": error.message}, error.status, error.headers)
        except Exception as error:  # noqa: BLE001 - the last line: nothing unmasked gets past it
            return JSONResponse({"detail": report(error)}, MetricsError.status)


async def answer_http_exception(_request: Request, error: Exception) -> Response:
    """Answer what routing refuses: an unknown path, a method that is not allowed."""
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"detail": error.detail}, error.status_code, error.headers)


def self_of(caller: ServiceUser) -> dict[str, str | None]:
    """Return a caller as the document's `ServiceUserSelf`."""
    return {
        "principal_type": "service_user",
        "service_user_id": caller.service_user_id,
        "service_user_name": caller.name,
        "org_id": caller.org_id,
    }


def template() -> str:
    """Return the document's `SessionMetricsResponse` in JSON, with a `%d` for each measure."""
    body: dict[str, Any] = {}
    for measure in COUNTED:
        if measure.member is None:
            body[measure.field] = "%d"
        else:
            body.setdefault(measure.field, {})[measure.member] = "%d"
    body[AVERAGE_ACUS] = "%r"
    return re.sub(r'"(%[dr])"', r"\1", json.dumps(body, separators=(",", ":")))


COUNTED: Final = tuple(measure for measure in MEASURES if measure.adds == "sessions")
TEMPLATE: Final = template()


def body_of(metrics: SessionMetrics) -> bytes:
    """Return the answer as the document's `SessionMetricsResponse`."""
    counts = [metrics.sums[measure.name] for measure in COUNTED]
    return (TEMPLATE % (*counts, metrics.avg_acus_per_session)).encode()
