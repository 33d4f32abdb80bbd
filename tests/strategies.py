"""Random sessions, periods, filters and selections, small enough to collide often."""

import json
from random import Random
from typing import Any

from graphql import IntValueNode
from hypothesis import strategies as st

ORIGINS = [
    *("api", "automation", "scheduled", "desktop", "jira", "linear", "slack", "teams", "webapp"),
    *("cli", "vscode_extension", "devin_spaces", "other", None),
]
SIZES = ["xs", "s", "m", "l", "xl", "huge", None]
USERS = ["email|aa", "email|bb", "google-oauth2|1", None]
SIZE_MEMBERS = ["xs", "s", "m", "l", "xl", "other"]
ORIGIN_MEMBERS = [
    *("api", "automation", "desktop", "jira", "linear", "slack", "teams", "webapp", "other")
]
SERVICE_USERS = ["service-1", "service-2", "email|aa", None]
PLAYBOOKS = ["playbook-1", "playbook-ü", None]

HOUR, DAY = 3_600, 86_400
LAST = 253_402_300_799
"""9999-12-31T23:59:59Z."""
BASE = 1_735_689_600
"""2025-01-01T00:00:00Z."""


def instants() -> st.SearchStrategy[int]:
    """Return instants of 90 days, most of them at or next to the start of an hour or a day."""
    edges = st.builds(
        lambda unit, count, offset: BASE + unit * count + offset,
        st.sampled_from([HOUR, DAY, 30 * DAY]),
        st.integers(0, 3),
        st.integers(-1, 1),
    )
    return edges | st.integers(BASE, BASE + 90 * DAY)


def session_rows(
    org_id: str,
    session_ids: st.SearchStrategy[str],
    created: st.SearchStrategy[int] | None = None,
) -> st.SearchStrategy[dict[str, Any]]:
    """Return rows with all fields of a session."""
    return st.fixed_dictionaries(
        {
            "org_id": st.just(org_id),
            "session_id": session_ids,
            "created_at": instants() if created is None else created,
            "origin": st.sampled_from(ORIGINS),
            "size": st.sampled_from(SIZES),
            "user_id": st.sampled_from(USERS),
            "service_user_id": st.sampled_from(SERVICE_USERS),
            "playbook_id": st.sampled_from(PLAYBOOKS),
            "used_search": st.booleans(),
            "has_merged_pr": st.booleans(),
            "acus": st.integers(0, 50_000_000) | st.sampled_from([1, 333_333, 10**12]),
            "pr_count": st.integers(0, 9),
            "open_pr_count": st.integers(0, 3),
            "merged_pr_count": st.integers(0, 3),
            "closed_pr_count": st.sampled_from([0, 1, 100_000]),
        }
    )


def random_sessions(count: int, days: int) -> list[dict[str, Any]]:
    """Return that many sessions of org-1, at random times of some days."""
    random = Random(1)  # noqa: S311 - test data
    return [
        {
            "org_id": "org-1",
            "session_id": f"s{number}",
            "created_at": BASE + random.randrange(days * DAY),
            "origin": random.choice(ORIGINS),
            "size": random.choice(SIZES),
            "user_id": random.choice(USERS),
            "service_user_id": random.choice(SERVICE_USERS),
            "playbook_id": random.choice(PLAYBOOKS),
            "used_search": random.random() < 0.5,
            "has_merged_pr": random.random() < 0.5,
            "acus": random.randrange(10**8),
            "pr_count": random.randrange(5),
            "open_pr_count": random.randrange(3),
            "merged_pr_count": random.randrange(3),
            "closed_pr_count": random.randrange(3),
        }
        for number in range(count)
    ]


def periods() -> st.SearchStrategy[dict[str, int]]:
    """Return the two bounds, in order; they may be equal, or far from any session.

    The first is not after the year 9999, which is refused.
    """
    far = st.sampled_from([-(2**70), 0, 2**63, 10**30])
    return st.lists(instants() | far, min_size=2, max_size=2).map(
        lambda bounds: {"time_after": min(*bounds, LAST), "time_before": max(bounds)}
    )


def filters() -> st.SearchStrategy[dict[str, Any]]:
    """Return filters, each of which may be absent or empty."""
    return st.fixed_dictionaries(
        {},
        optional={
            "user_ids": st.lists(st.sampled_from(["email|aa", "email|bb", "unknown"])),
            "service_user_ids": st.lists(st.sampled_from(["service-1", "service-2", "email|aa"])),
            "playbook_ids": st.lists(st.sampled_from(["playbook-1", "playbook-ü", "nothing"])),
            "origins": st.lists(st.sampled_from(ORIGIN_MEMBERS)),
            "sizes": st.lists(st.sampled_from(SIZE_MEMBERS)),
            "has_merged_pr": st.booleans(),
        },
    )


def rest_filters(filters: dict[str, Any]) -> dict[str, Any]:
    """Return those of some filters that the REST API has, with at most one playbook."""
    names = ("org_ids", "user_ids", "service_user_ids")
    given = {name: filters[name] for name in names if name in filters}
    if playbook_ids := filters.get("playbook_ids"):
        given["playbook_ids"] = playbook_ids[:1]
    return given


AGGREGATES: dict[str, list[str]] = {
    "sessionsCreatedCount": [],
    "sessionsCreatedBySize": SIZE_MEMBERS,
    "sessionsCreatedByOrigin": ORIGIN_MEMBERS,
    "sessionsCreatedWithPlaybookCount": [],
    "sessionsCreatedWithSearchCount": [],
    "sessionsWithMergedPrsCount": [],
    "sessionsWithMergedPrsBySize": SIZE_MEMBERS,
    "prsCreatedCount": [],
    "prsOpenedCount": [],
    "prsMergedCount": [],
    "prsClosedCount": [],
    "acusConsumed": [],
    "avgAcusPerSession": [],
}
ALL_AGGREGATES: dict[str, Any] = {
    name: dict.fromkeys(members) if members else None for name, members in AGGREGATES.items()
}
"""The selection of every field of `SessionAggregates`."""


@st.composite
def selections(draw: st.DrawFn) -> dict[str, Any]:
    """Return some fields of `SessionAggregates`, each with None or some members."""
    names = draw(st.lists(st.sampled_from(sorted(AGGREGATES)), min_size=1, unique=True))
    return {
        name: dict.fromkeys(
            draw(st.lists(st.sampled_from(AGGREGATES[name]), min_size=1, unique=True))
        )
        if AGGREGATES[name]
        else None
        for name in names
    }


def in_graphql(selection: dict[str, Any]) -> str:
    """Return a selection in GraphQL."""
    fields = (name if sub is None else name + in_graphql(sub) for name, sub in selection.items())
    return "{" + " ".join(fields) + "}"


ALL_SELECTED = in_graphql(ALL_AGGREGATES)
"""The same in GraphQL."""


def graphql_filters(period: dict[str, Any], filters: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a query as the GraphQL input has them."""
    names = {
        "time_after": "timeAfter",
        "time_before": "timeBefore",
        "user_ids": "userIds",
        "service_user_ids": "serviceUserIds",
        "playbook_ids": "playbookIds",
        "origins": "origins",
        "sizes": "sizes",
        "has_merged_pr": "hasMergedPr",
    }
    return {
        names[name]: [each.upper() for each in value] if name in {"origins", "sizes"} else value
        for name, value in {**period, **filters}.items()
    }


def rest_parameters(period: dict[str, Any], filters: dict[str, Any]) -> dict[str, Any]:
    """Return them as the official Python SDK sends them, with ids joined by commas."""
    return {
        name: ",".join(value) if isinstance(value, list) else value
        for name, value in {**period, **sdk_filters(filters)}.items()
    }


def sdk_filters(filters: dict[str, Any]) -> dict[str, Any]:
    """Return filters of the REST API as the official Python SDK names them."""
    given = dict(filters)
    if "playbook_ids" in given:
        (given["playbook_id"],) = given.pop("playbook_ids")
    return given


def quoted(text: str) -> str:
    """Return a text as a GraphQL string literal."""
    return json.dumps(text)


def literal(instant: int) -> IntValueNode:
    """Return Unix seconds as a GraphQL literal."""
    return IntValueNode(value=str(instant))
