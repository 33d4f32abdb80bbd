"""The tables in ClickHouse, on one server or sharded: `facts`, and what writes into it.

A writer inserts old and new versions of sessions into `changes`, which stores nothing. The view
`changes_to_facts` turns each block of them into one part of `facts`: the versions, and what they
add to each of their roll-ups. No statement of ClickHouse is atomic over two tables, but storing a
part is: docs/decisions/0008.
"""

from typing import Final

import sqlalchemy as sa
from clickhouse_connect.cc_sqlalchemy.dialect import ClickHouseDialect
from clickhouse_connect.driver.binding import quote_identifier

from metrics_graphql.core.measures import Measure
from metrics_graphql.core.sessions import CATEGORIES, Session
from metrics_graphql.storage.clickhouse.facts import (
    ATTRIBUTES,
    DIMENSIONS,
    FACTS_CATEGORY,
    KEY,
    MARKER_SCOPE,
    SESSION_SCOPE,
    facts,
)
from metrics_graphql.storage.session_sql import category_expression, measure_condition
from metrics_graphql.storage.tables import CATEGORY_FIELDS, STORED_MEASURES

CHANGES: Final = "changes"
CHANGES_VIEW: Final = "changes_to_facts"
FACTS_OF_SHARD: Final = "facts_of_shard"
CHANGES_OF_SHARD: Final = "changes_of_shard"

OPTIONAL_TEXT: Final = "LowCardinality(Nullable(String))"
CHANGE_TYPES: Final[dict[str, str]] = {
    **dict.fromkeys(Session._fields, "Int64"),
    **dict.fromkeys(("origin", "size"), OPTIONAL_TEXT),
    **dict.fromkeys(("user_id", "service_user_id", "playbook_id"), OPTIONAL_TEXT),
    **dict.fromkeys(("used_search", "has_merged_pr"), "Bool"),
    "org_id": "LowCardinality(String)",
    "session_id": "String",
    "version": "UInt64",
    "n": "Int8",
}
"""The columns of `changes`: a session, its version, and 1 to add it or -1 to cancel it. A marker
has an empty `org_id`. Its `acus` are the number of rows in its block."""

DEDUPLICATION_WINDOW: Final = 10_000
"""The number of tokens that a server stores, to refuse a second block with the same token."""
NUMBER_CODEC: Final = "CODEC(LZ4)"
SORTED_CODEC: Final = "CODEC(Delta, ZSTD(1))"
TEXT_CODEC: Final = "CODEC(ZSTD(1))"
FACT_TYPES: Final[dict[str, str]] = {
    "org_id": f"LowCardinality(String) {TEXT_CODEC}",
    "scope": f"Int8 {TEXT_CODEC}",
    "grain": f"UInt32 {TEXT_CODEC}",
    "bucket": f"Int64 {SORTED_CODEC}",
    "scope_id": f"LowCardinality(String) {TEXT_CODEC}",
    "session_id": f"String {TEXT_CODEC}",
    "version": f"UInt64 {SORTED_CODEC}",
    "n": f"Int64 {NUMBER_CODEC}",
    **{name: f"{CHANGE_TYPES[name]} {TEXT_CODEC}" for name in ATTRIBUTES},
    **{measure.name: f"Int64 {NUMBER_CODEC}" for measure in STORED_MEASURES},
}
"""The columns of `facts`. With T64 and ZSTD, `n` and the measures would take about a third of the
space, and queries a third more time (decision 8)."""
FACT_COLUMNS: Final = tuple(FACT_TYPES)
CHANGE_COLUMNS: Final = tuple(CHANGE_TYPES)

SOURCE: Final = sa.table("source", *(sa.column(name) for name in CHANGE_TYPES))
LITERAL_DIALECT: Final = ClickHouseDialect()


def to_sql(expression: sa.ClauseElement) -> str:
    """Return an expression with its values as literals, as DDL needs it."""
    return str(expression.compile(dialect=LITERAL_DIALECT, compile_kwargs={"literal_binds": True}))


def column_list(types: dict[str, str]) -> str:
    """Return the names and types of columns, as CREATE TABLE lists them."""
    return ", ".join(f"{quote_identifier(name)} {type_}" for name, type_ in types.items())


def create_facts(table: str, engine: str, window: str, on_cluster: str = "") -> str:
    """Return the statement that creates the table of sessions, roll-ups and markers.

    Granules and compressed blocks are smaller than the defaults, because a query reads a few ranges
    of the key.
    """
    sums = ", ".join(("n", *(measure.name for measure in STORED_MEASURES)))
    return (
        f"CREATE TABLE IF NOT EXISTS {table}{on_cluster} ({column_list(FACT_TYPES)})"
        f" ENGINE = {engine}(({sums}))"
        f" PRIMARY KEY ({', '.join(KEY[:-2])}) ORDER BY ({', '.join(KEY)})"
        f" SETTINGS index_granularity = 2048, min_compress_block_size = 16384, {window}"
    )


def create_changes(table: str, on_cluster: str = "") -> str:
    """Return the statement that creates the table that writers insert into."""
    return (
        f"CREATE TABLE IF NOT EXISTS {table}{on_cluster} ({column_list(CHANGE_TYPES)})"
        " ENGINE = Null"
    )


def create_view(source: str, target: str, on_cluster: str = "") -> str:
    """Return the statement that creates the view from `changes` to `facts`.

    It refuses blocks that are not complete. A server makes them if it splits an insert: each would
    become a part of its own, and a crash could leave only some of these parts.
    """
    expected = f"(SELECT max(if(org_id = '' AND n = 1, acus, 0)) FROM {source})"
    found = f"(SELECT count() FROM {source})"
    check = f"throwIf({found} != {expected}, 'not a complete block') = 0"
    rows = select_facts(f"{source} AS source", check)
    return (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS {CHANGES_VIEW}{on_cluster} TO {target} AS {rows}"
    )


def create_tables() -> list[str]:
    """Return the statements that create the tables on one server, if they do not exist."""
    window = f"non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"
    return [
        create_facts(facts.name, "SummingMergeTree", window),
        create_changes(CHANGES),
        create_view(CHANGES, facts.name),
    ]


def create_cluster_tables(cluster: str, database: str) -> list[str]:
    """Return the statements that create the tables of a cluster, if they do not exist.

    On each server, `facts_of_shard` and `changes_of_shard` are the tables of its shard. `facts` and
    `changes` are distributed over all shards. `facts_of_shard` is replicated, with the ZooKeeper
    path and replica name of the server's configuration. `changes` has no sharding key, because each
    insert names its shard.
    """
    on_cluster = f" ON CLUSTER {quote_identifier(cluster)}"
    window = (
        f"replicated_deduplication_window = {DEDUPLICATION_WINDOW},"
        " replicated_deduplication_window_seconds = 604800"
    )
    distributed = [
        f"CREATE TABLE IF NOT EXISTS {name}{on_cluster} ({column_list(types)}) ENGINE ="
        f" Distributed({quote_identifier(cluster)}, {quote_identifier(database)}, {shard_table})"
        for name, types, shard_table in (
            (facts.name, FACT_TYPES, FACTS_OF_SHARD),
            (CHANGES, CHANGE_TYPES, CHANGES_OF_SHARD),
        )
    ]
    return [
        create_facts(FACTS_OF_SHARD, "ReplicatedSummingMergeTree", window, on_cluster),
        create_changes(CHANGES_OF_SHARD, on_cluster),
        create_view(CHANGES_OF_SHARD, FACTS_OF_SHARD, on_cluster),
        *distributed,
    ]


def select_facts(source: str, condition: str = "1") -> str:
    """Return the statement that turns rows like those of `changes` into rows of `facts`.

    `source` is a relation with the alias `source`. What a change adds to each measure is computed
    once, before the change is repeated for each of its roll-ups.
    """
    changed = (
        "org_id, session_id, created_at, version, n",
        *ATTRIBUTES,
        *(f"{category_sql(field)} AS category_{field}" for field in CATEGORIES),
        *(f"{value_sql(each)} AS {each.name}" for each in STORED_MEASURES),
    )
    attributes = (
        f"if(scope = {SESSION_SCOPE}, changed.{name}, {attribute_of_rollup(name)}) AS {name}"
        for name in ATTRIBUTES
    )
    sums = (f"sum(changed.{each.name}) AS {each.name}" for each in STORED_MEASURES)
    bucket = "changed.created_at - positiveModulo(changed.created_at, greatest(grain, 1))"
    return (
        f"WITH {id_sql('changed', 'scope')} AS id"
        " SELECT changed.org_id AS org_id, key.1 AS scope, key.2 AS grain,"
        f" if(scope < 0, changed.created_at, {bucket}) AS bucket,"
        " assumeNotNull(id) AS scope_id,"
        " if(scope < 0, changed.session_id, '') AS session_id,"
        " if(scope < 0, changed.version, 0) AS version,"
        " sum(if(scope < 0, changed.n, 0)) AS n,"
        f" {', '.join(attributes)}, {', '.join(sums)}"
        f" FROM (SELECT {', '.join(changed)} FROM {source} WHERE {condition}) AS changed"
        f" ARRAY JOIN if(changed.org_id = '', [{key_tuple(MARKER_SCOPE, 0)}],"
        f" arrayConcat([{key_tuple(SESSION_SCOPE, 0)}], {rollup_keys('changed')}))"
        # The key determines the attributes. Grouping by them is faster than `any()`.
        f" AS key GROUP BY {', '.join((*KEY, *ATTRIBUTES))}"
    )


def select_mismatches() -> str:
    """Return the statement for the roll-ups of `org_id` that differ from a recount.

    One scan reads the sessions and the roll-ups from `start` to `end`. Versions of sessions are
    added under the keys of their roll-ups, and roll-ups are subtracted under their own key. The
    difference is what a roll-up lacks.
    """
    is_session = f"source.scope = {SESSION_SCOPE}"
    categories = ", ".join(f"{category_sql(each)} AS category_{each}" for each in CATEGORIES)
    own_id = f"if({is_session}, {id_sql('source', 'key_scope')}, source.scope_id::String)"
    sums = (
        f"sum(if({is_session}, {recounted_sql(each)}, -source.{each.name})) AS lacks_{each.name}"
        for each in STORED_MEASURES
    )
    differs = " OR ".join(f"lacks_{each.name} != 0" for each in STORED_MEASURES)
    return (
        f"WITH {categories} SELECT key.1 AS key_scope, key.2 AS key_grain,"
        " source.bucket - positiveModulo(source.bucket, key_grain) AS key_bucket,"
        f" {own_id} AS key_id,"
        f" {', '.join(sums)} FROM {facts.name} AS source"
        f" ARRAY JOIN if({is_session}, {rollup_keys('source')}, [(source.scope, source.grain)])"
        " AS key"
        f" WHERE source.org_id = {{org_id:String}} AND source.scope >= {SESSION_SCOPE}"
        " AND source.bucket >= {start:Int64} AND source.bucket < {end:Int64}"
        f" GROUP BY key_scope, key_grain, key_bucket, key_id HAVING {differs}"
        " ORDER BY key_scope, key_grain, key_bucket, key_id"
    )


def recounted_sql(measure: Measure) -> str:
    """Return the SQL that computes a measure from a version of a session in `facts`."""
    if measure.adds is not None:
        return f"source.{measure.name}"
    condition = measure_condition(measure.condition, SOURCE.c)
    return "source.n" if condition is None else f"if({to_sql(condition)}, source.n, 0)"


def key_tuple(scope: int, grain: int) -> str:
    """Return the SQL tuple of a scope and a grain."""
    return f"(toInt8({scope}), toUInt32({grain}))"


def rollup_keys(relation: str) -> str:
    """Return the SQL array of (scope, grain) pairs of the roll-ups that a session belongs to.

    A dimension by id has none if the session lacks the id.
    """
    arrays = []
    for each in DIMENSIONS:
        keys = ", ".join(key_tuple(each.code, grain) for grain in each.grains)
        array = f"[{keys}]"
        if each.id_field is not None:
            array = f"if(isNull({relation}.{each.id_field}), [], {array})"
        arrays.append(array)
    return f"arrayConcat({', '.join(arrays)})"


def id_sql(relation: str, scope: str) -> str:
    """Return the SQL for the `scope_id` of a session in a scope; null if it is in no roll-up."""
    category = ", '/', ".join(
        f"category_{field}" if field in CATEGORIES else f"toString(toUInt8({relation}.{field}))"
        for field in CATEGORY_FIELDS
    )
    cases = [
        f"{scope} = {each.code}, {relation}.{each.id_field}::Nullable(String)"
        for each in DIMENSIONS
        if each.id_field is not None
    ]
    return f"multiIf({', '.join(cases)}, {scope} = {FACTS_CATEGORY.code}, concat({category}), '')"


def category_sql(field: str) -> str:
    """Return the SQL for the category of a session's origin or size."""
    return to_sql(category_expression(field, SOURCE.c[field]))


def attribute_of_rollup(field: str) -> str:
    """Return the SQL for an attribute of a roll-up: empty, except in a category roll-up."""
    nothing = "false" if CHANGE_TYPES[field] == "Bool" else "NULL"
    if field not in CATEGORY_FIELDS:
        return nothing
    value = f"changed.category_{field}" if field in CATEGORIES else f"changed.{field}"
    return f"if(scope = {FACTS_CATEGORY.code}, {value}, {nothing})"


def value_sql(measure: Measure) -> str:
    """Return the SQL for what a change adds to a measure.

    Counts have the type of `n` (one byte), because ARRAY JOIN copies them for each roll-up.
    """
    condition = measure_condition(measure.condition, SOURCE.c)
    value = "source.n" if measure.adds is None else f"source.n * source.{measure.adds}"
    conditions = ["source.org_id != ''"] if condition is None else [to_sql(condition)]
    return f"if({' AND '.join(conditions)}, {value}, toInt8(0))"
