"""A client of ClickHouse: a synchronous driver, in threads of its own."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any, Final, Self, TypeVar

import sqlalchemy as sa
from clickhouse_connect.driver.exceptions import Error
from clickhouse_connect.driver.httpclient import HttpClient
from urllib3 import Timeout

from metrics_graphql.core.deadline import enforce_deadline, time_remaining
from metrics_graphql.core.errors import TimedOut, Unavailable
from metrics_graphql.storage.clickhouse.facts import facts
from metrics_graphql.storage.clickhouse.url import is_embedded, parse_url
from metrics_graphql.storage.dialects import CompiledStatement, Rows
from metrics_graphql.storage.dialects.clickhouse import ClickHouse
from metrics_graphql.telemetry.request_record import Statement, StatementObserver

MAX_THREADS: Final = 16
"""Statements that one process executes at once."""
CONNECT_TIMEOUT: Final = 3.0
READ_TIMEOUT: Final = 60.0
"""Seconds without a byte from the server, if there is no deadline. The server sends progress while
it works on a long statement."""
CANCEL_TIMEOUT: Final = 0.5
"""Seconds for the server to report that it cancelled a statement at the deadline."""

READ_SETTINGS: Final = {
    # A shard that cannot be reached is an error, and never a result without its sessions.
    "skip_unavailable_shards": 0,
    # A shard that does not respond must not occupy a thread for half a minute.
    "handshake_timeout_ms": 1_000,
    # A replica that lacks acknowledged inserts is an error. No effect without replication.
    "select_sequential_consistency": 1,
    # `verify` finds duplicates with a subquery, executed once over all shards.
    "distributed_product_mode": "global",
}
INSERT_SETTINGS: Final = {
    # One insert becomes one block, one call of the view, and one part, which is atomic.
    "async_insert": 0,
    "min_insert_block_size_rows": 10**9,
    "min_insert_block_size_bytes": 0,
    "max_insert_threads": 1,
    "materialized_views_ignore_errors": 0,
    # The token of a block is a compare-and-swap: the server stores only one block with it.
    "deduplicate_insert": "enable",
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # Merging rows before they are stored would only cost time: the view has added them up.
    "optimize_on_insert": 0,
    # An acknowledged insert is stored, on its shard and on most of its replicas.
    "distributed_foreground_insert": 1,
    "insert_quorum": "auto",
    "insert_quorum_parallel": 0,
}

TIMEOUT_EXCEEDED: Final = 159
UNKNOWN_TABLE: Final = 60
STATEMENT_ERRORS: Final = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        36,  # BAD_ARGUMENTS
        42,  # NUMBER_OF_ARGUMENTS_DOESNT_MATCH
        43,  # ILLEGAL_TYPE_OF_ARGUMENT
        44,  # ILLEGAL_COLUMN
        46,  # UNKNOWN_FUNCTION
        47,  # UNKNOWN_IDENTIFIER
        53,  # TYPE_MISMATCH
        62,  # SYNTAX_ERROR
        69,  # ARGUMENT_OUT_OF_BOUND
        179,  # MULTIPLE_EXPRESSIONS_FOR_ALIAS
        184,  # ILLEGAL_AGGREGATION
        215,  # NOT_AN_AGGREGATE
        352,  # AMBIGUOUS_COLUMN_NAME
        386,  # NO_COMMON_TYPE
        457,  # BAD_QUERY_PARAMETER
    }
)
"""The codes in ClickHouse's `ErrorCodes.cpp` of a wrong statement, which is a bug. All others mean
that the server is unavailable."""

T = TypeVar("T")
QuerySettings = dict[str, Any]


class ClickHouseError(Exception):
    """The first sentence of ClickHouse's error, whose text repeats the statement and its values."""


class ClickHouseClient:
    """Connections to a server, a cluster, or chdb, which is ClickHouse in this process."""

    def __init__(self, url: str, on_statement: StatementObserver = lambda _statement: None) -> None:
        """Configure a client, without connecting.

        `on_statement` is called with each statement of `fetch` when it ends.

        Raises:
            ValueError: the URL is malformed, or not a URL of ClickHouse.
        """
        parsed = parse_url(url)
        self.is_embedded = is_embedded(parsed)
        self.dialect = ClickHouse()
        self.database = parsed.database or "default"
        self._on_statement = on_statement
        http_options = {
            "connect_timeout": int(CONNECT_TIMEOUT),
            "send_receive_timeout": int(READ_TIMEOUT),
            # Parameters are sent in the body: a thousand ids exceed the length of a URL.
            "form_encode_query_params": True,
            "autogenerate_session_id": False,
        }
        self._engine = sa.create_engine(
            parsed,
            pool_size=MAX_THREADS,
            max_overflow=0,
            connect_args={}
            if self.is_embedded
            else {name: value for name, value in http_options.items() if name not in parsed.query},
        )
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="clickhouse")
        self._ping = self.dialect.compile(sa.select(facts.c.bucket).limit(1))

    async def fetch(self, statement: CompiledStatement, values: dict[str, Any]) -> Rows:
        """Return the rows of a statement, which the server cancels at the deadline.

        Raises:
            Unavailable: ClickHouse, or one of its shards, is unavailable.
            TimedOut: the request passed its deadline.
        """
        started_at = time.perf_counter()
        try:
            return await self._query(statement, values)
        finally:
            self._on_statement(
                Statement(
                    self.dialect.name,
                    statement.sql,
                    started_at,
                    time.perf_counter() - started_at,
                    statement.data_source,
                    partial(self.explain, statement, values),
                )
            )

    async def explain(self, statement: CompiledStatement, values: dict[str, Any]) -> list[str]:
        """Return the query plan of a statement.

        Raises:
            Unavailable: ClickHouse is unavailable.
        """
        explained = statement._replace(sql=f"EXPLAIN {statement.sql}")
        return [str(row[0]) for row in await self._query(explained, values)]

    async def _query(self, statement: CompiledStatement, values: dict[str, Any]) -> Rows:
        parameters = statement.bind_by_name(values)

        def query(client: Any, settings: QuerySettings) -> Rows:  # noqa: ANN401 - the driver's class
            rows: Rows = client.query(
                statement.sql, parameters=parameters, settings=READ_SETTINGS | settings
            ).result_rows
            return rows

        return await self._run_in_thread(query)

    async def clock(self) -> float:
        """Return the time of the server, in Unix seconds.

        Raises:
            Unavailable: ClickHouse is unavailable.
        """
        statement = self.dialect.compile(sa.select(self.dialect.current_time()))
        return float((await self.fetch(statement, {}))[0][0])

    async def ping(self) -> None:
        """Check that ClickHouse and all its shards respond.

        Raises:
            Unavailable: ClickHouse, or one of its shards, is unavailable.
            TimedOut: ClickHouse does not respond before the deadline.
        """
        await self.fetch(self._ping, {})

    async def insert(
        self, table: str, types: Mapping[str, str], rows: Rows, settings: QuerySettings
    ) -> None:
        """Insert rows. `types` has the names and the types of their columns.

        With `INSERT_SETTINGS`, they are one block: either all are stored, or none.

        Raises:
            Unavailable: ClickHouse cannot be reached, or cannot insert the rows. They may
                nevertheless be stored, also later.
        """

        def insert(client: Any, _settings: QuerySettings) -> None:  # noqa: ANN401 - the driver's class
            client.insert(
                table,
                rows,
                tuple(types),
                column_type_names=tuple(types.values()),
                settings=settings,
            )

        await self._run_in_thread(insert)

    async def execute(self, statement: str, settings: QuerySettings | None = None) -> Rows:
        """Execute a statement without parameters, such as DDL, and return its rows.

        Raises:
            Unavailable: ClickHouse cannot be reached or cannot execute it.
        """

        def run(client: Any, _settings: QuerySettings) -> Rows:  # noqa: ANN401 - the driver's class
            rows: Rows = client.query(statement, settings=settings or {}).result_rows
            return rows

        return await self._run_in_thread(run)

    async def describe(self, table: str) -> Sequence[str]:
        """Return the names of the columns of a table; none if there is no table.

        Raises:
            Unavailable: ClickHouse is unavailable.
        """

        def describe(client: Any, _settings: QuerySettings) -> list[str]:  # noqa: ANN401 - the driver's class
            try:
                rows = client.query(f"DESCRIBE TABLE {table}").result_rows
            except Error as error:
                if error.code == UNKNOWN_TABLE:
                    return []
                raise
            return [row[0] for row in rows]

        return await self._run_in_thread(describe)

    async def close(self) -> None:
        """Wait for running statements, and close every connection."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run_in_thread(self, work: Callable[[Any, QuerySettings], T]) -> T:
        """Call a function in a thread, with the driver's client and settings for the deadline.

        Raises:
            Unavailable: ClickHouse is unavailable.
            TimedOut: the request passed its deadline.
        """
        remaining = time_remaining()
        deadline = None if remaining is None else time.monotonic() + remaining

        def run() -> T:
            with closing(self._engine.raw_connection()) as connection:
                driver: Any = connection.driver_connection
                client = driver.client
                timeout = (
                    READ_TIMEOUT if deadline is None else max(deadline - time.monotonic(), 0.001)
                )
                if isinstance(client, HttpClient):
                    # A server that does not respond must not occupy the thread after the deadline.
                    client.timeout = Timeout(connect=CONNECT_TIMEOUT, read=timeout + CANCEL_TIMEOUT)
                return work(client, {} if deadline is None else {"max_execution_time": timeout})

        try:
            async with enforce_deadline():
                return await asyncio.get_running_loop().run_in_executor(self._threads, run)
        except Error as error:
            if error.code == TIMEOUT_EXCEEDED and deadline is not None:
                raise TimedOut from None
            if error.code in STATEMENT_ERRORS:
                raise
            raise Unavailable from ClickHouseError(first_sentence(error))


def first_sentence(error: Error) -> str:
    """Return the text of an error up to where it repeats the statement."""
    return str(error).partition(". In scope")[0].partition(": While ")[0][:300]
