"""`copy`: copies sessions to ClickHouse."""

from typing import Annotated

import typer

from metrics_graphql.cli.options import JsonOption
from metrics_graphql.cli.output import print_json, print_line, print_message
from metrics_graphql.cli.runner import configure, fail, progress_bar, run_with_schema
from metrics_graphql.storage.clickhouse import open_client
from metrics_graphql.storage.database import Database


def copy(
    *,
    to: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Copy to this target, in the form of METRICS_SESSIONS_URL."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Copy the sessions to ClickHouse.

    Compares the metrics of both databases afterwards. Run it again to resume, or to copy changes.
    Sessions of these organizations that are in ClickHouse only are deleted there: do not copy to a
    ClickHouse that sessions are loaded into.
    """
    settings = configure()
    if settings.sessions_url:
        raise fail("METRICS_SESSIONS_URL is set: the sessions are in ClickHouse already")
    run_with_schema(
        settings,
        lambda storage: copy_sessions(storage.database, to, as_json=as_json),
        upgrade_embedded=False,
    )


async def copy_sessions(source: Database, target_url: str, *, as_json: bool) -> None:
    """Copy all organizations, then compare the metrics of each, and print a summary."""
    try:
        target = open_client(target_url)
    except ValueError as error:
        raise fail(f"--to: {error}", status=2) from None
    from metrics_graphql.storage.clickhouse import copy as clickhouse_copy  # noqa: PLC0415 - an extra
    from metrics_graphql.storage.clickhouse import migration  # noqa: PLC0415 - an extra

    copied = 0
    differences: list[str] = []
    async with target:
        await migration.migrate(target)
        with progress_bar() as bar:
            sizes = {
                org_id: await clickhouse_copy.count_sessions(source, org_id)
                for org_id in await clickhouse_copy.periods_to_compare(source)
            }
            task = bar.add_task("Copying", total=sum(sizes.values()))
            for org_id in sizes:
                async for page_size in clickhouse_copy.copy_organization(source, target, org_id):
                    bar.advance(task, page_size)
                    copied += page_size
            # Read again: sessions may have been loaded since.
            periods = await clickhouse_copy.periods_to_compare(source)
            for org_id in bar.track(periods, description="Comparing"):
                differences += await clickhouse_copy.compare_organization(
                    source, target, org_id, periods[org_id]
                )
    await clickhouse_copy.invalidate_responses(source, periods)
    if as_json:
        counts = {"copied": copied, "organizations": len(periods)}
        print_json(counts | {"differences": differences})
    if differences:
        for difference in differences:
            print_message(difference)
        raise fail("the metrics differ: if sessions were loaded during the copy, copy again")
    if not as_json:
        print_line(
            f"{copied:,} sessions of {len(periods):,} organizations are in ClickHouse,"
            " with the same metrics. Set METRICS_SESSIONS_URL to use it."
        )
