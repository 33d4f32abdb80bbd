"""Sessions in: what is stored after updates, replays and mistakes, and what is counted then."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.store.engine import Database
from tests import oracle, strategies
from tests.conftest import Gateway, new_organization, on_every_engine

pytestmark = on_every_engine

WHOLE: dict[str, Any] = {"time_after": 0, "time_before": 2**62}


def test_loading_twice_changes_nothing(gateway: Gateway) -> None:
    """The second time every update is counted as unchanged."""
    rows = [{"org_id": "o", "session_id": str(n), "created_at": n} for n in range(10)]
    first, second = gateway.load(rows), gateway.load(rows)

    assert (first.inserted, first.updated, first.unchanged) == (10, 0, 0)
    assert (second.inserted, second.updated, second.unchanged) == (0, 0, 10)


def test_a_moved_session_counts_where_it_is_now(gateway: Gateway) -> None:
    """`created_at` is part of the table's key, but not of what identifies a session."""
    gateway.load([{"org_id": "o", "session_id": "a", "created_at": 10}])
    gateway.load([{"org_id": "o", "session_id": "a", "created_at": 20}])
    token = gateway.token("o")

    assert (
        gateway.rest("o", token, time_after=0, time_before=15).json()["sessions_created_count"] == 0
    )
    assert gateway.rest("o", token, **WHOLE).json()["sessions_created_count"] == 1


def test_the_same_session_id_in_two_organizations_is_two_sessions(gateway: Gateway) -> None:
    """Neither replaces the other."""
    written = gateway.load(
        {"org_id": org, "session_id": "a", "created_at": 10} for org in ("o", "p")
    )

    assert written.inserted == 2


def test_an_update_that_can_not_be_applied_leaves_the_others(gateway: Gateway) -> None:
    """It is rejected with its position and reason."""
    written = gateway.load(
        [
            {"org_id": "o", "session_id": "a", "created_at": 10},
            {"org_id": "o", "session_id": "b", "size": "xl"},
            {"org_id": "o", "session_id": "c", "created_at": 10},
        ]
    )

    assert written.inserted == 2
    assert written.rejected == [(1, "created_at: is needed for a session that is not stored yet")]


@given(data=st.data())
def test_any_updates_leave_what_plain_merging_leaves(gateway: Gateway, data: st.DataObject) -> None:
    """After partial updates, moves and replays, both sides count the same."""
    org_id = next(new_organization)
    whole = strategies.session_rows(org_id, st.sampled_from("abcde"))
    some = st.builds(
        lambda row, names: {name: row[name] for name in {"org_id", "session_id", *names}},
        whole,
        st.sets(st.sampled_from(["created_at", "size", "user_id", "has_merged_pr", "acus"])),
    )
    model: dict[str, dict[str, Any]] = {}
    for batch in data.draw(st.lists(st.lists(whole | some, max_size=8), min_size=1, max_size=4)):
        gateway.load(batch)
        for row in batch:
            if row["session_id"] in model:
                model[row["session_id"]] |= row
            elif "created_at" in row:
                model[row["session_id"]] = NEW | row

    token = gateway.token(org_id)
    questions: list[dict[str, Any]] = [{}, {"user_ids": ["email|aa"]}]
    for filters in questions:
        expected = oracle.rest(list(model.values()), org_id, **WHOLE, **filters)
        assert gateway.rest(org_id, token, **WHOLE, **filters).json() == expected


NEW = {
    "origin": None,
    "size": None,
    "user_id": None,
    "service_user_id": None,
    "playbook_id": None,
    "used_search": False,
    "has_merged_pr": False,
    "acus": 0,
}


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "nonsense"])
def test_a_database_that_can_not_be_used_is_refused(url: str) -> None:
    """In memory no two connections see the same tables; other engines are not supported."""
    with pytest.raises(ValueError, match=r"database"):
        Database(url)


def test_an_unsupported_url_is_told_without_its_password() -> None:
    """The message may end up in a log."""
    with pytest.raises(ValueError, match=r"database") as refused:
        Database("mysql://user:hunter2@host/db")
    assert "hunter2" not in str(refused.value)
