"""The time of queries in ClickHouse: a made-up billion sessions compared with a loaded million.

Nobody waits for a billion sessions to load. A query reads their roll-ups, and raw sessions only at
the ends of its period. So SQL generates the roll-ups by organization, user and playbook of a year
of 32 sessions a second, and the raw sessions of the first and the last hour of the year.
"""

from itertools import accumulate, pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

from metrics_graphql.core.measures import SESSIONS_CREATED
from metrics_graphql.core.periods import HOUR
from metrics_graphql.core.queries import MetricsRequest
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.facts import DIMENSIONS, FACTS_CATEGORY, SESSION_SCOPE
from metrics_graphql.storage.clickhouse.migration import migrate
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.rollups import RollupDimension
from metrics_graphql.storage.tables import STORED_MEASURES
from metrics_graphql.storage.totals import fetch_metrics
from scripts.benchmarks.clickhouse import Engines, fill_clickhouse, year_queries
from scripts.benchmarks.dataset import (
    ORG,
    PLAYBOOK_WEIGHTS,
    PLAYBOOKS,
    START,
    USER_WEIGHTS,
    USERS,
    YEAR,
    ensure_filled,
    year_query,
)

Row = dict[str, Any]
RATE: Final = 32
"""Sessions a second."""
MADE_UP: Final = RATE * YEAR
"""1,009,152,000 sessions."""
LOADED: Final = 1_000_000
REPEATS: Final = 15
MEASURES: Final = ", ".join(measure.name for measure in STORED_MEASURES)
RATES: Final = [RATE, *(1 + number % RATE for number in range(1, len(STORED_MEASURES)))]
"""What a second adds to each measure. The first one counts sessions."""


async def measure(file: Path, loaded_url: str, made_up_url: str) -> list[Row]:
    """Return a row for each query: its times in both databases, measured in turns."""
    async with (
        Database(f"sqlite:///{file}") as database,
        ClickHouseClient(loaded_url) as loaded,
        ClickHouseClient(made_up_url) as made_up,
    ):
        await ensure_filled(database, LOADED)
        await fill_clickhouse(Engines(LOADED, database, file, loaded))
        await loaded.execute("OPTIMIZE TABLE facts FINAL")
        await make_up(made_up)
        rows = []
        for what, execute in year_queries().items():
            times: dict[ClickHouseClient, list[float]] = {loaded: [], made_up: []}
            for _ in range(REPEATS):
                for client, measured in times.items():
                    started = perf_counter()
                    await execute(client)
                    measured.append((perf_counter() - started) * 1_000)
            before, after = (median(each) for each in times.values())
            rows.append(
                {
                    "query": what,
                    "a million, ms": before,
                    "a billion, ms": after,
                    "ratio": after / before,
                }
            )
        ((bytes_on_disk, row_count),) = await made_up.execute(
            "SELECT sum(bytes_on_disk), sum(rows) FROM system.parts"
            " WHERE active AND database = currentDatabase() AND table = 'facts'"
        )
        size = f"{row_count:,} rows, {bytes_on_disk / 1e9:.1f} GB"
        return [*rows, {**dict.fromkeys(rows[0], ""), "query": size}]


async def make_up(client: ClickHouseClient) -> None:
    """Fill a new database, and check the number of sessions in a year with unaligned ends."""
    await migrate(client)
    shares = {
        "user_id": hourly_shares(USERS, USER_WEIGHTS),
        "playbook_id": hourly_shares(PLAYBOOKS, PLAYBOOK_WEIGHTS),
    }
    for dimension in DIMENSIONS:
        if dimension is FACTS_CATEGORY or dimension.id_field == "service_user_id":
            continue  # No query reads them.
        ids = shares[dimension.id_field] if dimension.id_field else {"": RATE * HOUR}
        for grain in dimension.grains:
            await client.execute(insert_rollups(dimension, grain, ids))
    for hour in (START, START + YEAR - HOUR):
        await client.execute(insert_sessions(hour, shares))
    await client.execute("OPTIMIZE TABLE facts FINAL")
    year = year_query()
    (metrics,) = await fetch_metrics(client, [MetricsRequest(year)])
    if isinstance(metrics, Exception):
        raise metrics
    if metrics[SESSIONS_CREATED] != RATE * (year.period.end - year.period.start):
        raise SystemExit(f"{metrics[SESSIONS_CREATED]} sessions")


def hourly_shares(ids: list[Any], weights: list[float]) -> dict[str, int]:
    """Return how many sessions of an hour each id has; the rest have none."""
    total = RATE * HOUR
    bounds = [0, *(int(total * each / weights[-1]) for each in weights)]
    shares = (after - before for before, after in pairwise(bounds))
    return {each: share for each, share in zip(ids, shares, strict=True) if each is not None}


def insert_rollups(dimension: RollupDimension, grain: int, ids: dict[str, int]) -> str:
    """Return the statement that stores the roll-ups of a dimension and a grain."""
    first = START // grain * grain
    values = ", ".join(f"intDiv(sessions * {rate}, {RATE})" for rate in RATES)
    return (
        f"INSERT INTO facts (org_id, scope, grain, bucket, scope_id, {MEASURES})"  # noqa: S608 - constants
        f" WITH least(bucket + {grain}, {START + YEAR}) - greatest(bucket, {START}) AS seconds,"
        f" intDiv(seconds * share, {HOUR}) AS sessions"
        f" SELECT '{ORG}', {dimension.code}, {grain}, {first} + number * {grain} AS bucket, id,"
        f" {values} FROM numbers({-(-(START + YEAR - first) // grain)})"
        f" ARRAY JOIN {list(ids)} AS id, {list(ids.values())} AS share"
    )


def insert_sessions(hour: int, shares: dict[str, dict[str, int]]) -> str:
    """Return the statement that stores the sessions of an hour, of each id as many as its share."""
    columns = {
        name: f"nullIf(arrayElement({[*ids, '']}, arrayFirstIndex(end -> end > position,"
        f" {[*accumulate(ids.values()), RATE * HOUR + 1]})), '')"
        for name, ids in shares.items()
    }
    counts = ", ".join(f"toInt64(number % {RATE} < {rate})" for rate in RATES)
    return (
        "INSERT INTO facts (org_id, scope, bucket, session_id, version, n,"  # noqa: S608 - constants
        f" {', '.join(columns)}, {MEASURES})"
        # Sessions of one id do not follow each other.
        f" WITH number * 7919 % {RATE * HOUR} AS position"
        f" SELECT '{ORG}', {SESSION_SCOPE}, {hour} + intDiv(number, {RATE}),"
        f" hex(cityHash64({hour} + number)), 1, 1,"
        f" {', '.join(columns.values())}, {counts}"
        f" FROM numbers({RATE * HOUR})"
    )
