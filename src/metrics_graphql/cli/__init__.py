"""The command line: thin commands, each one call into the rooms below."""

import typer

from metrics_graphql.cli.accounts import service_user
from metrics_graphql.cli.data import export_schema, load
from metrics_graphql.cli.examining import doctor
from metrics_graphql.cli.serving import demo, serve
from metrics_graphql.cli.syncing import sync
from metrics_graphql.cli.upkeep import copy, migrate, verify

app = typer.Typer(
    name="metrics-graphql",
    help="Metrics of AI-agent sessions over GraphQL and REST.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (serve, demo, load, sync, copy, verify, migrate, doctor, export_schema):
    app.command()(command)
app.add_typer(service_user, name="service-user")


def main() -> None:
    """Run the command line."""
    app()
