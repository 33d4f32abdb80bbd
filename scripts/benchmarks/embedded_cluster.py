"""A cluster of chdb and another shard that refuses connections, or accepts and never responds."""

import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from metrics_graphql.core.breakdowns import Dimension
from metrics_graphql.core.deadline import set_deadline
from metrics_graphql.core.errors import MetricsError, value_or_raise
from metrics_graphql.core.intervals import TimeInterval, buckets, time_zone
from metrics_graphql.core.measures import SESSIONS_CREATED
from metrics_graphql.core.queries import MetricsRequest
from metrics_graphql.core.sessions import Session
from metrics_graphql.server.http_errors import http_status
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.session_store import ClickHouseSessionStore
from metrics_graphql.storage.clickhouse.tables import create_cluster_tables
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.migrations.runner import migrate
from metrics_graphql.storage.repository import Storage
from metrics_graphql.storage.session_store import Deletion
from scripts.benchmarks.cluster_scenario import (
    ALL_SESSIONS,
    COUNT,
    PARAMETERS,
    RAGGED,
    Row,
    Scenario,
    check,
    is_correct,
)
from scripts.benchmarks.dataset import ORG
from scripts.benchmarks.load import full_update
from scripts.benchmarks.series import ranked
from tests import oracle
from tests.engines import ClickHouseDatabases

ERRORS: Final = {"refusing": "UNAVAILABLE, HTTP 503", "unresponsive": "TIMEOUT, HTTP 504"}
OWN_PORT: Final = 9_000
"""The port that chdb takes for its own, although it does not listen on it."""
DEADLINE: Final = 2.0
KEEPER: Final = re.compile(
    r" ON CLUSTER `\w+`|Replicated(?=Summing)|, replicated_\w+_seconds = \d+"
)
"""The parts of DDL that need Keeper."""
SHARD: Final = "<shard><replica><host>127.0.0.1</host><port>{}</port></replica></shard>"


class Cluster(NamedTuple):
    """Storage with the sessions on a cluster."""

    storage: Storage
    client: ClickHouseClient


async def measure(folder: Path, scenario: Scenario) -> list[Row]:
    """Return what storage does on clusters of which one shard is chdb."""
    with closing(socket.socket()) as unresponsive:
        unresponsive.bind(("127.0.0.1", 0))
        unresponsive.listen()
        unresponsive_port = unresponsive.getsockname()[1]
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            refusing_port = closed.getsockname()[1]
        clusters = {
            "single": [],
            "refusing": [refusing_port],
            "unresponsive": [unresponsive_port],
        }
        with closing(ClickHouseDatabases(url_of(folder, clusters))) as databases:
            rows = []
            for name, ports in clusters.items():
                cluster = await create_cluster(name, folder, databases)
                async with cluster.storage:
                    checks = (
                        check_shards(cluster, scenario)
                        if not ports
                        else check_unreachable(cluster, name, scenario.new[0])
                    )
                    rows += [row async for row in checks]
                    if name == "unresponsive":
                        # A cancelled statement still waits for the shard's handshake.
                        unresponsive.close()
            return rows


def url_of(folder: Path, clusters: dict[str, list[int]]) -> str:
    """Return the URL of a chdb with clusters: its own shard, and others at some ports."""
    servers = "".join(
        f"<{name}>{''.join(map(SHARD.format, [OWN_PORT, *ports]))}</{name}>"
        for name, ports in clusters.items()
    )
    config = folder / "embedded.xml"
    config.write_text(
        f"<clickhouse><tcp_port>{OWN_PORT}</tcp_port>"
        f"<remote_servers>{servers}</remote_servers></clickhouse>"
    )
    path = quote(f"file:{folder / 'embedded'}?config-file={config}", safe="")
    return f"clickhousedb:///default?interface=chdb&path={path}"


async def create_cluster(name: str, folder: Path, databases: ClickHouseDatabases) -> Cluster:
    """Create the tables on a cluster."""
    database = Database(f"sqlite:///{folder / name}.db")
    await migrate(database)
    client = ClickHouseClient(databases.new_sessions())
    for statement in create_cluster_tables(name, client.database):
        local = KEEPER.sub("", statement).replace("replicated_dedup", "non_replicated_dedup")
        await client.execute(local)
    return Cluster(Storage(database, ClickHouseSessionStore(client, database)), client)


async def check_shards(cluster: Cluster, scenario: Scenario) -> AsyncIterator[Row]:
    """Yield what storage reads of what it upserted through Distributed tables."""
    storage, client = cluster
    ((number,),) = await client.execute("SELECT version()")
    on = f"chdb {number}, 1 shard"
    for sessions in (scenario.new, scenario.updated + scenario.moved):
        async with storage.sessions.transaction() as upsert:
            await upsert([full_update(session) for session in sessions])
    requests = [MetricsRequest(query) for query, _ in scenario.queries]
    results = await storage.fetch_metrics(requests)
    correct = [
        is_correct(value_or_raise(result), expected)
        for result, (_, expected) in zip(results, scenario.queries, strict=True)
    ]
    total = len(correct)
    yield check(
        on, "queries: as the oracle expects", f"{sum(correct)} of {total}", f"{total} of {total}"
    )
    query, expected = scenario.queries[RAGGED]
    days = buckets(query.period, TimeInterval.DAY, time_zone("UTC"))
    series = await storage.fetch_metrics([MetricsRequest(query.with_period(day)) for day in days])
    counted = sum(value_or_raise(day)[SESSIONS_CREATED] for day in series)
    what = f"sessions in a series of {len(days)} days"
    yield check(on, what, counted, expected[SESSIONS_CREATED.name])
    top = await storage.fetch_breakdown(ranked(query, Dimension.USER))
    expected_top = oracle.breakdown(scenario.final, ORG, **PARAMETERS[RAGGED])["nodes"][:25]
    actual = [(row.id, row.metrics[SESSIONS_CREATED]) for row in top.rows]
    ids = [(row["user"]["id"], row["sessionsCreatedCount"]) for row in expected_top]
    yield check(on, "top 25 users: as the oracle expects", actual == ids, expected=True)
    found = [
        each
        for unit in await storage.sessions.verification_units()
        for each in await storage.sessions.verify(unit)
    ]
    yield check(on, "inconsistencies that `verify` finds", found, [])
    yield check(on, "warnings of `doctor`", list(await storage.sessions.warnings()), [])
    deleted = await storage.sessions.delete(Deletion(ORG, before=query.period.start))
    remaining = value_or_raise((await storage.fetch_metrics(requests[:1]))[0])
    yield check(on, "sessions left after `delete`", remaining[SESSIONS_CREATED], COUNT - deleted)


async def check_unreachable(cluster: Cluster, other: str, session: Session) -> AsyncIterator[Row]:
    """Yield the errors if one session is on this shard, and the other cannot be reached."""
    storage = cluster.storage
    on, error = f"chdb, other shard {other}", ERRORS[other]
    work: dict[str, Awaitable[object]] = {
        "a query": fetch_all(storage),
        "the readiness check": storage.ping(),
        "an upsert": upsert_one(storage, session),
    }
    for name, awaitable in work.items():
        what = f"{name}, deadline {DEADLINE:g} s"
        yield check(on, what, *await outcome(awaitable, error))


async def outcome(work: Awaitable[object], expected: str) -> tuple[str, str, float]:
    """Return the error that some work ends with, the expected one, and the seconds it took."""
    started = time.perf_counter()
    actual = "none"
    try:
        with set_deadline(DEADLINE):
            await work
    except MetricsError as error:
        actual = f"{error.code}, HTTP {http_status(error)}"
    return actual, expected, time.perf_counter() - started


async def fetch_all(storage: Storage) -> None:
    """Query all sessions."""
    (result,) = await storage.fetch_metrics([MetricsRequest(ALL_SESSIONS)])
    value_or_raise(result)


async def upsert_one(storage: Storage, session: Session) -> None:
    """Upsert a session."""
    async with storage.sessions.transaction() as upsert:
        await upsert([full_update(session)])
