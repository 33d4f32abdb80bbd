"""`verify`: finds and repairs inconsistencies in stored sessions."""

from typing import Annotated

import typer

from metrics_graphql.cli.runner import configure, fail, progress_bar, run_with_schema
from metrics_graphql.storage.session_store import SessionStore


def verify(
    repair: Annotated[bool, typer.Option("--repair", help="Repair what is found.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Recount the roll-ups from the sessions, and print those that differ.

    In ClickHouse, which has no roll-ups, find sessions that are stored more than once. Exits with
    1 if something is found and not repaired.
    """
    run_with_schema(
        configure(),
        lambda storage: verify_sessions(storage.sessions, repair=repair),
        upgrade_embedded=False,
    )


async def verify_sessions(sessions: SessionStore, *, repair: bool) -> None:
    """Print each inconsistency, and repair it on request."""
    found = 0
    with progress_bar() as bar:
        for unit in bar.track(await sessions.verification_units(), description="Verifying"):
            inconsistencies = await sessions.verify(unit)
            for description in inconsistencies:
                typer.echo(description)
            if inconsistencies and repair:
                await sessions.repair(unit)
            found += len(inconsistencies)
    if not found:
        typer.echo(f"There are no {sessions.inconsistencies}.")
    elif repair:
        typer.echo(f"Repaired {found:,} {sessions.inconsistencies}.")
    else:
        raise fail(f"found {found:,} {sessions.inconsistencies}; --repair repairs them")
