"""`delete`: deletes sessions, and removes the ids of users."""

import re
import sys
from typing import Annotated, Final

import typer

from metrics_graphql.cli.options import JsonOption, check_new_name
from metrics_graphql.cli.output import json_instant, one_line, print_json, print_line, print_message
from metrics_graphql.cli.runner import configure, fail, run_with_schema
from metrics_graphql.core.iso8601 import parse_iso8601
from metrics_graphql.core.periods import MAX_INSTANT
from metrics_graphql.storage.repository import Storage
from metrics_graphql.storage.session_store import Deletion

UNIX_SECONDS: Final = re.compile(r"\d+", re.ASCII)
MAX_DIGITS: Final = 20
"""A longer number is beyond the year 9999."""


def parse_before(text: str) -> int:
    """Return the instant of `--before` in whole seconds, rounded up."""
    text = text.strip()
    if UNIX_SECONDS.fullmatch(text):
        instant = int(text) if len(text) <= MAX_DIGITS else MAX_INSTANT + 1
        if instant > MAX_INSTANT:
            raise typer.BadParameter("Unix seconds are expected, not milliseconds")
    elif parsed := parse_iso8601(text):
        seconds, has_fraction = parsed
        instant = min(seconds + has_fraction, MAX_INSTANT)
    else:
        raise typer.BadParameter(
            "must be ISO 8601 with an offset, like 2025-01-31T00:00:00Z, or Unix seconds"
        )
    if instant < 0:
        raise typer.BadParameter("must not be before 1970")
    return instant


def delete(  # noqa: PLR0913 - one parameter per option
    *,
    org: Annotated[
        str,
        typer.Option(
            metavar="ORG", callback=check_new_name, help="Delete sessions of this organization."
        ),
    ],
    before: Annotated[
        int | None,
        typer.Option(
            metavar="TIME",
            parser=parse_before,
            help="Delete sessions created before this time: ISO 8601, or Unix seconds.",
        ),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(metavar="ID", callback=check_new_name, help="Delete this session."),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            callback=check_new_name,
            help="Remove this user's id from sessions, which stay, and the user's name.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without confirmation.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete sessions of an organization, or a user's id.

    Without --before, --session and --user, all sessions of the organization are deleted.
    """
    options = {"--before": before, "--session": session, "--user": user}
    given = [name for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise typer.BadParameter("give only one of them", param_hint=given)
    settings = configure()
    if not yes and not confirm(describe(org, before, session, user)):
        raise fail("nothing was deleted; --yes deletes without confirmation")

    async def run(storage: Storage) -> int:
        if user is not None:
            return await storage.erase_user(org, user)
        return await storage.sessions.delete(Deletion(org, session, before))

    count = run_with_schema(settings, run, upgrade_embedded=False)
    if not count and (session or user):
        print_message(f"no session of {org} has this id")
    verb = "changed" if user is not None else "deleted"
    if as_json:
        print_json({verb: count})
    else:
        print_line(f"{count:,} sessions {verb}")


def confirm(what: str) -> bool:
    """Return whether the user confirms. Nothing is printed to standard output."""
    typer.echo(one_line(f"{what}? [y/N]: "), nl=False, file=sys.stderr)
    sys.stderr.flush()
    reply = sys.stdin.readline()
    if not reply.endswith("\n"):
        print_message("")
    return reply.strip().lower() in {"y", "yes"}


def describe(org: str, before: int | None, session: str | None, user: str | None) -> str:
    """Return what is about to be deleted, as a sentence without its end."""
    if user is not None:
        return f"Remove the user id {user} from all sessions of {org}"
    if session is not None:
        return f"Delete the session {session} of {org}"
    if before is not None:
        return f"Delete all sessions of {org} created before {json_instant(before)}"
    return f"Delete all sessions of {org}"
