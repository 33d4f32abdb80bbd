"""Roll-ups: after anything that can happen to sessions, they are what a recount says."""

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from typer.testing import CliRunner

from metrics_graphql import cli
from metrics_graphql.store import verification
from tests import oracle, strategies
from tests.conftest import Gateway, differences, new_organization

CHANGEABLE = ["created_at", "size", "user_id", "service_user_id", "playbook_id", "has_merged_pr"]


def data_version(gateway: Gateway, org_id: str) -> int:
    """Return the version of an organization's data."""

    async def read() -> int:
        async with gateway.database.reading() as connection:
            version = sa.text("SELECT data_version FROM organizations WHERE org_id = :org_id")
            found = await connection.execute(version, {"org_id": org_id})
            return int(found.scalar_one())

    return gateway.run(read())


def sabotage(gateway: Gateway, sql: str) -> None:
    """Change the database behind the product's back."""

    async def execute() -> None:
        async with gateway.database.writing() as connection:
            await connection.exec_driver_sql(sql)

    gateway.run(execute())


def test_roll_ups_agree_after_any_batches(gateway: Gateway) -> None:
    """Inserts, changes, moves and replays, between questions: roll-ups = recount = oracle."""

    class Batches(RuleBasedStateMachine):
        """One organization's sessions, and what plain merging makes of the same updates."""

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
        def load_whole_sessions(self, rows: list[dict[str, Any]]) -> None:
            self.load(rows)

        @rule(data=st.data(), row=strategies.session_rows("", st.just("")))
        def change_some_fields(self, data: st.DataObject, row: dict[str, Any]) -> None:
            if self.model:
                session_id = data.draw(st.sampled_from(sorted(self.model)))
                names = data.draw(st.sets(st.sampled_from(CHANGEABLE), min_size=1))
                self.load([{"session_id": session_id, **{name: row[name] for name in names}}])

        @rule()
        def replay(self) -> None:
            gateway.load(self.last)

        @rule(period=strategies.periods(), filters=st.just({}) | strategies.filters())
        def ask(self, period: dict[str, Any], filters: dict[str, Any]) -> None:
            rows = list(self.model.values())
            answer = gateway.rest(
                self.org_id, self.token, **strategies.rest_parameters(period, filters)
            )
            assert answer.json() == oracle.rest(rows, self.org_id, **period, **filters)

        def teardown(self) -> None:
            assert differences(gateway) == []

    run_state_machine_as_test(Batches, settings=settings(max_examples=25, stateful_step_count=12))


ROW = {
    "org_id": "org-1",
    "session_id": "a",
    "created_at": 1_735_689_600,
    "user_id": "u",
    "playbook_id": "p",
    "acus": 5,
}


def test_a_wrong_sum_is_found_and_said(gateway: Gateway) -> None:
    """The line names the roll-up, the measure, what is stored and what was counted."""
    gateway.load([ROW])
    sabotage(gateway, "UPDATE rollups SET acus_consumed = 7 WHERE scope = 1 AND grain = 86400")

    (found,) = differences(gateway)
    assert found == (
        "org-1, user_id u, 86400 seconds from 2025-01-01T00:00:00+00:00:"
        " acus_consumed is 7, counted 5"
    )


def test_a_missing_and_a_surplus_roll_up_are_found(gateway: Gateway) -> None:
    """Also in a bucket in which there is no session at all."""
    gateway.load([ROW])
    sabotage(gateway, "DELETE FROM rollups WHERE scope = 0 AND grain = 3600")
    sabotage(gateway, "UPDATE rollups SET bucket = 0 WHERE scope = 3 AND grain = 86400")

    found = differences(gateway)

    assert len(found) == 3
    assert "playbook_id p, 86400 seconds from 1970-01-01" in found[0]
    assert "all sessions, 3600 seconds from 2025-01-01" in found[1]
    assert "sessions_created_count is 0, counted 1" in found[1]


def test_repair_rebuilds_what_differs(gateway: Gateway) -> None:
    """After it, nothing differs, and the data version is a new one."""
    gateway.load([ROW])
    sabotage(gateway, "DELETE FROM rollups")
    before = data_version(gateway, "org-1")

    (chunk,) = gateway.run(verification.chunks(gateway.database))
    gateway.run(verification.repair(gateway.database, chunk))

    assert differences(gateway) == []
    assert data_version(gateway, "org-1") == before + 1


def test_a_roll_up_of_nothing_is_no_difference(gateway: Gateway) -> None:
    """A session that moved away leaves a row of zeros behind, which says what no row says."""
    gateway.load([ROW])
    gateway.load([{**ROW, "created_at": 0, "user_id": "v"}])

    assert differences(gateway) == []


def test_the_data_version_rises_with_every_change_and_only_then(gateway: Gateway) -> None:
    """By one for each batch that changes a session of the organization."""
    gateway.load([ROW, {**ROW, "org_id": "org-2"}])
    gateway.load([{**ROW, "acus": 6}])
    gateway.load([{**ROW, "acus": 6}])

    assert data_version(gateway, "org-1") == 2
    assert data_version(gateway, "org-2") == 1


def test_the_command_line_finds_and_repairs(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 1 and a readable list on a difference, 0 once it is repaired."""
    gateway.load([ROW])
    sabotage(gateway, "UPDATE rollups SET acus_consumed = 7 WHERE scope = 0 AND grain = 3600")
    monkeypatch.setenv("METRICS_DATABASE_URL", gateway.database_url)

    found = CliRunner().invoke(cli.app, ["verify"])
    repaired = CliRunner().invoke(cli.app, ["verify", "--repair"])
    clean = CliRunner().invoke(cli.app, ["verify"])

    assert found.exit_code == 1
    assert "org-1, all sessions, 3600 seconds from 2025-01-01T00:00:00+00:00" in found.stdout
    assert "1 roll-ups differ; --repair rebuilds them" in found.stderr
    assert (repaired.exit_code, clean.exit_code) == (0, 0)
    assert "1 roll-ups were repaired." in repaired.stdout
    assert clean.stdout == "All roll-ups agree.\n"
