"""Sessions in ClickHouse compared with the same in SQLite: query time, size, and ingest."""

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from metrics_graphql.core.breakdowns import Dimension
from metrics_graphql.core.errors import value_or_raise
from metrics_graphql.core.measures import MEASURES, SESSIONS_CREATED
from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.storage.breakdowns import fetch_breakdown
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.ingest import select_stored, split_ids
from metrics_graphql.storage.clickhouse.session_store import ClickHouseSessionStore
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.database_sessions import DatabaseSessionStore
from metrics_graphql.storage.query_planner import plan_query
from metrics_graphql.storage.session_store import SessionStore, StatementReader
from metrics_graphql.storage.totals import fetch_metrics, session_sums, statement_parameters
from scripts.benchmarks import core, deduplication
from scripts.benchmarks.dataset import ORG, USERS, batched, ensure_filled, sessions, year_query
from scripts.benchmarks.series import daily_series, ranked

Row = dict[str, Any]
Tables = dict[str, list[Row]]
Execute = Callable[[SessionMetricsQuery], Awaitable[object]]
MAX_SECONDS: Final = 10.0
"""A query is not repeated any more after this long."""
REPEATS: Final = 7
LATE: Final = 10
"""One in so many sessions is updated later."""
QUERY_TIMES: Final = "Queries of unaligned periods, medians"


class Engines(NamedTuple):
    """The same sessions in both engines."""

    size: int
    sqlite: Database
    file: Path
    clickhouse: ClickHouseClient
    driver: Any
    """The bare driver of ClickHouse."""


async def measure(file: Path, clickhouse_url: str, size: int) -> Tables:
    """Return the rows of each table for so many sessions."""
    async with (
        Database(f"sqlite:///{file}") as sqlite,
        ClickHouseClient(clickhouse_url) as clickhouse,
    ):
        with closing(sa.create_engine(clickhouse_url).raw_connection()) as connection:
            driver: Any = connection.driver_connection
            return await compare(Engines(size, sqlite, file, clickhouse, driver.client))


async def compare(engines: Engines) -> Tables:
    """Fill both engines and compare them: after the load, merged, and after late updates."""
    sizes = [await fill_sqlite(engines), await fill_clickhouse(engines)]
    query_times = [await query_row(engines, days) for days in (1, 30, 365)]
    year_times = [await year_row(engines, *each) for each in year_queries().items()]
    expected = (await fetch(engines.sqlite, year_query()))[SESSIONS_CREATED]
    in_state = partial(deduplication.measure, engines.driver, year_query(), expected)
    execute = engines.clickhouse.execute
    optimize = "OPTIMIZE TABLE sessions FINAL"
    deduplicated = in_state("loaded")
    await execute(optimize)
    deduplicated += in_state("merged")
    await execute("SYSTEM STOP MERGES sessions")
    updates = await update_rows(engines)
    deduplicated += in_state(f"1 in {LATE} updated")
    await execute("SYSTEM START MERGES sessions")
    await execute(optimize)
    deduplicated += in_state("updated and merged")
    return {
        QUERY_TIMES: query_times,
        "Other queries of a year": year_times,
        "Size, and the first load": sizes,
        f"Updates of 1 in {LATE} sessions, as `load` does them": updates,
        "Deduplication of a year": deduplicated,
    }


def conclusions(tables: Tables) -> Iterator[str]:
    """Yield how the time of a year grows from the smallest size to the largest."""
    year = {row["sessions"]: row for row in tables[QUERY_TIMES] if row["days"] == 365}  # noqa: PLR2004 - a year
    yield from core.growth(year, ["roll-ups ms", "raw sessions ms", "ClickHouse ms"])


async def fill_sqlite(engines: Engines) -> Row:
    """Store the sessions and their roll-ups, unless an earlier run has; return the size."""
    started = time.perf_counter()
    filled = await ensure_filled(engines.sqlite, engines.size)
    return {
        "sessions": engines.size,
        "engine": "SQLite, with roll-ups and indexes",
        "bytes/session": engines.file.stat().st_size / engines.size,
        "rows/s": engines.size / (time.perf_counter() - started) if filled else "",
    }


async def fill_clickhouse(engines: Engines) -> Row:
    """Insert the sessions in the order of their creation; return the size."""
    store = ClickHouseSessionStore(engines.clickhouse, engines.sqlite)
    await store.migrate()
    started = time.perf_counter()
    for batch in batched(sessions(engines.size), store.batch_size):
        await engines.clickhouse.insert([(*session, 1, 0) for session in batch])
    seconds = time.perf_counter() - started
    ((bytes_on_disk,),) = engines.driver.query(
        "SELECT sum(bytes_on_disk) FROM system.parts"
        " WHERE active AND database = currentDatabase() AND table = 'sessions'"
    ).result_rows
    return {
        "sessions": engines.size,
        "engine": "ClickHouse",
        "bytes/session": bytes_on_disk / engines.size,
        "rows/s": engines.size / seconds,
    }


async def query_row(engines: Engines, days: int) -> Row:
    """Return the times of periods of about so many days in both engines."""
    queries = list(core.queries(days, 1))
    sqlite_url = f"sqlite:///{engines.file}"
    rollups = await core.time_storage(engines.sqlite, queries)
    raw = await core.time_driver(engines.sqlite, sqlite_url, queries, has_rollups=False)
    storage = median(await times_ms(partial(fetch, engines.clickhouse), queries))
    driver = median(await times_ms(bare_driver(engines, {}), queries))
    one_thread = await times_ms(bare_driver(engines, {"max_threads": 1}), queries)
    counts = [
        (await fetch(engines.clickhouse, each))[SESSIONS_CREATED] for each in queries[:REPEATS]
    ]
    return {
        "sessions": engines.size,
        "days": days,
        "roll-ups ms": rollups,
        "raw sessions ms": raw,
        "ClickHouse ms": storage,
        "bare driver ms": driver,
        "one thread ms": median(one_thread),
        # The minimum, because other load on the machine can only make it slower.
        "one thread, max sessions/ms": median(counts) / min(one_thread),
        "ClickHouse / roll-ups": storage / rollups,
        "raw / ClickHouse": raw / storage,
    }


def year_queries() -> dict[str, Callable[[StatementReader], Awaitable[object]]]:
    """Return the other queries of a dashboard for a year, by name."""
    series, breakdown = daily_series(year_query(), "UTC"), ranked(year_query(), Dimension.USER)
    return {
        "one user": lambda reader: fetch(reader, year_query(USERS[0])),
        "365 daily buckets": lambda reader: fetch_metrics(reader, series),
        "top 25 users": lambda reader: fetch_breakdown(reader, breakdown),
    }


async def year_row(
    engines: Engines, what: str, execute: Callable[[StatementReader], Awaitable[object]]
) -> Row:
    """Return the times of one of these queries in both engines."""
    repeats = [year_query()] * REPEATS
    sqlite = median(await times_ms(lambda _: execute(engines.sqlite), repeats))
    clickhouse = median(await times_ms(lambda _: execute(engines.clickhouse), repeats))
    return {
        "sessions": engines.size,
        "query": what,
        "SQLite ms": sqlite,
        "ClickHouse ms": clickhouse,
        "ClickHouse / SQLite": clickhouse / sqlite,
    }


async def update_rows(engines: Engines) -> list[Row]:
    """Upsert late updates in batches of the size that `load` uses, and in small ones."""
    acus = int(time.time())  # Differs from that of an earlier run on the same file.
    updates = [
        SessionUpdate(ORG, session.session_id, {"has_merged_pr": True, "acus": acus})
        for session in sessions(engines.size)
    ][::LATE]
    sqlite = DatabaseSessionStore(engines.sqlite)
    clickhouse = ClickHouseSessionStore(engines.clickhouse, engines.sqlite)
    few = min(sqlite.batch_size * REPEATS, len(updates) // 2)
    rows = []
    loads: list[tuple[SessionStore, int, Sequence[SessionUpdate]]] = [
        (sqlite, sqlite.batch_size, updates[:few]),
        (clickhouse, sqlite.batch_size, updates[:few]),
        (clickhouse, clickhouse.batch_size, updates[few:]),
    ]
    for store, batch_size, part in loads:
        started = time.perf_counter()
        for batch in batched(part, batch_size):
            async with store.transaction() as upsert:
                await upsert(batch)
        seconds = time.perf_counter() - started
        ids = {update.session_id for update in part[:batch_size]}
        rows.append(
            {
                "sessions": engines.size,
                "engine": store.dialect.name,
                "rows": len(part),
                "batch": batch_size,
                "rows/s": len(part) / seconds,
                "s/batch": seconds / -(-len(part) // batch_size),
                "of which look-up s": await look_up(engines.clickhouse, ids)
                if store is clickhouse
                else "",
            }
        )
    return rows


async def look_up(client: ClickHouseClient, ids: set[str]) -> float:
    """Return the seconds that ClickHouse takes to read the stored sessions of a batch."""
    parameters = split_ids(client.dialect.bind_ids(ids))
    statement = select_stored(client.dialect, len(parameters))
    values = {"org_id": ORG, **parameters}
    times = await times_ms(
        lambda _: client.fetch(statement, values, final=False), [year_query()] * REPEATS
    )
    return median(times) / 1_000


async def fetch(reader: StatementReader, query: SessionMetricsQuery) -> SessionMetrics:
    """Return the result of one query."""
    (result,) = await fetch_metrics(reader, [MetricsRequest(query)])
    return value_or_raise(result)


def bare_driver(engines: Engines, settings: dict[str, Any]) -> Execute:
    """Return a function that executes the same SQL in the bare driver of ClickHouse."""

    async def execute(query: SessionMetricsQuery) -> object:
        plan, dialect = plan_query(query, has_rollups=False), engines.clickhouse.dialect
        statement = session_sums(dialect, plan, MEASURES, single_query=True)
        values = statement_parameters(query, plan.ranges([query.period]), dialect)
        return engines.driver.query(
            statement.sql,
            parameters=statement.bind_by_name(values),
            settings=deduplication.FINAL_SETTINGS | settings,
        )

    return execute


async def times_ms(execute: Execute, queries: list[SessionMetricsQuery]) -> list[float]:
    """Return the times of queries in milliseconds, after a warm-up with the first one."""
    await execute(queries[0])
    times: list[float] = []
    for query in queries:
        started = time.perf_counter()
        await execute(query)
        times.append((time.perf_counter() - started) * 1_000)
        if sum(times) > MAX_SECONDS * 1_000:
            break
    return times
