"""Names of ids: what people call users, service users, playbooks and organizations.

Clients search ids by name or id, to offer them as options of a filter.
"""

from enum import Enum
from typing import Final, NamedTuple

from metrics_graphql.core.breakdowns import Dimension

MAX_FOUND_IDS: Final = 100
"""Ids that one search may return."""
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


def search_named_ids(ids: list[NamedId], text: str, first: int) -> list[NamedId]:
    """Return the first ids that contain a text, or whose name contains it, ignoring case.

    Ids with a name come first, ordered by name, then the others, ordered by id.
    """
    wanted = text.strip().casefold()
    matching = [
        each
        for each in ids
        if wanted in each.id.casefold() or wanted in (each.name or "").casefold()
    ]
    matching.sort(key=lambda each: (each.name is None, (each.name or "").casefold(), each.id))
    return matching[:first]
