"""Random operations for the fast path, with fragments, aliases, conditions and variables.

The response key of a field follows from its name and its arguments, so that any two selections can
be merged.
"""

import re
from typing import Any, Final, NamedTuple, cast
from zlib import crc32

from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    get_named_type,
    is_leaf_type,
)
from hypothesis import strategies as st

from metrics_graphql.graphql_api.schema import schema

SCHEMA: Final = build_schema(schema.as_str())
FRAGMENT_TYPES: Final = [
    *("SessionAggregates", "SessionMetrics", "EnterpriseSessionMetrics", "SessionMetricsBucket"),
    *("SessionMetricsResult", "PreviousPeriodMetrics", "UserSessionMetrics", "SessionCreator"),
    *("PlaybookSessionMetrics", "OriginSessionMetrics", "SessionBreakdown", "UserBreakdown"),
    *("SessionMetricsChange", "SessionCountsBySize", "TimePeriod", "PageInfo", "Query"),
]
ORDER_FIELDS: Final = cast("GraphQLEnumType", SCHEMA.type_map["SessionMetricsOrderField"]).values
UNSUPPORTED: Final = {"Query.filterOptions", "Viewer.organization", "Viewer.organizations"}
"""The fields that the fast path does not support."""
CONDITIONS: Final = ["true", "false", "$yes", "$no", "$maybe", "$optional"]
PERIODS: Final = [
    *("timeAfter: 0, timeBefore: 10", "timeAfter: 3, timeBefore: 999999"),
    *("timeAfter: 0, timeBefore: $before", "timeAfter: $after, timeBefore: 10"),
    *("timeAfter: 0, timeBefore: 9999999", "timeAfter: 5, timeBefore: 4"),
]
"""The last one is reversed, the one before has too many hours, and `$after` may be null."""
FILTERS: Final = [
    *("", "", ', userIds: ["user-1"]', ", userIds: []", ", serviceUserIds: $ids"),
    *(', playbookIds: ["playbook-1"]', ", playbookIds: null", ", origins: [SLACK, OTHER]"),
    *(", origins: $origins", ", sizes: S", ", sizes: [], hasMergedPr: $merged"),
]
ORDERS: Final = [
    *("", ", orderBy: $order", ", orderBy: {field: $field, direction: ASC}"),
    ", orderBy: {field: SESSIONS_WITH_MERGED_PRS_COUNT, direction: DESC}",
    ", orderBy: {field: SESSIONS_CREATED_BY_ORIGIN_OTHER, direction: ASC}",
]
VARIABLES: Final[dict[str, tuple[str, st.SearchStrategy[Any]]]] = {
    "yes": ("Boolean!", st.sampled_from([True])),
    "no": ("Boolean!", st.sampled_from([False])),
    "maybe": ("Boolean!", st.booleans()),
    "optional": ("Boolean = true", st.booleans()),
    "filters": (
        "SessionMetricsFilters!",
        st.fixed_dictionaries(
            {"timeAfter": st.integers(0, 5), "timeBefore": st.integers(4, 9_999_999)},
            optional={
                "userIds": st.none() | st.lists(st.sampled_from(["user-1", "nobody"])),
                "serviceUserIds": st.just("service-1"),
                "playbookIds": st.none() | st.just(["playbook-1"]),
                "origins": st.none() | st.lists(st.sampled_from(["SLACK", "OTHER", "API"])),
                "sizes": st.sampled_from([["S"], "XL", []]),
                "hasMergedPr": st.none() | st.booleans(),
            },
        ),
    ),
    "after": ("DateTime = 0", st.none() | st.integers(0, 12)),
    "before": ("DateTime!", st.sampled_from([10, "1970-01-01T00:00:09Z", 9_999_999])),
    "org": ("ID!", st.sampled_from(["org-1", "org-1", "org-2", 7])),
    "ids": ("[ID!]", st.none() | st.lists(st.sampled_from(["service-1", "user-1"]))),
    "origins": ("[SessionOrigin!]", st.none() | st.lists(st.sampled_from(["SLACK", "OTHER"]))),
    "merged": ("Boolean", st.none() | st.booleans()),
    "cursor": ("String", st.none() | st.sampled_from(["", "W10", "\0"])),
    "orgs": ('[ID!] = ["org-1"]', st.none() | st.lists(st.sampled_from(["org-1", "org-3"]))),
    "interval": ("TimeInterval!", st.sampled_from(["HOUR", "DAY", "WEEK", "MONTH"])),
    "zone": ('String! = "Asia/Kolkata"', st.sampled_from(["UTC", "Mars", "Europe/Berlin"])),
    "first": ("Int! = 2", st.sampled_from([1, 100, 0, 101])),
    "order": (
        "SessionMetricsOrder! = {field: AVG_ACUS_PER_SESSION, direction: ASC}",
        st.just({"field": "SESSIONS_CREATED_COUNT", "direction": "ASC"}),
    ),
    "field": ("SessionMetricsOrderField!", st.sampled_from(sorted(ORDER_FIELDS))),
}
"""The type of each variable, and values of it. One with a default may be left out."""


class Request(NamedTuple):
    """An operation, and values for its variables."""

    query: str
    variables: dict[str, Any]


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Return a request that the fast path supports. Some of its arguments are refused."""
    selections = Selections(draw)
    types = draw(st.lists(st.sampled_from(FRAGMENT_TYPES), max_size=4))
    # A fragment spreads those before it, so that there is no cycle.
    for name in types:
        selections.add_fragment(name)
    root = selections.selection_set("Query", depth=4)
    text = " ".join([root, *selections.used_fragments(root)])
    used = [name for name in VARIABLES if re.search(rf"\${name}\b", text)]
    declared = ", ".join(f"${name}: {VARIABLES[name][0]}" for name in used)
    variables = {
        name: draw(VARIABLES[name][1])
        for name in used
        if "=" not in VARIABLES[name][0] or draw(st.booleans())
    }
    return Request(f"query Random{f'({declared})' if declared else ''} {text}", variables)


class Selections:
    """Draws selection sets, and the fragments that they spread."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._fragments: dict[str, tuple[str, str]] = {}
        """The type and the selection set of each fragment."""

    def add_fragment(self, type_name: str) -> None:
        """Draw a fragment on a type."""
        name = f"F{len(self._fragments)}"
        self._fragments[name] = (type_name, self.selection_set(type_name, depth=2))

    def used_fragments(self, text: str) -> list[str]:
        """Return the definitions of the fragments that a text spreads, directly or not."""
        used: dict[str, str] = {}
        pending = [text]
        while pending:
            for name in re.findall(r"\.\.\.(F\d+)", pending.pop()):
                if name not in used:
                    type_name, selection_set = self._fragments[name]
                    used[name] = f"fragment {name} on {type_name} {selection_set}"
                    pending.append(selection_set)
        return list(used.values())

    def selection_set(self, type_name: str, depth: int) -> str:
        """Return a selection set of a type."""
        count = self._draw(st.integers(1, 4))
        return "{ " + " ".join(self._selection(type_name, depth) for _ in range(count)) + " }"

    def _selection(self, type_name: str, depth: int) -> str:
        kind = self._draw(st.integers(0, 9))
        spreads = [name for name, (on, _) in self._fragments.items() if can_spread(type_name, on)]
        if kind == 0:
            return self._draw(st.sampled_from(["__typename", "kind_: __typename"]))
        if kind in {1, 2} and spreads:
            return f"...{self._draw(st.sampled_from(spreads))}{self._conditions()}"
        if kind == 3 and depth:
            types = [None, *(each for each in FRAGMENT_TYPES if can_spread(type_name, each))]
            on = self._draw(st.sampled_from(types))
            inside = self.selection_set(on or type_name, depth - 1)
            return f"...{f' on {on}' if on else ''}{self._conditions()} {inside}"
        return self._field(type_name, depth)

    def _field(self, type_name: str, depth: int) -> str:
        fields = type_of(type_name).fields
        names = [
            name
            for name, field in fields.items()
            if f"{type_name}.{name}" not in UNSUPPORTED
            if depth or is_leaf_type(get_named_type(field.type))
        ]
        if not names:
            return "__typename"
        name = self._draw(st.sampled_from(names))
        arguments = self._arguments(name)
        result_type = get_named_type(fields[name].type)
        below = "" if is_leaf_type(result_type) else self.selection_set(result_type.name, depth - 1)
        return f"{self._alias(name, arguments)}{name}{arguments}{self._conditions()} {below}"

    def _alias(self, name: str, arguments: str) -> str:
        if arguments:
            return f"{name}_{crc32(arguments.encode())}: "
        return f"alias_{name}: " if self._draw(st.integers(0, 4)) == 0 else ""

    def _conditions(self) -> str:
        if self._draw(st.integers(0, 4)):
            return ""
        names = self._draw(st.sampled_from([["skip"], ["include"], ["include", "skip"]]))
        values = st.sampled_from(CONDITIONS)
        return "".join(f" @{name}(if: {self._draw(values)})" for name in names)

    def _arguments(self, field: str) -> str:
        draw = self._draw
        if field in {"sessionMetrics", "enterpriseSessionMetrics"}:
            written = f"{{{draw(st.sampled_from(PERIODS))}{draw(st.sampled_from(FILTERS))}}}"
            filters = draw(st.sampled_from(["$filters", written, written]))
            if field == "sessionMetrics":
                org = draw(st.sampled_from(["$org", '"org-1"', '"org-1"', '"org-2"']))
                return f"(orgId: {org}, filters: {filters})"
            orgs = draw(
                st.sampled_from(["", "orgIds: null, ", 'orgIds: "org-2", ', "orgIds: $orgs, "])
            )
            return f"({orgs}filters: {filters})"
        if field == "timeSeries":
            interval = draw(st.sampled_from(["$interval", "HOUR", "DAY", "MONTH"]))
            zone = draw(st.sampled_from(["", ", timeZone: $zone", ', timeZone: "Mars"']))
            return f"(interval: {interval}{zone})"
        if field.startswith("by"):
            first = draw(st.sampled_from(["first: 3", "first: $first", "first: 0"]))
            after = draw(st.sampled_from(["", "", ", after: null", ", after: $cursor"]))
            return f"({first}{after}{draw(st.sampled_from(ORDERS))})"
        return ""


def type_of(name: str) -> GraphQLObjectType | GraphQLInterfaceType:
    """Return a type with fields."""
    found = SCHEMA.type_map[name]
    assert isinstance(found, GraphQLObjectType | GraphQLInterfaceType)
    return found


def can_spread(type_name: str, on: str) -> bool:
    """Return whether a fragment on one type may be spread in a selection of another."""
    concrete, other = type_of(type_name), type_of(on)
    return concrete is other or other in concrete.interfaces or concrete in other.interfaces
