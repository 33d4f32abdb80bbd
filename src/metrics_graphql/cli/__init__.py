"""The command line: thin commands, each one call into the rooms below."""

from typing import Annotated

import typer

from metrics_graphql import __version__
from metrics_graphql.cli.accounts import service_user
from metrics_graphql.cli.data import export_schema, load
from metrics_graphql.cli.examining import doctor
from metrics_graphql.cli.serving import demo, serve
from metrics_graphql.cli.syncing import sync
from metrics_graphql.cli.upkeep import copy, migrate, verify

app = typer.Typer(
    name="metrics-graphql",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (serve, demo, load, sync, copy, verify, migrate, doctor, export_schema):
    app.command()(command)


def show_version(*, wanted: bool) -> None:
    """Print the version, and end."""
    if wanted:
        typer.echo(f"metrics-graphql {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[  # noqa: FBT002 - a flag
        bool,
        typer.Option(
            "--version", callback=show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Metrics of AI-agent sessions over GraphQL and REST."""


app.add_typer(service_user, name="service-user")


def main() -> None:
    """Run the command line."""
    app()
