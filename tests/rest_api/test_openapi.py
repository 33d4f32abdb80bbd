"""The served document against the published one: the differences are listed here, and no others."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from openapi_spec_validator import validate

from tests.conftest import Gateway

PUBLISHED: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "spec/v3-openapi.yaml").read_text()
)
PATH = "/v3/organizations/{org_id}/metrics/sessions"
OTHER_PATHS: dict[str, dict[str, Any]] = {
    "/v3/organizations/metrics/sessions": {
        "summary": "Get Session Metrics Of The Own Organization",
        "description": "Get aggregated session metrics for the organization of the service user.",
        "operationId": "handle_get_session_metrics_v3_organizations_metrics_sessions_get",
    },
    "/v3/enterprise/metrics/sessions": {
        "summary": "Get Enterprise Session Metrics",
        "description": "Get aggregated session metrics across organizations of the enterprise.",
        "operationId": "handle_get_session_metrics_v3_enterprise_metrics_sessions_get",
    },
}
"""The same question at other addresses, and the words for it there."""


def with_what_the_published_document_forgets(published: dict[str, Any]) -> dict[str, Any]:
    """Add its path parameter, the answers it does not mention, and the other paths."""
    document = deepcopy(published)
    operation = document["paths"][PATH]["get"]
    operation["parameters"].insert(
        0,
        {
            "in": "path",
            "name": "org_id",
            "required": True,
            "schema": {"type": "string", "title": "Org Id"},
        },
    )
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    retry_after = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
    operation["responses"] |= {
        "401": {
            "description": "No token, or one that is not valid",
            "content": error,
            "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
        },
        "403": {
            "description": "The token may not read the organization, or there is no such"
            " organization",
            "content": error,
        },
        "429": {
            "description": "The token has asked as often as it may",
            "content": error,
            "headers": retry_after,
        },
        "503": {
            "description": "The database is not available, or the server is busy",
            "content": error,
            "headers": retry_after,
        },
        "504": {"description": "The answer took too long", "content": error},
    }
    document["components"]["schemas"]["Error"] = {
        "title": "Error",
        "type": "object",
        "required": ["detail"],
        "properties": {"detail": {"title": "Detail", "type": "string"}},
    }
    document["components"]["schemas"]["ServiceUserSelf"] = {
        "title": "ServiceUserSelf",
        "description": "The service user whose token is used.",
        "type": "object",
        "required": ["principal_type", "service_user_id", "service_user_name", "org_id"],
        "properties": {
            "principal_type": {
                "const": "service_user",
                "type": "string",
                "title": "Principal Type",
            },
            "service_user_id": {"type": "string", "title": "Service User Id"},
            "service_user_name": {"type": "string", "title": "Service User Name"},
            "org_id": {
                "anyOf": [{"type": "string"}, {"type": "null"}],
                "title": "Org Id",
                "description": "Its organization; null if it is of the enterprise.",
            },
        },
    }
    for path, words in OTHER_PATHS.items():
        other = {**deepcopy(operation), **words}
        (_, *other["parameters"]) = other["parameters"]
        document["paths"][path] = {"get": other}
    own, enterprise = (document["paths"][path]["get"] for path in OTHER_PATHS)
    own["responses"]["403"]["description"] = "The token may not read the organization"
    enterprise["responses"]["403"]["description"] = "The token may not read the enterprise"
    user_ids = enterprise["parameters"][0]
    org_ids = {**user_ids, "name": "org_ids", "schema": {**user_ids["schema"], "title": "Org Ids"}}
    enterprise["parameters"].append(org_ids)
    ok = {"$ref": "#/components/schemas/ServiceUserSelf"}
    document["paths"]["/v3/self"] = {
        "get": {
            "tags": ["self"],
            "summary": "Get Self",
            "description": "Get the service user whose token is used. Requires no permission.",
            "operationId": "handle_get_self_v3_self_get",
            "responses": {
                "200": {
                    "description": "Successful Response",
                    "content": {"application/json": {"schema": ok}},
                },
                **{
                    status: answer
                    for status, answer in operation["responses"].items()
                    if status in {"401", "429", "503", "504"}
                },
            },
        }
    }
    return document


def test_differs_from_the_published_document_only_where_that_forgets_something(
    gateway: Gateway,
) -> None:
    """The path parameter, the answers 401, 403, 429, 503 and 504, three paths: nothing else."""
    served = gateway.request("GET", "/openapi.json", None).json()

    assert served == with_what_the_published_document_forgets(PUBLISHED)


def test_is_a_valid_openapi_document(gateway: Gateway) -> None:
    """The OpenAPI 3.1 schema accepts it."""
    validate(gateway.request("GET", "/openapi.json", None).json())
