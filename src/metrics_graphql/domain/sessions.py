"""A session as it is stored, and how stored origins and sizes map to the public ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from metrics_graphql.errors import BadUserInput

MICROS_PER_ACU: Final = 1_000_000
"""ACUs are kept as whole millionths, so that every engine adds them to the same digits."""

MAX_ACUS_PER_SESSION: Final = 1_000_000
"""More than this in one session is refused, which keeps sums far inside 64 bits."""

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
"""Public origin to the stored ones it counts. A stored origin named nowhere here, such as `cli`,
`vscode_extension` or `devin_spaces`, is in the totals and in no origin."""

PUBLIC_SIZES: Final = ("xs", "s", "m", "l", "xl")
"""The size categories, smallest first. They are stored, never computed: the rule is not public."""


class Session(NamedTuple):
    """One session. Identified by `(org_id, session_id)`; the other fields may change."""

    org_id: str
    session_id: str
    created_at: int
    """Unix seconds."""
    origin: str | None = None
    """As stored, before the mapping to public origins; any text."""
    size: str | None = None
    """One of `PUBLIC_SIZES`; other texts are kept, and counted in no size."""
    user_id: str | None = None
    service_user_id: str | None = None
    playbook_id: str | None = None
    used_search: bool = False
    has_merged_pr: bool = False
    """At least one of its pull requests is merged, whenever that happened."""
    acus: int = 0
    """ACUs consumed, in millionths."""


@dataclass(frozen=True, slots=True)
class SessionUpdate:
    """What a source says of one session: some of its fields, or all.

    `values` maps names of `Session` fields to values; a field that is left out keeps what is
    stored, or the default of a new session.
    """

    org_id: str
    session_id: str
    values: Mapping[str, Any]

    def applied_to(self, stored: Session | None) -> Session:
        """Return the session after this update; `stored` is None for a session not seen before.

        Raises:
            BadUserInput: a new session without `created_at`.
        """
        if stored is not None:
            return stored._replace(**self.values)
        if "created_at" not in self.values:
            raise BadUserInput("created_at", "is needed for a session that is not stored yet")
        return Session(self.org_id, self.session_id, **self.values)
