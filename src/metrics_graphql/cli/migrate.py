"""`migrate`: creates or upgrades the tables."""

from typing import Annotated

import typer

from metrics_graphql.cli.runner import configure, fail, run_with_storage
from metrics_graphql.storage.clickhouse import open_client
from metrics_graphql.storage.repository import Storage


def migrate(
    cluster: Annotated[
        str | None,
        typer.Option(help="Create or upgrade the tables of a ClickHouse cluster of this name."),
    ] = None,
    print_only: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--print", help="With --cluster: print the statements only.")
    ] = False,
) -> None:
    """Create or upgrade the tables."""
    if print_only and cluster is None:
        raise fail("--print requires --cluster")
    settings = configure()
    if cluster is not None and not settings.sessions_url:
        raise fail("--cluster requires METRICS_SESSIONS_URL")

    async def run(storage: Storage) -> None:
        if cluster is not None:
            # Before `Storage.migrate`, which creates the table of a single server if there is none.
            await migrate_cluster(settings.sessions_url, cluster, print_only=print_only)
        if not print_only:
            await storage.migrate()

    run_with_storage(settings, run)
    if not print_only:
        typer.echo("The tables are up to date.")


async def migrate_cluster(sessions_url: str, cluster: str, *, print_only: bool) -> None:
    """Create or upgrade the tables of a cluster, or print the statements that do."""
    from metrics_graphql.storage.clickhouse.tables import (  # noqa: PLC0415 - an extra
        create_cluster_tables,
        upgrade_cluster_tables,
    )

    async with open_client(sessions_url) as client:
        for statement in (
            *create_cluster_tables(cluster, client.database),
            *upgrade_cluster_tables(cluster),
        ):
            if print_only:
                typer.echo(f"{statement};")
            else:
                await client.execute(statement)
