"""Documents and selections that several tests execute."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.strategies import ALL_SELECTED

METRICS: Final = 'sessionMetrics(orgId: "org-1", filters: {timeAfter: 0, timeBefore: 10})'
"""The root field over all sessions of org-1 in the shared gateway."""
OTHER_METRICS: Final = METRICS.replace("org-1", "org-2")
"""The same of an organization that callers of org-1 may not read."""
DASHBOARD: Final = (Path(__file__).parents[1] / "typed_client/dashboard.graphql").read_text()
ALL_MEASURES: Final = ALL_SELECTED[1:-1]
PAGE_INFO: Final = "pageInfo { hasNextPage endCursor dataChanged __typename }"
ROW_KEYS: Final = {
    **{name: f"{name} {{ id }}" for name in ("user", "serviceUser", "playbook")},
    **{name: name for name in ("origin", "size")},
}
"""The field that identifies a row of each breakdown of an organization."""
ENTERPRISE_ROW_KEYS: Final = {**ROW_KEYS, "organization": "organization { id }"}
"""The same of the enterprise."""


def breakdown_field(by: str) -> str:
    """Return the name of the field with a breakdown."""
    return f"by{by[0].upper()}{by[1:]}"


def ranked_breakdowns(row_keys: Mapping[str, str]) -> str:
    """Return a page of each breakdown; `$first`, `$order` and `Measures` are the document's."""
    return "\n".join(
        f"{breakdown_field(by)}(first: $first, orderBy: $order) {{"
        f" nodes {{ ...Measures {key} }} totalCount pageInfo {{ hasNextPage endCursor }} }}"
        for by, key in row_keys.items()
    )


def flattened(page: dict[str, Any]) -> dict[str, Any]:
    """Return a page of a breakdown as the oracle has it; its cursor is that of its last row."""
    info = page.pop("pageInfo")
    assert (info["endCursor"] is None) == (page["nodes"] == [])
    return {**page, "hasNextPage": info["hasNextPage"]}


def metrics_query(selection: str) -> str:
    """Return the query with a selection of `sessionMetrics`."""
    return f"{{ {METRICS} {{ {selection} }} }}"


def metrics_statements(statements: list[str]) -> list[str]:
    """Return the statements that read sessions, and not credentials or data versions."""
    return [sql for sql in statements if "sessions.created_at" in sql]


FRAGMENTS: Final = f"""
  {{ ...Q }}
  fragment Q on Query {{ {METRICS} {{ ...F ... on SessionMetrics {{ ...F }} }} }}
  fragment F on SessionAggregates {{
    sessionsCreatedCount
    ... on SessionMetrics {{ period {{ startsAt }} }}
    ... on SessionMetricsResult {{ period {{ startsAt }} }}
    ... on SessionMetricsBucket {{ period {{ endsAt }} }}
    ... {{ avgAcusPerSession }}
  }}
"""
SUPPORTED: Final = [
    "{ __typename }",
    "{ viewer { __typename id name } me: viewer { name } }",
    metrics_query(ALL_MEASURES),
    metrics_query("__typename period { startsAt endsAt __typename }"),
    metrics_query("sessionsCreatedBySize { s } sessionsCreatedBySize { xl s }"),
    f"{{ a: {METRICS} {{ sessionsCreatedCount }} b: {METRICS} {{ avgAcusPerSession }} }}",
    f"{{ {METRICS} {{ n: sessionsCreatedCount }} {METRICS} {{ n: sessionsCreatedCount }} }}",
    metrics_query(
        f"previousPeriod {{ {ALL_MEASURES} period {{ startsAt }}"
        f" change {{ {ALL_MEASURES} __typename }} }}"
    ),
    metrics_query(
        "previousPeriod { __typename timeSeries(interval: DAY)"
        f" {{ {ALL_MEASURES} period {{ startsAt endsAt }} }} }}"
    ),
    metrics_query("previousPeriod { timeSeries(interval: HOUR) { __typename } }"),
    metrics_query(
        f"timeSeries(interval: HOUR) {{ {ALL_MEASURES} period {{ endsAt }} __typename }}"
    ),
    metrics_query('a: timeSeries(interval: DAY, timeZone: "Asia/Kolkata") { __typename }'),
    metrics_query(
        "a: timeSeries(interval: DAY) { __typename } b: timeSeries(interval: MONTH) { __typename }"
    ),
    metrics_query(
        f"byUser {{ totalCount nodes {{ {ALL_MEASURES} user {{ id name }} }} {PAGE_INFO} }}"
    ),
    metrics_query(
        "byUser(orderBy: {field: AVG_ACUS_PER_SESSION, direction: ASC}) { nodes { user { id } } }"
    ),
    metrics_query(
        "one: byUser(first: 1) { totalCount nodes { __typename } } all: byUser { totalCount }"
    ),
    metrics_query("byServiceUser { __typename nodes { serviceUser { __typename id ...Creator } } }")
    + " fragment Creator on SessionCreator { name }",
    metrics_query(
        "byOrigin(orderBy: {field: SESSIONS_CREATED_BY_SIZE_OTHER, direction: DESC})"
        " { nodes { origin acusConsumed } ...Page } bySize { nodes { size } ...Page }"
    )
    + f" fragment Page on SessionBreakdown {{ totalCount {PAGE_INFO} }}",
    metrics_query("byPlaybook { nodes { playbook { id __typename } } totalCount }"),
    FRAGMENTS,
    metrics_query("sessionsCreatedCount @include(if: false)"),
    metrics_query("... @skip(if: true) { sessionsCreatedCount } period { startsAt }"),
    metrics_query("sessionsCreatedCount @skip(if: false) byUser @skip(if: true) { totalCount }"),
    "{ viewer { id organizations @skip(if: true) { id } } }",
]
"""Operations without variables that the fast path supports, and whose arguments are accepted."""
