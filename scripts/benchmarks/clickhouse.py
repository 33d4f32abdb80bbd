"""Sessions in ClickHouse beside the same ones in SQLite: time of answers, room, and writing."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from metrics_graphql.domain.breakdowns import BreakdownQuery, Dimension, OrderField, Ranking
from metrics_graphql.domain.intervals import TimeInterval, buckets, time_zone
from metrics_graphql.domain.measures import MEASURES, SESSIONS_CREATED
from metrics_graphql.domain.metrics import SessionMetrics, SessionMetricsQuery
from metrics_graphql.domain.sessions import SessionUpdate
from metrics_graphql.store import breakdowns
from metrics_graphql.store.clickhouse.connection import ClickHouseSessions
from metrics_graphql.store.clickhouse.ingest import in_parts, stored_rows
from metrics_graphql.store.engine import Database, Reader
from metrics_graphql.store.planner import plan_for
from metrics_graphql.store.questions import Asked, parameters_of, session_metrics
from metrics_graphql.store.statements import session_sums
from metrics_graphql.store.store import CLICKHOUSE_BLOCK, DATABASE_BLOCK, Store
from scripts.benchmarks import core, ways
from scripts.benchmarks.data import ORG, START, USERS, YEAR, blocks, sessions

Row = dict[str, Any]
Tables = dict[str, list[Row]]
Ask = Callable[[SessionMetricsQuery], Awaitable[object]]
SECONDS: Final = 10.0
"""An answer is repeated no longer than this."""
FEW: Final = 7
LATE: Final = 10
"""One of so many sessions, all over the year, is written again with a change."""
ANSWERS: Final = "Answers: medians of periods with ragged ends"


class Sides(NamedTuple):
    """The same sessions twice."""

    size: int
    sqlite: Database
    file: Path
    clickhouse: ClickHouseSessions
    client: Any
    """The bare driver."""


async def measure(file: Path, clickhouse_url: str, size: int) -> Tables:
    """Return the rows of each table for so many sessions."""
    async with (
        Database(f"sqlite:///{file}") as sqlite,
        ClickHouseSessions(clickhouse_url) as clickhouse,
    ):
        with closing(sa.create_engine(clickhouse_url).raw_connection()) as connection:
            driver: Any = connection.driver_connection
            return await compare(Sides(size, sqlite, file, clickhouse, driver.client))


async def compare(sides: Sides) -> Tables:
    """Fill both sides and compare them: as ClickHouse was filled, merged, and written to again."""
    sizes = [await fill_sqlite(sides), await fill_clickhouse(sides)]
    optimize = "OPTIMIZE TABLE sessions FINAL"
    answers = [await answers_row(sides, days) for days in (1, 30, 365)]
    others = [await others_row(sides, what, ask) for what, ask in other_questions(year()).items()]
    truth = (await metrics(sides.sqlite, year()))[SESSIONS_CREATED]
    in_state = partial(ways.measure, sides.client, year(), truth)
    once = in_state("as it was filled")
    await sides.clickhouse.run(optimize)
    once += in_state("merged")
    await sides.clickhouse.run("SYSTEM STOP MERGES sessions")
    writing = await writing_rows(sides)
    once += in_state(f"each {LATE}th again")
    await sides.clickhouse.run("SYSTEM START MERGES sessions")
    await sides.clickhouse.run(optimize)
    once += in_state("that merged")
    return {
        ANSWERS: answers,
        "Other questions of a year, the product's own way": others,
        "Room, and filling it in one go": sizes,
        f"Writing each {LATE}th session again, as `load` does": writing,
        "A year, each session counted once": once,
    }


def conclusions(tables: Tables) -> Iterator[str]:
    """Yield what grows with the sessions, and what does not."""
    year_of = {
        row["sessions"]: row
        for row in tables[ANSWERS]
        if row["days"] == 365  # noqa: PLR2004 - a year
    }
    small, large = min(year_of), max(year_of)
    for name in ("roll-ups ms", "raw ms", "ClickHouse ms"):
        ratio = year_of[large][name] / year_of[small][name]
        yield f"365 days, {name[:-3]}: {large:,} takes {ratio:.2f} times {small:,}"


async def fill_sqlite(sides: Sides) -> Row:
    """Store the sessions and their roll-ups, unless a kept file has them; return its size."""
    started = time.perf_counter()
    kept = await core.is_filled(sides.sqlite)
    if not kept:
        await core.fill(sides.sqlite, sides.size)
    return {
        "sessions": sides.size,
        "in": "SQLite, with roll-ups and indexes",
        "bytes/session": sides.file.stat().st_size / sides.size,
        "rows/s": "kept" if kept else sides.size / (time.perf_counter() - started),
    }


async def fill_clickhouse(sides: Sides) -> Row:
    """Store the sessions in blocks, in the order of their creation; return what they take."""
    await sides.clickhouse.migrate()
    started = time.perf_counter()
    for block in blocks(sessions(sides.size), CLICKHOUSE_BLOCK):
        await sides.clickhouse.insert([(*session, 1, 0) for session in block])
    seconds = time.perf_counter() - started
    ((bytes_on_disk,),) = sides.client.query(
        "SELECT sum(bytes_on_disk) FROM system.parts"
        " WHERE active AND database = currentDatabase() AND table = 'sessions'"
    ).result_rows
    return {
        "sessions": sides.size,
        "in": "ClickHouse",
        "bytes/session": bytes_on_disk / sides.size,
        "rows/s": sides.size / seconds,
    }


async def answers_row(sides: Sides, days: int) -> Row:
    """Return medians of periods of about so many days, on both sides."""
    asked = list(core.periods(days, 1))
    rollups = await core.timed_store(sides.sqlite, asked)
    raw = await core.timed_raw(sides.sqlite, f"sqlite:///{sides.file}", asked)
    store = median(await timed(lambda question: metrics(sides.clickhouse, question), asked))
    driver = median(await timed(bare(sides, {}), asked))
    one_thread = await timed(bare(sides, {"max_threads": 1}), asked)
    counted = [(await metrics(sides.clickhouse, each))[SESSIONS_CREATED] for each in asked[:FEW]]
    return {
        "sessions": sides.size,
        "days": days,
        "roll-ups ms": rollups,
        "raw ms": raw,
        "ClickHouse ms": store,
        "bare driver ms": driver,
        "one thread ms": median(one_thread),
        # What else the machine does can only make it slower.
        "at best sessions/ms": median(counted) / min(one_thread),
        "ClickHouse / roll-ups": store / rollups,
        "raw / ClickHouse": raw / store,
    }


def other_questions(whole: SessionMetricsQuery) -> dict[str, Callable[[Reader], Awaitable[object]]]:
    """Return questions that a dashboard asks, by name."""
    days = buckets(whole.period, TimeInterval.DAY, time_zone("UTC"))
    series = [Asked(whole.moved(period)) for period in days]
    ranking = Ranking(OrderField.SESSIONS_CREATED_COUNT, descending=True, first=25)
    top = BreakdownQuery(whole, Dimension.USER, ranking, MEASURES)
    return {
        "of one user": lambda reader: metrics(reader, year(USERS[0])),
        "365 daily buckets": lambda reader: session_metrics(reader, series),
        "top 25 users": lambda reader: breakdowns.breakdown(reader, top),
    }


async def others_row(sides: Sides, what: str, ask: Callable[[Reader], Awaitable[object]]) -> Row:
    """Return medians of one of the other questions."""
    again = [year()] * FEW
    sqlite = median(await timed(lambda _: ask(sides.sqlite), again))
    clickhouse = median(await timed(lambda _: ask(sides.clickhouse), again))
    return {
        "sessions": sides.size,
        "what": what,
        "SQLite ms": sqlite,
        "ClickHouse ms": clickhouse,
        "ClickHouse / SQLite": clickhouse / sqlite,
    }


async def writing_rows(sides: Sides) -> list[Row]:
    """Write late updates in blocks of the size that `load` takes, and in small ones."""
    new_acus = int(time.time())  # Other ones than in a kept file.
    late = [
        SessionUpdate(ORG, session.session_id, {"has_merged_pr": True, "acus": new_acus})
        for number, session in enumerate(sessions(sides.size))
        if number % LATE == 0
    ]
    on_clickhouse = Store(sides.sqlite, sides.clickhouse)
    small = min(DATABASE_BLOCK * FEW, len(late) // 2)
    written = {
        ("SQLite", DATABASE_BLOCK): (Store(sides.sqlite), late[:small]),
        ("ClickHouse", DATABASE_BLOCK): (on_clickhouse, late[:small]),
        ("ClickHouse", CLICKHOUSE_BLOCK): (on_clickhouse, late[small:]),
    }
    rows = []
    for (engine, block), (store, updates) in written.items():
        started = time.perf_counter()
        for each in blocks(updates, block):
            async with store.writing() as write:
                await write(each)
        seconds = time.perf_counter() - started
        ids = {update.session_id for update in updates[:block]}
        rows.append(
            {
                "sessions": sides.size,
                "in": engine,
                "rows": len(updates),
                "a block": block,
                "rows/s": len(updates) / seconds,
                "s a block": seconds / -(-len(updates) // block),
                "of which looking up s": await look_up(store, ids),
            }
        )
    return rows


async def look_up(store: Store, ids: set[str]) -> float | str:
    """Return how many seconds ClickHouse takes to read what is stored of a block."""
    if store.clickhouse is None:
        return ""
    dialect = store.clickhouse.dialect
    parts = in_parts(dialect.bind_ids(ids))
    reading = partial(
        store.clickhouse.fetch,
        stored_rows(dialect, len(parts)),
        {"org_id": ORG, **parts},
        every_version=True,
    )
    return median(await timed(lambda _: reading(), [year()] * FEW)) / 1_000


def year(*user_ids: str) -> SessionMetricsQuery:
    """Return the question for the year, without its first and its last minutes."""
    return SessionMetricsQuery.asked(
        org_id=ORG,
        time_after=START + 1_234,
        time_before=START + YEAR - 1_234,
        user_ids=user_ids or None,
    )


async def metrics(reader: Reader, question: SessionMetricsQuery) -> SessionMetrics:
    """Return the answer to one question, the product's own way."""
    (answer,) = await session_metrics(reader, [Asked(question)])
    if not isinstance(answer, SessionMetrics):
        raise answer
    return answer


def bare(sides: Sides, settings: dict[str, Any]) -> Ask:
    """Return a way to run the product's own SQL with the driver alone."""

    async def run(question: SessionMetricsQuery) -> object:
        plan, dialect = plan_for(question, rolled_up=False), sides.clickhouse.dialect
        prepared = session_sums(dialect, plan, MEASURES, one_question=True)
        parameters = parameters_of(question, plan.runs(0, question.period), dialect)
        return sides.client.query(
            prepared.sql, parameters=prepared.named(parameters), settings=ways.FINAL | settings
        )

    return run


async def timed(ask: Ask, asked: list[SessionMetricsQuery]) -> list[float]:
    """Return the milliseconds that answers take, after one that does not count."""
    await ask(asked[0])
    times: list[float] = []
    for question in asked:
        started = time.perf_counter()
        await ask(question)
        times.append((time.perf_counter() - started) * 1_000)
        if sum(times) > SECONDS * 1_000:
            break
    return times
