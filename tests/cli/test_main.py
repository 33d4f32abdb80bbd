"""Help, version, arguments, and `export-schema`."""

import json
import re
from importlib import metadata
from pathlib import Path

import pytest
from graphql import build_schema

from metrics_graphql import __version__
from tests.cli.commands import invoke, python_m

pytestmark = pytest.mark.usefixtures("empty_directory")


@pytest.mark.parametrize("arguments", [(), ("graphql",)])
def test_export_schema_prints_the_graphql_schema(arguments: tuple[str, ...]) -> None:
    """By default. It needs no database, and creates none."""
    result = invoke("export-schema", *arguments)
    schema = build_schema(result.stdout)

    assert result.exit_code == 0
    assert schema.query_type
    assert "sessionMetrics" in schema.query_type.fields
    assert list(Path().iterdir()) == []


def test_export_schema_prints_the_openapi_document() -> None:
    """As JSON, with the path of the v3 API."""
    document = json.loads(invoke("export-schema", "openapi").stdout)

    assert "/v3/organizations/{org_id}/metrics/sessions" in document["paths"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("export-schema", "sdl"),
        ("load",),
        ("service-user", "create"),
        ("service-user", "create", "a", "--org", "o", "--expires-in-days", "-1"),
        ("service-user", "rotate", "a", "--overlap-hours", "-1"),
        ("serve", "--port", "65536"),
        ("demo", "--sessions", "0"),
        ("nothing",),
    ],
    ids=" ".join,
)
def test_invalid_arguments(arguments: tuple[str, ...]) -> None:
    """The exit status is 2, as usual. Standard output is empty, and no database is created."""
    result = invoke(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert list(Path().iterdir()) == []


def test_python_m(tmp_path: Path) -> None:
    """`python -m metrics_graphql` is the command line; its help lists all commands."""
    status, stdout, stderr = python_m(tmp_path, "--help")

    assert (status, stderr) == (0, "")
    for command in (
        *("serve", "demo", "load", "sync", "copy", "verify", "migrate", "doctor"),
        *("service-user", "export-schema"),
    ):
        assert re.search(rf"\b{command}\b", stdout)


def test_version() -> None:
    """It is the version of the installed package."""
    result = invoke("--version")

    assert result.exit_code == 0
    assert result.stdout == f"metrics-graphql {__version__}\n"
    assert __version__ == metadata.version("metrics-graphql")
