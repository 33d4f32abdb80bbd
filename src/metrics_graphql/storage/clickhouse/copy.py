"""Copies the sessions of a database to ClickHouse, and compares the results of queries on both."""

from collections.abc import AsyncGenerator, Iterable
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import sqlalchemy as sa

from metrics_graphql.core.measures import SESSIONS_CREATED
from metrics_graphql.core.periods import MAX_INSTANT, MIN_INSTANT, TimePeriod
from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.core.sessions import Session
from metrics_graphql.storage import verification
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.tables import VERSION, next_version
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.dialects import CompiledStatement, Dialect
from metrics_graphql.storage.organizations import bump_data_versions
from metrics_graphql.storage.session_store import StatementReader
from metrics_graphql.storage.tables import sessions
from metrics_graphql.storage.totals import fetch_metrics

PAGE_SIZE: Final = 50_000
PageCursor = tuple[int, str]
"""The `created_at` and `session_id` of the last session of a page."""
FIRST: Final[PageCursor] = (MIN_INSTANT - 1, "")
LAST: Final[PageCursor] = (MAX_INSTANT + 1, "")
ALL_TIME: Final = TimePeriod(MIN_INSTANT, MAX_INSTANT)


async def copied_periods(source: Database) -> dict[str, list[TimePeriod]]:
    """Return the periods to compare for each organization with sessions: all time, each 30 days.

    Raises:
        Unavailable: the database is unavailable.
    """
    return {
        org_id: [ALL_TIME, *(TimePeriod(unit.start, unit.end) for unit in units)]
        for org_id, units in groupby(await verification.list_units(source), attrgetter("org_id"))
    }


async def count_sessions(source: Database, org_id: str) -> int:
    """Return the number of an organization's sessions.

    Raises:
        Unavailable: the database is unavailable.
    """
    (result,) = await fetch_results(source, org_id, [ALL_TIME])
    return result[SESSIONS_CREATED]


async def copy_organization(
    source: Database, target: ClickHouseClient, org_id: str
) -> AsyncGenerator[int]:
    """Make an organization's sessions in ClickHouse equal to those of the database.

    Compares them page by page, and inserts what differs. So an interrupted copy is resumed by
    running it again, and a complete one inserts nothing. Yields the number of sessions of each
    page after it is copied.

    Raises:
        Unavailable: an engine is unavailable; the pages before are copied.
    """
    after, is_complete = FIRST, False
    while not is_complete:
        expected = await read_page(source, org_id, after, LAST, PAGE_SIZE)
        is_complete = len(expected) < PAGE_SIZE
        before = LAST if is_complete else max(expected)
        # Without a limit: the target may have sessions between the two that the source has not.
        actual = await read_page(target, org_id, after, before)
        version = next_version(max((version for _, version in actual.values()), default=0))
        changed = [
            (*session, version, 0)
            for cursor, (session, _) in expected.items()
            if cursor not in actual or actual[cursor][0] != session
        ]
        tombstones = [
            (*session, version, 1)
            for cursor, (session, _) in actual.items()
            if cursor not in expected
        ]
        await target.insert(changed + tombstones)
        yield len(expected)
        after = before


async def compare_organization(
    source: Database, target: ClickHouseClient, org_id: str, periods: list[TimePeriod]
) -> list[str]:
    """Describe each measure whose result for a period differs between the two.

    Raises:
        Unavailable: an engine is unavailable.
    """
    expected = await fetch_results(source, org_id, periods)
    actual = await fetch_results(target, org_id, periods)
    return [
        f"{org_id}, from {period.start} to {period.end}: {name} is {value} in the database,"
        f" {right.sums[name]} in ClickHouse"
        for period, left, right in zip(periods, expected, actual, strict=True)
        for name, value in left.sums.items()
        if right.sums[name] != value
    ]


async def invalidate_responses(source: Database, org_ids: Iterable[str]) -> None:
    """Bump data versions, for servers that read the target already to drop cached responses.

    Raises:
        Unavailable: the database cannot be written to.
    """
    async with source.transaction() as connection:
        await bump_data_versions(connection, source.dialect, org_ids)


async def fetch_results(
    reader: StatementReader, org_id: str, periods: list[TimePeriod]
) -> list[SessionMetrics]:
    """Return all measures of an organization in some periods.

    Raises:
        Unavailable: the engine is unavailable.
    """
    requests = [MetricsRequest(SessionMetricsQuery(org_id, period)) for period in periods]
    results = []
    for result in await fetch_metrics(reader, requests):
        if not isinstance(result, SessionMetrics):
            raise result
        results.append(result)
    return results


async def read_page(
    reader: StatementReader,
    org_id: str,
    after: PageCursor,
    before: PageCursor,
    limit: int = 2**62,
) -> dict[PageCursor, tuple[Session, int]]:
    """Return the first sessions after a cursor and up to another, with their versions, in order.

    Raises:
        Unavailable: the engine is unavailable.
    """
    values = {
        "org_id": org_id,
        "after": after[0],
        "after_id": after[1],
        "before": before[0],
        "before_id": before[1],
        "limit": limit,
    }
    page = {}
    for *fields, version in await reader.fetch(select_page(reader.dialect), values):
        session = Session._make(fields)
        # SQLite returns 0 and 1.
        session = session._replace(
            used_search=bool(session.used_search), has_merged_pr=bool(session.has_merged_pr)
        )
        page[session.created_at, session.session_id] = (session, version)
    return page


@lru_cache
def select_page(dialect: Dialect) -> CompiledStatement:
    """Return the statement for a page. In a database, which has no versions, they are 0."""
    created_at, session_id = sessions.c.created_at, sessions.c.session_id

    def parameter(name: str, type_: Any) -> sa.BindParameter[Any]:  # noqa: ANN401 - a type of SQL
        return sa.bindparam(name, type_=type_)

    after, after_id = parameter("after", sa.BigInteger), parameter("after_id", sa.Text)
    before, before_id = parameter("before", sa.BigInteger), parameter("before_id", sa.Text)
    version: Any = sa.literal_column("0") if dialect.has_rollups else sa.column(VERSION)
    statement = (
        sa.select(*sessions.c, version)
        .where(
            sessions.c.org_id == sa.bindparam("org_id"),
            # On the time alone as well: the engines search their indexes with these.
            created_at >= after,
            created_at <= before,
            sa.or_(created_at > after, session_id > after_id),
            sa.or_(created_at < before, session_id <= before_id),
        )
        .order_by(created_at, session_id)
        .limit(parameter("limit", sa.BigInteger))
    )
    return dialect.compile(statement)
