"""Sessions in ClickHouse: each counts once, whatever was written, merged, moved or cut off."""

import asyncio
import math
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics_graphql.deadlines import deadline_in
from metrics_graphql.domain.sessions import SessionUpdate
from metrics_graphql.errors import TimedOut, Unavailable
from metrics_graphql.store.clickhouse import verification
from metrics_graphql.store.clickhouse.connection import ClickHouseSessions
from metrics_graphql.store.clickhouse.ingest import Block
from metrics_graphql.store.dialects import Run
from metrics_graphql.store.dialects.clickhouse import pieces
from metrics_graphql.store.organizations import data_versions
from metrics_graphql.store.store import open_store
from tests import oracle, strategies
from tests.clickhouse_http import Fault, FaultyServer, over_http
from tests.conftest import Gateway, new_organization, only_clickhouse
from tests.engines import ClickHouseDatabases, Engine

pytestmark = only_clickhouse

WHOLE: dict[str, Any] = {"time_after": 0, "time_before": 2**62}
MONTH = 31 * 86_400
SERIES = """{
  sessionsCreatedCount avgAcusPerSession sessionsWithMergedPrsBySize { xs m }
  byUser { nodes { user { id } sessionsCreatedCount } }
  timeSeries(interval: WEEK) { sessionsCreatedCount avgAcusPerSession period { startsAt endsAt } }
}"""


def clickhouse(gateway: Gateway) -> ClickHouseSessions:
    """Return where the sessions of a gateway are."""
    assert gateway.store.clickhouse is not None
    return gateway.store.clickhouse


def count(gateway: Gateway, org_id: str, **period: int) -> int:
    """Return how many sessions an organization has."""
    answer = gateway.rest(org_id, gateway.token(org_id), **(period or WHOLE))
    return int(answer.json()["sessions_created_count"])


@settings(max_examples=12)
@given(data=st.data())
def test_answers_are_the_oracles_before_and_after_merges(
    gateway: Gateway, data: st.DataObject
) -> None:
    """However often sessions were replayed, changed and moved to another month and back."""
    org_id = next(new_organization)
    rows = strategies.session_rows(org_id, st.sampled_from("abcde"))
    stored: dict[str, dict[str, Any]] = {}
    for batch in data.draw(st.lists(st.lists(rows, max_size=6), min_size=1, max_size=5)):
        gateway.load([*batch, *batch])
        stored.update({row["session_id"]: row for row in batch})
    period: dict[str, Any] = data.draw(strategies.periods())
    filters = data.draw(strategies.filters())
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
        answer = gateway.rest(org_id, token, **strategies.rest_parameters(period, filters))
        assert answer.json() == oracle.rest(list(stored.values()), org_id, **period, **filters)
        metrics = gateway.metrics(SERIES, org_id, token, strategies.graphql_filters(weeks, {}))
        series = metrics.pop("timeSeries")
        assert [
            (row["user"]["id"], row["sessionsCreatedCount"]) for row in metrics["byUser"]["nodes"]
        ] == [(row["user"]["id"], row["sessionsCreatedCount"]) for row in users["nodes"]]
        assert metrics["sessionsCreatedCount"] == expected["sessionsCreatedCount"]
        assert [row["sessionsCreatedCount"] for row in series] == [
            bucket["sessionsCreatedCount"] for bucket in buckets
        ]
        gateway.run(clickhouse(gateway).run("OPTIMIZE TABLE sessions FINAL"))


def test_a_session_that_moved_away_and_back_counts_where_it_is(gateway: Gateway) -> None:
    """A row that was taken back counts again when it is written again."""
    for created_at in (10, 3 * MONTH, 10, 3 * MONTH, 10):
        gateway.load([{"org_id": "o", "session_id": "a", "created_at": created_at}])

        assert count(gateway, "o") == 1
        assert count(gateway, "o", time_after=created_at, time_before=created_at + 1) == 1


def test_what_a_cut_off_writer_stored_is_made_good_by_writing_it_again(gateway: Gateway) -> None:
    """Its rows were seen, but nobody was told of them: the second time the version goes up."""
    update = SessionUpdate("o", "a", {"created_at": 10, "acus": 7})

    async def cut_off() -> None:
        async with gateway.database.writing() as connection:
            block = Block(clickhouse(gateway), connection, gateway.database.dialect)
            await block.add([update])
            await block.store()
            raise ConnectionError

    gateway.load([{"org_id": "o", "session_id": "b", "created_at": 10}])
    before = gateway.run(data_versions(gateway.database, ["o"]))["o"]
    with pytest.raises(ConnectionError):
        gateway.run(cut_off())
    assert gateway.run(data_versions(gateway.database, ["o"]))["o"] == before

    written = gateway.load([{"org_id": "o", "session_id": "a", **update.values}])

    assert written.unchanged == 1
    assert gateway.run(data_versions(gateway.database, ["o"]))["o"] > before
    assert count(gateway, "o") == 2


@pytest.mark.parametrize("repaired_by", ["verify", "a writer"])
def test_a_session_whose_older_row_was_left_is_found_and_mended(
    gateway: Gateway, repaired_by: str
) -> None:
    """A server that ends between the two months of a move keeps one of the rows."""
    gateway.load([{"org_id": "o", "session_id": "a", "created_at": 10, "acus": 1}])
    moved = ("o", "a", 3 * MONTH, None, None, None, None, None, False, False, 1, 2**60, 0)
    gateway.run(clickhouse(gateway).insert([moved]))
    assert count(gateway, "o") == 2
    assert gateway.run(verification.more_than_once(gateway.store, "o")) == ["a"]

    if repaired_by == "verify":
        gateway.run(verification.take_back(gateway.store, "o", ["a"]))
    else:
        gateway.load([{"org_id": "o", "session_id": "a", "size": "xl"}])

    assert gateway.run(verification.more_than_once(gateway.store, "o")) == []
    assert count(gateway, "o") == 1
    assert count(gateway, "o", time_after=3 * MONTH, time_before=3 * MONTH + 1) == 1


def test_writers_of_one_session_take_turns(gateway: Gateway) -> None:
    """Each changes a field of its own; none is lost."""
    gateway.load([{"org_id": "o", "session_id": "a", "created_at": 10}])
    changes: list[dict[str, Any]] = [
        {"size": "xl"},
        {"origin": "slack"},
        {"has_merged_pr": True},
        {"playbook_id": "p"},
    ]

    async def write(values: dict[str, Any]) -> None:
        async with (
            open_store(gateway.database_url, gateway.sessions_url) as store,
            store.writing() as write,
        ):
            await write([SessionUpdate("o", "a", values)])

    async def together() -> None:
        await asyncio.gather(*map(write, changes))

    gateway.run(together())
    answer = gateway.rest("o", gateway.token("o"), **WHOLE).json()

    assert answer["sessions_with_merged_prs_by_size"]["xl"] == 1
    assert answer["sessions_created_by_origin"]["slack"] == 1
    assert answer["sessions_created_with_playbook_count"] == 1


def test_empty_periods_together_are_zeros(gateway: Gateway) -> None:
    """No piece is left to look at, for none of them."""
    gateway.load([{"org_id": "o", "session_id": "a", "created_at": 5}])
    filters = ("{timeAfter: 5, timeBefore: 5}", "{timeAfter: 7, timeBefore: 7}")
    aliases = " ".join(
        f'a{at}: sessionMetrics(orgId: "o", filters: {each}) {{ sessionsCreatedCount }}'
        for at, each in enumerate(filters)
    )

    answer = gateway.graphql(f"{{ {aliases} }}", gateway.token("o")).json()

    assert answer["data"] == {f"a{at}": {"sessionsCreatedCount": 0} for at in range(2)}


def test_a_block_may_be_of_more_months_than_clickhouse_would_take(gateway: Gateway) -> None:
    """By default it refuses to write more than a hundred partitions at once."""
    gateway.load({"org_id": "o", "session_id": str(n), "created_at": n * MONTH} for n in range(150))

    assert count(gateway, "o") == 150


def test_a_deadline_ends_the_statement_in_clickhouse(gateway: Gateway) -> None:
    """Nothing of it is at work any more when its thread ends."""
    endless = gateway.store.sessions.dialect.prepare(
        sa.text("SELECT sum(sipHash64(number)) FROM numbers(1000000000000)")
    )
    at_work = gateway.store.sessions.dialect.prepare(
        sa.text("SELECT query FROM system.processes WHERE query LIKE '%sipHash64%numbers%'")
    )

    async def ask() -> list[Any]:
        with deadline_in(0.2), pytest.raises(TimedOut):
            await clickhouse(gateway).fetch(endless, {})
        await asyncio.sleep(1)
        return [
            row
            for row in await clickhouse(gateway).fetch(at_work, {})
            if "system.processes" not in row[0]
        ]

    assert gateway.run(ask()) == []


def test_a_table_of_another_version_is_refused(gateway: Gateway) -> None:
    """Rather than read as if it were ours."""
    gateway.run(clickhouse(gateway).run("ALTER TABLE sessions ADD COLUMN mood String"))

    with pytest.raises(Unavailable) as refused:
        gateway.run(clickhouse(gateway).migrate())

    assert "mood" in str(refused.value.__cause__)


@pytest.fixture
def server(engine: Engine) -> Generator[FaultyServer]:
    """Lend a new database of ClickHouse behind its HTTP interface."""
    assert isinstance(engine, ClickHouseDatabases)
    with over_http(engine.new_sessions()) as server:
        yield server


@pytest.fixture
def over_network(server: FaultyServer, tmp_path: Path) -> Generator[Gateway]:
    """Lend a started gateway that reaches its sessions over HTTP, with one session in them."""
    with asyncio.Runner() as runner:
        gateway = Gateway(runner, f"sqlite:///{tmp_path / 'beside.db'}", server.url, timeout=1)
        gateway.run(gateway.start())
        gateway.load([{"org_id": "o", "session_id": "a", "created_at": 10, "user_id": "u" * 200}])
        yield gateway
        server.fault = ""
        gateway.run(gateway.stop())


def test_a_thousand_long_ids_of_each_kind_are_asked_over_a_network(over_network: Gateway) -> None:
    """They would not fit into the address of a request."""
    ids = [f"{n:040}" for n in range(999)]

    metrics = over_network.metrics(
        "{ sessionsCreatedCount }",
        "o",
        over_network.token("o"),
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
def test_a_fault_is_told_and_no_number_is(
    over_network: Gateway, server: FaultyServer, fault: Fault, status: int, code: str
) -> None:
    """An answer that breaks off, a server or a shard that can't, a server that says nothing."""
    token = over_network.token("o")
    server.fault = fault

    over_rest = over_network.rest("o", token, **WHOLE)
    over_graphql = over_network.graphql(
        '{ sessionMetrics(orgId: "o", filters: {timeAfter: 0, timeBefore: 9})'
        " { sessionsCreatedCount timeSeries(interval: DAY) { sessionsCreatedCount } } }",
        token,
    ).json()

    assert (over_rest.status_code, list(over_rest.json())) == (status, ["detail"])
    assert over_graphql["data"] == {"sessionMetrics": None}
    assert {error["extensions"]["code"] for error in over_graphql["errors"]} == {code}
    assert over_network.request("GET", "/readyz", None).status_code == 503
    server.fault = ""
    assert over_network.rest("o", token, **WHOLE).json()["sessions_created_count"] == 1


def test_a_failed_write_is_not_acknowledged(over_network: Gateway, server: FaultyServer) -> None:
    """And is made good by writing it again."""
    server.fault = "shard"
    with pytest.raises(Unavailable):
        over_network.load([{"org_id": "o", "session_id": "b", "created_at": 10}])
    server.fault = ""
    assert count(over_network, "o") == 1

    over_network.load([{"org_id": "o", "session_id": "b", "created_at": 10}])

    assert count(over_network, "o") == 2


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 30), st.integers(0, 30)).map(
            lambda run: Run(run[0], 0, min(run[1:]), max(run[1:]))
        ),
        unique_by=lambda run: run.question,
    )
)
def test_pieces_answer_each_instant_for_each_question(runs: list[Run]) -> None:
    """They are in order, do not overlap, and belong to the questions whose runs they are in."""
    cut = pieces(runs)
    latest = -math.inf
    for start, end in cut:
        assert latest <= start < end
        latest = end
    for instant in range(31):
        expected = {run.question for run in runs if run.start <= instant < run.end}
        found = [
            question
            for (start, end), asked in cut.items()
            if start <= instant < end
            for question in asked
        ]
        assert sorted(found) == sorted(expected)
