"""`verify`: finds and repairs inconsistencies in stored sessions."""

from typing import Annotated

import typer

from metrics_graphql.cli.options import JsonOption
from metrics_graphql.cli.output import one_line, print_json, print_line
from metrics_graphql.cli.runner import configure, fail, progress_bar, run_with_schema
from metrics_graphql.storage.session_store import SessionStore


def verify(
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Repair what is found.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find roll-ups that differ from sessions.

    Recounts all of them. In ClickHouse, also finds duplicates of sessions. Exits with 1 if
    something is found and not repaired.
    """
    run_with_schema(
        configure(),
        lambda storage: verify_sessions(storage.sessions, repair=repair, as_json=as_json),
        upgrade_embedded=False,
    )


async def verify_sessions(sessions: SessionStore, *, repair: bool, as_json: bool) -> None:
    """Print each inconsistency, and repair it on request."""
    found: list[str] = []
    with progress_bar() as bar:
        for unit in bar.track(await sessions.verification_units(), description="Verifying"):
            inconsistencies = await sessions.verify(unit)
            if not as_json:
                for description in inconsistencies:
                    print_line(one_line(description))
            if inconsistencies and repair:
                await sessions.repair(unit)
            found += inconsistencies
    count = f"{len(found):,} {sessions.inconsistencies}"
    if as_json:
        print_json({"inconsistencies": found, "repaired": bool(found) and repair})
    elif not found:
        print_line(f"There are no {sessions.inconsistencies}.")
    elif repair:
        print_line(f"Repaired {count}.")
    if found and not repair:
        raise fail(f"found {count}; --repair repairs them")
