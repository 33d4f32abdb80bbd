"""Options and arguments that several commands have, and their checks."""

from typing import Annotated

import typer

from metrics_graphql.core.errors import BadUserInput
from metrics_graphql.core.identifiers import check_new_id


def check_new_name(value: str | None) -> str | None:
    """Return an id or a name that can be stored. Another one is a usage error."""
    if value is not None:
        try:
            check_new_id((), value)
        except BadUserInput as error:
            raise typer.BadParameter(error.reason) from None
    return value


JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
PortOption = Annotated[
    int,
    typer.Option(metavar="PORT", min=0, max=65_535, help="Listen on this port. 0: any free port."),
]
