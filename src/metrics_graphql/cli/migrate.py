"""`migrate`: creates or upgrades the tables."""

from typing import Annotated

import typer

from metrics_graphql.cli.options import JsonOption, check_new_name
from metrics_graphql.cli.output import print_json, print_line
from metrics_graphql.cli.runner import configure, fail, run_with_storage
from metrics_graphql.storage.clickhouse import open_client
from metrics_graphql.storage.repository import Storage


def migrate(
    *,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            callback=check_new_name,
            help="Create or upgrade the tables of a ClickHouse cluster of this name.",
        ),
    ] = None,
    print_only: Annotated[
        bool,
        typer.Option("--print", help="Print the statements for --cluster, and change nothing."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Create or upgrade the tables."""
    if print_only and cluster is None:
        raise typer.BadParameter("requires --cluster", param_hint=["--print"])
    settings = configure()
    if cluster is not None and not settings.sessions_url:
        raise fail("--cluster requires METRICS_SESSIONS_URL")

    async def run(storage: Storage) -> list[str]:
        statements = []
        if cluster is not None:
            # Before `Storage.migrate`, which creates the table of a single server if there is none.
            statements = await migrate_cluster(
                settings.sessions_url, cluster, print_only=print_only
            )
        if not print_only:
            await storage.migrate()
        return statements

    statements = run_with_storage(settings, run)
    if as_json:
        print_json({"statements": statements} if print_only else {"status": "current"})
    elif print_only:
        print_line("\n".join(f"{statement};" for statement in statements))
    else:
        print_line("The tables are up to date.")


async def migrate_cluster(sessions_url: str, cluster: str, *, print_only: bool) -> list[str]:
    """Create or upgrade the tables of a cluster, unless the statements are only printed.

    Returns the statements.
    """
    from metrics_graphql.storage.clickhouse.tables import (  # noqa: PLC0415 - an extra
        create_cluster_tables,
    )

    async with open_client(sessions_url) as client:
        statements = create_cluster_tables(cluster, client.database)
        for statement in () if print_only else statements:
            await client.execute(statement)
    return statements
