"""The table of sessions in ClickHouse: on one server, or in pieces on those of a cluster."""

import time
from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from clickhouse_connect.cc_sqlalchemy.datatypes.sqltypes import (
    Bool,
    Int64,
    LowCardinality,
    Nullable,
    String,
    UInt8,
    UInt64,
)
from clickhouse_connect.cc_sqlalchemy.ddl.tableengine import (
    Distributed,
    ReplacingMergeTree,
    ReplicatedReplacingMergeTree,
)
from clickhouse_connect.driver.binding import quote_identifier
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql.compiler import DDLCompiler

from metrics_graphql.store.dialects.clickhouse import COMPILER
from metrics_graphql.store.tables import sessions

VERSION: Final = "version"
"""Of rows with one key, the one with the highest counts. It is an instant in microseconds, later
than that of every row before it."""
IS_DELETED: Final = "is_deleted"
"""A row that says that its key is no session's any more: `created_at` was corrected."""

NAME: Final = LowCardinality(Nullable(String))
"""One of few, or of few that are as often."""
KINDS: Final[dict[str, Any]] = {
    "org_id": LowCardinality(String),
    "session_id": String,
    "created_at": Int64,
    "used_search": Bool,
    "has_merged_pr": Bool,
    "acus": Int64,
}
SHARD_TABLE: Final = "sessions_of_shard"
SHARD_OF: Final = sa.func.sipHash64(sessions.c.org_id, sessions.c.session_id)
"""All that is known of one session is on one shard, which counts it once by itself; an
organization's sessions are on all of them."""


def columns() -> Iterator[sa.Column[Any]]:
    """Yield new columns: those of a session, and what tells which of its rows counts."""
    for column in sessions.c:
        yield sa.Column(column.name, KINDS.get(column.name, NAME))
    yield sa.Column(VERSION, UInt64)
    yield sa.Column(IS_DELETED, UInt8)


COLUMNS: Final = tuple(column.name for column in columns())
TYPES: Final = tuple(COMPILER.type_compiler_instance.process(column.type) for column in columns())
KEY: Final[dict[str, Any]] = {
    # A period of one organization is read in one sweep, month by month.
    "order_by": tuple(sessions.primary_key.columns.keys()),
    "partition_by": sa.func.toYYYYMM(
        sa.func.toDateTime64(sessions.c.created_at, sa.literal_column("0"), sa.literal("UTC"))
    ),
}


class CreateOnCluster(CreateTable):
    """CREATE TABLE on every server of a cluster."""

    inherit_cache = False

    def __init__(self, table: sa.Table, cluster: str) -> None:
        super().__init__(table, if_not_exists=True)
        self.cluster = cluster


@compiles(CreateOnCluster)
def create_on_cluster(create: CreateOnCluster, compiler: DDLCompiler, **kwargs: Any) -> str:  # noqa: ANN401 - SQLAlchemy's own
    """Name the cluster after the table."""
    statement: str = compiler.visit_create_table(create, **kwargs)  # type: ignore[no-untyped-call] # SQLAlchemy's
    table, rest = statement.split(" (", 1)
    return f"{table} ON CLUSTER {quote_identifier(create.cluster)} ({rest}"


def next_version(newest: int) -> int:
    """Return the version of rows that count before those up to the newest one that was read.

    They count before those of an attempt that broke off and is not seen yet, too, unless the clock
    was set back since.
    """
    return max(time.time_ns() // 1_000, newest + 1)


def creating() -> str:
    """Return the statement that creates the table on one server, where there is none."""
    table = sa.Table(
        sessions.name,
        sa.MetaData(),
        *columns(),
        ReplacingMergeTree(version=VERSION, is_deleted=IS_DELETED, **KEY),
    )
    return written(CreateTable(table, if_not_exists=True))


def creating_on(cluster: str, database: str) -> list[str]:
    """Return the statements that create the tables of a cluster, where there are none.

    Each server has a replicated table of its shard's sessions, under the path and the replica's
    name that its own settings give, and a table over those of all shards.
    """
    of_shard = sa.Table(
        SHARD_TABLE,
        sa.MetaData(),
        *columns(),
        # It takes what is deleted as one more argument, which its SQLAlchemy class has no name for.
        ReplicatedReplacingMergeTree(ver=f"{VERSION}, {IS_DELETED}", **KEY),
    )
    of_all = sa.Table(
        sessions.name,
        sa.MetaData(),
        *columns(),
        Distributed(
            quote_identifier(cluster),
            quote_identifier(database),
            SHARD_TABLE,
            str(SHARD_OF.compile(dialect=COMPILER, compile_kwargs={"include_table": False})),
        ),
    )
    return [written(CreateOnCluster(table, cluster)) for table in (of_shard, of_all)]


def written(create: CreateTable) -> str:
    """Return a statement as ClickHouse reads it."""
    return str(create.compile(dialect=COMPILER))
