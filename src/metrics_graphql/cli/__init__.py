"""The command line: one module per command."""

from typing import Annotated

import typer

from metrics_graphql import __version__
from metrics_graphql.cli import (
    copy,
    delete,
    demo,
    doctor,
    export_schema,
    load,
    migrate,
    names,
    serve,
    service_user,
    sync,
    verify,
)
from metrics_graphql.cli.command_group import CommandGroup

app = typer.Typer(
    name="metrics-graphql",
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(serve.serve)
app.command()(demo.demo)
app.command()(load.load)
app.command()(sync.sync)
app.command()(copy.copy)
app.command()(delete.delete)
app.command()(verify.verify)
app.command()(migrate.migrate)
app.command()(doctor.doctor)
app.command()(export_schema.export_schema)
app.add_typer(names.app, name="names")
app.add_typer(service_user.app, name="service-user")


def show_version(*, value: bool) -> None:
    """Print the version and exit, if the option is given."""
    if value:
        typer.echo(f"metrics-graphql {__version__}")
        raise typer.Exit


@app.callback()
def common_options(
    version: Annotated[  # noqa: FBT002 - a flag
        bool,
        typer.Option(
            "--version", callback=show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Metrics of AI-agent sessions over GraphQL and REST."""


def main() -> None:
    """Run the command line."""
    app()
