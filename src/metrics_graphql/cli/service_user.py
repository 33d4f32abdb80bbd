"""`service-user`: creates, rotates, revokes and lists service users."""

import time
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from metrics_graphql.cli.runner import configure, fail, run_with_schema
from metrics_graphql.core.callers import DEFAULT_PERMISSION, VIEW_METRICS
from metrics_graphql.core.periods import HOUR
from metrics_graphql.core.tenants import ENTERPRISE
from metrics_graphql.storage import service_users
from metrics_graphql.storage.service_users import IssuedToken

MAX_DAYS: Final = 36_500
"""Days until a token expires, at most: a hundred years, whose end is a valid date."""

app = typer.Typer(help="Manage service users, whose tokens grant access.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="A name for display.")],
    org: Annotated[str | None, typer.Option(help="The organization it belongs to.")] = None,
    enterprise: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--enterprise", help="Grant access to every organization.")
    ] = False,
    permission: Annotated[
        list[str] | None,
        typer.Option(help=f"May be repeated. Default: {DEFAULT_PERMISSION}."),
    ] = None,
    expires_in_days: Annotated[
        float | None,
        typer.Option(min=0, max=MAX_DAYS, help="Lifetime of its tokens. Default: unlimited."),
    ] = None,
) -> None:
    """Create a service user and print its token, once, alone on the last line."""
    if (org is None) is not enterprise:
        raise fail("give either --org or --enterprise")
    permissions = tuple(permission or [DEFAULT_PERMISSION])
    issued = run_with_schema(
        configure(),
        lambda storage: service_users.create_service_user(
            storage.database,
            name,
            tenant=ENTERPRISE if org is None else org,
            permissions=permissions,
            expires_in_days=expires_in_days,
        ),
        upgrade_embedded=False,
    )
    if VIEW_METRICS.isdisjoint(permissions):
        required = " or ".join(sorted(VIEW_METRICS))
        typer.echo(f"It cannot read metrics: that requires {required}.", err=True)
    print_token(issued)


@app.command("rotate")
def rotate(
    service_user_id: Annotated[str, typer.Argument(metavar="ID")],
    overlap_hours: Annotated[
        float,
        typer.Option(min=0, max=24 * MAX_DAYS, help="Hours until its older tokens expire."),
    ] = 24,
) -> None:
    """Print a new token of a service user. Older tokens stay valid for the overlap."""
    overlap = int(overlap_hours * HOUR)
    issued = run_with_schema(
        configure(),
        lambda storage: service_users.rotate_token(
            storage.database, service_user_id, overlap_seconds=overlap
        ),
        upgrade_embedded=False,
    )
    typer.echo(f"Older tokens expire at {format_instant(int(time.time()) + overlap)} or earlier.")
    print_token(issued)


@app.command("revoke")
def revoke(service_user_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Revoke a service user and all of its tokens, permanently."""
    run_with_schema(
        configure(),
        lambda storage: service_users.revoke_service_user(storage.database, service_user_id),
        upgrade_embedded=False,
    )
    typer.echo(f"{service_user_id} is revoked.")


@app.command("list")
def list_all() -> None:
    """List service users, oldest first, as tab-separated columns."""
    users = run_with_schema(
        configure(),
        lambda storage: service_users.list_service_users(storage.database),
        upgrade_embedded=False,
    )
    typer.echo("id\tname\tcovers\tpermissions\tcreated\tlast used\trevoked")
    for user in users:
        covers = "every organization" if user.tenant is ENTERPRISE else user.tenant
        instants = (user.created_at, user.last_used_at, user.revoked_at)
        columns = [user.service_user_id, user.name, covers, ",".join(user.permissions)]
        typer.echo("\t".join([*columns, *map(format_instant, instants)]))


def print_token(issued: IssuedToken) -> None:
    """Print the id and the expiry of a service user and, alone on the last line, its token."""
    expires = format_instant(issued.expires_at)
    typer.echo(f"Service user {issued.service_user.service_user_id}, expires: {expires}")
    typer.echo("Its token, which is shown only once:")
    typer.echo(issued.token)


def format_instant(seconds: int | None) -> str:
    """Return Unix seconds as ISO 8601 in UTC, or `never` for None."""
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
