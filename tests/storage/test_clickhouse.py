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
from metrics_graphql.core.measures import SESSIONS_CREATED
from metrics_graphql.core.periods import DAY, HOUR, THIRTY_DAYS
from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.storage.clickhouse.chain import Chain
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.facts import KEY
from metrics_graphql.storage.clickhouse.ingest import UpsertBuffer
from metrics_graphql.storage.clickhouse.session_store import ClickHouseSessionStore
from metrics_graphql.storage.dialects import CompiledStatement, Rows, TimeRange
from metrics_graphql.storage.dialects.clickhouse import SPANS, ClickHouse, disjoint_ranges
from metrics_graphql.storage.repository import open_storage
from metrics_graphql.storage.schema import SchemaMismatch, SchemaStatus
from metrics_graphql.storage.totals import fetch_metrics
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
        gateway.run(client(gateway).execute("OPTIMIZE TABLE facts FINAL"))


def test_a_block_has_one_row_for_each_key(gateway: Gateway) -> None:
    """Even if its sessions differ in the attributes that the view groups by."""
    org_id = next(new_organization)
    rows = [
        {
            "org_id": org_id,
            "session_id": str(number),
            "created_at": number % 3 * 3_600,
            "origin": ["slack", "cli", None][number % 3],
            "size": ["s", "huge", None][number % 4 % 3],
            "user_id": ["email|aa", None][number % 2],
            "playbook_id": ["playbook-1", None][number % 5 % 2],
            "has_merged_pr": number % 7 == 0,
            "used_search": number % 2 == 0,
        }
        for number in range(60)
    ]
    counts = "count(), uniqExact(_part), uniqExact(_part, " + ", ".join(KEY) + ")"
    query = f"SELECT {counts} FROM facts WHERE org_id = '{org_id}'"  # noqa: S608 - a name
    execute = client(gateway).execute

    gateway.run(execute("SYSTEM STOP MERGES facts"))
    try:
        gateway.load(rows)
        gateway.load([{**row, "origin": "webapp", "used_search": True} for row in rows[::2]])
        ((count, parts, keys),) = gateway.run(execute(query))
    finally:
        gateway.run(execute("SYSTEM START MERGES facts"))

    assert count == keys > 100
    assert parts == 2


def test_a_session_that_moves_and_returns_counts_once(gateway: Gateway) -> None:
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
            chain = await Chain.open(client(gateway))
            buffer = UpsertBuffer(chain, client(gateway), connection, gateway.database.dialect)
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


class RecordingReader:
    """Records the values that are bound to the last statement. Finds no rows."""

    dialect = ClickHouse()

    def __init__(self) -> None:
        self.values: dict[str, int] = {}

    async def fetch(self, _statement: CompiledStatement, values: dict[str, int]) -> Rows:
        """Record the values."""
        self.values = values
        return []


def test_a_query_for_one_user_reads_few_buckets_of_all_users() -> None:
    """From 01:00 of a day to 23:00 of another: whole days, minus one hour at each end."""
    reader = RecordingReader()
    query = SessionMetricsQuery.from_params(
        tenant="org-a", time_after=HOUR, time_before=40 * DAY + 23 * HOUR, user_ids=["u"]
    )
    asyncio.run(fetch_metrics(reader, [MetricsRequest(query, (SESSIONS_CREATED,))]))

    def buckets(grain: int) -> int:
        """Return the number of buckets in the spans of a grain."""
        spans = ((f"end_{grain}_{n}", f"start_{grain}_{n}") for n in range(SPANS))
        return sum(reader.values[end] - reader.values[start] for end, start in spans) // grain

    assert {grain: buckets(grain) for grain in (HOUR, DAY, THIRTY_DAYS)} == {
        HOUR: 2,
        DAY: 11,
        THIRTY_DAYS: 1,
    }


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
    gateway.run(client(gateway).execute("ALTER TABLE facts ADD COLUMN mood String"))

    assert gateway.run(gateway.storage.schema_status()) is SchemaStatus.NEWER
    with pytest.raises(SchemaMismatch) as refused:
        gateway.run(gateway.storage.migrate())
    assert "mood" in str(refused.value.__cause__)


@pytest.mark.parametrize("missing", ["facts", "changes", "changes_to_facts"])
def test_a_missing_table_is_created_by_migrating(gateway: Gateway, missing: str) -> None:
    """Checking the schema does not create it."""
    storage = gateway.storage
    gateway.run(client(gateway).execute(f"DROP TABLE {missing}"))

    problem = "has no tables" if missing == "facts" else "has pending migrations"
    with pytest.raises(SchemaMismatch, match=rf"^ClickHouse {problem}\. Run: metrics-graphql"):
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
