"""Sessions in ClickHouse: each counts once after replays, updates, merges and interruptions."""

import asyncio
import math
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics_graphql.core.deadline import set_deadline
from metrics_graphql.core.errors import TimedOut, Unavailable
from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.ingest import UpsertBuffer
from metrics_graphql.storage.clickhouse.session_store import ClickHouseSessionStore
from metrics_graphql.storage.clickhouse.tables import upgrade_cluster_tables
from metrics_graphql.storage.dialects import TimeRange
from metrics_graphql.storage.dialects.clickhouse import disjoint_ranges
from metrics_graphql.storage.repository import open_storage
from metrics_graphql.storage.schema import SchemaMismatch, SchemaStatus
from metrics_graphql.storage.session_store import VerificationUnit
from tests import oracle, strategies
from tests.clickhouse_http import Fault, FaultyServer, over_http
from tests.conftest import Gateway, new_organization, only_clickhouse
from tests.engines import ClickHouseDatabases, Engine

pytestmark = only_clickhouse

ALL_TIME: dict[str, Any] = {"time_after": 0, "time_before": 2**62}
MONTH = 31 * 86_400
METRICS = """{
  sessionsCreatedCount avgAcusPerSession sessionsWithMergedPrsBySize { xs m }
  byUser { nodes { user { id } sessionsCreatedCount } }
  timeSeries(interval: WEEK) { sessionsCreatedCount avgAcusPerSession period { startsAt endsAt } }
}"""


def client(gateway: Gateway) -> ClickHouseClient:
    """Return the client of a gateway's sessions."""
    assert isinstance(gateway.storage.sessions, ClickHouseSessionStore)
    return gateway.storage.sessions.client


def count(gateway: Gateway, org_id: str, **period: int) -> int:
    """Return the number of an organization's sessions."""
    response = gateway.rest(org_id, gateway.token(org_id), **(period or ALL_TIME))
    return int(response.json()["sessions_created_count"])


def verify(gateway: Gateway, org_id: str) -> tuple[VerificationUnit, list[str]]:
    """Return the verification unit of an organization, and its inconsistencies."""
    sessions = gateway.storage.sessions
    units = {unit.org_id: unit for unit in gateway.run(sessions.verification_units())}
    return units[org_id], gateway.run(sessions.verify(units[org_id]))


@settings(max_examples=12)
@given(data=st.data())
def test_metrics_equal_the_oracle_before_and_after_merges(
    gateway: Gateway, data: st.DataObject
) -> None:
    """After replays, updates, and moves to another month and back."""
    org_id = next(new_organization)
    rows = strategies.session_rows(org_id, st.sampled_from("abcde"))
    stored: dict[str, dict[str, Any]] = {}
    for batch in data.draw(st.lists(st.lists(rows, max_size=6), min_size=1, max_size=5)):
        gateway.load([*batch, *batch])
        stored.update({row["session_id"]: row for row in batch})
    period: dict[str, Any] = data.draw(strategies.periods())
    filters = strategies.rest_filters(data.draw(strategies.filters()))
    token = gateway.token(org_id)
    weeks: dict[str, Any] = {
        "time_after": strategies.BASE,
        "time_before": strategies.BASE + 120 * 86_400,
    }
    expected = oracle.graphql(list(stored.values()), org_id, **weeks)
    users = oracle.breakdown(list(stored.values()), org_id, **weeks)
    buckets = oracle.time_series(
        list(stored.values()), org_id, **weeks, interval="WEEK", time_zone="UTC"
    )

    for _ in ("before", "after"):
        response = gateway.rest(org_id, token, **strategies.rest_parameters(period, filters))
        assert response.json() == oracle.rest(list(stored.values()), org_id, **period, **filters)
        metrics = gateway.metrics(METRICS, org_id, token, strategies.graphql_filters(weeks, {}))
        series = metrics.pop("timeSeries")
        assert [
            (row["user"]["id"], row["sessionsCreatedCount"]) for row in metrics["byUser"]["nodes"]
        ] == [(row["user"]["id"], row["sessionsCreatedCount"]) for row in users["nodes"]]
        assert metrics["sessionsCreatedCount"] == expected["sessionsCreatedCount"]
        assert [row["sessionsCreatedCount"] for row in series] == [
            bucket["sessionsCreatedCount"] for bucket in buckets
        ]
        gateway.run(client(gateway).execute("OPTIMIZE TABLE sessions FINAL"))


def test_a_session_that_moves_back_replaces_its_tombstone(gateway: Gateway) -> None:
    """It counts at its time, and nowhere else."""
    for created_at in (10, 3 * MONTH, 10, 3 * MONTH, 10):
        gateway.load([{"org_id": "o", "session_id": "a", "created_at": created_at}])

        assert count(gateway, "o") == 1
        assert count(gateway, "o", time_after=created_at, time_before=created_at + 1) == 1


def test_repeating_an_interrupted_upsert_completes_it(gateway: Gateway) -> None:
    """Its rows may be stored already; the data version is bumped by the second attempt."""
    update = SessionUpdate("o", "a", {"created_at": 10, "acus": 7})

    async def interrupted() -> None:
        async with gateway.database.transaction() as connection:
            buffer = UpsertBuffer(client(gateway), connection, gateway.database.dialect)
            await buffer.upsert([update])
            await buffer.flush()
            raise ConnectionError

    def data_version() -> int:
        return gateway.run(gateway.storage.fetch_data_versions(["o"]))["o"]

    gateway.load([{"org_id": "o", "session_id": "b", "created_at": 10}])
    before = data_version()
    with pytest.raises(ConnectionError):
        gateway.run(interrupted())
    assert data_version() == before

    result = gateway.load([{"org_id": "o", "session_id": "a", **update.values}])

    assert result.unchanged == 1
    assert data_version() > before
    assert count(gateway, "o") == 2


@pytest.mark.parametrize("repaired_by", ["verify", "upsert"])
def test_a_duplicate_is_found_and_repaired(gateway: Gateway, repaired_by: str) -> None:
    """A server that stops between the two months of a move leaves one."""
    gateway.load([{"org_id": "o", "session_id": "a", "created_at": 10, "acus": 1}])
    newer = ("o", "a", 3 * MONTH, *[None] * 5, False, False, 1, 0, 0, 0, 0, 2**60, 0)
    gateway.run(client(gateway).insert([newer]))
    assert count(gateway, "o") == 2
    unit, inconsistencies = verify(gateway, "o")
    assert inconsistencies == ["o, a: stored more than once"]

    if repaired_by == "verify":
        gateway.run(gateway.storage.sessions.repair(unit))
    else:
        gateway.load([{"org_id": "o", "session_id": "a", "size": "xl"}])

    assert verify(gateway, "o") == (unit, [])
    assert count(gateway, "o") == 1
    assert count(gateway, "o", time_after=3 * MONTH, time_before=3 * MONTH + 1) == 1


def test_concurrent_updates_of_a_session_are_all_applied(gateway: Gateway) -> None:
    """Each changes another field."""
    gateway.load([{"org_id": "o", "session_id": "a", "created_at": 10}])
    changes: list[dict[str, Any]] = [
        {"size": "xl"},
        {"origin": "slack"},
        {"has_merged_pr": True},
        {"playbook_id": "p"},
    ]

    async def update(values: dict[str, Any]) -> None:
        async with (
            open_storage(gateway.database_url, gateway.sessions_url) as storage,
            storage.sessions.transaction() as upsert,
        ):
            await upsert([SessionUpdate("o", "a", values)])

    async def update_concurrently() -> None:
        await asyncio.gather(*map(update, changes))

    gateway.run(update_concurrently())
    metrics = gateway.rest("o", gateway.token("o"), **ALL_TIME).json()

    assert metrics["sessions_with_merged_prs_by_size"]["xl"] == 1
    assert metrics["sessions_created_by_origin"]["slack"] == 1
    assert metrics["sessions_created_with_playbook_count"] == 1


def test_a_batch_of_empty_periods_has_zeros(gateway: Gateway) -> None:
    """No range is left to read for any of them."""
    gateway.load([{"org_id": "o", "session_id": "a", "created_at": 5}])
    filters = ("{timeAfter: 5, timeBefore: 5}", "{timeAfter: 7, timeBefore: 7}")
    aliases = " ".join(
        f'a{index}: sessionMetrics(orgId: "o", filters: {each}) {{ sessionsCreatedCount }}'
        for index, each in enumerate(filters)
    )

    response = gateway.graphql(f"{{ {aliases} }}", gateway.token("o")).json()

    assert response["data"] == {f"a{index}": {"sessionsCreatedCount": 0} for index in range(2)}


def test_an_insert_may_have_any_number_of_months(gateway: Gateway) -> None:
    """By default, ClickHouse refuses one into more than a hundred partitions."""
    gateway.load({"org_id": "o", "session_id": str(n), "created_at": n * MONTH} for n in range(150))

    assert count(gateway, "o") == 150


def test_a_deadline_cancels_the_statement_in_clickhouse(gateway: Gateway) -> None:
    """It does not run any more when its thread ends."""
    dialect = gateway.storage.sessions.dialect
    endless = dialect.compile(sa.text("SELECT sum(sipHash64(number)) FROM numbers(1000000000000)"))
    running = dialect.compile(
        sa.text("SELECT query FROM system.processes WHERE query LIKE '%sipHash64%numbers%'")
    )

    async def cancel() -> list[Any]:
        with set_deadline(0.2), pytest.raises(TimedOut):
            await client(gateway).fetch(endless, {})
        await asyncio.sleep(1)
        return [
            row
            for row in await client(gateway).fetch(running, {})
            if "system.processes" not in row[0]
        ]

    assert gateway.run(cancel()) == []


def test_a_table_with_other_columns_is_refused(gateway: Gateway) -> None:
    """The cause names them. A table with more columns is that of a newer version."""
    gateway.run(client(gateway).execute("ALTER TABLE sessions ADD COLUMN mood String"))

    assert gateway.run(gateway.storage.schema_status()) is SchemaStatus.NEWER
    with pytest.raises(SchemaMismatch) as refused:
        gateway.run(gateway.storage.migrate())
    assert "mood" in str(refused.value.__cause__)


ADDED = ("pr_count", "open_pr_count", "merged_pr_count", "closed_pr_count")


def downgrade(gateway: Gateway) -> None:
    """Remove the columns that the previous version did not have."""
    dropped = ", ".join(f"DROP COLUMN {name}" for name in ADDED)
    gateway.run(client(gateway).execute(f"ALTER TABLE sessions {dropped}"))


@pytest.mark.parametrize("by", ["migrate", "start"])
def test_a_table_of_the_previous_version_is_upgraded(gateway: Gateway, by: str) -> None:
    """Stored sessions have no pull requests until they are loaded again; nothing else changes.

    An embedded engine is also upgraded when a process starts.
    """
    storage = gateway.storage
    session = {"org_id": "o", "session_id": "a", "created_at": 10, "size": "xl", "acus": 2_000_000}
    counts = {"pr_count": 7, "open_pr_count": 1, "merged_pr_count": 2, "closed_pr_count": 3}
    gateway.load([session])
    downgrade(gateway)

    assert gateway.run(storage.schema_status()) is SchemaStatus.OUTDATED
    with pytest.raises(SchemaMismatch, match=r"pending migrations\. Run: metrics-graphql migrate"):
        gateway.run(storage.ensure_schema(upgrade_embedded=False))
    for _ in range(2):
        upgrade = (
            storage.migrate() if by == "migrate" else storage.ensure_schema(upgrade_embedded=True)
        )
        gateway.run(upgrade)
        assert gateway.run(storage.schema_status()) is SchemaStatus.CURRENT

    def metrics() -> list[Any]:
        selection = "prsCreatedCount prsOpenedCount prsMergedCount prsClosedCount acusConsumed"
        found = gateway.metrics(
            f"{{ {selection} sessionsCreatedBySize {{ xl }} }}",
            "o",
            gateway.token("o"),
            {"timeAfter": 0, "timeBefore": 100},
        )
        return list(found.values())

    assert metrics() == [0, 0, 0, 0, 2.0, {"xl": 1}]
    gateway.load([{**session, **counts}])
    assert metrics() == [7, 1, 2, 3, 2.0, {"xl": 1}]


def test_the_tables_of_a_cluster_are_upgraded_with_its_name_only(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The distributed table of one server must not get columns that shards do not have."""

    async def distributed(_: ClickHouseClient) -> str:
        return "Distributed"

    assert gateway.run(client(gateway).sessions_engine()) == "ReplacingMergeTree"
    downgrade(gateway)
    monkeypatch.setattr(ClickHouseClient, "sessions_engine", distributed)

    with pytest.raises(SchemaMismatch, match=r"Run: metrics-graphql migrate --cluster NAME$"):
        gateway.run(gateway.storage.migrate())
    assert gateway.run(gateway.storage.schema_status()) is SchemaStatus.OUTDATED

    for statement in upgrade_cluster_tables("c"):
        # chdb has no clusters, and the tables of this one have the same name.
        local = statement.replace(" ON CLUSTER `c`", "").replace("sessions_of_shard", "sessions")
        gateway.run(client(gateway).execute(local))
    gateway.run(gateway.storage.migrate())
    assert gateway.run(gateway.storage.schema_status()) is SchemaStatus.CURRENT


def test_a_missing_table_is_created_by_migrating(gateway: Gateway) -> None:
    """Checking the schema does not create it."""
    storage = gateway.storage
    gateway.run(client(gateway).execute("DROP TABLE sessions"))

    assert gateway.run(storage.schema_status()) is SchemaStatus.MISSING
    with pytest.raises(SchemaMismatch, match=r"^ClickHouse has no tables\. Run: metrics-graphql"):
        gateway.run(storage.ensure_schema(upgrade_embedded=False))
    gateway.run(storage.migrate())
    assert gateway.run(storage.schema_status()) is SchemaStatus.CURRENT


@pytest.fixture
def server(engine: Engine) -> Generator[FaultyServer]:
    """Serve a new database of ClickHouse over its HTTP interface."""
    assert isinstance(engine, ClickHouseDatabases)
    with over_http(engine.new_sessions()) as server:
        yield server


@pytest.fixture
def http_gateway(server: FaultyServer, tmp_path: Path) -> Generator[Gateway]:
    """Start a gateway that reaches ClickHouse over HTTP, and load one session."""
    with asyncio.Runner() as runner:
        gateway = Gateway(runner, f"sqlite:///{tmp_path / 'metrics.db'}", server.url, timeout=1)
        gateway.run(gateway.start())
        gateway.load([{"org_id": "o", "session_id": "a", "created_at": 10, "user_id": "u" * 200}])
        yield gateway
        server.fault = ""
        gateway.run(gateway.stop())


def test_a_thousand_long_ids_of_each_kind_are_sent_over_http(http_gateway: Gateway) -> None:
    """They exceed the length of a URL."""
    ids = [f"{n:040}" for n in range(999)]

    metrics = http_gateway.metrics(
        "{ sessionsCreatedCount }",
        "o",
        http_gateway.token("o"),
        {
            "timeAfter": 0,
            "timeBefore": 100,
            "userIds": [*ids, "u" * 200],
            "serviceUserIds": [*ids, "v"],
        },
    )

    assert metrics == {"sessionsCreatedCount": 1}


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("cut", 503, "UNAVAILABLE"),
        ("busy", 503, "UNAVAILABLE"),
        ("shard", 503, "UNAVAILABLE"),
        ("silent", 504, "TIMEOUT"),
    ],
)
def test_a_fault_is_an_error_without_numbers(
    http_gateway: Gateway, server: FaultyServer, fault: Fault, status: int, code: str
) -> None:
    """A truncated response, a busy server, an unreachable shard, a server without a response."""
    token = http_gateway.token("o")
    server.fault = fault

    rest = http_gateway.rest("o", token, **ALL_TIME)
    graphql = http_gateway.graphql(
        '{ sessionMetrics(orgId: "o", filters: {timeAfter: 0, timeBefore: 9})'
        " { sessionsCreatedCount timeSeries(interval: DAY) { sessionsCreatedCount } } }",
        token,
    ).json()

    assert (rest.status_code, list(rest.json())) == (status, ["detail"])
    assert graphql["data"] == {"sessionMetrics": None}
    assert {error["extensions"]["code"] for error in graphql["errors"]} == {code}
    assert http_gateway.request("GET", "/readyz", None).status_code == 503
    server.fault = ""
    assert http_gateway.rest("o", token, **ALL_TIME).json()["sessions_created_count"] == 1


def test_a_failed_insert_is_not_acknowledged(http_gateway: Gateway, server: FaultyServer) -> None:
    """Repeating it stores the session."""
    server.fault = "shard"
    with pytest.raises(Unavailable):
        http_gateway.load([{"org_id": "o", "session_id": "b", "created_at": 10}])
    server.fault = ""
    assert count(http_gateway, "o") == 1

    http_gateway.load([{"org_id": "o", "session_id": "b", "created_at": 10}])

    assert count(http_gateway, "o") == 2


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 30), st.integers(0, 30)).map(
            lambda values: TimeRange(values[0], 0, min(values[1:]), max(values[1:]))
        ),
        unique_by=lambda time_range: time_range.query_index,
    )
)
def test_disjoint_ranges_have_the_queries_of_each_instant(ranges: list[TimeRange]) -> None:
    """They are in order, and have the queries whose ranges they are part of."""
    disjoint = disjoint_ranges(ranges)
    latest = -math.inf
    for start, end in disjoint:
        assert latest <= start < end
        latest = end
    for instant in range(31):
        expected = [each.query_index for each in ranges if each.start <= instant < each.end]
        actual = [
            index
            for (start, end), indexes in disjoint.items()
            if start <= instant < end
            for index in indexes
        ]
        assert sorted(actual) == sorted(expected)
