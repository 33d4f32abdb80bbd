"""`service-user`: creates, rotates, revokes and lists service users."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Annotated, Any, Final

import typer

from metrics_graphql.cli.command_group import CommandGroup
from metrics_graphql.cli.options import JsonOption, check_new_name
from metrics_graphql.cli.output import json_instant, one_line, print_json, print_line, print_message
from metrics_graphql.cli.runner import configure, run_with_schema
from metrics_graphql.core.callers import ServiceUser
from metrics_graphql.core.errors import MetricsError
from metrics_graphql.core.periods import HOUR
from metrics_graphql.core.tenants import ENTERPRISE, Tenant
from metrics_graphql.storage import service_users
from metrics_graphql.storage.repository import Storage
from metrics_graphql.storage.service_users import IssuedToken, LiveToken

MAX_DAYS: Final = 36_500
"""Days until a token expires, at most: a hundred years, whose end is a valid date."""


class Permission(StrEnum):
    """The permissions that have an effect: `core.callers.VIEW_METRICS`."""

    VIEW_ACCOUNT_METRICS = "ViewAccountMetrics"
    VIEW_ORG_METRICS = "ViewOrgMetrics"


IdArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="Id of the service user, or its name if no other one has it."
    ),
]

app = typer.Typer(
    cls=CommandGroup,
    rich_markup_mode=None,
    help="Manage service users, whose tokens grant access.",
)


@dataclass(frozen=True, slots=True)
class ListedServiceUser:
    """A service user with its tokens that have not expired."""

    service_user: ServiceUser
    tokens: Sequence[LiveToken]

    def columns(self) -> list[str]:
        """Return the columns of `list`."""
        user = self.service_user
        expiries = [inf if token.expires_at is None else token.expires_at for token in self.tokens]
        last = max(expiries, default=0)
        return [
            user.service_user_id,
            user.name,
            "every organization" if user.org_id is None else user.org_id,
            ",".join(user.permissions),
            format_instant(user.created_at),
            format_instant(user.last_used_at),
            format_instant(user.revoked_at),
            str(len(self.tokens)),
            format_instant(None if last == inf else int(last)) if expiries else "-",
        ]

    def document(self) -> dict[str, Any]:
        """Return the JSON object of `list`."""
        user = self.service_user
        return {
            "id": user.service_user_id,
            "name": user.name,
            "org_id": user.org_id,
            "permissions": user.permissions,
            "created_at": json_instant(user.created_at),
            "last_used_at": json_instant(user.last_used_at),
            "revoked_at": json_instant(user.revoked_at),
            "tokens": [
                {
                    "created_at": json_instant(token.created_at),
                    "expires_at": json_instant(token.expires_at),
                }
                for token in self.tokens
            ],
        }


@app.command("create")
def create(  # noqa: PLR0913 - one parameter per option
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", callback=check_new_name, help="Give it this name, for display."
        ),
    ],
    *,
    org: Annotated[
        str | None,
        typer.Option(
            metavar="ORG", callback=check_new_name, help="Grant access to this organization."
        ),
    ] = None,
    enterprise: Annotated[
        bool, typer.Option("--enterprise", help="Grant access to every organization.")
    ] = False,
    permission: Annotated[
        list[Permission],
        typer.Option(
            metavar="PERMISSION",
            help="Grant ViewAccountMetrics or ViewOrgMetrics, its newer name. Repeatable.",
        ),
    ] = [Permission.VIEW_ACCOUNT_METRICS],  # noqa: B006 - typer copies it
    expires_in_days: Annotated[
        float | None,
        typer.Option(
            metavar="DAYS",
            min=0,
            max=MAX_DAYS,
            help="Limit the lifetime of its tokens. Default: unlimited.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Create a service user, and print its token.

    The token is shown only once, alone on the last line.
    """
    if (org is None) is not enterprise:
        raise typer.BadParameter("give one of them", param_hint=["--org", "--enterprise"])
    tenant = ENTERPRISE if org is None else org

    async def run(storage: Storage) -> tuple[IssuedToken, bool]:
        # First: if it takes long and is interrupted, no token was created and lost.
        is_known = await may_have_sessions(storage, tenant)
        issued = await service_users.create_service_user(
            storage.database,
            name,
            tenant=tenant,
            permissions=tuple(dict.fromkeys(permission)),
            expires_in_days=expires_in_days,
        )
        return issued, is_known

    issued, is_known = run_with_schema(configure(), run, upgrade_embedded=False)
    if not is_known:
        print_message(f"warning: {org} has no sessions; check the spelling, or load them")
    if as_json:
        print_json(issued_document(issued))
    else:
        print_token(issued)


async def may_have_sessions(storage: Storage, tenant: Tenant) -> bool:
    """Return whether a tenant has sessions, and true if that cannot be read."""
    if tenant is ENTERPRISE:
        return True
    try:
        return await storage.has_sessions(tenant)
    except MetricsError:
        return True


@app.command("rotate")
def rotate(
    service_user: IdArgument,
    *,
    overlap_hours: Annotated[
        float,
        typer.Option(
            metavar="HOURS",
            min=0,
            max=24 * MAX_DAYS,
            help="Let its older tokens expire after these hours.",
        ),
    ] = 24,
    as_json: JsonOption = False,
) -> None:
    """Print a new token of a service user.

    Older tokens stay valid for the overlap.
    """
    overlap = int(overlap_hours * HOUR)
    issued = run_with_schema(
        configure(),
        lambda storage: service_users.rotate_token(
            storage.database, service_user, overlap_seconds=overlap
        ),
        upgrade_embedded=False,
    )
    older_expire_at = int(time.time()) + overlap
    if as_json:
        older = {"older_tokens_expire_at": json_instant(older_expire_at)}
        print_json(issued_document(issued) | older)
        return
    print_line(f"Older tokens expire at {format_instant(older_expire_at)} or earlier.")
    print_token(issued)


@app.command("revoke")
def revoke(service_user: IdArgument, *, as_json: JsonOption = False) -> None:
    """Revoke a service user and all its tokens."""
    revoked = run_with_schema(
        configure(),
        lambda storage: service_users.revoke_service_user(storage.database, service_user),
        upgrade_embedded=False,
    )
    if as_json:
        revoked_at = json_instant(revoked.revoked_at)
        print_json({"id": revoked.service_user_id, "name": revoked.name, "revoked_at": revoked_at})
    else:
        print_line(f"{revoked.service_user_id} is revoked.")


@app.command("list")
def list_all(*, as_json: JsonOption = False) -> None:
    """List service users.

    Prints tab-separated columns, oldest first. Expired tokens are not counted.
    """

    async def run(storage: Storage) -> list[ListedServiceUser]:
        tokens = await service_users.list_live_tokens(storage.database)
        return [
            ListedServiceUser(user, tokens.get(user.service_user_id, ()))
            for user in await service_users.list_service_users(storage.database)
        ]

    users = run_with_schema(configure(), run, upgrade_embedded=False)
    if as_json:
        print_json({"service_users": [user.document() for user in users]})
        return
    print_line("id\tname\tcovers\tpermissions\tcreated\tlast used\trevoked\tlive tokens\texpires")
    for user in users:
        print_line("\t".join(map(one_line, user.columns())))


def print_token(issued: IssuedToken) -> None:
    """Print the id and the expiry of a service user and, alone on the last line, its token."""
    expires = format_instant(issued.expires_at)
    print_line(f"Service user {issued.service_user.service_user_id}, expires: {expires}")
    print_line("Its token, which is shown only once:")
    print_line(issued.token)


def issued_document(issued: IssuedToken) -> dict[str, Any]:
    """Return the JSON object of a new token."""
    return {
        "id": issued.service_user.service_user_id,
        "name": issued.service_user.name,
        "token": issued.token,
        "expires_at": json_instant(issued.expires_at),
    }


def format_instant(seconds: int | None) -> str:
    """Return Unix seconds as ISO 8601 in UTC, or `never` for None."""
    return json_instant(seconds) or "never"
