"""`migrate`, `verify` and `copy`: what is done to a store."""

from typing import Annotated

import typer
from rich.progress import Progress

from metrics_graphql.cli.running import (
    console,
    fail,
    nothing_more,
    with_store,
    with_store_as_it_is,
)
from metrics_graphql.store import verification
from metrics_graphql.store.engine import Database
from metrics_graphql.store.organizations import all_organizations, raise_data_versions
from metrics_graphql.store.store import Store, open_clickhouse


def migrate(
    cluster: Annotated[
        str | None, typer.Option(help="Make the tables of a ClickHouse cluster of this name.")
    ] = None,
    print_only: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--print", help="With --cluster: show the statements, run none.")
    ] = False,
) -> None:
    """Create or upgrade the tables."""
    if cluster is None:
        if print_only:
            raise fail("--print shows what --cluster would run")
        with_store(nothing_more)
    else:
        with_store_as_it_is(lambda store: migrate_cluster(store, cluster, print_only=print_only))
    if not print_only:
        typer.echo("The tables are up to date.")


async def migrate_cluster(store: Store, cluster: str, *, print_only: bool) -> None:
    """Create the tables of a cluster, where one server would get its own; or show how."""
    if store.clickhouse is None:
        raise fail("--cluster needs METRICS_SESSIONS_URL")
    for statement in store.clickhouse.cluster_statements(cluster):
        if print_only:
            typer.echo(f"{statement};")
        else:
            await store.clickhouse.run(statement)
    if not print_only:
        await store.migrate()


def verify(
    repair: Annotated[bool, typer.Option("--repair", help="Rebuild what differs.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Recount the roll-ups from the sessions; exit with 1 if they differ and are not repaired.

    In ClickHouse, which has none, look for sessions that count more than once.
    """
    with_store(lambda store: verify_store(store, repair=repair))


async def verify_store(store: Store, *, repair: bool) -> None:
    """Look for what is wrong, and repair it if asked to."""
    if store.clickhouse:
        found = await verify_sessions(store, repair=repair)
        what, ways = "sessions count more than once", "takes the older rows back"
        all_well, repaired = "Every session counts once.", "sessions were repaired."
    else:
        found = await verify_rollups(store.database, repair=repair)
        what, ways = "roll-ups differ", "rebuilds them"
        all_well, repaired = "All roll-ups agree.", "roll-ups were repaired."
    if found and not repair:
        raise fail(f"{found:,} {what}; --repair {ways}")
    typer.echo(f"{found:,} {repaired}" if found else all_well)


async def verify_rollups(database: Database, *, repair: bool) -> int:
    """Print every difference, repair it if asked to, and return how many there were."""
    found = 0
    with Progress(console=console, disable=not console.is_terminal) as progress:
        for chunk in progress.track(await verification.chunks(database), description="Recounting"):
            differences = await verification.verify(database, chunk)
            for difference in differences:
                typer.echo(difference)
            if differences and repair:
                await verification.repair(database, chunk)
            found += len(differences)
    return found


async def verify_sessions(store: Store, *, repair: bool) -> int:
    """Print every session that counts more than once, repair it if asked to; return how many."""
    from metrics_graphql.store.clickhouse import verification as counted  # noqa: PLC0415 - an extra

    found = 0
    with Progress(console=console, disable=not console.is_terminal) as progress:
        org_ids = await all_organizations(store.database)
        for org_id in progress.track(org_ids, description="Looking"):
            session_ids = await counted.more_than_once(store, org_id)
            for session_id in session_ids:
                typer.echo(f"{org_id}, {session_id}: counts more than once")
            if session_ids and repair:
                await counted.take_back(store, org_id, session_ids)
            found += len(session_ids)
    return found


def copy(
    to: Annotated[str, typer.Option(metavar="URL", help="The ClickHouse, as its setting has it.")],
) -> None:
    """Copy the sessions of the database to ClickHouse; run it again to go on, or to catch up.

    ClickHouse has what the database has then: not for one that sessions are loaded into already.
    """
    with_store(lambda store: copy_sessions(store, to))


async def copy_sessions(store: Store, to: str) -> None:
    """Copy, then compare what both answer for every organization."""
    if store.clickhouse is not None:
        raise fail("METRICS_SESSIONS_URL is set: the sessions are in ClickHouse already")
    try:
        target = open_clickhouse(to)
    except ValueError as error:
        raise fail(f"--to: {error}") from None
    from metrics_graphql.store.clickhouse import copying  # noqa: PLC0415 - an extra

    source, differences, copied = store.database, [], 0
    async with target:
        await target.migrate()
        with Progress(console=console, disable=not console.is_terminal) as progress:
            sizes = {
                org_id: await copying.count(source, org_id)
                for org_id in await copying.periods_with_sessions(source)
            }
            task = progress.add_task("Copying", total=sum(sizes.values()))
            for org_id in sizes:
                async for rows in copying.copy(source, target, org_id):
                    progress.advance(task, rows)
                    copied += rows
            periods = await copying.periods_with_sessions(source)
            for org_id in progress.track(periods, description="Comparing"):
                differences += await copying.differences(source, target, org_id, periods[org_id])
    # Whoever asks that ClickHouse already is to see what it has now.
    async with source.writing() as connection:
        await raise_data_versions(connection, source.dialect, periods)
    if differences:
        typer.echo("\n".join(differences), err=True)
        raise fail("the answers differ: if sessions were loaded meanwhile, copy again")
    typer.echo(
        f"{copied:,} sessions of {len(periods):,} organizations are in ClickHouse,"
        " and every answer is the same. Set METRICS_SESSIONS_URL to ask it from now on."
    )
