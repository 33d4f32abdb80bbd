"""Names of ids: what people call users, service users, playbooks and organizations."""

from enum import Enum
from typing import Final, NamedTuple

from metrics_graphql.core.breakdowns import Dimension

MAX_OPTIONS: Final = 100
"""Options that one search may return."""
MAX_NAME_LENGTH: Final = 256
"""Characters of a name."""


class NamedKind(Enum):
    """Which ids have names."""

    USER = "user"
    SERVICE_USER = "service_user"
    PLAYBOOK = "playbook"
    ORGANIZATION = "organization"


KIND_OF_DIMENSION: Final = {
    Dimension.USER: NamedKind.USER,
    Dimension.SERVICE_USER: NamedKind.SERVICE_USER,
    Dimension.PLAYBOOK: NamedKind.PLAYBOOK,
    Dimension.ORGANIZATION: NamedKind.ORGANIZATION,
}
"""The kind of the ids in the rows of a breakdown."""


class NameUpdate(NamedTuple):
    """A new name of an id; None removes the name."""

    kind: NamedKind
    id: str
    name: str | None


class NamedId(NamedTuple):
    """An id, and its name if one was loaded."""

    id: str
    name: str | None


def search_options(options: list[NamedId], text: str, first: int) -> list[NamedId]:
    """Return the first options whose name or id contains a text, ignoring case.

    Those with a name come first, ordered by name, then the others by id.
    """
    wanted = text.strip().casefold()
    matching = [
        each
        for each in options
        if wanted in each.id.casefold() or wanted in (each.name or "").casefold()
    ]
    matching.sort(key=lambda each: (each.name is None, (each.name or "").casefold(), each.id))
    return matching[:first]
