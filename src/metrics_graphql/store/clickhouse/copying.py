"""Copies the sessions of a database to ClickHouse, and compares what both answer."""

from collections.abc import AsyncGenerator
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import sqlalchemy as sa

from metrics_graphql.domain.measures import SESSIONS_CREATED
from metrics_graphql.domain.metrics import SessionMetrics, SessionMetricsQuery
from metrics_graphql.domain.periods import MAX_INSTANT, MIN_INSTANT
from metrics_graphql.domain.sessions import Session
from metrics_graphql.store import verification
from metrics_graphql.store.clickhouse.connection import ClickHouseSessions
from metrics_graphql.store.clickhouse.tables import VERSION, next_version
from metrics_graphql.store.dialects import Dialect, Prepared
from metrics_graphql.store.engine import Database, Reader
from metrics_graphql.store.questions import Asked, session_metrics
from metrics_graphql.store.tables import sessions

PAGE_ROWS: Final = 50_000
Periods = list[tuple[int, int]]
"""Their bounds, in Unix seconds."""
Place = tuple[int, str]
"""`created_at` and `session_id`: where a session is among those of its organization."""
START: Final[Place] = (MIN_INSTANT - 1, "")
END: Final[Place] = (MAX_INSTANT + 1, "")


async def periods_with_sessions(database: Database) -> dict[str, Periods]:
    """Return for each organization with sessions all of time, and each 30 days of theirs.

    Raises:
        Unavailable: the database can't answer.
    """
    return {
        org_id: [(MIN_INSTANT, MAX_INSTANT), *((chunk.start, chunk.end) for chunk in chunks)]
        for org_id, chunks in groupby(await verification.chunks(database), attrgetter("org_id"))
    }


async def count(database: Database, org_id: str) -> int:
    """Return how many sessions an organization has.

    Raises:
        Unavailable: the database can't answer.
    """
    (answer,) = await answers(database, org_id, [(MIN_INSTANT, MAX_INSTANT)])
    return answer[SESSIONS_CREATED]


async def copy(source: Database, target: ClickHouseSessions, org_id: str) -> AsyncGenerator[int]:
    """Make an organization's sessions in ClickHouse those of the database.

    Page by page, in order, both sides are read and what differs is written; so a copy that broke
    off is resumed by running it again, and one that is done finds nothing to write. Yields how many
    sessions of the database each page has, once it is copied.

    Raises:
        Unavailable: an engine can't be reached or can't answer; the pages before are copied.
    """
    after, done = START, False
    while not done:
        here = await page(source, org_id, after, END, PAGE_ROWS)
        done = len(here) < PAGE_ROWS
        before = END if done else max(here)
        # The source has so many at most between two places; the target may have more of them.
        there = await page(target, org_id, after, before)
        version = next_version(max((version for _, version in there.values()), default=0))
        stored = {place: session for place, (session, _) in there.items()}
        changed = [
            (*session, version, 0)
            for place, (session, _) in here.items()
            if stored.get(place) != session
        ]
        gone = [(*session, version, 1) for place, session in stored.items() if place not in here]
        await target.insert(changed + gone)
        yield len(here)
        after = before


async def differences(
    source: Database, target: ClickHouseSessions, org_id: str, periods: Periods
) -> list[str]:
    """Return where the answers of both differ in some periods, in words, measure by measure.

    Raises:
        Unavailable: an engine can't be reached or can't answer.
    """
    here = await answers(source, org_id, periods)
    there = await answers(target, org_id, periods)
    return [
        f"{org_id}, from {start} to {end}: {name} is {value} in the database,"
        f" {found.sums[name]} in ClickHouse"
        for (start, end), expected, found in zip(periods, here, there, strict=True)
        for name, value in expected.sums.items()
        if found.sums[name] != value
    ]


async def answers(reader: Reader, org_id: str, periods: Periods) -> list[SessionMetrics]:
    """Return all measures of an organization in some periods.

    Raises:
        Unavailable: the engine can't answer.
    """
    asked = [
        Asked(SessionMetricsQuery.asked(org_id=org_id, time_after=start, time_before=end))
        for start, end in periods
    ]
    found = []
    for answer in await session_metrics(reader, asked):
        if not isinstance(answer, SessionMetrics):
            raise answer
        found.append(answer)
    return found


async def page(
    reader: Reader, org_id: str, after: Place, before: Place, rows: int = 2**62
) -> dict[Place, tuple[Session, int]]:
    """Return the first sessions after a place and up to another, each with its version, in order.

    Raises:
        Unavailable: the engine can't answer.
    """
    values = {
        "org_id": org_id,
        "after": after[0],
        "after_id": after[1],
        "before": before[0],
        "before_id": before[1],
        "rows": rows,
    }
    found = {}
    for *fields, version in await reader.fetch(reading(reader.dialect), values):
        session = Session._make(fields)
        # Engines differ in what a truth is.
        session = session._replace(
            used_search=bool(session.used_search), has_merged_pr=bool(session.has_merged_pr)
        )
        found[session.created_at, session.session_id] = (session, version)
    return found


@lru_cache
def reading(dialect: Dialect) -> Prepared:
    """Return the statement for a page; where there are no versions, they are 0."""
    at, session_id = sessions.c.created_at, sessions.c.session_id

    def bound(name: str, kind: Any) -> sa.BindParameter[Any]:  # noqa: ANN401 - a type of SQL
        return sa.bindparam(name, type_=kind)

    after, after_id = bound("after", sa.BigInteger), bound("after_id", sa.Text)
    before, before_id = bound("before", sa.BigInteger), bound("before_id", sa.Text)
    version: Any = sa.literal_column("0") if dialect.rolls_up else sa.column(VERSION)
    statement = (
        sa.select(*sessions.c, version)
        .where(
            sessions.c.org_id == sa.bindparam("org_id"),
            # By the first of the two alone, too: that is what the engines look up.
            at >= after,
            at <= before,
            sa.or_(at > after, session_id > after_id),
            sa.or_(at < before, session_id <= before_id),
        )
        .order_by(at, session_id)
        .limit(bound("rows", sa.BigInteger))
    )
    return dialect.prepare(statement)
