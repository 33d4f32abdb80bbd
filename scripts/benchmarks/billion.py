"""Query time in ClickHouse: a synthetic billion sessions compared with a loaded million.

Loading a billion sessions would take days. A query reads roll-ups, and raw sessions only at the
ends of its period. So SQL generates the roll-ups by organization, user and playbook of a year of 32
sessions a second, and the raw sessions of the first and the last hour of the year.
"""

from itertools import accumulate, pairwise
from statistics import median
from typing import Any, Final

from metrics_graphql.core.errors import value_or_raise
from metrics_graphql.core.measures import SESSIONS_CREATED
from metrics_graphql.core.periods import HOUR
from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.facts import DIMENSIONS, FACTS_CATEGORY, SESSION_SCOPE
from metrics_graphql.storage.clickhouse.migration import migrate
from metrics_graphql.storage.clickhouse.session_store import ClickHouseSessionStore
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.migrations.runner import migrate as migrate_database
from metrics_graphql.storage.rollups import RollupDimension
from metrics_graphql.storage.tables import STORED_MEASURES
from metrics_graphql.storage.totals import fetch_metrics
from scripts.benchmarks.clickhouse import load_sessions, times_of, year_queries
from scripts.benchmarks.dataset import (
    ORG,
    PLAYBOOK_WEIGHTS,
    PLAYBOOKS,
    START,
    USER_WEIGHTS,
    USERS,
    YEAR,
    year_query,
)

Row = dict[str, Any]
RATE: Final = 32
"""Sessions per second."""
PER_HOUR: Final = RATE * HOUR
LOADED: Final = 1_000_000
REPEATS: Final = 15
MEASURES: Final = ", ".join(measure.name for measure in STORED_MEASURES)
RATES: Final = [
    RATE if measure is SESSIONS_CREATED else RATE // 2 if measure.member is None else 2
    for measure in STORED_MEASURES
]
"""The increase of each measure per second. The categories of a measure are a part of it."""
STEP: Final = 7_919
"""Coprime to `PER_HOUR`: multiples of it mix the ids of an hour."""


async def measure(database_url: str, loaded_url: str, synthetic_url: str) -> list[Row]:
    """Return a row for each query: its times with both sets of sessions, measured alternately."""
    async with (
        Database(database_url) as database,
        ClickHouseClient(loaded_url) as loaded,
        ClickHouseClient(synthetic_url) as synthetic,
    ):
        await migrate_database(database)
        await load_sessions(ClickHouseSessionStore(loaded, database), LOADED)
        await generate(synthetic)
        rows = []
        for client in (loaded, synthetic):
            await client.execute("OPTIMIZE TABLE facts FINAL")
        for what, execute in year_queries().items():
            times = await times_of([loaded, synthetic], execute, REPEATS)
            loaded_ms, synthetic_ms = map(median, times)
            rows.append(
                {
                    "query": what,
                    f"{LOADED:,} sessions, ms": loaded_ms,
                    f"{RATE * YEAR:,} sessions, ms": synthetic_ms,
                    "ratio": synthetic_ms / loaded_ms,
                }
            )
        return rows


async def generate(client: ClickHouseClient) -> None:
    """Fill a new database, and check the number of sessions of a year with unaligned ends."""
    await migrate(client)
    shares = {
        "user_id": hourly_shares(USERS, USER_WEIGHTS),
        "playbook_id": hourly_shares(PLAYBOOKS, PLAYBOOK_WEIGHTS),
    }
    for dimension in DIMENSIONS:
        if dimension is FACTS_CATEGORY or dimension.id_field == "service_user_id":
            continue  # No query reads them.
        ids = shares[dimension.id_field] if dimension.id_field else {"": PER_HOUR}
        for grain in dimension.grains:
            await client.execute(insert_rollups(dimension, grain, ids))
    for hour in (START, START + YEAR - HOUR):
        await client.execute(insert_sessions(hour, shares))
    user_id, share = next(iter(shares["user_id"].items()))
    await check(client, year_query(), PER_HOUR)
    await check(client, year_query(user_id), share)


async def check(client: ClickHouseClient, query: SessionMetricsQuery, share: int) -> None:
    """Check the number of sessions of the year with one of the first `share` positions."""
    (result,) = await fetch_metrics(client, [MetricsRequest(query)])
    found = value_or_raise(result)[SESSIONS_CREATED]
    skipped = RATE * (query.period.start - START)
    both_ends = (range(skipped, PER_HOUR), range(PER_HOUR - skipped))
    expected = share * (YEAR // HOUR - 2) + sum(
        number * STEP % PER_HOUR < share for end in both_ends for number in end
    )
    if found != expected:
        raise SystemExit(f"expected {expected:,} sessions, found {found:,}")


def hourly_shares(ids: list[Any], weights: list[float]) -> dict[str, int]:
    """Return the number of sessions per hour of each id. Those of the weight of None have no id."""
    bounds = [0, *(int(PER_HOUR * each / weights[-1]) for each in weights)]
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
    """Return the statement that stores the sessions of an hour. Each id has its share of them."""
    columns = {
        name: f"nullIf(arrayElement({[*ids, '']}, arrayFirstIndex(end -> end > position,"
        f" {[*accumulate(ids.values()), PER_HOUR + 1]})), '')"
        for name, ids in shares.items()
    }
    counts = ", ".join(f"toInt64(number % {RATE} < {rate})" for rate in RATES)
    return (
        "INSERT INTO facts (org_id, scope, bucket, session_id, version, n,"  # noqa: S608 - constants
        f" {', '.join(columns)}, {MEASURES})"
        f" WITH number * {STEP} % {PER_HOUR} AS position"
        f" SELECT '{ORG}', {SESSION_SCOPE}, {hour} + intDiv(number, {RATE}),"
        f" hex(cityHash64({hour} + number)), 1, 1,"
        f" {', '.join(columns.values())}, {counts}"
        f" FROM numbers({PER_HOUR})"
    )
