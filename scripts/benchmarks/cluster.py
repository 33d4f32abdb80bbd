"""Queries and inserts on shards, also while one is down: two old servers, and chdb as a shard."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import uvloop

from metrics_graphql.core.measures import MEASURES, SESSIONS_CREATED
from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.storage.clickhouse.tables import COLUMNS
from metrics_graphql.storage.clickhouse.verification import select_duplicates
from scripts.benchmarks import clickhouse_18, embedded_cluster
from scripts.benchmarks.clickhouse_18 import Shard, StatementFailed
from scripts.benchmarks.cluster_scenario import (
    ALL_SESSIONS,
    COUNT,
    Row,
    Scenario,
    check,
    is_correct,
    move,
    rows_of,
)
from scripts.benchmarks.dataset import ORG

INSERT: Final = f"INSERT INTO sessions ({', '.join(COLUMNS)}) FORMAT TabSeparated"
COUNT_SHARD: Final = "SELECT count() FROM sessions_of_shard"
NOT_CONNECTED: Final = 279
"""ClickHouse's `ALL_CONNECTION_TRIES_FAILED`."""
SKIP_SHARDS: Final = " SETTINGS skip_unavailable_shards = 1"
Shards = tuple[Shard, Shard]


def measure() -> list[Row]:
    """Return a row for each observation."""
    scenario = Scenario()
    with TemporaryDirectory() as folder:
        return [
            *check_two_servers(Path(folder), scenario),
            *uvloop.run(embedded_cluster.measure(Path(folder), scenario)),
        ]


def conclusions(rows: list[Row]) -> Iterator[str]:
    """Yield how the SQL was rewritten, and what the observations show and do not show."""
    yield "Rewritten for 18.16:"
    for original, replacement, reason in clickhouse_18.REWRITES:
        shown = " ".join(replacement.split()) or "(nothing)"
        yield f"  {' '.join(original.split())} -> {shown}: {reason}"
    yield "Shown: rows are stored on the shard of their session, queries read all shards and count"
    yield "  each session once, and a shard that is down is an error, never a lower count."
    yield "Not shown: replicas and Keeper, so neither ON CLUSTER nor quorums; a current version on"
    yield "  several machines; series (18.16 has no roundDown); deadlines (whole seconds in 18.16)."
    wrong = [row["observation"] for row in rows if row["as expected"].startswith("NO")]
    yield f"Not as expected: {'; '.join(wrong) or 'nothing'}"


def check_two_servers(folder: Path, scenario: Scenario) -> Iterator[Row]:
    """Run the scenario on two servers with a shard each."""
    with clickhouse_18.two_shards(folder) as shards:
        first, second = shards
        ((version,),) = first.execute("SELECT version()")
        on = f"2 x {version}"
        definitions = clickhouse_18.table_definitions()
        for shard in shards:
            for statement in definitions:
                shard.execute(statement)
        yield check(on, "statements of `migrate --cluster`, on each server", len(definitions), 2)
        first.execute(INSERT, list(rows_of(scenario.new, version=1)))
        second.execute(INSERT, list(scenario.later_rows()))
        yield check(on, "sessions inserted through the first server", len(scenario.new))
        yield check(on, "of them updated through the second", len(scenario.updated))
        yield check(
            on, "of them moved to another created_at through the second", len(scenario.moved)
        )
        yield from check_distribution(on, shards)
        yield check_results(on, shards, scenario, "")
        yield from check_interrupted_move(on, shards, scenario)
        yield from check_outage(on, shards, scenario)


def check_distribution(on: str, shards: Shards) -> Iterator[Row]:
    """Yield which rows are on which shard."""
    session_counts = []
    for number, shard in enumerate(shards):
        ((rows, misplaced, sessions),) = shard.execute(
            f"SELECT count(), countIf(sipHash64(org_id, session_id) % 2 != {number}),"  # noqa: S608 - a number
            " uniqExact(session_id) FROM sessions_of_shard"
        )
        yield check(on, f"rows on shard {number + 1}", int(rows))
        yield check(on, "of them not on the shard of the sharding key", int(misplaced), 0)
        session_counts.append(int(sessions))
    yield check(on, "sum of the sessions on each shard", sum(session_counts), COUNT)


def check_results(on: str, shards: Sequence[Shard], scenario: Scenario, when: str) -> Row:
    """Return how many results are those that the oracle expects, of queries through each server."""
    correct = [
        is_correct(fetch(shard, query), expected)
        for query, expected in scenario.queries
        for shard in shards
    ]
    total = len(correct)
    what = f"results as the oracle expects, all measures{when}"
    return check(on, what, f"{sum(correct)} of {total}", f"{total} of {total}")


def check_interrupted_move(on: str, shards: Shards, scenario: Scenario) -> Iterator[Row]:
    """Yield what a writer leaves that stops before it inserts the tombstone of a moved session."""
    first, second = shards
    before = scenario.new[2]
    after = move(before)
    first.execute(INSERT, list(rows_of([after], version=3)))
    yield check(on, "sessions counted, without the tombstone", count(first), COUNT + 1)
    statement = select_duplicates(clickhouse_18.DIALECT)
    values = statement.bind_by_name({"org_id": ORG})
    sql = clickhouse_18.substitute(clickhouse_18.rewrite(statement.sql), values)
    yield check(on, "duplicates that `verify` finds", second.execute(sql), [[before.session_id]])
    second.execute(INSERT, list(rows_of([before], version=3, is_deleted=1)))
    yield check(on, "sessions counted, with the tombstone", count(first), COUNT)
    restored = [*rows_of([before], version=4), *rows_of([after], version=4, is_deleted=1)]
    first.execute(INSERT, restored)


def check_outage(on: str, shards: Shards, scenario: Scenario) -> Iterator[Row]:
    """Yield what happens while the second shard is down, and after it is started again."""
    first, second = shards
    block = [*rows_of(scenario.updated, version=5)]
    ((before,),) = first.execute(COUNT_SHARD)
    second.kill()
    sql = clickhouse_18.query_statement(ALL_SESSIONS)
    code, seconds = execute_failing(first, sql)
    yield check(on, "error code of a query while shard 2 is down", code, NOT_CONNECTED, seconds)
    skipped = metrics_from(first.execute(sql + SKIP_SHARDS))[SESSIONS_CREATED]
    yield check(on, "sessions counted with skip_unavailable_shards, which is never set", skipped)
    code, seconds = execute_failing(first, INSERT, block)
    yield check(on, "error code of an insert while it is down", code, NOT_CONNECTED, seconds)
    ((after,),) = first.execute(COUNT_SHARD)
    yield check(on, "rows of that insert on shard 1", int(after) - int(before))
    second.start()
    second.wait_until_ready()
    yield check_results(on, shards, scenario, ", after it is started again")
    first.execute(INSERT, block)
    yield check_results(on, shards, scenario, ", after the insert is repeated")


def execute_failing(
    shard: Shard, statement: str, rows: Sequence[Sequence[object]] = ()
) -> tuple[int | None, float]:
    """Return the error code of a statement, and the seconds until the error."""
    started = time.perf_counter()
    code = None
    try:
        shard.execute(statement, rows)
    except StatementFailed as error:
        code = error.code
    return code, time.perf_counter() - started


def count(shard: Shard) -> int:
    """Return the number of sessions."""
    return fetch(shard, ALL_SESSIONS)[SESSIONS_CREATED]


def fetch(shard: Shard, query: SessionMetricsQuery) -> SessionMetrics:
    """Return the result of a query through a server."""
    return metrics_from(shard.execute(clickhouse_18.query_statement(query)))


def metrics_from(rows: list[list[Any]]) -> SessionMetrics:
    """Return the sums in the only row, whose first value is the group key."""
    ((_, *sums),) = rows
    names = [measure.name for measure in MEASURES]
    return SessionMetrics(dict(zip(names, map(int, sums), strict=True)))
