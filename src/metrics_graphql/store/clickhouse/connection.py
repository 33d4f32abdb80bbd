"""The connection to ClickHouse: a synchronous driver, in threads of its own."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any, Final, Self, TypeVar

import sqlalchemy as sa
from clickhouse_connect.driver.exceptions import Error
from clickhouse_connect.driver.httpclient import HttpClient
from sqlalchemy.exc import ArgumentError
from urllib3 import Timeout

from metrics_graphql.deadlines import seconds_left, within_deadline
from metrics_graphql.errors import TimedOut, Unavailable
from metrics_graphql.seen import saw_statement
from metrics_graphql.store.clickhouse.tables import COLUMNS, TYPES, creating, creating_on
from metrics_graphql.store.dialects import Prepared
from metrics_graphql.store.dialects.clickhouse import ClickHouse
from metrics_graphql.store.tables import sessions

MAX_THREADS: Final = 16
"""Statements that one process has at work at once."""
CONNECT_SECONDS: Final = 3.0
SILENCE_SECONDS: Final = 60.0
"""How long a server may say nothing where nothing is due; at work on a long statement, it tells of
its progress."""
LATE_SECONDS: Final = 0.5
"""How long a server that gives a statement up at its deadline has to say so."""

READS: Final = {
    # A shard that is away is an error, never an answer without its sessions.
    "skip_unavailable_shards": 0,
    # One that says nothing is given up before it holds a thread for half a minute.
    "handshake_timeout_ms": 1_000,
    # A replica that has not all that was acknowledged does not answer. Tables without any pass.
    "select_sequential_consistency": 1,
    # A session's key tells its month, so that of two rows with one key none is elsewhere.
    "do_not_merge_across_partitions_select_final": 1,
}
WRITES: Final = {
    # What is acknowledged is in the table, on its shard and on most of its replicas.
    "async_insert": 0,
    "distributed_foreground_insert": 1,
    "insert_quorum": "auto",
    "insert_quorum_parallel": 0,
    # A block may be of as many months as there are.
    "max_partitions_per_insert_block": 0,
}

DEADLINE_PASSED: Final = 159
OUR_FAULTS: Final = frozenset(
    {6, 27, 36, 42, 43, 44, 46, 47, 53, 62, 69, 179, 184, 215, 352, 386, 457}
)
"""Errors that say that a statement is wrong, and not that the server can't do it; the numbers are
those of ClickHouse's `ErrorCodes.cpp`."""

T = TypeVar("T")


class ClickHouseError(Exception):
    """What ClickHouse said, in short: its own text repeats the statement and the values."""


class ClickHouseSessions:
    """The sessions in a ClickHouse server, in a cluster of them, or in one inside the process."""

    def __init__(self, url: str) -> None:
        """Prepare to connect; nothing is connected yet.

        Raises:
            ValueError: the URL can't be read, or is not one of ClickHouse.
        """
        not_ours = ValueError(
            "not a ClickHouse URL; it should look like clickhousedb://user:password@host/db"
        )
        try:
            parsed = sa.make_url(url)
        except (ArgumentError, ValueError):
            # Without the cause, which would print the URL and a password in it.
            raise not_ours from None
        if parsed.drivername not in {"clickhousedb", "clickhousedb+connect"}:
            raise not_ours
        in_process = parsed.query.get("interface") == "chdb"
        if in_process and not parsed.query.get("path"):
            raise ValueError("a ClickHouse inside the process keeps nothing without a path")
        self.dialect = ClickHouse()
        self.database = parsed.database or "default"
        over_network = {
            "connect_timeout": int(CONNECT_SECONDS),
            "send_receive_timeout": int(SILENCE_SECONDS),
            # As a body: a thousand ids do not fit into the address of a request.
            "form_encode_query_params": True,
            "autogenerate_session_id": False,
        }
        self._engine = sa.create_engine(
            parsed,
            pool_size=MAX_THREADS,
            max_overflow=0,
            connect_args={}
            if in_process
            else {name: value for name, value in over_network.items() if name not in parsed.query},
        )
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="clickhouse")
        self._ping = self.dialect.prepare(sa.select(sessions.c.created_at).limit(1))

    async def fetch(
        self, prepared: Prepared, values: dict[str, Any], *, every_version: bool = False
    ) -> Sequence[Sequence[Any]]:
        """Return the rows of a statement; the server gives it up when the request at hand is due.

        The statement reads what counts or, of each key, every version that is still there.

        Raises:
            Unavailable: ClickHouse, or a shard of it, can't be reached or can't answer.
            TimedOut: the request is due.
        """
        started = time.perf_counter()
        try:
            return await self._read(prepared, values, every_version=every_version)
        finally:
            explain = partial(self.explain, prepared, values)
            saw_statement(self.dialect.name, prepared.sql, started, explain)

    async def _read(
        self, prepared: Prepared, values: dict[str, Any], *, every_version: bool = False
    ) -> Sequence[Sequence[Any]]:
        parameters = prepared.named(values)

        def query(client: Any, settings: dict[str, Any]) -> Sequence[Sequence[Any]]:  # noqa: ANN401 - the driver's own
            # As a setting, it holds for the table wherever a statement names it.
            settings = READS | settings | {"final": int(not every_version)}
            rows: Sequence[Sequence[Any]] = client.query(
                prepared.sql, parameters=parameters, settings=settings
            ).result_rows
            return rows

        return await self._work(query)

    async def explain(self, prepared: Prepared, values: dict[str, Any]) -> list[str]:
        """Return how ClickHouse goes about a statement.

        Raises:
            Unavailable: ClickHouse can't be reached or can't answer.
        """
        rows = await self._read(self.dialect.explaining(prepared), values)
        return [str(row[0]) for row in rows]

    async def clock(self) -> float:
        """Return what time it is there, in Unix seconds.

        Raises:
            Unavailable: ClickHouse can't be reached or can't answer.
        """
        rows = await self.fetch(self.dialect.prepare(sa.select(self.dialect.now())), {})
        return float(rows[0][0])

    async def insert(self, rows: Sequence[Sequence[Any]]) -> None:
        """Store rows of all `COLUMNS`, in one block for each month.

        Raises:
            Unavailable: ClickHouse can't be reached or can't store them; some may be stored, and
                are no more than what the same rows would be, stored again.
        """
        if not rows:
            return

        def send(client: Any, _settings: dict[str, Any]) -> None:  # noqa: ANN401 - the driver's own
            client.insert(sessions.name, rows, COLUMNS, column_type_names=TYPES, settings=WRITES)

        await self._work(send)

    async def migrate(self) -> None:
        """Create the table where there is none.

        Raises:
            Unavailable: ClickHouse can't be reached, or the table is not one of this version.
        """

        def create(client: Any, _settings: dict[str, Any]) -> list[str]:  # noqa: ANN401 - the driver's own
            client.command(creating())
            return [row[0] for row in client.query(f"DESCRIBE TABLE {sessions.name}").result_rows]

        found = await self._work(create)
        if tuple(found) != COLUMNS:
            made = ClickHouseError(f"its table of sessions has other columns: {', '.join(found)}")
            raise Unavailable from made

    def cluster_statements(self, cluster: str) -> list[str]:
        """Return the statements that create the tables of a cluster, where there are none."""
        return creating_on(cluster, self.database)

    async def run(self, statement: str) -> None:
        """Run a statement that defines something.

        Raises:
            Unavailable: ClickHouse can't do it.
        """
        await self._work(lambda client, _settings: client.command(statement))

    async def ping(self) -> None:
        """Find out whether ClickHouse answers, with all its shards.

        Raises:
            Unavailable: it does not.
            TimedOut: it takes longer than the request at hand may.
        """
        await self.fetch(self._ping, {})

    async def close(self) -> None:
        """Close every connection, once what is at work has ended."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _work(self, work: Callable[[Any, dict[str, Any]], T]) -> T:
        """Do some work with a client of the driver, in a thread, until the request is due."""
        left = seconds_left()
        due = None if left is None else time.monotonic() + left

        def in_thread() -> T:
            with closing(self._engine.raw_connection()) as connection:
                driver: Any = connection.driver_connection
                client = driver.client
                seconds = SILENCE_SECONDS if due is None else max(due - time.monotonic(), 0.001)
                if isinstance(client, HttpClient):
                    # A server that says nothing must not hold the thread for long.
                    client.timeout = Timeout(connect=CONNECT_SECONDS, read=seconds + LATE_SECONDS)
                return work(client, {} if due is None else {"max_execution_time": seconds})

        try:
            async with within_deadline():
                return await asyncio.get_running_loop().run_in_executor(self._threads, in_thread)
        except Error as error:
            if error.code == DEADLINE_PASSED and due is not None:
                raise TimedOut from None
            if error.code in OUR_FAULTS:
                raise
            raise Unavailable from ClickHouseError(in_short(error))


def in_short(error: Error) -> str:
    """Return the first sentence of an error."""
    return str(error).partition(". In scope")[0].partition(": While ")[0][:300]
