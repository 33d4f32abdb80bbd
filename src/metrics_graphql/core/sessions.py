"""Sessions as they are stored, and the categories of their origins and sizes.

A category is a public origin or size, or `OTHER`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from metrics_graphql.core.errors import BadUserInput

MICROS_PER_ACU: Final = 1_000_000
"""ACUs (agent compute units) are stored as whole millionths: every engine sums them exactly."""

MAX_ACUS_PER_SESSION: Final = 1_000_000
"""A larger value is rejected, so that sums stay far below 64 bits."""

PUBLIC_ORIGINS: Final[dict[str, tuple[str, ...]]] = {
    "api": ("api",),
    "automation": ("automation", "scheduled"),
    "desktop": ("desktop",),
    "jira": ("jira",),
    "linear": ("linear",),
    "slack": ("slack",),
    "teams": ("teams",),
    "webapp": ("webapp",),
}
"""The stored origins that each public origin counts. Any other stored origin, such as `cli`,
`vscode_extension` or `devin_spaces`, counts as `OTHER`."""

PUBLIC_SIZES: Final = ("xs", "s", "m", "l", "xl")
"""Sizes, smallest first. They are loaded, never computed: the rule is not public."""

OTHER: Final = "other"
"""The category of sessions whose origin or size is not public, or not given."""

CATEGORIES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "origin": PUBLIC_ORIGINS,
    "size": {size: (size,) for size in PUBLIC_SIZES},
}
"""The fields of a session that have categories, each with its public categories, and the stored
values that each of these counts."""


class Session(NamedTuple):
    """One session. `(org_id, session_id)` identifies it; the other fields may change."""

    org_id: str
    session_id: str
    created_at: int
    """Unix seconds."""
    origin: str | None = None
    """The stored origin, not the public one; any text."""
    size: str | None = None
    """One of `PUBLIC_SIZES`; any other text is stored, too, and counts as `OTHER`."""
    user_id: str | None = None
    service_user_id: str | None = None
    playbook_id: str | None = None
    used_search: bool = False
    has_merged_pr: bool = False
    """At least one of its pull requests is merged, whenever that happened."""
    acus: int = 0
    """ACUs consumed, in millionths."""
    pr_count: int = 0
    """Its pull requests, in any state."""
    open_pr_count: int = 0
    merged_pr_count: int = 0
    closed_pr_count: int = 0
    """Closed and not merged."""


def category_of(field: str, stored: str | None) -> str:
    """Return the category of a stored origin or size; `OTHER` for one that is not public."""
    return _CATEGORY_OF[field].get(stored, OTHER)


_CATEGORY_OF: Final[Mapping[str, Mapping[str | None, str]]] = {
    field: {stored: category for category, values in categories.items() for stored in values}
    for field, categories in CATEGORIES.items()
}


@dataclass(frozen=True, slots=True)
class SessionUpdate:
    """New values of some or all fields of one session.

    `values` maps names of `Session` fields to values. A field that is left out keeps its stored
    value; in a new session it has its default.
    """

    org_id: str
    session_id: str
    values: Mapping[str, Any]

    def applied_to(self, stored: Session | None) -> Session:
        """Return the session after this update; `stored` is None for a new session.

        Raises:
            BadUserInput: a new session without `created_at`.
        """
        if stored is not None:
            return stored._replace(**self.values)
        if "created_at" not in self.values:
            raise BadUserInput(("created_at",), "is required for a session that is not stored yet")
        return Session(self.org_id, self.session_id, **self.values)
