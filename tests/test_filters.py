"""Filters: each alone and each pair equals the oracle, and which rows answer them."""

import json
import logging
from itertools import combinations
from typing import Any

import pytest

from tests import oracle, strategies
from tests.conftest import Gateway, on_every_engine
from tests.strategies import BASE, DAY

pytestmark = on_every_engine

VALUES: dict[str, list[Any]] = {
    "user_ids": [["email|aa"], ["email|aa", "email|bb", "nobody"], []],
    "service_user_ids": [["service-1"], ["service-2", "email|aa"], []],
    "playbook_ids": [["playbook-ü"], ["playbook-1", "playbook-ü"], []],
    "origins": [["automation"], ["other", "slack"], []],
    "sizes": [["xl"], ["other", "m", "xs"], []],
    "has_merged_pr": [True, False, None],
}
"""Values of each filter. Null, unlike an empty list, restricts nothing."""
SINGLE = [(name,) for name in VALUES]
PAIRS = list(combinations(VALUES, 2))
PERIOD: dict[str, Any] = {"time_after": BASE + 3 * DAY + 4_321, "time_before": BASE + 77 * DAY + 98}
"""Raw sessions at both ends of whole days and of whole thirty days."""
SELECTION: dict[str, Any] = {
    "sessionsCreatedCount": None,
    "sessionsCreatedByOrigin": {"automation": None, "other": None},
    "sessionsCreatedBySize": {"m": None, "other": None},
    "sessionsWithMergedPrsBySize": {"xl": None, "other": None},
    "sessionsCreatedWithPlaybookCount": None,
    "prsCreatedCount": None,
    "prsClosedCount": None,
    "acusConsumed": None,
}


def given(filters: dict[str, Any]) -> dict[str, Any]:
    """Return the filters that are not null."""
    return {name: value for name, value in filters.items() if value is not None}


def aliased(count: int) -> str:
    """Return a document of so many aliases, each with filters of its own."""
    declared = ", ".join(f"$f{number}: SessionMetricsFilters!" for number in range(count))
    fields = " ".join(
        f'a{number}: sessionMetrics(orgId: "org-1", filters: $f{number})'
        f" {strategies.in_graphql(SELECTION)}"
        for number in range(count)
    )
    return f"query ({declared}) {{ {fields} }}"


def test_each_filter_and_each_pair_equals_the_oracle(gateway: Gateway) -> None:
    """With one value, several, and none; also of the rows and buckets that roll-ups answer."""
    rows = strategies.random_sessions(400, days=90)
    gateway.load(rows)
    token = gateway.token("org-1")
    cases = [
        dict(zip(names, values, strict=True))
        for names in SINGLE + PAIRS
        for values in (
            [VALUES[name][0] for name in names],
            [VALUES[name][1] for name in names],
            [VALUES[name][2 if name == names[-1] else 0] for name in names],
        )
    ]
    counts = []
    while cases:
        batch, cases = cases[:9], cases[9:]
        variables = {
            f"f{number}": strategies.graphql_filters(PERIOD, given(filters))
            for number, filters in enumerate(batch)
        }
        data = gateway.graphql(aliased(len(batch)), token, variables).json()["data"]
        for number, filters in enumerate(batch):
            expected = oracle.graphql(rows, "org-1", **PERIOD, **filters)
            assert data[f"a{number}"] == oracle.select(expected, SELECTION), filters
            counts.append(expected["sessionsCreatedCount"])

    # Most of them match some sessions and not all.
    assert len({count for count in counts if 0 < count < len(rows)}) > len(counts) / 2


def test_the_source_of_each_filter_is_recorded(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """Roll-ups answer each filter alone, and any by origin, size and outcome; not other pairs."""
    caplog.set_level(logging.INFO, "metrics_graphql")
    gateway.load(strategies.random_sessions(20, days=90))
    token = gateway.token("org-1")
    by_category = {"origins", "sizes", "has_merged_pr"}
    combined = [(), *SINGLE, *PAIRS, tuple(by_category), tuple(VALUES)]
    with gateway.configured(log_format="json") as other:
        for names in combined:
            filters = strategies.graphql_filters(PERIOD, {name: VALUES[name][0] for name in names})
            other.metrics("{ sessionsCreatedCount }", "org-1", token, filters)
    lines = [
        json.loads(line)
        for record in caplog.records
        if record.name == "metrics_graphql.requests"
        for line in record.getMessage().splitlines()
    ]
    rolled_up = {
        names
        for names, line in zip(combined, lines, strict=True)
        if line["data_source"] == "rollups"
    }

    assert {line["data_source"] for line in lines} <= {"rollups", "raw"}
    assert rolled_up == {
        names for names in combined if len(names) < 2 or by_category.issuperset(names)
    }
