"""The OpenAPI document: how it differs from the published one, and that it has every measure."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from openapi_spec_validator import validate

from metrics_graphql.core.measures import AVERAGE_ACUS, PULL_REQUEST_MEASURES, SESSION_MEASURES
from metrics_graphql.rest_api.response_body import openapi_document
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
"""The paths of the same operation that are added, and their texts."""


def with_additions(published: dict[str, Any]) -> dict[str, Any]:
    """Add the path parameter, the responses and the paths that the published document lacks."""
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
            "description": "No token, or a token that is not valid",
            "content": error,
            "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
        },
        "403": {
            "description": "The token has no permission on the organization, or the organization"
            " does not exist",
            "content": error,
        },
        "429": {
            "description": "The rate limit of the token is exceeded",
            "content": error,
            "headers": retry_after,
        },
        "503": {
            "description": "The database is not available, or the server is overloaded",
            "content": error,
            "headers": retry_after,
        },
        "504": {"description": "The request passed its deadline", "content": error},
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
                "description": "Its organization; null at enterprise level.",
            },
        },
    }
    for path, texts in OTHER_PATHS.items():
        other = {**deepcopy(operation), **texts}
        (_, *other["parameters"]) = other["parameters"]
        document["paths"][path] = {"get": other}
    own, enterprise = (document["paths"][path]["get"] for path in OTHER_PATHS)
    own["responses"]["403"]["description"] = "The token has no permission on the organization"
    no_permission = "The token has no permission at enterprise level"
    enterprise["responses"]["403"]["description"] = no_permission
    user_ids = enterprise["parameters"][0]
    org_ids = {**user_ids, "name": "org_ids", "schema": {**user_ids["schema"], "title": "Org Ids"}}
    enterprise["parameters"].append(org_ids)
    add_pull_requests(document)
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
                    status: response
                    for status, response in operation["responses"].items()
                    if status in {"401", "429", "503", "504"}
                },
            },
        }
    }
    return document


def add_pull_requests(document: dict[str, Any]) -> None:
    """Add an operation for pull requests next to each one for sessions."""
    for path in (PATH, *OTHER_PATHS):
        operation = deepcopy(document["paths"][path]["get"])
        for name, text in operation.items():
            if name in {"summary", "description", "operationId"}:
                operation[name] = (
                    text.replace("Session", "PR")
                    .replace("session metrics", "pull request metrics")
                    .replace("session_metrics", "pr_metrics")
                    .replace("_sessions_get", "_prs_get")
                )
        ok = operation["responses"]["200"]["content"]["application/json"]
        ok["schema"] = {"$ref": "#/components/schemas/PrMetricsResponse"}
        document["paths"][path.replace("sessions", "prs")] = {"get": operation}
    descriptions = {
        "prs_created_count": "Pull requests of the sessions, in any state.",
        "prs_opened_count": "Pull requests of the sessions, open now.",
        "prs_merged_count": "Pull requests of the sessions, merged.",
        "prs_closed_count": "Pull requests of the sessions, closed and not merged.",
    }
    document["components"]["schemas"]["PrMetricsResponse"] = {
        "title": "PrMetricsResponse",
        "description": "Response model for PR metrics.",
        "type": "object",
        "required": list(descriptions),
        "properties": {
            name: {"type": "integer", "title": name.replace("_", " ").title(), "description": text}
            for name, text in descriptions.items()
        },
    }


def test_the_document_only_adds_to_the_published_one(gateway: Gateway) -> None:
    """The path parameter, the responses 401, 403, 429, 503 and 504, and six paths."""
    served = gateway.request("GET", "/openapi.json", None).json()

    assert served == with_additions(PUBLISHED)


def test_the_document_is_valid(gateway: Gateway) -> None:
    """By the schema of OpenAPI 3.1."""
    validate(gateway.request("GET", "/openapi.json", None).json())


def test_the_document_has_the_counted_measures_and_no_others() -> None:
    """Each is a property, required and an integer, or a member of an object of integers."""
    schemas = openapi_document()["components"]["schemas"]
    response = schemas["SessionMetricsResponse"]
    counted = SESSION_MEASURES
    fields = list(dict.fromkeys(measure.response_key for measure in counted))

    assert list(response["properties"]) == response["required"] == [*fields, AVERAGE_ACUS]
    assert response["properties"][AVERAGE_ACUS]["type"] == "number"
    for field in fields:
        members = [measure.member for measure in counted if measure.response_key == field]
        prop = response["properties"][field]
        if members == [None]:
            assert prop["type"] == "integer"
            continue
        schema = schemas[prop["$ref"].rpartition("/")[2]]
        assert list(schema["properties"]) == members
        assert {each["type"] for each in schema["properties"].values()} == {"integer"}


def test_pull_request_metrics_have_their_measures_and_no_others() -> None:
    """Each is a property, required and an integer."""
    response = openapi_document()["components"]["schemas"]["PrMetricsResponse"]
    names = [measure.name for measure in PULL_REQUEST_MEASURES]

    assert list(response["properties"]) == response["required"] == names
    assert {each["type"] for each in response["properties"].values()} == {"integer"}


def test_objects_by_category_have_the_schema_of_their_category() -> None:
    """`SessionCountsBySize` and `SessionCountsByOrigin`, each used by the fields of its name."""
    document = openapi_document()
    properties = document["components"]["schemas"]["SessionMetricsResponse"]["properties"]
    schemas = {
        name: prop["$ref"].rpartition("/")[2] for name, prop in properties.items() if "$ref" in prop
    }

    assert schemas == {
        "sessions_created_by_size": "SessionCountsBySize",
        "sessions_created_by_origin": "SessionCountsByOrigin",
        "sessions_with_merged_prs_by_size": "SessionCountsBySize",
    }
