"""Verifies the chains of blocks, and recounts roll-ups from versions of sessions; repairs both.

If deduplication failed and a block was stored twice, its sessions are duplicates, and its lane does
not have exactly one marker.
"""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import sqlalchemy as sa

from metrics_graphql.core.periods import MAX_INSTANT, MIN_INSTANT, THIRTY_DAYS
from metrics_graphql.storage.clickhouse.chain import Chain
from metrics_graphql.storage.clickhouse.client import INSERT_SETTINGS, ClickHouseClient
from metrics_graphql.storage.clickhouse.facts import (
    DIMENSIONS,
    FACTS_CATEGORY,
    SESSION_SCOPE,
    facts,
)
from metrics_graphql.storage.clickhouse.snapshot import (
    Marker,
    StoredVersion,
    parse_versions,
    select_versions,
)
from metrics_graphql.storage.clickhouse.tables import FACT_COLUMNS, FACT_TYPES, select_mismatches
from metrics_graphql.storage.dialects import CompiledStatement, Dialect, number_literal
from metrics_graphql.storage.session_store import VerificationUnit
from metrics_graphql.storage.tables import STORED_MEASURES
from metrics_graphql.storage.verification import category_name, describe_rollup, id_name

MAX_SAMPLED_SESSIONS: Final = 100_000
"""Sessions of a unit that is quick to verify."""
LaneDamage = tuple[list[StoredVersion], list[tuple[Marker, int]]]
"""The versions of sessions with duplicates, and each marker of the lane with its count."""
MISMATCHES: Final = CompiledStatement(select_mismatches(), VerificationUnit._fields, {})
"""The statement for the roll-ups of a unit that differ."""


async def list_units(client: ClickHouseClient) -> list[VerificationUnit]:
    """Return for each organization a unit of all time, and then one for each bucket of 30 days.

    The first is to find duplicates of sessions, the others are to recount roll-ups.

    Raises:
        Unavailable: ClickHouse is unavailable.
    """
    rows = await client.execute(
        "SELECT org_id, min(bucket), max(bucket) FROM facts WHERE org_id != ''"
        f" AND grain IN (0, {THIRTY_DAYS}) GROUP BY org_id ORDER BY org_id"
    )
    units = []
    for org_id, *instants in rows:
        first, last = (instant // THIRTY_DAYS * THIRTY_DAYS for instant in instants)
        units.append(VerificationUnit(org_id, MIN_INSTANT, MAX_INSTANT + 1))
        units += [
            VerificationUnit(org_id, start, start + THIRTY_DAYS)
            for start in range(first, last + 1, THIRTY_DAYS)
        ]
    return units


async def sample_units(client: ClickHouseClient, count: int) -> list[VerificationUnit]:
    """Return the newest 30 days of the `count` organizations with the newest sessions.

    Those with more than `MAX_SAMPLED_SESSIONS` sessions are left out.

    Raises:
        Unavailable: ClickHouse is unavailable.
    """
    rows = await client.execute(
        "SELECT org_id, max(start), argMax(sessions, start) FROM ("
        " SELECT org_id, bucket AS start, sum(sessions_created_count) AS sessions FROM facts"
        f" WHERE scope = 0 AND grain = {THIRTY_DAYS} GROUP BY org_id, start HAVING sessions > 0)"
        f" GROUP BY org_id ORDER BY 2 DESC, 1 LIMIT {count}"
    )
    return [
        VerificationUnit(org_id, start, start + THIRTY_DAYS)
        for org_id, start, sessions in rows
        if sessions <= MAX_SAMPLED_SESSIONS
    ]


def is_of_organization(unit: VerificationUnit) -> bool:
    """Return whether a unit is of all time: see `list_units`."""
    return unit.start == MIN_INSTANT


async def find_damage(chain: Chain, client: ClickHouseClient, org_id: str) -> dict[int, LaneDamage]:
    """Return the duplicates and the markers in each lane where a block was stored twice.

    Raises:
        Unavailable: ClickHouse is unavailable.
    """
    lanes = chain.lanes_of(org_id)
    rows = await client.fetch(select_damage(client.dialect), {"org_id": org_id, "lanes": lanes})
    versions, markers = parse_versions(rows)
    damaged: defaultdict[int, LaneDamage] = defaultdict(lambda: ([], []))
    for version in versions:
        session = version.session
        damaged[chain.lane_of((session.org_id, session.session_id))][0].append(version)
    for lane, marker, count in markers:
        damaged[lane][1].append((marker, count))
    return {
        lane: (found, counted)
        for lane, (found, counted) in damaged.items()
        if found or [count for _, count in counted] != [1]
    }


def describe_damage(org_id: str, damage: dict[int, LaneDamage]) -> list[str]:
    """Describe each session with duplicates, and each lane without exactly one marker."""
    sessions = sorted({each.session.session_id for found, _ in damage.values() for each in found})
    lanes = [lane for lane, (_, counted) in damage.items() if [n for _, n in counted] != [1]]
    return [
        *(
            f"{org_id}, {session_id}: is a duplicate, or was cancelled twice"
            for session_id in sessions
        ),
        *(f"{org_id}: lane {lane} does not have exactly one marker" for lane in lanes),
    ]


async def repair_chain(chain: Chain, client: ClickHouseClient, org_id: str) -> None:
    """Leave only the newest version of sessions with duplicates, and one marker in each lane.

    The caller must exclude writers.

    Raises:
        Unavailable: ClickHouse is unavailable.
    """
    skipped = 0
    while damage := await find_damage(chain, client, org_id):
        for lane, (versions, markers) in damage.items():
            block = max((marker.block for marker, _ in markers), default=0) + 1 + skipped
            new = Marker(block, uuid.uuid4().hex)
            by_age = sorted(versions, key=attrgetter("version"))
            newest = {each.session.session_id: each.session for each in by_age if each.times > 0}
            rows: list[Any] = [(*each.session, each.version, -each.times) for each in versions]
            rows += [(*session, new.version, 1) for session in newest.values()]
            cancelled = [(marker, -count) for marker, count in markers]
            await chain.insert_block(lane, cancelled, new, rows)
        # If a token was used although no block with it is stored, the next attempt skips it.
        skipped += 1


async def find_mismatches(
    client: ClickHouseClient, unit: VerificationUnit
) -> Sequence[Sequence[Any]]:
    """Return the roll-ups of a unit that differ from a recount.

    A row is a scope, a grain, a bucket, an id, and what the roll-up lacks of each measure. One scan
    reads sessions and roll-ups. So the result is correct while others write.

    Raises:
        Unavailable: ClickHouse is unavailable.
    """
    return await client.fetch(MISMATCHES, unit._asdict())


def describe_mismatch(org_id: str, row: Sequence[Any]) -> str:
    """Describe a row of `find_mismatches`."""
    scope, grain, bucket, scope_id, *missing = row
    dimension = next(each for each in DIMENSIONS if each.code == scope)
    if dimension is FACTS_CATEGORY:
        name = category_name(*split_categories(scope_id))
    else:
        name = id_name(dimension, scope_id)
    differences = (
        f"{measure.name} is {abs(lacking)} {'less' if lacking > 0 else 'more'} than counted"
        for measure, lacking in zip(STORED_MEASURES, missing, strict=True)
        if lacking
    )
    return describe_rollup(org_id, name, grain, bucket, differences)


def split_categories(scope_id: str) -> tuple[str, str, bool]:
    """Return the origin, the size and the outcome in the id of a category roll-up."""
    origin, size, has_merged_pr = scope_id.split("/")
    return origin, size, has_merged_pr == "1"


async def repair_rollups(client: ClickHouseClient, shards: int, unit: VerificationUnit) -> None:
    """Add to the roll-ups of a unit what they lack. The caller must exclude writers.

    Raises:
        Unavailable: ClickHouse is unavailable.
    """
    rows = [rollup_row(unit.org_id, mismatch) for mismatch in await find_mismatches(client, unit)]
    settings: dict[str, Any] = {
        **INSERT_SETTINGS,
        "insert_deduplication_token": uuid.uuid4().hex,
    }
    if shards:
        settings["insert_shard_id"] = 1  # Any shard: queries add up the sums of all.
    if rows:
        types = {name: type_.partition(" CODEC")[0] for name, type_ in FACT_TYPES.items()}
        await client.insert(facts.name, types, rows, settings)


def rollup_row(org_id: str, mismatch: Sequence[Any]) -> tuple[Any, ...]:
    """Return the row of `facts` that adds what a roll-up lacks: see `find_mismatches`."""
    scope, grain, bucket, scope_id, *missing = mismatch
    values: dict[str, Any] = {
        **dict.fromkeys(FACT_COLUMNS),
        "org_id": org_id,
        "scope": scope,
        "grain": grain,
        "bucket": bucket,
        "scope_id": scope_id,
        "session_id": "",
        "version": 0,
        "n": 0,
        "used_search": False,
        "has_merged_pr": False,
    }
    if scope == FACTS_CATEGORY.code:
        origin, size, has_merged_pr = split_categories(scope_id)
        values |= {"origin": origin, "size": size, "has_merged_pr": has_merged_pr}
    names = (measure.name for measure in STORED_MEASURES)
    values |= dict(zip(names, missing, strict=True))
    return tuple(values.values())


@lru_cache
def select_damage(dialect: Dialect) -> CompiledStatement:
    """Return the statement for all versions of sessions with duplicates, and for markers.

    The parameters are `org_id` and `lanes`.
    """
    of_organization = sa.and_(
        facts.c.org_id == sa.bindparam("org_id"), facts.c.scope == number_literal(SESSION_SCOPE)
    )
    count = sa.func.sum(facts.c.n)
    versions = (
        sa.select(facts.c.session_id, count.label("count"))
        .where(of_organization)
        .group_by(facts.c.session_id, facts.c.bucket, facts.c.version)
        .having(count != 0)
        .subquery()
    )
    duplicates = (
        sa.select(versions.c.session_id)
        .group_by(versions.c.session_id)
        .having(
            sa.or_(
                sa.func.count() != 1,
                sa.func.min(versions.c.count) != 1,
                sa.func.max(versions.c.count) != 1,
            )
        )
    )
    return dialect.compile(
        select_versions(sa.and_(of_organization, facts.c.session_id.in_(duplicates)))
    )
