"""Creates the tables in ClickHouse, and moves the sessions of version 0.1.0 into them.

That version stored sessions without roll-ups, in a table `sessions`. They are moved inside the
server, in blocks. So an interrupted migration is resumed by running it again. If all measures are
equal, the old table is renamed, which ends the migration. Nothing reads it afterwards.
"""

from typing import Final

from clickhouse_connect.driver.binding import format_str, quote_identifier

from metrics_graphql.core.periods import QUARTER_HOUR, THIRTY_DAYS
from metrics_graphql.core.sessions import Session
from metrics_graphql.storage.clickhouse.chain import Chain, cluster_of
from metrics_graphql.storage.clickhouse.client import ClickHouseClient, ClickHouseError
from metrics_graphql.storage.clickhouse.facts import SESSION_SCOPE, facts
from metrics_graphql.storage.clickhouse.tables import (
    CHANGE_COLUMNS,
    CHANGES,
    CHANGES_VIEW,
    FACT_COLUMNS,
    create_tables,
    value_sql,
)
from metrics_graphql.storage.schema import SchemaMismatch, SchemaStatus
from metrics_graphql.storage.tables import STORED_MEASURES

OLD_TABLE: Final = "sessions"
MOVED_TABLE: Final = "sessions_of_0_1_0"
BLOCK_SIZE: Final = 100_000
"""Sessions of a block, unless a quarter of an hour has more."""


async def schema_status(client: ClickHouseClient) -> SchemaStatus:
    """Return the status of the tables.

    Raises:
        Unavailable: ClickHouse is unavailable.
    """
    columns = tuple(await client.describe(facts.name))
    if set(columns) > set(FACT_COLUMNS):
        return SchemaStatus.NEWER
    has_old = bool(await client.describe(OLD_TABLE))
    if not columns and not has_old:
        return SchemaStatus.MISSING
    is_current = (
        columns == FACT_COLUMNS
        and tuple(await client.describe(CHANGES)) == CHANGE_COLUMNS
        and set(await client.describe(CHANGES_VIEW)) == set(FACT_COLUMNS)
    )
    return SchemaStatus.CURRENT if is_current and not has_old else SchemaStatus.OUTDATED


async def migrate(client: ClickHouseClient) -> None:
    """Create the tables of a server, and move the sessions of version 0.1.0.

    The tables of a cluster must exist: see `create_cluster_tables`.

    Raises:
        SchemaMismatch: a table has other columns, those of a cluster are missing, or the old table
            has duplicates or was written to meanwhile.
        Unavailable: ClickHouse is unavailable. Running the migration again resumes it.
    """
    columns = await client.describe(facts.name)
    if columns and tuple(columns) != FACT_COLUMNS:
        raise SchemaMismatch(
            "The tables in ClickHouse do not have the columns of this version."
        ) from ClickHouseError(f"the columns of facts are {', '.join(columns)}")
    if not await cluster_of(client, facts.name):
        if await cluster_of(client, OLD_TABLE):
            raise SchemaMismatch(
                "The tables of the ClickHouse cluster have pending migrations."
                " Run: metrics-graphql migrate --cluster NAME"
            )
        for statement in create_tables():
            await client.execute(statement)
    if old_columns := await client.describe(OLD_TABLE):
        await move_sessions(client, frozenset(old_columns))


async def move_sessions(client: ClickHouseClient, old_columns: frozenset[str]) -> None:
    """Move the sessions of the old table, compare all measures, and rename the old table."""
    duplicates = await client.execute(
        f"SELECT count() FROM (SELECT 1 FROM {OLD_TABLE} FINAL"
        " GROUP BY org_id, session_id HAVING count() > 1)"
    )
    if duplicates[0][0]:
        raise SchemaMismatch(
            f"The table {OLD_TABLE} in ClickHouse has {duplicates[0][0]} sessions more than once."
            " Run metrics-graphql verify --repair of version 0.1.0 first."
        )
    chain = await Chain.open(client)
    select = select_old(old_columns)
    rows = await client.execute(f"SELECT DISTINCT org_id FROM {OLD_TABLE} ORDER BY org_id")
    for (org_id,) in rows:
        for start, end in await list_blocks(client, org_id):
            for lane in chain.lanes_of(org_id):
                condition = f"{in_lane(chain, lane, org_id)} AND {not_moved(org_id, start, end)}"
                await move_block(chain, client, lane, f"{select} WHERE {condition}")
    differing = await compare(client, select)
    if differing:
        raise SchemaMismatch(
            f"The metrics of {', '.join(differing[:5])} in ClickHouse differ after the migration:"
            f" the table {OLD_TABLE} was written to meanwhile. Stop its writers, drop the tables"
            f" {CHANGES_VIEW}, {CHANGES} and {facts.name}, and run metrics-graphql migrate again."
        )
    cluster = await cluster_of(client, OLD_TABLE)
    on_cluster = f" ON CLUSTER {quote_identifier(cluster)}" if cluster else ""
    await client.execute(f"RENAME TABLE {OLD_TABLE} TO {MOVED_TABLE}{on_cluster}")


def select_old(old_columns: frozenset[str]) -> str:
    """Return the statement for the sessions of the old table, with the names of `Session`.

    The first versions had no numbers of pull requests.
    """
    columns = (
        quote_identifier(name) if name in old_columns else f"0 AS {quote_identifier(name)}"
        for name in Session._fields
    )
    return f"SELECT {', '.join(columns)} FROM {OLD_TABLE} FINAL"


async def list_blocks(client: ClickHouseClient, org_id: str) -> list[tuple[int, int]]:
    """Return the periods of an organization's blocks, each of about `BLOCK_SIZE` sessions."""
    quarters = await client.execute(
        f"SELECT created_at - positiveModulo(created_at, {QUARTER_HOUR}) AS start, count()"
        f" FROM {OLD_TABLE} FINAL WHERE org_id = {format_str(org_id)} GROUP BY start ORDER BY start"
    )
    blocks: list[tuple[int, int]] = []
    size = BLOCK_SIZE
    for start, count in quarters:
        if size + count > BLOCK_SIZE:
            blocks.append((start, start))
            size = 0
        blocks[-1] = (blocks[-1][0], start + QUARTER_HOUR)
        size += count
    return blocks


def in_lane(chain: Chain, lane: int, org_id: str) -> str:
    """Return the condition that sessions of an organization are in a lane."""
    lanes = chain.lanes_of(org_id)
    return f"CRC32(session_id) % {len(lanes)} = {lanes.index(lane)}"


def not_moved(org_id: str, start: int, end: int) -> str:
    """Return the condition that sessions are of a period, and were not moved yet."""
    organization = f"org_id = {format_str(org_id)}"
    moved = (
        f"SELECT session_id FROM {facts.name} WHERE {organization} AND scope = {SESSION_SCOPE}"
        f" AND bucket >= {start} AND bucket < {end}"
    )
    return (
        f"{organization} AND created_at >= {start} AND created_at < {end}"
        f" AND session_id GLOBAL NOT IN ({moved})"
    )


async def move_block(chain: Chain, client: ClickHouseClient, lane: int, select: str) -> None:
    """Move the sessions of a statement as one block."""
    while count := (await client.execute(f"SELECT count() FROM ({select})"))[0][0]:
        marker = await chain.read_marker(lane)
        await chain.append_select(lane, marker, select, count)


async def compare(client: ClickHouseClient, select: str) -> list[str]:
    """Return the organizations with a measure that differs in the new tables for any 30 days."""
    names = [measure.name for measure in STORED_MEASURES]
    values = ", ".join(f"sum({value_sql(each)}) AS {each.name}" for each in STORED_MEASURES)
    old = await client.execute(
        f"SELECT org_id, created_at - positiveModulo(created_at, {THIRTY_DAYS}) AS start, {values}"
        f" FROM (SELECT *, 1 AS n FROM ({select})) AS source GROUP BY org_id, start"
    )
    sums = ", ".join(f"sum({name}) AS {name}" for name in names)
    new = await client.execute(
        f"SELECT org_id, bucket, {sums} FROM {facts.name} WHERE scope = 0"
        f" AND grain = {THIRTY_DAYS} GROUP BY org_id, bucket HAVING {names[0]} != 0"
    )
    return sorted({row[0] for row in {tuple(row) for row in old} ^ {tuple(row) for row in new}})
