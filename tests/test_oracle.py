"""The oracle itself, tested with cases that were worked out by hand."""

from datetime import UTC, datetime
from typing import Any

from tests import oracle

ORG = "org-1"
NO_SIZES = {"xs": 0, "s": 0, "m": 0, "l": 0, "xl": 0, "other": 0}


def session(created_at: int, **known: Any) -> oracle.Row:  # noqa: ANN401 - any column's value
    """Return a session with these columns, and defaults in the others."""
    unknown = dict.fromkeys(("origin", "size", "user_id", "service_user_id", "playbook_id"))
    flags = {"used_search": False, "has_merged_pr": False, "acus": 0}
    counts = dict.fromkeys(("pr_count", "open_pr_count", "merged_pr_count", "closed_pr_count"), 0)
    keys = {"org_id": ORG, "session_id": f"s-{created_at}", "created_at": created_at}
    return {**keys, **unknown, **flags, **counts, **known}


SESSIONS = [
    session(
        100,
        origin="api",
        size="xs",
        user_id="u1",
        playbook_id="p1",
        used_search=True,
        acus=1_000_000,
        pr_count=2,
        open_pr_count=1,
        closed_pr_count=1,
    ),
    session(
        150,
        origin="scheduled",
        size="xl",
        service_user_id="u1",
        has_merged_pr=True,
        acus=500_000,
        pr_count=7,
        open_pr_count=1,
        merged_pr_count=2,
        closed_pr_count=3,
    ),
    session(199, origin="cli", size="xxl", user_id="u2", service_user_id="v1", acus=1),
    session(200, origin="webapp", size="m", user_id="u2", playbook_id="p2", has_merged_pr=True),
    session(150, org_id="org-2", origin="api", size="s", user_id="u1", acus=9_000_000),
]


def instant(text: str) -> int:
    """Return the Unix seconds of an ISO 8601 time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def starts(after: str, before: str, interval: str, zone: str) -> list[str]:
    """Return when the buckets of a period start. They must be contiguous and cover the period."""
    buckets = oracle.time_series([], ORG, instant(after), instant(before), interval, zone)
    found = [bucket["period"]["startsAt"] for bucket in buckets]
    assert [bucket["period"]["endsAt"] for bucket in buckets] == [*found[1:], f"{before}Z"]
    return found


def test_rest_counts_every_measure() -> None:
    """[100, 200) has three sessions with 1.500001 ACUs; `cli` and `xxl` count in the total only."""
    assert oracle.rest(SESSIONS, ORG, 100, 200) == {
        "sessions_created_count": 3,
        "sessions_created_by_size": {"xs": 1, "s": 0, "m": 0, "l": 0, "xl": 1},
        "sessions_created_by_origin": {
            "api": 1,
            "automation": 1,
            "desktop": 0,
            "jira": 0,
            "linear": 0,
            "slack": 0,
            "teams": 0,
            "webapp": 0,
        },
        "sessions_created_with_playbook_count": 1,
        "sessions_created_with_search_count": 1,
        "sessions_with_merged_prs_count": 1,
        "sessions_with_merged_prs_by_size": {"xs": 0, "s": 0, "m": 0, "l": 0, "xl": 1},
        "avg_acus_per_session": 0.500000333333333333,
    }


def test_rest_counts_pull_requests() -> None:
    """Seven of the second session; the first one's are not in [101, 200)."""
    assert oracle.rest_pull_requests(SESSIONS, ORG, 100, 200) == {
        "prs_created_count": 9,
        "prs_opened_count": 2,
        "prs_merged_count": 2,
        "prs_closed_count": 4,
    }
    assert oracle.rest_pull_requests(SESSIONS, ORG, 101, 200, user_ids=[])["prs_created_count"] == 0
    assert oracle.rest_pull_requests(SESSIONS, ORG, 101, 200)["prs_created_count"] == 7
    assert oracle.rest_pull_requests(SESSIONS, None, 0, 999)["prs_merged_count"] == 2


def test_graphql_has_more_measures() -> None:
    """The rest of each category, pull requests, and the ACUs."""
    result = oracle.graphql(SESSIONS, ORG, 100, 200)
    assert result["sessionsCreatedBySize"] == {**NO_SIZES, "xs": 1, "xl": 1, "other": 1}
    assert sum(result["sessionsCreatedByOrigin"].values()) == 3
    assert result["sessionsCreatedByOrigin"]["other"] == 1
    assert result["sessionsWithMergedPrsBySize"] == {**NO_SIZES, "xl": 1}
    assert result["acusConsumed"] == 1.500001
    assert (result["prsCreatedCount"], result["prsOpenedCount"]) == (9, 2)
    assert (result["prsMergedCount"], result["prsClosedCount"]) == (2, 4)


def test_graphql_has_the_same_measures_in_camel_case() -> None:
    """All are zero for the empty period; the names are those of the schema."""
    origins = dict.fromkeys(
        ("api", "automation", "desktop", "jira", "linear", "slack", "teams", "webapp", "other"), 0
    )
    assert oracle.graphql(SESSIONS, ORG, 100, 100) == {
        "sessionsCreatedCount": 0,
        "sessionsCreatedBySize": NO_SIZES,
        "sessionsCreatedByOrigin": origins,
        "sessionsCreatedWithPlaybookCount": 0,
        "sessionsCreatedWithSearchCount": 0,
        "sessionsWithMergedPrsCount": 0,
        "sessionsWithMergedPrsBySize": NO_SIZES,
        "prsCreatedCount": 0,
        "prsOpenedCount": 0,
        "prsMergedCount": 0,
        "prsClosedCount": 0,
        "acusConsumed": 0.0,
        "avgAcusPerSession": 0.0,
    }


def test_filters() -> None:
    """Either list may match the creator; an empty list matches nothing; a playbook restricts."""

    def count(**filters: Any) -> int:  # noqa: ANN401 - any filter's value
        found: int = oracle.rest(SESSIONS, ORG, 0, 1000, **filters)["sessions_created_count"]
        return found

    assert count() == count(user_ids=None) == 4
    assert count(user_ids=["u1"]) == 1
    assert count(service_user_ids=["u1", "v1"]) == 2
    assert count(user_ids=["u2"], service_user_ids=["v1"]) == 2
    assert count(user_ids=["u2"], service_user_ids=[]) == 2
    assert count(user_ids=[]) == count(user_ids=[], service_user_ids=[]) == 0
    assert count(playbook_ids=["p2"]) == count(playbook_ids=["p2"], user_ids=["u2"]) == 1
    assert count(playbook_ids=["p2"], user_ids=["u1"]) == count(playbook_ids=[]) == 0
    assert count(playbook_ids=["p1", "p2", "p3"]) == 2


def test_filters_by_category() -> None:
    """By public origins and sizes; `other` has the rest. All filters must match."""

    def count(**filters: Any) -> int:  # noqa: ANN401 - any filter's value
        found: int = oracle.graphql(SESSIONS, ORG, 0, 1000, **filters)["sessionsCreatedCount"]
        return found

    assert count(origins=["api"]) == count(origins=["automation"]) == count(origins=["other"]) == 1
    assert count(origins=["automation", "webapp", "slack"]) == 2
    assert count(origins=["scheduled"]) == count(origins=["cli"]) == count(origins=[]) == 0
    assert count(sizes=["other"]) == count(sizes=["m"]) == count(sizes=["m", "s"]) == 1
    assert count(sizes=["xxl"]) == count(sizes=[]) == 0
    assert (count(has_merged_pr=True), count(has_merged_pr=False)) == (2, 2)
    assert count(has_merged_pr=None) == 4
    assert count(has_merged_pr=True, sizes=["m"]) == count(origins=["api"], sizes=["xs"]) == 1
    assert count(has_merged_pr=True, sizes=["xs"]) == count(origins=["api"], sizes=["m"]) == 0
    assert count(origins=["other"], user_ids=["u2"]) == 1
    assert count(origins=["other"], user_ids=["u1"]) == 0


def test_all_organizations_or_some() -> None:
    """Without an organization all count; an empty list matches nothing; unknown ones are empty."""

    def count(**filters: Any) -> int:  # noqa: ANN401 - any filter's value
        found: int = oracle.rest(SESSIONS, None, 0, 1000, **filters)["sessions_created_count"]
        return found

    assert count() == count(org_ids=None) == count(org_ids=[ORG, "org-2"]) == 5
    assert count(org_ids=["org-2", "org-3"]) == count(org_ids=["org-2"], user_ids=["u1"]) == 1
    assert count(user_ids=["u1"]) == 2
    assert count(org_ids=[]) == count(org_ids=["org-3"]) == 0


def test_breakdown_by_organization() -> None:
    """Four sessions and one session; ranked by ACUs the order is reversed."""
    result = oracle.breakdown(SESSIONS, None, 0, 1000, by="organization")
    assert result["totalCount"] == 2
    assert [(node["organization"], node["sessionsCreatedCount"]) for node in result["nodes"]] == [
        ({"id": ORG}, 4),
        ({"id": "org-2"}, 1),
    ]
    ranked = oracle.breakdown(
        SESSIONS, None, 0, 1000, first=1, by="organization", order_field="AVG_ACUS_PER_SESSION"
    )
    assert [node["avgAcusPerSession"] for node in ranked["nodes"]] == [9.0]


def test_select_returns_the_selected_fields_only() -> None:
    """Leaves, objects, lists of objects and nulls, in the order of the selection."""
    result = {"a": 1, "b": {"c": 2, "d": 3}, "e": [{"f": 4, "g": 5}, {"f": 6}], "h": None}
    selected = oracle.select(result, {"h": {"x": None}, "e": {"f": None}, "b": {"d": None}})
    assert selected == {"h": None, "e": [{"f": 4}, {"f": 6}], "b": {"d": 3}}
    assert list(selected) == ["h", "e", "b"]


def test_time_series_counts_each_session_in_one_bucket() -> None:
    """A session at midnight belongs to the day that starts; an empty day has zeros."""
    rows = [session(instant(text)) for text in ("2025-01-01T23:59:59", "2025-01-02T00:00:00")]
    start, end = instant("2025-01-01T12:00:00"), instant("2025-01-04T00:00:00")
    buckets = oracle.time_series(rows, ORG, start, end, "DAY", "UTC")
    assert [bucket["sessionsCreatedCount"] for bucket in buckets] == [1, 1, 0]
    assert buckets[0]["period"] == {
        "startsAt": "2025-01-01T12:00:00Z",
        "endsAt": "2025-01-02T00:00:00Z",
    }
    assert oracle.time_series(rows, ORG, start, start, "DAY", "UTC") == []


def test_weeks_and_months() -> None:
    """Weeks start on Monday and months on the first, at midnight in the time zone."""
    assert starts("2024-12-29T00:00:00", "2025-01-13T00:00:00", "WEEK", "UTC") == [
        "2024-12-29T00:00:00Z",
        "2024-12-30T00:00:00Z",
        "2025-01-06T00:00:00Z",
    ]
    assert starts("2025-02-28T23:00:00", "2025-05-01T00:00:00", "MONTH", "Europe/Berlin") == [
        "2025-02-28T23:00:00Z",
        "2025-03-31T22:00:00Z",
        "2025-04-30T22:00:00Z",
    ]


def test_hours_that_are_skipped_or_repeated() -> None:
    """Lord Howe changes its clock by half an hour; Berlin repeats 02:00; Nepal is at +05:45."""
    assert starts("2025-04-05T14:00:00", "2025-04-05T16:30:00", "HOUR", "Australia/Lord_Howe") == [
        "2025-04-05T14:00:00Z",  # 01:00 at +11:00
        "2025-04-05T15:00:00Z",  # 02:00 becomes 01:30 at +10:30
        "2025-04-05T15:30:00Z",  # 02:00
    ]
    assert starts("2025-10-26T00:00:00", "2025-10-26T02:00:00", "HOUR", "Europe/Berlin") == [
        "2025-10-26T00:00:00Z",
        "2025-10-26T01:00:00Z",
    ]
    assert starts("2025-01-01T00:00:00", "2025-01-01T01:15:00", "HOUR", "Asia/Kathmandu") == [
        "2025-01-01T00:00:00Z",
        "2025-01-01T00:15:00Z",
    ]


def test_days_that_are_skipped_or_interrupted() -> None:
    """Apia had no 30 December 2011; St. John's left 29 October 2006 after a minute, for an hour."""
    assert starts("2011-12-29T10:00:00", "2011-12-31T10:00:00", "DAY", "Pacific/Apia") == [
        "2011-12-29T10:00:00Z",  # the 29th
        "2011-12-30T10:00:00Z",  # the 31st
    ]
    assert starts("2006-10-28T02:30:00", "2006-10-30T03:30:00", "DAY", "America/St_Johns") == [
        "2006-10-28T02:30:00Z",  # the 28th
        "2006-10-29T02:30:00Z",  # the 29th, which 02:31Z to 03:30Z also belongs to
    ]
    assert starts("2006-10-29T03:00:00", "2006-10-29T04:00:00", "DAY", "America/St_Johns") == [
        "2006-10-29T03:00:00Z"  # 23:30 of the 28th for the second time: already the 29th
    ]
    assert starts("2018-11-03T03:00:00", "2018-11-05T02:00:00", "DAY", "America/Sao_Paulo") == [
        "2018-11-03T03:00:00Z",
        "2018-11-04T03:00:00Z",  # 01:00, as there was no midnight
    ]


def test_breakdown_by_user() -> None:
    """Users only; a session with both kinds of creator is in both breakdowns."""
    result = oracle.breakdown(SESSIONS, ORG, 0, 1000)
    assert [(node["user"], node["sessionsCreatedCount"]) for node in result["nodes"]] == [
        ({"id": "u2"}, 2),
        ({"id": "u1"}, 1),
    ]
    assert (result["totalCount"], result["hasNextPage"]) == (2, False)
    service_users = oracle.breakdown(SESSIONS, ORG, 0, 1000, by="serviceUser")
    assert [node["serviceUser"]["id"] for node in service_users["nodes"]] == ["u1", "v1"]
    filtered = oracle.breakdown(SESSIONS, ORG, 0, 200, by="serviceUser", user_ids=["u2"])
    assert [node["serviceUser"]["id"] for node in filtered["nodes"]] == ["v1"]


def test_breakdowns_by_category() -> None:
    """A row for each that has sessions, by the name of the enum; ties are ranked by ID."""
    origins = oracle.breakdown(SESSIONS, ORG, 0, 1000, by="origin")
    assert [node["origin"] for node in origins["nodes"]] == ["API", "AUTOMATION", "OTHER", "WEBAPP"]
    sizes = oracle.breakdown(SESSIONS, None, 0, 1000, by="size", order_field="PRS_CREATED_COUNT")
    assert [(node["size"], node["prsCreatedCount"]) for node in sizes["nodes"]] == [
        ("XL", 7),
        ("XS", 2),
        ("M", 0),
        ("OTHER", 0),
        ("S", 0),
    ]


def test_breakdown_ranks_by_the_order_field() -> None:
    """Average ACUs, ascending: u2 5e-7, u1 1. Sizes by merged sessions of that size."""
    result = oracle.breakdown(
        SESSIONS, ORG, 0, 1000, order_field="AVG_ACUS_PER_SESSION", direction="ASC"
    )
    assert [node["avgAcusPerSession"] for node in result["nodes"]] == [5e-7, 1.0]
    merged = oracle.breakdown(
        SESSIONS, ORG, 0, 1000, by="playbook", order_field="SESSIONS_WITH_MERGED_PRS_COUNT"
    )
    assert [node["playbook"] for node in merged["nodes"]] == [{"id": "p2"}, {"id": "p1"}]
    unusual = oracle.breakdown(
        SESSIONS,
        ORG,
        0,
        1000,
        by="origin",
        order_field="SESSIONS_CREATED_BY_SIZE_OTHER",
    )
    assert [node["origin"] for node in unusual["nodes"]] == ["OTHER", "API", "AUTOMATION", "WEBAPP"]


def test_pages_of_a_breakdown() -> None:
    """Without the rows before; the number of all rows is on every page."""

    def page(first: int, skip: int) -> tuple[list[str], int, bool]:
        found = oracle.breakdown(SESSIONS, ORG, 0, 1000, by="origin", first=first, skip=skip)
        origins = [node["origin"] for node in found["nodes"]]
        return origins, found["totalCount"], found["hasNextPage"]

    assert page(3, 0) == (["API", "AUTOMATION", "OTHER"], 4, True)
    assert page(3, 1) == (["AUTOMATION", "OTHER", "WEBAPP"], 4, False)
    assert page(3, 3) == (["WEBAPP"], 4, False)
    assert page(3, 4) == ([], 4, False)


def test_previous_period() -> None:
    """[150, 200) against [100, 150): two sessions after one; 0.2500005 ACUs each after 1."""
    result = oracle.previous_period(SESSIONS, ORG, 150, 200)
    assert result["sessionsCreatedCount"] == 1
    assert result["period"] == {
        "startsAt": "1970-01-01T00:01:40Z",
        "endsAt": "1970-01-01T00:02:30Z",
    }
    assert result["change"] == {
        "sessionsCreatedCount": 1.0,
        "sessionsCreatedBySize": {
            **dict.fromkeys(NO_SIZES, None),
            "xs": -1.0,
        },
        "sessionsCreatedByOrigin": {
            **dict.fromkeys((*oracle.ORIGINS, "other"), None),
            "api": -1.0,
        },
        "sessionsCreatedWithPlaybookCount": -1.0,
        "sessionsCreatedWithSearchCount": -1.0,
        "sessionsWithMergedPrsCount": None,
        "sessionsWithMergedPrsBySize": dict.fromkeys(NO_SIZES, None),
        "prsCreatedCount": 2.5,
        "prsOpenedCount": 0.0,
        "prsMergedCount": None,
        "prsClosedCount": 2.0,
        "acusConsumed": -0.499999,
        "avgAcusPerSession": -0.7499995,
    }
