"""The table of measures: each is declared once, as a row of plain data.

The SQL, the deltas of roll-ups, the counts by category and the REST response are derived from these
rows. The columns of the roll-ups need a migration, and a GraphQL field one line in
`SessionAggregates`.
"""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from metrics_graphql.core.sessions import PUBLIC_ORIGINS, PUBLIC_SIZES


class Present:
    """Matches any non-null value."""


PRESENT: Final = Present()

Condition = Mapping[str, tuple[str, ...] | Literal[True] | Present]
"""Fields of a session, and what each must be: one of these texts, true, or non-null."""


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """A sum over the sessions that meet a condition. Equal only to itself."""

    field: str
    """The key in the REST response."""
    member: str | None
    """The key inside `field`, for a field that counts by category."""
    description: str
    condition: Condition
    adds: Literal["sessions", "acus"] = "sessions"
    """One per session, or the session's ACUs in millionths."""

    name: str = dataclasses.field(init=False)
    """Unique in the table; also the name of a column that holds it."""

    def __post_init__(self) -> None:
        """Build the name once: every response needs it."""
        name = self.field if self.member is None else f"{self.field}_{self.member}"
        object.__setattr__(self, "name", name)


SIZE_NAMES: Final = dict(
    zip(PUBLIC_SIZES, ("Extra small", "Small", "Medium", "Large", "Extra large"), strict=True)
)
ORIGIN_DESCRIPTIONS: Final = {
    "api": "Started through the API.",
    "automation": "Started by an automation or a schedule.",
    "desktop": "Started in the desktop app.",
    "jira": "Started from Jira.",
    "linear": "Started from Linear.",
    "slack": "Started from Slack.",
    "teams": "Started from Microsoft Teams.",
    "webapp": "Started in the web app.",
}


def by_size(field: str, condition: Condition) -> tuple[Measure, ...]:
    """Return a row for each size, smallest first."""
    return tuple(
        Measure(field, size, f"{SIZE_NAMES[size]} sessions.", {**condition, "size": (size,)})
        for size in PUBLIC_SIZES
    )


SESSIONS_CREATED: Final = Measure("sessions_created_count", None, "Sessions created.", {})
ACUS_CONSUMED: Final = Measure("acus_consumed", None, "ACUs consumed, in millionths.", {}, "acus")
"""Not in the responses itself: `avg_acus_per_session` is derived from it."""

SESSIONS_WITH_PLAYBOOK: Final = Measure(
    "sessions_created_with_playbook_count",
    None,
    "Sessions created from a playbook.",
    {"playbook_id": PRESENT},
)
SESSIONS_WITH_SEARCH: Final = Measure(
    "sessions_created_with_search_count",
    None,
    "Sessions created with search.",
    {"used_search": True},
)
SESSIONS_WITH_MERGED_PRS: Final = Measure(
    "sessions_with_merged_prs_count",
    None,
    "Sessions with at least one merged pull request.",
    {"has_merged_pr": True},
)

MEASURES: Final[tuple[Measure, ...]] = (
    SESSIONS_CREATED,
    *by_size("sessions_created_by_size", {}),
    *(
        Measure(
            "sessions_created_by_origin", origin, ORIGIN_DESCRIPTIONS[origin], {"origin": stored}
        )
        for origin, stored in PUBLIC_ORIGINS.items()
    ),
    SESSIONS_WITH_PLAYBOOK,
    SESSIONS_WITH_SEARCH,
    SESSIONS_WITH_MERGED_PRS,
    *by_size("sessions_with_merged_prs_by_size", {"has_merged_pr": True}),
    ACUS_CONSUMED,
)
"""All measures, in the order of both APIs."""

AVERAGE_ACUS: Final = "avg_acus_per_session"
"""The field derived from `ACUS_CONSUMED` and `SESSIONS_CREATED`."""


def in_order(measures: Collection[Measure]) -> tuple[Measure, ...]:
    """Return distinct measures in the order of the table, so that equal sets share a statement."""
    return tuple(measure for measure in MEASURES if measure in measures)
