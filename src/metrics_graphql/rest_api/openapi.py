"""The OpenAPI document of the v3 shim: what the published one has, to the letter, and more."""

import re
from typing import Any, Final

from metrics_graphql.domain.measures import AVERAGE_ACUS, MEASURES

SESSION_METRICS_PATH: Final = "/v3/organizations/{org_id}/metrics/sessions"
OWN_PATH: Final = "/v3/organizations/metrics/sessions"
ENTERPRISE_PATH: Final = "/v3/enterprise/metrics/sessions"
SELF_PATH: Final = "/v3/self"

Schema = dict[str, Any]


def document(prefix: str = "") -> Schema:
    """Return the document: what the shim takes and what it answers, below a prefix of the paths."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Devin API v3",
            "version": "3.0.0",
            "description": "Devin v3 API with Service User authentication and RBAC",
        },
        "servers": [{"url": prefix}] if prefix else [],
        "security": [{"bearerAuth": []}],
        "paths": {
            SESSION_METRICS_PATH: {"get": session_metrics_operation()},
            OWN_PATH: {"get": own_session_metrics_operation()},
            ENTERPRISE_PATH: {"get": enterprise_session_metrics_operation()},
            SELF_PATH: {"get": self_operation()},
        },
        "components": {"schemas": schemas(), "securitySchemes": {"bearerAuth": BEARER}},
    }


BEARER: Final[Schema] = {
    "type": "http",
    "scheme": "bearer",
    "description": "Service User credential (prefix: cog_)",
}


def session_metrics_operation() -> Schema:
    """Return the operation that the published document has."""
    return session_metrics(
        "Get Session Metrics",
        "Get aggregated session metrics for the organization.",
        SESSION_METRICS_PATH,
        "The token may not read the organization, or there is no such organization",
        [
            {
                "in": "path",
                "name": "org_id",
                "required": True,
                "schema": {"type": "string", "title": "Org Id"},
            },
            *FILTERS,
        ],
    )


def own_session_metrics_operation() -> Schema:
    """Return the same for those who leave the organization out."""
    return session_metrics(
        "Get Session Metrics Of The Own Organization",
        "Get aggregated session metrics for the organization of the service user.",
        OWN_PATH,
        "The token may not read the organization",
        FILTERS,
    )


def enterprise_session_metrics_operation() -> Schema:
    """Return the same for all organizations together, or for some of them."""
    return session_metrics(
        "Get Enterprise Session Metrics",
        "Get aggregated session metrics across organizations of the enterprise.",
        ENTERPRISE_PATH,
        "The token may not read the enterprise",
        [*FILTERS, parameter("org_ids", LIST_OF_IDS)],
    )


def session_metrics(
    summary: str, description: str, path: str, forbidden: str, parameters: list[Schema]
) -> Schema:
    """Return an operation. Parameters are listed, and so validated, in their order."""
    return {
        "tags": ["metrics"],
        "summary": summary,
        "description": description,
        "operationId": operation_id("handle_get_session_metrics", path),
        "parameters": parameters,
        "responses": {
            "200": response("Successful Response", "SessionMetricsResponse"),
            "401": UNAUTHENTICATED,
            "403": response(forbidden, "Error"),
            "422": response("Validation Error", "HTTPValidationError"),
            **LATER,
            "504": TOO_LONG,
        },
    }


def self_operation() -> Schema:
    """Return the operation by which a program finds out whose token it has."""
    return {
        "tags": ["self"],
        "summary": "Get Self",
        "description": "Get the service user whose token is used. Requires no permission.",
        "operationId": operation_id("handle_get_self", SELF_PATH),
        "responses": {
            "200": response("Successful Response", "ServiceUserSelf"),
            "401": UNAUTHENTICATED,
            **LATER,
            "504": TOO_LONG,
        },
    }


def operation_id(name: str, path: str) -> str:
    """Return the id that FastAPI would give a GET."""
    return f"{name}{re.sub('[^a-zA-Z0-9]', '_', path)}_get"


def parameter(name: str, schema: Schema, *, required: bool = False) -> Schema:
    """Return a query parameter."""
    return {
        "in": "query",
        "name": name,
        "required": required,
        "schema": {**schema, "title": title(name)},
    }


def nullable(schema: Schema) -> Schema:
    """Return a schema that also takes null."""
    return {"anyOf": [schema, {"type": "null"}]}


def response(description: str, schema: str) -> Schema:
    """Return an answer in JSON."""
    content = {"application/json": {"schema": reference(schema)}}
    return {"description": description, "content": content}


def later(description: str) -> Schema:
    """Return an answer that tells when to ask again."""
    header = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
    return {**response(description, "Error"), "headers": header}


def reference(schema: str) -> Schema:
    """Return a reference to a schema of this document."""
    return {"$ref": f"#/components/schemas/{schema}"}


def title(name: str) -> str:
    """Return the title that FastAPI would give a field."""
    return name.replace("_", " ").title()


LIST_OF_IDS: Final = nullable({"type": "array", "items": {"type": "string"}})
FILTERS: Final = [
    parameter("user_ids", LIST_OF_IDS),
    parameter("service_user_ids", LIST_OF_IDS),
    parameter("time_before", {"type": "integer"}, required=True),
    parameter("time_after", {"type": "integer"}, required=True),
    parameter("playbook_id", nullable({"type": "string"})),
]
UNAUTHENTICATED: Final[Schema] = {
    **response("No token, or one that is not valid", "Error"),
    "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
}
LATER: Final = {
    "429": later("The token has asked as often as it may"),
    "503": later("The database is not available, or the server is busy"),
}
TOO_LONG: Final = response("The answer took too long", "Error")


def schemas() -> dict[str, Schema]:
    """Return the schemas of the answers; those that count follow from the table of measures."""
    return {
        "SessionMetricsResponse": session_metrics_response(),
        "SessionCountsByOrigin": counts(
            "SessionCountsByOrigin", "sessions_created_by_origin", BY_ORIGIN_DESCRIPTION
        ),
        "SessionCountsBySize": counts(
            "SessionCountsBySize", "sessions_created_by_size", "Session counts by size category."
        ),
        "HTTPValidationError": {
            "title": "HTTPValidationError",
            "type": "object",
            "properties": {
                "detail": {
                    "title": "Detail",
                    "type": "array",
                    "items": reference("ValidationError"),
                }
            },
        },
        "ValidationError": {
            "title": "ValidationError",
            "type": "object",
            "required": ["loc", "msg", "type"],
            "properties": {
                "loc": {
                    "title": "Location",
                    "type": "array",
                    "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                },
                "msg": {"title": "Message", "type": "string"},
                "type": {"title": "Error Type", "type": "string"},
            },
        },
        "ServiceUserSelf": SERVICE_USER_SELF,
        "Error": {
            "title": "Error",
            "type": "object",
            "required": ["detail"],
            "properties": {"detail": {"title": "Detail", "type": "string"}},
        },
    }


SERVICE_USER_SELF: Final[Schema] = {
    "title": "ServiceUserSelf",
    "description": "The service user whose token is used.",
    "type": "object",
    "required": ["principal_type", "service_user_id", "service_user_name", "org_id"],
    "properties": {
        "principal_type": {"const": "service_user", "type": "string", "title": "Principal Type"},
        "service_user_id": {"type": "string", "title": "Service User Id"},
        "service_user_name": {"type": "string", "title": "Service User Name"},
        "org_id": {
            **nullable({"type": "string"}),
            "title": "Org Id",
            "description": "Its organization; null if it is of the enterprise.",
        },
    },
}

BY_ORIGIN_DESCRIPTION: Final = """\
Session counts by origin type, exposed on the v3 metrics API.

A curated subset of `SessionOrigin`: legacy origins (cli,
vscode_extension, devin_spaces) are intentionally not surfaced.
Counts for sessions with a `scheduled` DB origin roll into
`automation` via the canonical `db_origin_to_api` mapping, since
automations are a superset that schedules will migrate into."""


def session_metrics_response() -> Schema:
    """Return the schema of the answer."""
    types = {
        "sessions_created_by_size": reference("SessionCountsBySize"),
        "sessions_created_by_origin": reference("SessionCountsByOrigin"),
        "sessions_with_merged_prs_by_size": reference("SessionCountsBySize"),
        AVERAGE_ACUS: {"type": "number", "title": title(AVERAGE_ACUS)},
    }
    fields = [measure.field for measure in MEASURES if measure.adds == "sessions"]
    names = [*dict.fromkeys(fields), AVERAGE_ACUS]
    return {
        "title": "SessionMetricsResponse",
        "description": "Response model for session metrics.",
        "type": "object",
        "required": names,
        "properties": {
            name: types.get(name, {"type": "integer", "title": title(name)}) for name in names
        },
    }


def counts(name: str, field: str, description: str) -> Schema:
    """Return the schema of counts by category."""
    members = [measure.member for measure in MEASURES if measure.field == field and measure.member]
    return {
        "title": name,
        "description": description,
        "type": "object",
        "properties": {
            member: {"type": "integer", "default": 0, "title": title(member)} for member in members
        },
    }
