"""A cluster as the engine of the tests can have it: one shard in process, another out of reach."""

import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

import sqlalchemy as sa

from metrics_graphql.deadlines import deadline_in
from metrics_graphql.domain.intervals import TimeInterval, buckets, time_zone
from metrics_graphql.domain.measures import SESSIONS_CREATED
from metrics_graphql.domain.metrics import SessionMetrics
from metrics_graphql.domain.sessions import Session
from metrics_graphql.errors import MetricsError
from metrics_graphql.store.clickhouse.tables import SHARD_TABLE
from metrics_graphql.store.clickhouse.verification import more_than_once
from metrics_graphql.store.migrate import migrate
from metrics_graphql.store.questions import Asked, session_metrics
from metrics_graphql.store.store import Store, open_store
from scripts.benchmarks.data import ORG
from scripts.benchmarks.history import EVERYTHING, RAGGED, History, Row, fact, is_right
from scripts.benchmarks.load import whole
from scripts.benchmarks.shards import free_ports
from tests.engines import ClickHouseDatabases

ERRORS: Final = {
    "refusing": "UNAVAILABLE, over REST 503",
    "silent": "TIMEOUT, over REST 504",
}
HERE: Final = 9_000
"""The port that the engine takes for its own, though it listens on none."""
DEADLINE: Final = 2.0
KEEPER: Final = re.compile(r" ON CLUSTER `\w+`|Replicated(?=Replacing)")
"""What of the product's statements needs Keeper."""
SHARD: Final = "<shard><replica><host>127.0.0.1</host><port>{}</port></replica></shard>"


async def facts(folder: Path, history: History) -> list[Row]:
    """Return what the product does on clusters of which one shard is in this process."""
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        clusters = {"one": [], "refusing": free_ports(1), "silent": [silent.getsockname()[1]]}
        with closing(ClickHouseDatabases(url_of(folder, clusters))) as databases:
            found = []
            for name, ports in clusters.items():
                async with await cluster_of(name, folder, databases) as store:
                    rows = two(store, name, history.new[0]) if ports else one_shard(store, history)
                    found += [row async for row in rows]
                    if name == "silent":
                        # A statement that is given up still waits for the shard to say hello.
                        silent.close()
            return found


def url_of(folder: Path, clusters: dict[str, list[int]]) -> str:
    """Return the URL of an engine with clusters: its own shard, and others at some ports."""
    servers = "".join(
        f"<{name}>{''.join(map(SHARD.format, [HERE, *ports]))}</{name}>"
        for name, ports in clusters.items()
    )
    config = folder / "embedded.xml"
    config.write_text(
        f"<clickhouse><tcp_port>{HERE}</tcp_port>"
        f"<remote_servers>{servers}</remote_servers></clickhouse>"
    )
    path = quote(f"file:{folder / 'embedded'}?config-file={config}", safe="")
    return f"clickhousedb:///default?interface=chdb&path={path}"


async def cluster_of(name: str, folder: Path, databases: ClickHouseDatabases) -> Store:
    """Return a store on a cluster, with the tables that the product makes there."""
    store = open_store(f"sqlite:///{folder / name}.db", databases.new_sessions())
    await migrate(store.database)
    if store.clickhouse is not None:
        for statement in store.clickhouse.cluster_statements(name):
            await store.clickhouse.run(KEEPER.sub("", statement))
    return store


async def one_shard(store: Store, history: History) -> AsyncIterator[Row]:
    """Yield what the product reads of what it wrote through a Distributed table."""
    dialect = store.sessions.dialect
    version = dialect.prepare(sa.select(sa.func.version()))
    ((number,),) = await store.sessions.fetch(version, {})
    on = f"{number}, in process"
    for written in (history.new, history.again + history.moved):
        async with store.writing() as write:
            await write([whole(session) for session in written])
    answers = await session_metrics(store.sessions, [Asked(query) for query, _ in history.asked])
    right = [
        isinstance(answer, SessionMetrics) and is_right(answer, expected)
        for answer, (_, expected) in zip(answers, history.asked, strict=True)
    ]
    what = "the product's own way, through a Distributed table: answers like a count in Python"
    yield fact(on, what, f"{sum(right)} of {len(right)}", f"{len(right)} of {len(right)}")
    query, expected = history.asked[RAGGED]
    days = buckets(query.period, TimeInterval.DAY, time_zone("UTC"))
    series = await session_metrics(store.sessions, [Asked(query.moved(day)) for day in days])
    counted = sum(day[SESSIONS_CREATED] for day in series if isinstance(day, SessionMetrics))
    must = expected[SESSIONS_CREATED.name]
    yield fact(on, f"sessions in a series of {len(days)} days", counted, must)
    yield fact(on, "sessions that count more than once", await more_than_once(store, ORG), [])


async def two(store: Store, shard: str, session: Session) -> AsyncIterator[Row]:
    """Yield what a caller gets if a session is here, and the other shard is not to be had."""
    on, error = f"in process, one {shard}", ERRORS[shard]
    if store.clickhouse is not None:
        key = f"('{ORG}', '{session.session_id}', {session.created_at})"
        await store.clickhouse.run(
            f"INSERT INTO {SHARD_TABLE} (org_id, session_id, created_at) VALUES {key}"  # noqa: S608 - ours
        )
    due = f"due in {DEADLINE:.0f} s"
    yield fact(on, f"a question, {due}", *await outcome(ask(store), error))
    yield fact(on, f"whether it is ready, {due}", *await outcome(store.ping(), error))
    yield fact(on, f"a session to write, {due}", *await outcome(write(store, session), error))


async def outcome(work: Awaitable[object], must: str) -> tuple[str, str, float]:
    """Return the error that some work ends in, what it must be, and after how many seconds."""
    started = time.perf_counter()
    found = "none"
    try:
        with deadline_in(DEADLINE):
            await work
    except MetricsError as error:
        found = f"{error.code}, over REST {error.status}"
    return found, must, time.perf_counter() - started


async def ask(store: Store) -> SessionMetrics:
    """Ask for everything."""
    (answer,) = await session_metrics(store.sessions, [Asked(EVERYTHING)])
    if not isinstance(answer, SessionMetrics):
        raise answer
    return answer


async def write(store: Store, session: Session) -> None:
    """Write a session."""
    async with store.writing() as write_block:
        await write_block([whole(session)])
