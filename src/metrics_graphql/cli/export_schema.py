"""`export-schema`: prints the GraphQL schema or the OpenAPI document."""

import json
from typing import Annotated, Literal

import typer

from metrics_graphql.cli.output import print_line
from metrics_graphql.rest_api.response_body import openapi_document


def export_schema(
    api: Annotated[
        Literal["graphql", "openapi"],
        typer.Argument(metavar="API", help="Print the document of graphql or openapi."),
    ] = "graphql",
) -> None:
    """Print the GraphQL or the OpenAPI schema.

    No database is needed.
    """
    if api == "graphql":
        # Imported here, because other commands would start more slowly.
        from metrics_graphql.graphql_api.schema import schema  # noqa: PLC0415

        print_line(schema.as_str())
    else:
        print_line(json.dumps(openapi_document(), indent=2))
