"""Sessions in ClickHouse compared with the same in SQLite: query time, size, and ingest."""

import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from metrics_graphql.core.breakdowns import Dimension
from metrics_graphql.core.errors import value_or_raise
from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.storage.breakdowns import fetch_breakdown
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.session_store import ClickHouseSessionStore
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.database_sessions import DatabaseSessionStore
from metrics_graphql.storage.dialects import CompiledStatement, Dialect, Rows
from metrics_graphql.storage.dialects.clickhouse import ClickHouse
from metrics_graphql.storage.session_store import SessionStore, StatementReader
from metrics_graphql.storage.totals import fetch_metrics
from scripts.benchmarks.core import growth
from scripts.benchmarks.dataset import (
    ORG,
    PLAYBOOKS,
    USERS,
    batched,
    ensure_filled,
    sessions,
    year_query,
)
from scripts.benchmarks.load import full_update
from scripts.benchmarks.series import daily_series, ranked

Row = dict[str, Any]
Tables = dict[str, list[Row]]
Execute = Callable[[StatementReader], Awaitable[object]]
REPEATS: Final = 9
MAX_SECONDS: Final = 20.0
"""Time after which a query is not repeated any more."""
LATE: Final = 10
"""The inverse of the share of sessions that are updated later."""
UPDATES: Final = 14_000
"""Late updates that are stored in small batches."""
QUERY_TIMES: Final = "Queries of an unaligned year, all measures"


class ScanDialect(ClickHouse):
    """ClickHouse without roll-ups: every query scans the sessions of its period."""

    rollup_dimensions = ()


class Scan(NamedTuple):
    """Reads sessions in ClickHouse without roll-ups."""

    client: ClickHouseClient
    dialect: Dialect = ScanDialect()

    async def fetch(self, statement: CompiledStatement, values: dict[str, Any]) -> Rows:
        """Return the rows of a statement."""
        return await self.client.fetch(statement, values)


class Engines(NamedTuple):
    """The same sessions in both engines."""

    size: int
    sqlite: Database
    file: Path
    clickhouse: ClickHouseClient


async def measure(file: Path, clickhouse_url: str, size: int) -> Tables:
    """Return the rows of each table, for `size` sessions."""
    async with (
        Database(f"sqlite:///{file}") as sqlite,
        ClickHouseClient(clickhouse_url) as clickhouse,
    ):
        engines = Engines(size, sqlite, file, clickhouse)
        sizes = [await fill_sqlite(engines), await fill_clickhouse(engines)]
        state = "as loaded"
        times = [await query_row(engines, state, *each) for each in year_queries().items()]
        await clickhouse.execute("OPTIMIZE TABLE facts FINAL")
        sizes.append(await size_row(engines, "ClickHouse, merged"))
        times += [await query_row(engines, "merged", *each) for each in year_queries().items()]
        return {
            QUERY_TIMES: times,
            "Size, and the first load": sizes,
            "Updates, as `load` does them": await update_rows(engines),
        }


def conclusions(tables: Tables) -> Iterator[str]:
    """Yield how the time of each query grows from the smallest size to the largest."""
    rows = [row for row in tables[QUERY_TIMES] if row["state"] == "merged"]
    for what in dict.fromkeys(row["query"] for row in rows):
        by_size = {row["sessions"]: row for row in rows if row["query"] == what}
        yield from growth(what, by_size, ("SQLite ms", "ClickHouse ms", "scan ms"))


async def fill_sqlite(engines: Engines) -> Row:
    """Store the sessions and their roll-ups, unless an earlier run has; return the size."""
    await ensure_filled(engines.sqlite, engines.size)
    return {
        "sessions": engines.size,
        "engine": "SQLite, with roll-ups and indexes",
        "bytes/session": engines.file.stat().st_size / engines.size,
        "parts": "",
        "rows/s": "",
    }


async def fill_clickhouse(engines: Engines) -> Row:
    """Upsert the sessions in the order of their creation, as `load` does; return the size."""
    store = ClickHouseSessionStore(engines.clickhouse, engines.sqlite)
    seconds = await load_sessions(store, engines.size)
    return {**await size_row(engines, "ClickHouse"), "rows/s": engines.size / seconds}


async def load_sessions(store: ClickHouseSessionStore, size: int) -> float:
    """Upsert sessions into new tables, as `load` does; return the seconds it took."""
    await store.migrate()
    seconds = 0.0
    for batch in batched(sessions(size), store.batch_size):
        updates = [full_update(session) for session in batch]
        started = time.perf_counter()
        async with store.transaction() as upsert:
            await upsert(updates)
        seconds += time.perf_counter() - started
    return seconds


async def size_row(engines: Engines, engine: str) -> Row:
    """Return the size of the table in ClickHouse."""
    ((bytes_on_disk, parts),) = await engines.clickhouse.execute(
        "SELECT sum(bytes_on_disk), count() FROM system.parts"
        " WHERE active AND database = currentDatabase() AND table = 'facts'"
    )
    return {
        "sessions": engines.size,
        "engine": engine,
        "bytes/session": bytes_on_disk / engines.size,
        "parts": parts,
        "rows/s": "",
    }


def year_queries() -> dict[str, Execute]:
    """Return queries of a dashboard for a year, by name."""
    year = year_query()
    playbook = SessionMetricsQuery.from_params(
        tenant=ORG,
        time_after=year.period.start,
        time_before=year.period.end,
        playbook_ids=[str(PLAYBOOKS[1])],
    )
    utc, kolkata = (daily_series(year, zone) for zone in ("UTC", "Asia/Kolkata"))
    breakdown = ranked(year, Dimension.USER)
    return {
        "total": lambda reader: fetch(reader, year),
        "365 days, UTC": lambda reader: fetch_metrics(reader, utc),
        "365 days, Asia/Kolkata": lambda reader: fetch_metrics(reader, kolkata),
        "top 25 users": lambda reader: fetch_breakdown(reader, breakdown),
        "one user": lambda reader: fetch(reader, year_query(USERS[0])),
        "one playbook": lambda reader: fetch(reader, playbook),
    }


async def fetch(reader: StatementReader, query: SessionMetricsQuery) -> object:
    """Return the result of one query."""
    (result,) = await fetch_metrics(reader, [MetricsRequest(query)])
    return value_or_raise(result)


async def query_row(engines: Engines, state: str, what: str, execute: Execute) -> Row:
    """Return the minimum times of a query: on SQLite, on ClickHouse, and by a scan there.

    Other load on the machine can only make a time longer.
    """
    readers: list[StatementReader] = [engines.sqlite, engines.clickhouse, Scan(engines.clickhouse)]
    times = await times_of(readers, execute, REPEATS)
    sqlite, clickhouse, scan = map(min, times)
    return {
        "sessions": engines.size,
        "state": state,
        "query": what,
        "SQLite ms": sqlite,
        "ClickHouse ms": clickhouse,
        "ClickHouse median ms": median(times[1]),
        "scan ms": scan,
        "scan / ClickHouse": scan / clickhouse,
    }


async def times_of(
    readers: list[StatementReader], execute: Execute, repeats: int
) -> list[list[float]]:
    """Return the times of a query for each reader, in milliseconds, after one that is not counted.

    The readers alternate, so that other load on the machine slows all of them.
    """
    times: list[list[float]] = [[] for _ in readers]
    for reader in readers:
        await execute(reader)
    started = time.perf_counter()
    for _ in range(repeats):
        for reader, measured in zip(readers, times, strict=True):
            before = time.perf_counter()
            await execute(reader)
            measured.append((time.perf_counter() - before) * 1_000)
        if time.perf_counter() - started > MAX_SECONDS:
            break
    return times


async def update_rows(engines: Engines) -> list[Row]:
    """Upsert late updates in batches of the size that `load` uses, and in small ones."""
    acus = int(time.time())  # Differs from that of an earlier run on the same file.
    updates = [
        SessionUpdate(ORG, session.session_id, {"has_merged_pr": True, "acus": acus})
        for session in sessions(engines.size)
    ][::LATE]
    sqlite = DatabaseSessionStore(engines.sqlite)
    clickhouse = ClickHouseSessionStore(engines.clickhouse, engines.sqlite)
    count = min(UPDATES, len(updates) // 2)
    loads: list[tuple[SessionStore, int, list[SessionUpdate]]] = [
        (sqlite, sqlite.batch_size, updates[:count]),
        (clickhouse, sqlite.batch_size, updates[:count]),
        (clickhouse, clickhouse.batch_size, updates[count:]),
    ]
    rows = []
    for store, batch_size, part in loads:
        started = time.perf_counter()
        for batch in batched(part, batch_size):
            async with store.transaction() as upsert:
                await upsert(batch)
        seconds = time.perf_counter() - started
        rows.append(
            {
                "sessions": engines.size,
                "engine": store.dialect.name,
                "rows": len(part),
                "batch": batch_size,
                "rows/s": len(part) / seconds,
                "s/batch": seconds / -(-len(part) // batch_size),
            }
        )
    return rows
