"""The table of measures: each is declared once, as a row of plain data.

The SQL, the deltas of roll-ups, the counts by category, the orders of breakdowns and the REST
responses are derived from these rows. The columns of the roll-ups need a migration, and a GraphQL
field one line in `SessionAggregates` and one in `SessionMetricsChange`.
"""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import sub
from typing import Final, Literal, TypeVar

from metrics_graphql.core.sessions import CATEGORIES, OTHER

T = TypeVar("T")


class Present:
    """Matches any non-null value."""


PRESENT: Final = Present()


Expected = tuple[str, ...] | Literal[True] | Present
"""What a field of a session must be: one of these texts, true, or non-null."""
Condition = Mapping[str, Expected]
"""What some fields of a session must be, by the name of the field. An empty one is always met."""


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """A sum over the sessions that meet a condition. Equal only to itself."""

    response_key: str
    """The key in the REST response."""
    member: str | None
    """The category that it counts, which is the key inside `response_key`; None for a measure that
    is not by category."""
    description: str
    condition: Condition
    adds: str | None = None
    """The field of a session whose values are added up; None to count sessions."""
    whole_and_parts: "tuple[Measure, ...]" = ()
    """For a remainder: the measure of all categories, followed by the measures of the public
    categories, which are subtracted from it. Empty for other measures."""

    name: str = dataclasses.field(init=False)
    """Unique in the table; also the name of a column that holds it."""

    def __post_init__(self) -> None:
        """Set `name`: a property would build it again for each response."""
        name = self.response_key if self.member is None else f"{self.response_key}_{self.member}"
        object.__setattr__(self, "name", name)

    @property
    def is_remainder(self) -> bool:
        """Whether it counts the sessions of no public category (`OTHER`).

        It has no sum of its own: it is computed as a difference of sums. `condition` is that of the
        whole, so do not sum by it: `SumsSpec` refuses remainders.
        """
        return bool(self.whole_and_parts)

    @property
    def terms(self) -> "tuple[Measure, ...]":
        """The measures that it is computed from: itself, unless it is a remainder."""
        return self.whole_and_parts or (self,)

    def value_from(self, values: Mapping[str, T]) -> T:
        """Return its value, computed from the values of its terms by name.

        These are numbers or SQL expressions.
        """
        return reduce(sub, [values[each.name] for each in self.terms])


MEMBER_DESCRIPTIONS: Final = {
    "size": {
        "xs": "Extra small sessions.",
        "s": "Small sessions.",
        "m": "Medium sessions.",
        "l": "Large sessions.",
        "xl": "Extra large sessions.",
        OTHER: "Sessions without a size, or with one that is not public.",
    },
    "origin": {
        "api": "Started through the API.",
        "automation": "Started by an automation or a schedule.",
        "desktop": "Started in the desktop app.",
        "jira": "Started from Jira.",
        "linear": "Started from Linear.",
        "slack": "Started from Slack.",
        "teams": "Started from Microsoft Teams.",
        "webapp": "Started in the web app.",
        OTHER: "Started elsewhere, as from the command line, or in an unknown place.",
    },
}
"""A description of each category, by the field of a session that has it."""


def by_category(response_key: str, field: str, whole: Measure) -> tuple[Measure, ...]:
    """Return a measure for each category of a field of a session: the public ones, and `OTHER`.

    Each counts the sessions of one category among those that `whole` counts.
    """
    descriptions = MEMBER_DESCRIPTIONS[field]
    parts = tuple(
        Measure(response_key, category, descriptions[category], {**whole.condition, field: texts})
        for category, texts in CATEGORIES[field].items()
    )
    remainder = Measure(
        response_key,
        OTHER,
        descriptions[OTHER],
        whole.condition,
        whole_and_parts=(whole, *parts),
    )
    return *parts, remainder


SESSIONS_CREATED: Final = Measure("sessions_created_count", None, "Sessions created.", {})
ACUS_CONSUMED: Final = Measure(
    "acus_consumed", None, "ACUs that the sessions consumed, in total.", {}, "acus"
)
"""In millionths. GraphQL has it in ACUs; `avg_acus_per_session` is derived from it."""
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
PRS_CREATED: Final = Measure(
    "prs_created_count", None, "Pull requests of the sessions, in any state.", {}, "pr_count"
)
PRS_OPENED: Final = Measure(
    "prs_opened_count", None, "Pull requests of the sessions, open now.", {}, "open_pr_count"
)
PRS_MERGED: Final = Measure(
    "prs_merged_count", None, "Pull requests of the sessions, merged.", {}, "merged_pr_count"
)
PRS_CLOSED: Final = Measure(
    "prs_closed_count",
    None,
    "Pull requests of the sessions, closed and not merged.",
    {},
    "closed_pr_count",
)
PULL_REQUEST_MEASURES: Final = (PRS_CREATED, PRS_OPENED, PRS_MERGED, PRS_CLOSED)
"""The measures of the v3 API's pull request metrics."""

MEASURES: Final[tuple[Measure, ...]] = (
    SESSIONS_CREATED,
    *by_category("sessions_created_by_size", "size", SESSIONS_CREATED),
    *by_category("sessions_created_by_origin", "origin", SESSIONS_CREATED),
    SESSIONS_WITH_PLAYBOOK,
    SESSIONS_WITH_SEARCH,
    SESSIONS_WITH_MERGED_PRS,
    *by_category("sessions_with_merged_prs_by_size", "size", SESSIONS_WITH_MERGED_PRS),
    ACUS_CONSUMED,
    *PULL_REQUEST_MEASURES,
)
"""All measures, in the order of both APIs."""

SESSION_MEASURES: Final = tuple(
    measure for measure in MEASURES if measure.adds is None and not measure.is_remainder
)
"""The measures of the v3 API's session metrics."""

AVERAGE_ACUS: Final = "avg_acus_per_session"
"""The name of the average, which is derived from `ACUS_CONSUMED` and `SESSIONS_CREATED`."""


def in_order(measures: Collection[Measure]) -> tuple[Measure, ...]:
    """Return distinct measures in the order of the table, so that equal sets share a statement."""
    return tuple(measure for measure in MEASURES if measure in measures)


def summed_measures(measures: Collection[Measure]) -> tuple[Measure, ...]:
    """Return the measures whose sums these are computed from, in the order of the table."""
    return in_order({term for each in measures for term in each.terms})
