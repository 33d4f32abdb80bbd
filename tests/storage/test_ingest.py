"""Upserts: what is stored and counted after updates, replays and mistakes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests import oracle, strategies
from tests.conftest import Gateway, new_organization, on_every_engine

pytestmark = on_every_engine

ALL_TIME: dict[str, Any] = {"time_after": 0, "time_before": 2**62}
CHANGEABLE = ["created_at", "size", "user_id", "has_merged_pr", "acus", "pr_count", "open_pr_count"]


def test_loading_twice_changes_nothing(gateway: Gateway) -> None:
    """The second time, every update is counted as unchanged."""
    rows = [{"org_id": "o", "session_id": str(n), "created_at": n} for n in range(10)]
    first, second = gateway.load(rows), gateway.load(rows)

    assert (first.inserted, first.updated, first.unchanged) == (10, 0, 0)
    assert (second.inserted, second.updated, second.unchanged) == (0, 0, 10)


def test_a_session_with_another_time_counts_there_only(gateway: Gateway) -> None:
    """`created_at` is part of the table's key, but does not identify a session."""
    gateway.load([{"org_id": "o", "session_id": "a", "created_at": 10}])
    gateway.load([{"org_id": "o", "session_id": "a", "created_at": 20}])
    token = gateway.token("o")

    before = gateway.rest("o", token, time_after=0, time_before=15).json()
    assert before["sessions_created_count"] == 0
    assert gateway.rest("o", token, **ALL_TIME).json()["sessions_created_count"] == 1


def test_the_same_session_id_in_two_organizations_is_two_sessions(gateway: Gateway) -> None:
    """Neither replaces the other."""
    result = gateway.load(
        {"org_id": org, "session_id": "a", "created_at": 10} for org in ("o", "p")
    )

    assert result.inserted == 2


def test_a_rejected_update_does_not_affect_others(gateway: Gateway) -> None:
    """It is reported with its position and the reason."""
    result = gateway.load(
        [
            {"org_id": "o", "session_id": "a", "created_at": 10},
            {"org_id": "o", "session_id": "b", "size": "xl"},
            {"org_id": "o", "session_id": "c", "created_at": 10},
        ]
    )

    assert result.inserted == 2
    assert result.rejected == [(1, "created_at is required for a session that is not stored yet")]


@given(data=st.data())
def test_upserts_equal_merged_dictionaries(gateway: Gateway, data: st.DataObject) -> None:
    """After partial updates, changes of the time and replays, both have the same sums."""
    org_id = next(new_organization)
    complete = strategies.session_rows(org_id, st.sampled_from("abcde"))
    partial = st.builds(
        lambda row, names: {name: row[name] for name in {"org_id", "session_id", *names}},
        complete,
        st.sets(st.sampled_from(CHANGEABLE)),
    )
    model: dict[str, dict[str, Any]] = {}
    batches = st.lists(st.lists(complete | partial, max_size=8), min_size=1, max_size=4)
    for batch in data.draw(batches):
        gateway.load(batch)
        for row in batch:
            if row["session_id"] in model:
                model[row["session_id"]] |= row
            elif "created_at" in row:
                model[row["session_id"]] = DEFAULTS | row

    token = gateway.token(org_id)
    all_filters: list[dict[str, Any]] = [
        {},
        {"user_ids": ["email|aa"]},
        {"sizes": ["xs", "other"], "has_merged_pr": False},
    ]
    for filters in all_filters:
        expected = oracle.graphql(list(model.values()), org_id, **ALL_TIME, **filters)
        metrics = gateway.metrics(
            strategies.ALL_SELECTED,
            org_id,
            token,
            strategies.graphql_filters(ALL_TIME, filters),
        )
        assert metrics == expected


DEFAULTS = {
    "origin": None,
    "size": None,
    "user_id": None,
    "service_user_id": None,
    "playbook_id": None,
    "used_search": False,
    "has_merged_pr": False,
    "acus": 0,
    "pr_count": 0,
    "open_pr_count": 0,
    "merged_pr_count": 0,
    "closed_pr_count": 0,
}
