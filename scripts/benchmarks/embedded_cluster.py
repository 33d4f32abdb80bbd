"""A cluster of chdb and another shard that refuses connections, or accepts and never responds."""

import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

import sqlalchemy as sa

from metrics_graphql.core.deadline import set_deadline
from metrics_graphql.core.errors import MetricsError, value_or_raise
from metrics_graphql.core.intervals import TimeInterval, buckets, time_zone
from metrics_graphql.core.measures import SESSIONS_CREATED
from metrics_graphql.core.queries import MetricsRequest
from metrics_graphql.core.sessions import Session
from metrics_graphql.server.http_errors import http_status
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.session_store import ClickHouseSessionStore
from metrics_graphql.storage.clickhouse.tables import SHARD_TABLE, create_cluster_tables
from metrics_graphql.storage.clickhouse.verification import find_duplicates
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.migrations.runner import migrate
from metrics_graphql.storage.repository import Storage
from scripts.benchmarks.clickhouse_18 import free_ports
from scripts.benchmarks.cluster_scenario import (
    ALL_SESSIONS,
    RAGGED,
    Row,
    Scenario,
    check,
    is_correct,
)
from scripts.benchmarks.dataset import ORG
from scripts.benchmarks.load import full_update
from tests.engines import ClickHouseDatabases

ERRORS: Final = {"refusing": "UNAVAILABLE, HTTP 503", "unresponsive": "TIMEOUT, HTTP 504"}
OWN_PORT: Final = 9_000
"""The port that chdb takes for its own, although it does not listen on it."""
DEADLINE: Final = 2.0
KEEPER: Final = re.compile(r" ON CLUSTER `\w+`|Replicated(?=Replacing)")
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
        port = unresponsive.getsockname()[1]
        clusters = {"single": [], "refusing": free_ports(1), "unresponsive": [port]}
        with closing(ClickHouseDatabases(url_of(folder, clusters))) as databases:
            rows = []
            for name, ports in clusters.items():
                cluster = await create_cluster(name, folder, databases)
                async with cluster.storage:
                    checks = (
                        check_two_shards(cluster, name, scenario.new[0])
                        if ports
                        else check_one_shard(cluster, scenario)
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
        await client.execute(KEEPER.sub("", statement))
    return Cluster(Storage(database, ClickHouseSessionStore(client, database)), client)


async def check_one_shard(cluster: Cluster, scenario: Scenario) -> AsyncIterator[Row]:
    """Yield what storage reads of what it inserted through a Distributed table."""
    storage, client = cluster
    version = client.dialect.compile(sa.select(sa.func.version()))
    ((number,),) = await client.fetch(version, {})
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
    what = "queries of storage through a Distributed table: as the oracle expects"
    yield check(on, what, f"{sum(correct)} of {total}", f"{total} of {total}")
    query, expected = scenario.queries[RAGGED]
    days = buckets(query.period, TimeInterval.DAY, time_zone("UTC"))
    series = await storage.fetch_metrics([MetricsRequest(query.with_period(day)) for day in days])
    counted = sum(value_or_raise(day)[SESSIONS_CREATED] for day in series)
    what = f"sessions in a series of {len(days)} days"
    yield check(on, what, counted, expected[SESSIONS_CREATED.name])
    yield check(on, "duplicates", await find_duplicates(client, ORG), [])


async def check_two_shards(cluster: Cluster, other: str, session: Session) -> AsyncIterator[Row]:
    """Yield the errors if one session is on this shard, and the other cannot be reached."""
    storage, client = cluster
    on, error = f"chdb, other shard {other}", ERRORS[other]
    key = f"('{ORG}', '{session.session_id}', {session.created_at})"
    await client.execute(
        f"INSERT INTO {SHARD_TABLE} (org_id, session_id, created_at) VALUES {key}"  # noqa: S608 - no input
    )
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
