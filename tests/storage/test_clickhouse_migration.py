"""The move from the table of version 0.1.0 into those of this version."""

from typing import Any

import pytest

from metrics_graphql.core.errors import Unavailable
from metrics_graphql.storage.clickhouse import migration
from metrics_graphql.storage.clickhouse.chain import Chain
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.session_store import ClickHouseSessionStore
from metrics_graphql.storage.clickhouse.snapshot import Marker
from metrics_graphql.storage.schema import SchemaMismatch, SchemaStatus
from tests import oracle, strategies
from tests.conftest import Gateway, inconsistencies, only_clickhouse, set_revision

pytestmark = only_clickhouse

PULL_REQUESTS = ("pr_count", "open_pr_count", "merged_pr_count", "closed_pr_count")
TEXT = "LowCardinality(Nullable(String))"
ROWS = strategies.random_sessions(200, days=50)


def client(gateway: Gateway) -> ClickHouseClient:
    """Return the client of a gateway's sessions."""
    assert isinstance(gateway.storage.sessions, ClickHouseSessionStore)
    return gateway.storage.sessions.client


def downgrade(gateway: Gateway, *, with_pull_requests: bool) -> None:
    """Replace the tables by that of version 0.1.0, with sessions, an old version and a tombstone.

    The numbers of pull requests were added between the releases.
    """
    counts = [f"{name} Int32" for name in PULL_REQUESTS if with_pull_requests]
    columns = [
        *("org_id LowCardinality(String)", "session_id String", "created_at Int64"),
        *(f"{name} {TEXT}" for name in ("origin", "size", "user_id")),
        *(f"{name} {TEXT}" for name in ("service_user_id", "playbook_id")),
        *("used_search Bool", "has_merged_pr Bool", "acus Int64", *counts),
        *("version UInt64", "is_deleted UInt8"),
    ]
    names = [column.split()[0] for column in columns]
    statements = [
        *(f"DROP TABLE {name}" for name in ("changes_to_facts", "changes", "facts")),
        (
            f"CREATE TABLE sessions ({', '.join(columns)})"
            " ENGINE = ReplacingMergeTree(version, is_deleted)"
            " PARTITION BY toYYYYMM(toDateTime64(created_at, 0, 'UTC'))"
            " ORDER BY (org_id, created_at, session_id)"
        ),
    ]
    for statement in statements:
        gateway.run(client(gateway).execute(statement))
    old = [{**ROWS[0], "size": "xl", "version": 1}, {**ROWS[1], "session_id": "x", "is_deleted": 1}]
    rows = [
        tuple({"version": 2, "is_deleted": 0, **row}[name] for name in names)
        for row in [*ROWS, *old]
    ]
    types = {column.split()[0]: column.split()[1] for column in columns}
    gateway.run(client(gateway).insert("sessions", types, rows, {}))


def metrics(gateway: Gateway) -> dict[str, Any]:
    """Return the metrics of all sessions."""
    period = {"time_after": 0, "time_before": 2**40}
    found: dict[str, Any] = gateway.rest("org-1", gateway.token("org-1"), **period).json()
    return found


EXPECTED = oracle.rest(ROWS, "org-1", time_after=0, time_before=2**40)


@pytest.mark.parametrize(("by", "with_pull_requests"), [("migrate", True), ("start", False)])
def test_sessions_are_moved(gateway: Gateway, by: str, *, with_pull_requests: bool) -> None:
    """With all roll-ups. An embedded engine is also migrated when a process starts."""
    storage = gateway.storage
    downgrade(gateway, with_pull_requests=with_pull_requests)
    assert gateway.run(storage.schema_status()) is SchemaStatus.OUTDATED

    for _ in range(2):
        upgrade = (
            storage.migrate() if by == "migrate" else storage.ensure_schema(upgrade_embedded=True)
        )
        gateway.run(upgrade)
        assert gateway.run(storage.schema_status()) is SchemaStatus.CURRENT

    assert metrics(gateway) == EXPECTED
    assert inconsistencies(gateway) == []
    selection = "{ prsCreatedCount }"
    period = {"timeAfter": 0, "timeBefore": 2**31}
    (count,) = gateway.metrics(selection, "org-1", gateway.token("org-1"), period).values()
    assert count == (sum(row["pr_count"] for row in ROWS) if with_pull_requests else 0)


def test_an_interrupted_migration_is_resumed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It moves only the blocks that are missing, and no process starts meanwhile."""
    monkeypatch.setattr(migration, "BLOCK_SIZE", 50)
    downgrade(gateway, with_pull_requests=True)
    append = Chain.append_select
    blocks: list[int] = []

    async def fail_at_third(self: Chain, lane: int, marker: Marker, *block: Any) -> bool:  # noqa: ANN401 - passed on
        if len(blocks) == 2:
            raise Unavailable
        blocks.append(lane)
        return await append(self, lane, marker, *block)

    monkeypatch.setattr(Chain, "append_select", fail_at_third)
    with pytest.raises(Unavailable):
        gateway.run(gateway.storage.migrate())
    with pytest.raises(SchemaMismatch, match="pending migrations"):
        gateway.run(gateway.storage.ensure_schema(upgrade_embedded=False))

    blocks[:] = [0, 0, 0]
    gateway.run(gateway.storage.migrate())

    assert len(blocks) < 3 + 200 / 50
    assert metrics(gateway) == EXPECTED
    assert inconsistencies(gateway) == []


def test_an_old_table_that_changes_meanwhile_is_an_error(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sessions would be lost; the table stays."""
    downgrade(gateway, with_pull_requests=True)
    move = migration.move_block

    async def move_then_update(*block: Any) -> None:  # noqa: ANN401 - passed on
        await move(*block)
        await client(gateway).execute(
            "INSERT INTO sessions SELECT * REPLACE (acus + 1 AS acus, 3 AS version) FROM sessions"
            " FINAL LIMIT 1"
        )

    monkeypatch.setattr(migration, "move_block", move_then_update)
    with pytest.raises(SchemaMismatch, match="org-1 in ClickHouse differ after the migration"):
        gateway.run(gateway.storage.migrate())

    assert gateway.run(gateway.storage.schema_status()) is SchemaStatus.OUTDATED


def test_sessions_that_count_twice_are_not_moved(gateway: Gateway) -> None:
    """Version 0.1.0 repairs them, so the database must stay as that version needs it."""
    downgrade(gateway, with_pull_requests=True)
    set_revision(gateway, "0004")
    twice = "INSERT INTO sessions SELECT * REPLACE (5 AS created_at) FROM sessions FINAL LIMIT 1"
    gateway.run(client(gateway).execute(twice))

    with pytest.raises(SchemaMismatch, match="has 1 sessions more than once"):
        gateway.run(gateway.storage.migrate())
    with pytest.raises(SchemaMismatch) as failed:
        gateway.load(ROWS)
    assert "the tables have revision 0004" in str(failed.value.__cause__)
