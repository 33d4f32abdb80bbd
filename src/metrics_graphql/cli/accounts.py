"""`service-user`: who may ask."""

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from metrics_graphql import auth
from metrics_graphql.cli.running import fail, with_store
from metrics_graphql.store import accounts

MAX_DAYS = 36_500
"""A hundred years are as good as for ever, and have dates."""

service_user = typer.Typer(help="Manage who may ask.", no_args_is_help=True)


@service_user.command("create")
def create_service_user(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    org: Annotated[str | None, typer.Option(help="The organization it belongs to.")] = None,
    enterprise: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--enterprise", help="It covers every organization.")
    ] = False,
    permission: Annotated[
        list[str] | None,
        typer.Option(help=f"May be repeated; {auth.DEFAULT_PERMISSION} if not given."),
    ] = None,
    expires_in_days: Annotated[
        float | None, typer.Option(min=0, max=MAX_DAYS, help="Never, if not given.")
    ] = None,
) -> None:
    """Create a service user and print its token, alone on the last line, this once."""
    if (org is None) is not enterprise:
        raise fail("give either --org or --enterprise")
    permissions = tuple(permission or [auth.DEFAULT_PERMISSION])
    created = with_store(
        lambda store: auth.create_service_user(
            store.database,
            name,
            org_id=org,
            permissions=permissions,
            expires_in_days=expires_in_days,
        )
    )
    if auth.VIEW_METRICS.isdisjoint(permissions):
        either = " or ".join(sorted(auth.VIEW_METRICS))
        typer.echo(f"It can't read metrics: that takes {either}.", err=True)
    show_token(created)


@service_user.command("rotate")
def rotate(
    service_user_id: Annotated[str, typer.Argument(metavar="ID")],
    overlap_hours: Annotated[
        float,
        typer.Option(min=0, max=24 * MAX_DAYS, help="How long the tokens before it keep working."),
    ] = 24,
) -> None:
    """Print a new token for a service user; the old one keeps working for the overlap."""
    overlap = int(overlap_hours * 3_600)
    created = with_store(
        lambda store: auth.rotate_token(store.database, service_user_id, overlap_seconds=overlap)
    )
    typer.echo(f"Older tokens end at {instant(int(time.time()) + overlap)} at the latest.")
    show_token(created)


@service_user.command("revoke")
def revoke(service_user_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """End every token of a service user, for good."""
    with_store(lambda store: auth.revoke_service_user(store.database, service_user_id))
    typer.echo(f"{service_user_id} is revoked.")


@service_user.command("list")
def list_service_users() -> None:
    """List service users, oldest first, as tab-separated columns."""
    typer.echo("id\tname\tcovers\tpermissions\tcreated\tlast used\trevoked")
    for user in with_store(lambda store: accounts.list_service_users(store.database)):
        covers = "every organization" if user.org_id is None else user.org_id
        instants = (user.created_at, user.last_used_at, user.revoked_at)
        columns = [user.service_user_id, user.name, covers, ",".join(user.permissions)]
        typer.echo("\t".join([*columns, *map(instant, instants)]))


def show_token(created: auth.NewToken) -> None:
    """Print who has a new token and, alone on the last line, the token."""
    expires = instant(created.expires_at)
    typer.echo(f"Service user {created.service_user.service_user_id}, expires: {expires}")
    typer.echo("Its token, which is shown only now:")
    typer.echo(created.token)


def instant(seconds: int | None) -> str:
    """Return Unix seconds as ISO 8601 in UTC."""
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
