"""Deleting sessions, and erasing users: as if neither had ever been loaded."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.core.names import NamedKind, NameUpdate
from metrics_graphql.storage.names import store_names
from metrics_graphql.storage.session_store import Deletion
from tests import oracle, strategies
from tests.conftest import Gateway, new_organization, on_every_engine

pytestmark = on_every_engine

ALL_TIME: dict[str, Any] = {"time_after": 0, "time_before": 2**40}
USERS = "byUser(first: 100) { totalCount nodes { user { id } sessionsCreatedCount } }"


def deletions(rows: list[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return what to delete: sessions before an instant, one session, all, or a user's id."""
    session_ids = st.sampled_from([*(row["session_id"] for row in rows), "unknown"])
    return st.one_of(
        st.builds(lambda at: {"before": at}, strategies.instants()),
        st.builds(lambda each: {"session_id": each}, session_ids),
        st.just({}),
        st.builds(lambda user: {"user": user}, st.sampled_from(["email|aa", "email|bb", "nobody"])),
    )


def is_deleted(row: dict[str, Any], deletion: dict[str, Any]) -> bool:
    """Return whether a deletion contains a session."""
    is_before: bool = row["created_at"] < deletion.get("before", 2**40)
    return is_before and row["session_id"] == deletion.get("session_id", row["session_id"])


@given(data=st.data())
def test_remaining_sessions_equal_the_oracle(gateway: Gateway, data: st.DataObject) -> None:
    """In every measure, filter and breakdown; roll-ups equal their sessions."""
    org_id = next(new_organization)
    rows: list[dict[str, Any]] = data.draw(
        st.lists(
            strategies.session_rows(org_id, st.sampled_from("abcdefghijklmnop")),
            max_size=20,
            unique_by=lambda row: row["session_id"],
        )
    )
    other = {**rows[0], "org_id": f"{org_id}-b"} if rows else None
    gateway.load([*rows, *([other] if other else [])])
    token = gateway.token(org_id)
    for _ in range(2):
        deletion = data.draw(deletions(rows))
        if "user" in deletion:
            user = deletion["user"]
            changed = [row for row in rows if row["user_id"] == user]
            count = gateway.run(gateway.storage.erase_user(org_id, user))
            rows = [{**row, "user_id": None} if row in changed else row for row in rows]
        else:
            changed = [row for row in rows if is_deleted(row, deletion)]
            count = gateway.run(gateway.storage.sessions.delete(Deletion(org_id, **deletion)))
            rows = [row for row in rows if row not in changed]

        assert count == len(changed)
        filters = data.draw(strategies.filters())
        assert gateway.metrics(
            strategies.ALL_SELECTED,
            org_id,
            token,
            strategies.graphql_filters(ALL_TIME, filters),
        ) == oracle.graphql(rows, org_id, **ALL_TIME, **filters)
        users = gateway.metrics(
            f"{{ {USERS} }}", org_id, token, strategies.graphql_filters(ALL_TIME, {})
        )["byUser"]
        expected = oracle.breakdown(rows, org_id, **ALL_TIME, first=100)
        assert users == {
            "totalCount": expected["totalCount"],
            "nodes": [
                {name: node[name] for name in ("user", "sessionsCreatedCount")}
                for node in expected["nodes"]
            ],
        }

    for unit in gateway.run(gateway.storage.sessions.verification_units()):
        if unit.org_id.startswith(org_id):  # Other examples have verified theirs.
            assert gateway.run(gateway.storage.sessions.verify(unit)) == []
    if other:
        assert gateway.metrics(
            "{ sessionsCreatedCount }",
            f"{org_id}-b",
            gateway.token(f"{org_id}-b"),
            strategies.graphql_filters(ALL_TIME, {}),
        ) == {"sessionsCreatedCount": 1}


def test_an_erased_user_has_no_name_and_is_no_option(gateway: Gateway) -> None:
    """The name stays while another organization has sessions of the user."""
    session = {"session_id": "s", "created_at": 1_735_689_600, "user_id": "u"}
    gateway.load([{**session, "org_id": org_id} for org_id in ("org-1", "org-2")])
    gateway.run(store_names(gateway.database, [NameUpdate(NamedKind.USER, "u", "Ada")]))

    def names() -> dict[str, str]:
        return dict(gateway.run(gateway.storage.fetch_names(NamedKind.USER, ["u"])))

    gateway.run(gateway.storage.erase_user("org-1", "u"))
    assert gateway.run(gateway.storage.list_ids("org-1", NamedKind.USER)) == []
    assert names() == {"u": "Ada"}

    gateway.run(gateway.storage.erase_user("org-2", "u"))
    assert names() == {}


def test_an_unknown_organization_stays_unknown(gateway: Gateway) -> None:
    """When its sessions are deleted, or a user's id."""
    assert gateway.run(gateway.storage.sessions.delete(Deletion("typo"))) == 0
    assert gateway.run(gateway.storage.erase_user("typo", "u")) == 0
    assert gateway.run(gateway.storage.list_organizations(10)) == []
