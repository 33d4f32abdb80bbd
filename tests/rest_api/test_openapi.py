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


def with_what_the_published_document_forgets(published: dict[str, Any]) -> dict[str, Any]:
    """Add to the published document: its path parameter, and the answers it does not mention."""
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
    return document


def test_differs_from_the_published_document_only_where_that_forgets_something(
    gateway: Gateway,
) -> None:
    """The path parameter and the answers 401, 403, 429, 503 and 504 are added, and nothing else."""
    served = gateway.request("GET", "/openapi.json", None).json()

    assert served == with_what_the_published_document_forgets(PUBLISHED)


def test_is_a_valid_openapi_document(gateway: Gateway) -> None:
    """The OpenAPI 3.1 schema accepts it."""
    validate(gateway.request("GET", "/openapi.json", None).json())
