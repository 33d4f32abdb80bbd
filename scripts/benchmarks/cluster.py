"""What shards answer, also when one is away: facts of two old servers, and of today's engine."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import uvloop

from metrics_graphql.domain.measures import MEASURES, SESSIONS_CREATED
from metrics_graphql.domain.metrics import SessionMetrics, SessionMetricsQuery
from metrics_graphql.store.clickhouse.tables import COLUMNS
from metrics_graphql.store.clickhouse.verification import repeated
from scripts.benchmarks import embedded, shards
from scripts.benchmarks.data import ORG
from scripts.benchmarks.history import (
    COUNT,
    EVERYTHING,
    History,
    Row,
    fact,
    is_right,
    moved,
    rows_of,
)
from scripts.benchmarks.shards import CallFailed, Shard

INSERT: Final = f"INSERT INTO sessions ({', '.join(COLUMNS)}) FORMAT TabSeparated"
NOT_CONNECTED: Final = 279
"""ClickHouse's `ALL_CONNECTION_TRIES_FAILED`."""
SKIPPING: Final = " SETTINGS skip_unavailable_shards = 1"
Both = tuple[Shard, Shard]


def measure() -> list[Row]:
    """Return a row for each fact."""
    history = History()
    with TemporaryDirectory() as folder:
        return [
            *on_two_servers(Path(folder), history),
            *uvloop.run(embedded.facts(Path(folder), history)),
        ]


def conclusions(rows: list[Row]) -> Iterator[str]:
    """Yield how the old servers' SQL differs, what all of it shows, and what it does not."""
    yield "Spelled for 18.16 in another way:"
    for ours, theirs, why in shards.SPELLINGS:
        yield f"  {' '.join(ours.split())} -> {' '.join(theirs.split()) or '(nothing)'}: {why}"
    yield "This shows: rows go to the shard of their session, questions are answered from all"
    yield "  shards and count each session once, a shard that is away is an error and no number."
    yield "It does not show: replicas and Keeper, so neither ON CLUSTER nor quorums; today's engine"
    yield "  over a network; a series (18.16 has no roundDown); deadlines (whole seconds in 18.16)."
    wrong = [row["fact"] for row in rows if row["as it must be"].startswith("NO")]
    yield f"Not as it must be: {'; '.join(wrong) or 'nothing'}"


def on_two_servers(folder: Path, history: History) -> Iterator[Row]:
    """Yield what two servers do with a history."""
    with shards.two_shards(folder) as both:
        first, second = both
        ((version,),) = first.call("SELECT version()")
        on = f"2 x {version}"
        statements = shards.definitions(folder)
        for shard in both:
            for statement in statements:
                shard.call(statement)
        yield fact(on, "statements of `migrate --cluster --print`, run on each", len(statements), 2)
        first.call(INSERT, list(rows_of(history.new, version=1)))
        second.call(INSERT, list(history.written_again()))
        yield fact(on, "sessions written: new ones through one server", len(history.new))
        yield fact(on, "again, with a change, through the other", len(history.again))
        yield fact(on, "with another created_at, through that, too", len(history.moved))
        yield from spread(on, both)
        yield answers(on, both, history, "")
        yield from cut_off(on, both, history)
        yield from away(on, both, history)


def spread(on: str, both: Both) -> Iterator[Row]:
    """Yield which rows are on which shard."""
    ids = []
    for number, shard in enumerate(both):
        ((rows, elsewhere, of_shard),) = shard.call(
            f"SELECT count(), countIf(sipHash64(org_id, session_id) % 2 != {number}),"  # noqa: S608 - a number
            " uniqExact(session_id) FROM sessions_of_shard"
        )
        yield fact(on, f"rows on shard {number + 1}", int(rows))
        yield fact(on, "of them on another than sipHash64 of the session says", int(elsewhere), 0)
        ids.append(int(of_shard))
    yield fact(on, "sessions of both shards together", sum(ids), COUNT)


def answers(on: str, both: Sequence[Shard], history: History, when: str) -> Row:
    """Return how many answers equal the oracle's, whichever server is asked."""
    right = [
        is_right(ask(shard, query), expected) for query, expected in history.asked for shard in both
    ]
    what = f"answers like a count in Python, all measures{when}"
    return fact(on, what, f"{sum(right)} of {len(right)}", f"{len(right)} of {len(right)}")


def cut_off(on: str, both: Both, history: History) -> Iterator[Row]:
    """Yield what a writer leaves that is cut off between the rows of a moved session."""
    first, second = both
    before = history.new[2]
    after = moved(before)
    first.call(INSERT, list(rows_of([after], version=3)))
    yield fact(on, "sessions counted, a writer cut off as it moved one", count(first), COUNT + 1)
    finding = repeated(shards.DIALECT)
    sql = shards.with_values(shards.spelled(finding.sql), finding.named({"org_id": ORG}))
    yield fact(on, "found by the statement of `verify`", second.call(sql), [[before.session_id]])
    second.call(INSERT, list(rows_of([before], version=3, is_deleted=1)))
    yield fact(on, "sessions counted, once it took the older row back", count(first), COUNT)
    first.call(INSERT, [*rows_of([before], version=4), *rows_of([after], version=4, is_deleted=1)])


def away(on: str, both: Both, history: History) -> Iterator[Row]:
    """Yield what happens while the second shard is away, and after its return."""
    first, second = both
    block = [*rows_of(history.again, version=5)]
    ((before,),) = first.call("SELECT count() FROM sessions_of_shard")
    second.stop()
    code, seconds = failure(first, shards.question(EVERYTHING))
    yield fact(on, "a question while shard 2 is away: error", code, NOT_CONNECTED, seconds)
    found = answer_of(first.call(shards.question(EVERYTHING) + SKIPPING))[SESSIONS_CREATED]
    yield fact(on, "sessions counted if shards were skipped, which we forbid", found)
    code, seconds = failure(first, INSERT, block)
    yield fact(on, "a block to write while it is away: error", code, NOT_CONNECTED, seconds)
    ((after,),) = first.call("SELECT count() FROM sessions_of_shard")
    yield fact(on, "rows of that block on the shard that is there", int(after) - int(before))
    second.start()
    second.wait()
    yield answers(on, both, history, ", after its return")
    first.call(INSERT, block)
    yield answers(on, both, history, ", the block written again")


def failure(
    shard: Shard, statement: str, rows: Sequence[Sequence[object]] = ()
) -> tuple[int | None, float]:
    """Return how a server fails to do something, and after how many seconds."""
    started = time.perf_counter()
    code = None
    try:
        shard.call(statement, rows)
    except CallFailed as failed:
        code = failed.code
    return code, time.perf_counter() - started


def count(shard: Shard) -> int:
    """Return how many sessions there are."""
    return ask(shard, EVERYTHING)[SESSIONS_CREATED]


def ask(shard: Shard, query: SessionMetricsQuery) -> SessionMetrics:
    """Return the answer of a server to a question."""
    return answer_of(shard.call(shards.question(query)))


def answer_of(rows: list[list[Any]]) -> SessionMetrics:
    """Return the answer that a row says; the first field is the number of the question."""
    ((_, *sums),) = rows
    names = [measure.name for measure in MEASURES]
    return SessionMetrics(dict(zip(names, map(int, sums), strict=True)))
