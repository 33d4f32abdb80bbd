"""The sessions table in ClickHouse: on one server, or sharded over a cluster."""

import time
from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from clickhouse_connect.cc_sqlalchemy.datatypes.sqltypes import (
    Bool,
    Int32,
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

from metrics_graphql.storage.dialects.clickhouse import COMPILER
from metrics_graphql.storage.tables import sessions

VERSION: Final = "version"
"""Of rows with the same key, the one with the highest version counts. It is a time in
microseconds, later than the versions of all rows before it."""
IS_DELETED: Final = "is_deleted"
"""Marks a tombstone: the session with this key has another `created_at` now."""

DEFAULT_TYPE: Final = LowCardinality(Nullable(String))
"""The type of columns with few distinct values, or a few frequent ones."""
COLUMN_TYPES: Final[dict[str, Any]] = {
    "org_id": LowCardinality(String),
    "session_id": String,
    "created_at": Int64,
    "used_search": Bool,
    "has_merged_pr": Bool,
    "acus": Int64,
    "pr_count": Int32,
    "open_pr_count": Int32,
    "merged_pr_count": Int32,
    "closed_pr_count": Int32,
}
ADDED_COLUMNS: Final = ("pr_count", "open_pr_count", "merged_pr_count", "closed_pr_count")
"""The columns that tables of the previous version lack."""
SHARD_TABLE: Final = "sessions_of_shard"
SHARDING_KEY: Final = sa.func.sipHash64(sessions.c.org_id, sessions.c.session_id)
"""All rows of a session are on one shard, which can merge them; the sessions of an organization are
on all shards, which share the work of its queries."""


def columns() -> Iterator[sa.Column[Any]]:
    """Yield new columns: those of a session, and those of its version."""
    for column in sessions.c:
        yield sa.Column(column.name, COLUMN_TYPES.get(column.name, DEFAULT_TYPE))
    yield sa.Column(VERSION, UInt64)
    yield sa.Column(IS_DELETED, UInt8)


COLUMNS: Final = tuple(column.name for column in columns())
TYPES: Final = tuple(COMPILER.type_compiler_instance.process(column.type) for column in columns())
TABLE_OPTIONS: Final[dict[str, Any]] = {
    # A period of one organization is read in one pass, month by month.
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
def compile_create_on_cluster(
    create: CreateOnCluster,
    compiler: DDLCompiler,
    **kwargs: Any,  # noqa: ANN401 - SQLAlchemy's
) -> str:
    """Add ON CLUSTER after the name of the table."""
    statement: str = compiler.visit_create_table(create, **kwargs)  # type: ignore[no-untyped-call] # SQLAlchemy's
    table, rest = statement.split(" (", 1)
    return f"{table} ON CLUSTER {quote_identifier(create.cluster)} ({rest}"


def next_version(newest: int) -> int:
    """Return a version above those of all rows that were read.

    It is also above those of rows that an interrupted writer inserted and that cannot be read yet,
    unless the clock was set back since.
    """
    return max(time.time_ns() // 1_000, newest + 1)


def create_table() -> str:
    """Return the statement that creates the table on one server, if it does not exist."""
    table = sa.Table(
        sessions.name,
        sa.MetaData(),
        *columns(),
        ReplacingMergeTree(version=VERSION, is_deleted=IS_DELETED, **TABLE_OPTIONS),
    )
    return compile_ddl(CreateTable(table, if_not_exists=True))


def create_cluster_tables(cluster: str, database: str) -> list[str]:
    """Return the statements that create the tables of a cluster, if they do not exist.

    Each server gets a replicated table of its shard's sessions, with the ZooKeeper path and replica
    name from its own configuration, and a distributed table over all shards.
    """
    shard_table = sa.Table(
        SHARD_TABLE,
        sa.MetaData(),
        *columns(),
        # The engine takes `is_deleted` as well, for which the SQLAlchemy class has no parameter.
        ReplicatedReplacingMergeTree(ver=f"{VERSION}, {IS_DELETED}", **TABLE_OPTIONS),
    )
    distributed_table = sa.Table(
        sessions.name,
        sa.MetaData(),
        *columns(),
        Distributed(
            quote_identifier(cluster),
            quote_identifier(database),
            SHARD_TABLE,
            str(SHARDING_KEY.compile(dialect=COMPILER, compile_kwargs={"include_table": False})),
        ),
    )
    return [
        compile_ddl(CreateOnCluster(table, cluster)) for table in (shard_table, distributed_table)
    ]


def add_columns(table: str, cluster: str | None = None) -> str:
    """Return the statement that adds those of `ADDED_COLUMNS` that a table lacks.

    Rows that are stored have the default, and are not rewritten.
    """
    on_cluster = "" if cluster is None else f" ON CLUSTER {quote_identifier(cluster)}"
    definitions = (
        f"ADD COLUMN IF NOT EXISTS {quote_identifier(name)} {type_} DEFAULT 0"
        f" AFTER {quote_identifier(previous)}"
        for previous, name, type_ in zip(COLUMNS, COLUMNS[1:], TYPES[1:], strict=False)
        if name in ADDED_COLUMNS
    )
    return f"ALTER TABLE {quote_identifier(table)}{on_cluster} {', '.join(definitions)}"


def upgrade_cluster_tables(cluster: str) -> list[str]:
    """Return the statements that upgrade the tables of a cluster: first those that have the rows.

    They have no effect on tables of this version.
    """
    return [add_columns(table, cluster) for table in (SHARD_TABLE, sessions.name)]


def compile_ddl(create: CreateTable) -> str:
    """Return the text of a statement."""
    return str(create.compile(dialect=COMPILER))
