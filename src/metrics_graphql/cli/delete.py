"""`delete`: deletes sessions, or removes a user's id from them."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from metrics_graphql.cli.options import JsonOption
from metrics_graphql.cli.output import print_json, print_line
from metrics_graphql.cli.runner import configure, fail, run_with_schema
from metrics_graphql.core.iso8601 import parse_iso8601
from metrics_graphql.storage.repository import Storage
from metrics_graphql.storage.session_store import Deletion


def delete(  # noqa: PLR0913 - one parameter per option
    org: Annotated[str, typer.Option(metavar="ORG", help="Delete sessions of this organization.")],
    before: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Delete sessions created before this time: ISO 8601, or Unix seconds.",
        ),
    ] = None,
    session: Annotated[str | None, typer.Option(metavar="ID", help="Delete this session.")] = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Remove this user's id from sessions, which stay."),
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without confirmation.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete sessions of an organization, or a user's id.

    Without --before, --session and --user, all sessions of the organization are deleted.
    """
    given = [
        name
        for name, value in (("--before", before), ("--session", session), ("--user", user))
        if value is not None
    ]
    if len(given) > 1:
        raise typer.BadParameter(f"only one of {' and '.join(given)} can be given")
    instant = None if before is None else parse_before(before)
    what = describe(org, instant, session, user)
    if not yes and not typer.confirm(f"{what}?", err=True):
        raise fail("nothing was deleted")
    settings = configure()

    async def run(storage: Storage) -> int:
        if user is not None:
            return await storage.erase_user(org, user)
        return await storage.sessions.delete(Deletion(org, session, instant))

    count = run_with_schema(settings, run, upgrade_embedded=False)
    verb = "changed" if user is not None else "deleted"
    if as_json:
        print_json({verb: count})
    else:
        print_line(f"{count:,} sessions {verb}")


def parse_before(text: str) -> int:
    """Return Unix seconds. A fraction is rounded up, so that `--before` is exact."""
    if text.strip().isdecimal():
        return int(text)
    instant = parse_iso8601(text.strip())
    if instant is None:
        raise typer.BadParameter(
            "must be ISO 8601 with an offset, like 2025-01-31T00:00:00Z, or Unix seconds",
            param_hint="--before",
        )
    seconds, has_fraction = instant
    return seconds + has_fraction


def describe(org: str, before: int | None, session: str | None, user: str | None) -> str:
    """Return what is about to be deleted, as a sentence without its end."""
    if user is not None:
        return f"Remove the user id {user} from all sessions of {org}"
    if session is not None:
        return f"Delete the session {session} of {org}"
    if before is not None:
        return f"Delete all sessions of {org} created before {datetime.fromtimestamp(before, UTC)}"
    return f"Delete all sessions of {org}"
