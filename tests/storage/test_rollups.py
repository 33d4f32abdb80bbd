"""Roll-ups: after any changes of sessions, they equal a recount."""

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from typer.testing import CliRunner

from metrics_graphql import cli
from tests import oracle, strategies
from tests.conftest import Gateway, inconsistencies, new_organization

CHANGEABLE = [
    *("created_at", "origin", "size", "user_id", "service_user_id", "playbook_id"),
    *("has_merged_pr", "used_search", "acus", "merged_pr_count"),
]


def data_version(gateway: Gateway, org_id: str) -> int:
    """Return the data version of an organization."""
    return gateway.run(gateway.storage.fetch_data_versions([org_id]))[org_id]


def corrupt(gateway: Gateway, sql: str) -> None:
    """Execute a statement that the product would not."""

    async def execute() -> None:
        async with gateway.database.transaction() as connection:
            await connection.execute(sa.text(sql))

    gateway.run(execute())


def test_roll_ups_equal_a_recount_after_any_batches(gateway: Gateway) -> None:
    """Inserts, updates, changes of the time and replays: roll-ups = recount = oracle."""

    class Batches(RuleBasedStateMachine):
        """The sessions of one organization, and the same updates merged in dictionaries."""

        @initialize()
        def begin(self) -> None:
            self.org_id = next(new_organization)
            self.token = gateway.token(self.org_id)
            self.model: dict[str, dict[str, Any]] = {}
            self.last: list[dict[str, Any]] = []

        def load(self, rows: list[dict[str, Any]]) -> None:
            self.last = [{**row, "org_id": self.org_id} for row in rows]
            gateway.load(self.last)
            for row in self.last:
                self.model[row["session_id"]] = {**self.model.get(row["session_id"], {}), **row}

        @rule(
            rows=st.lists(strategies.session_rows("", st.sampled_from("abcdefghijkl")), max_size=12)
        )
        def load_complete_sessions(self, rows: list[dict[str, Any]]) -> None:
            self.load(rows)

        @rule(data=st.data(), row=strategies.session_rows("", st.just("")))
        def update_some_fields(self, data: st.DataObject, row: dict[str, Any]) -> None:
            if self.model:
                session_id = data.draw(st.sampled_from(sorted(self.model)))
                names = data.draw(st.sets(st.sampled_from(CHANGEABLE), min_size=1))
                self.load([{"session_id": session_id, **{name: row[name] for name in names}}])

        @rule()
        def replay(self) -> None:
            gateway.load(self.last)

        @rule(period=strategies.periods(), filters=st.just({}) | strategies.filters())
        def query(self, period: dict[str, Any], filters: dict[str, Any]) -> None:
            rows = list(self.model.values())
            metrics = gateway.metrics(
                strategies.ALL_SELECTED,
                self.org_id,
                self.token,
                strategies.graphql_filters(period, filters),
            )
            assert metrics == oracle.graphql(rows, self.org_id, **period, **filters)

        def teardown(self) -> None:
            assert inconsistencies(gateway) == []

    run_state_machine_as_test(Batches, settings=settings(max_examples=25, stateful_step_count=12))


ROW: dict[str, Any] = {
    "org_id": "org-1",
    "session_id": "a",
    "created_at": 1_735_689_600,
    "user_id": "u",
    "playbook_id": "p",
    "origin": "scheduled",
    "size": "xxl",
    "acus": 5,
    "pr_count": 2,
}


def test_a_wrong_sum_is_described(gateway: Gateway) -> None:
    """By the roll-up, the measure, the stored and the counted sum."""
    gateway.load([ROW])
    corrupt(gateway, "UPDATE rollups SET acus_consumed = 7 WHERE scope = 1 AND grain = 86400")

    (description,) = inconsistencies(gateway)
    assert description == (
        "org-1, user_id u, 86400 seconds from 2025-01-01T00:00:00Z: acus_consumed is 7, counted 5"
    )


def test_a_wrong_sum_of_categories_is_described(gateway: Gateway) -> None:
    """By the origin, the size and the outcome that its sessions have in common."""
    gateway.load([ROW, {**ROW, "session_id": "b", "origin": "slack", "has_merged_pr": True}])
    corrupt(
        gateway,
        "UPDATE category_rollups SET prs_created_count = 9, acus_consumed = 0"
        " WHERE origin = 'automation' AND grain = 86400",
    )

    (description,) = inconsistencies(gateway)
    assert description == (
        "org-1, origin automation, size other, without merged pull requests,"
        " 86400 seconds from 2025-01-01T00:00:00Z:"
        " acus_consumed is 0, counted 5, prs_created_count is 9, counted 2"
    )


def test_missing_and_surplus_roll_ups_of_categories_are_found_and_repaired(
    gateway: Gateway,
) -> None:
    """As after a change of origin that only sessions got."""
    gateway.load([ROW])
    corrupt(gateway, "UPDATE category_rollups SET origin = 'api' WHERE grain = 86400")
    corrupt(gateway, "DELETE FROM category_rollups WHERE grain = 2592000")

    descriptions = inconsistencies(gateway)
    (unit,) = gateway.run(gateway.storage.sessions.verification_units())
    gateway.run(gateway.storage.sessions.repair(unit))

    assert [description.split(",")[1] for description in descriptions] == [
        " origin api",
        " origin automation",
        " origin automation",
    ]
    assert inconsistencies(gateway) == []


def test_missing_and_surplus_roll_ups_are_found(gateway: Gateway) -> None:
    """Also in a bucket without sessions."""
    gateway.load([ROW])
    corrupt(gateway, "DELETE FROM rollups WHERE scope = 0 AND grain = 3600")
    corrupt(gateway, "UPDATE rollups SET bucket = 0 WHERE scope = 3 AND grain = 86400")

    descriptions = inconsistencies(gateway)

    assert len(descriptions) == 3
    assert "playbook_id p, 86400 seconds from 1970-01-01" in descriptions[0]
    assert "all sessions, 3600 seconds from 2025-01-01" in descriptions[1]
    assert "sessions_created_count is 0, counted 1" in descriptions[1]


def test_repair_rebuilds_roll_ups(gateway: Gateway) -> None:
    """They equal a recount after it, and the data version is a new one."""
    gateway.load([ROW])
    corrupt(gateway, "DELETE FROM rollups")
    corrupt(gateway, "DELETE FROM category_rollups")
    before = data_version(gateway, "org-1")

    (unit,) = gateway.run(gateway.storage.sessions.verification_units())
    gateway.run(gateway.storage.sessions.repair(unit))

    assert inconsistencies(gateway) == []
    assert data_version(gateway, "org-1") == before + 1


def test_the_sample_has_the_newest_unit_of_each_organization(gateway: Gateway) -> None:
    """Those with the newest sessions first."""
    month = 30 * 86_400
    gateway.load([ROW, {**ROW, "session_id": "b", "created_at": ROW["created_at"] + month}])
    gateway.load([{**ROW, "org_id": "org-2"}, {**ROW, "org_id": "org-3", "created_at": 1}])

    units = gateway.run(gateway.storage.sessions.sample_units(2))

    assert [unit.org_id for unit in units] == ["org-1", "org-2"]
    assert units[0].start == units[1].start + month


def test_a_roll_up_of_zeros_equals_a_missing_one(gateway: Gateway) -> None:
    """A session that moved to another bucket leaves one behind."""
    gateway.load([ROW])
    gateway.load([{**ROW, "created_at": 0, "user_id": "v", "size": "s"}])

    assert inconsistencies(gateway) == []
    metrics = gateway.metrics(
        "{ byOrigin { totalCount } bySize { totalCount } byUser { totalCount } }",
        "org-1",
        gateway.token("org-1"),
        {"timeAfter": ROW["created_at"] - 86_400, "timeBefore": 2**40},
    )
    assert metrics == {name: {"totalCount": 0} for name in ("byOrigin", "bySize", "byUser")}


def test_the_data_version_changes_with_sessions_only(gateway: Gateway) -> None:
    """By one for each batch that changes a session of the organization."""
    gateway.load([ROW, {**ROW, "org_id": "org-2"}])
    gateway.load([{**ROW, "acus": 6}])
    gateway.load([{**ROW, "acus": 6}])

    assert data_version(gateway, "org-1") == 2
    assert data_version(gateway, "org-2") == 1


def test_the_command_line_verifies_and_repairs(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 1 and a list of the roll-ups if some differ; 0 once they are repaired."""
    gateway.load([ROW])
    corrupt(gateway, "UPDATE rollups SET acus_consumed = 7 WHERE scope = 0 AND grain = 3600")
    monkeypatch.setenv("METRICS_DATABASE_URL", gateway.database_url)

    found = CliRunner().invoke(cli.app, ["verify"])
    repaired = CliRunner().invoke(cli.app, ["verify", "--repair"])
    clean = CliRunner().invoke(cli.app, ["verify"])

    assert found.exit_code == 1
    assert "org-1, all sessions, 3600 seconds from 2025-01-01T00:00:00Z" in found.stdout
    assert "found 1 roll-ups that differ from their sessions; --repair" in found.stderr
    assert (repaired.exit_code, clean.exit_code) == (0, 0)
    assert "Repaired 1 roll-ups" in repaired.stdout
    assert clean.stdout == "There are no roll-ups that differ from their sessions.\n"
