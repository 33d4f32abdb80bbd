"""The OpenAPI document of the v3 shim."""

from typing import Any, Final

from metrics_graphql.domain.measures import AVERAGE_ACUS, MEASURES

SESSION_METRICS_PATH: Final = "/v3/organizations/{org_id}/metrics/sessions"

Schema = dict[str, Any]


def document() -> Schema:
    """Return the document: what the shim takes and what it answers."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Devin API v3",
            "version": "3.0.0",
            "description": "Devin v3 API with Service User authentication and RBAC",
        },
        "servers": [],
        "security": [{"bearerAuth": []}],
        "paths": {SESSION_METRICS_PATH: {"get": session_metrics_operation()}},
        "components": {"schemas": schemas(), "securitySchemes": {"bearerAuth": BEARER}},
    }


BEARER: Final[Schema] = {
    "type": "http",
    "scheme": "bearer",
    "description": "Service User credential (prefix: cog_)",
}


def session_metrics_operation() -> Schema:
    """Return the one operation. Parameters are listed, and so validated, in this order."""
    return {
        "tags": ["metrics"],
        "summary": "Get Session Metrics",
        "description": "Get aggregated session metrics for the organization.",
        "operationId": "handle_get_session_metrics_v3_organizations__org_id__metrics_sessions_get",
        "parameters": [
            {
                "in": "path",
                "name": "org_id",
                "required": True,
                "schema": {"type": "string", "title": "Org Id"},
            },
            parameter("user_ids", nullable({"type": "array", "items": {"type": "string"}})),
            parameter("service_user_ids", nullable({"type": "array", "items": {"type": "string"}})),
            parameter("time_before", {"type": "integer"}, required=True),
            parameter("time_after", {"type": "integer"}, required=True),
            parameter("playbook_id", nullable({"type": "string"})),
        ],
        "responses": {
            "200": response("Successful Response", "SessionMetricsResponse"),
            "401": {
                **response("No token, or one that is not valid", "Error"),
                "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
            },
            "403": response(
                "The token may not read the organization, or there is no such organization", "Error"
            ),
            "422": response("Validation Error", "HTTPValidationError"),
            "429": later("The token has asked as often as it may"),
            "503": later("The database is not available, or the server is busy"),
            "504": response("The answer took too long", "Error"),
        },
    }


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
        "Error": {
            "title": "Error",
            "type": "object",
            "required": ["detail"],
            "properties": {"detail": {"title": "Detail", "type": "string"}},
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
