"""Copies the sessions of a database to ClickHouse, and compares the results of queries on both."""

from collections.abc import AsyncGenerator, Iterable
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import sqlalchemy as sa

from metrics_graphql.core.errors import value_or_raise
from metrics_graphql.core.measures import SESSIONS_CREATED
from metrics_graphql.core.periods import MAX_INSTANT, MIN_INSTANT, TimePeriod
from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.core.sessions import Session
from metrics_graphql.storage import verification
from metrics_graphql.storage.clickhouse.chain import Chain, Change
from metrics_graphql.storage.clickhouse.client import ClickHouseClient
from metrics_graphql.storage.clickhouse.facts import facts
from metrics_graphql.storage.clickhouse.ingest import has_bound_id, split_ids
from metrics_graphql.storage.clickhouse.snapshot import select_versions
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.dialects import CompiledStatement, Dialect
from metrics_graphql.storage.organizations import bump_data_versions
from metrics_graphql.storage.session_store import StatementReader
from metrics_graphql.storage.tables import sessions
from metrics_graphql.storage.totals import fetch_metrics

PAGE_SIZE: Final = 50_000
PageCursor = tuple[int, str]
"""The `created_at` and `session_id` of the last session of a page."""
BEFORE_ALL: Final[PageCursor] = (MIN_INSTANT - 1, "")
AFTER_ALL: Final[PageCursor] = (MAX_INSTANT + 1, "")
ALL_TIME: Final = TimePeriod(MIN_INSTANT, MAX_INSTANT)


async def periods_to_compare(source: Database) -> dict[str, list[TimePeriod]]:
    """Return the periods to compare, by organization: all time, and every 30 days with data.

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
        Unavailable: an engine is unavailable. The pages yielded so far are copied.
    """
    chain = await Chain.open(target)
    after, is_complete = BEFORE_ALL, False
    while not is_complete:
        page = await read_page(source, org_id, after)
        is_complete = len(page) < PAGE_SIZE
        last = AFTER_ALL if is_complete else (page[-1].created_at, page[-1].session_id)
        await copy_page(chain, target.dialect, org_id, page, page_bounds(after, last))
        yield len(page)
        after = last


async def copy_page(
    chain: Chain, dialect: Dialect, org_id: str, page: list[Session], bounds: dict[str, Any]
) -> None:
    """Make the sessions between the bounds of a page equal to those of the page."""
    expected = {session.session_id: session for session in page}
    id_parameters = split_ids(expected)
    statement = select_target_page(dialect, len(id_parameters))
    while True:
        # Between the bounds, the target may have sessions that the source does not have. It may
        # also have sessions of the page with another creation time.
        snapshot = await chain.read(statement, {**bounds, **id_parameters}, org_id)
        actual = {session_id: each for (_, session_id), each in snapshot.stored.items()}
        changes = [
            Change(actual.get(session_id), session)
            for session_id, session in expected.items()
            if session_id not in actual or actual[session_id].session != session
        ]
        changes += [
            Change(each, None) for session_id, each in actual.items() if session_id not in expected
        ]
        if await chain.append(snapshot, changes):
            return


async def compare_organization(
    source: Database, target: ClickHouseClient, org_id: str, periods: list[TimePeriod]
) -> list[str]:
    """Describe each measure that differs between the two engines, for each period.

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
    """Bump data versions, so that servers that already read the target drop cached responses.

    Raises:
        Unavailable: the database cannot be written to.
    """
    async with source.transaction() as connection:
        await bump_data_versions(connection, source.dialect, org_ids)


async def fetch_results(
    reader: StatementReader, org_id: str, periods: list[TimePeriod]
) -> list[SessionMetrics]:
    """Return all measures of an organization for each period.

    Raises:
        Unavailable: the engine is unavailable.
    """
    requests = [MetricsRequest(SessionMetricsQuery(org_id, period)) for period in periods]
    return [value_or_raise(result) for result in await fetch_metrics(reader, requests)]


async def read_page(source: Database, org_id: str, after: PageCursor) -> list[Session]:
    """Return the first sessions after a cursor, in order.

    Raises:
        Unavailable: the database is unavailable.
    """
    values = {"org_id": org_id, **page_bounds(after, AFTER_ALL), "limit": PAGE_SIZE}
    rows = await source.fetch(select_page(source.dialect), values)
    # SQLite returns 0 and 1.
    return [
        session._replace(
            used_search=bool(session.used_search), has_merged_pr=bool(session.has_merged_pr)
        )
        for session in map(Session._make, rows)
    ]


def page_bounds(after: PageCursor, last: PageCursor) -> dict[str, Any]:
    """Return the parameters of `is_in_page`."""
    return {"after": after[0], "after_id": after[1], "last": last[0], "last_id": last[1]}


def is_in_page(created_at: sa.Column[Any], session_id: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """Return the condition that a session is after one cursor and not after another."""

    def parameter(name: str, type_: Any) -> sa.BindParameter[Any]:  # noqa: ANN401 - a type of SQL
        return sa.bindparam(name, type_=type_)

    after, after_id = parameter("after", sa.BigInteger), parameter("after_id", sa.Text)
    last, last_id = parameter("last", sa.BigInteger), parameter("last_id", sa.Text)
    return sa.and_(
        # These two follow from the others. With them, the engines search their indexes.
        created_at >= after,
        created_at <= last,
        sa.or_(created_at > after, session_id > after_id),
        sa.or_(created_at < last, session_id <= last_id),
    )


@lru_cache
def select_page(dialect: Dialect) -> CompiledStatement:
    """Return the statement for a page of the database."""
    key = sessions.c.created_at, sessions.c.session_id
    return dialect.compile(
        sa.select(*sessions.c)
        .where(sessions.c.org_id == sa.bindparam("org_id"), is_in_page(*key))
        .order_by(*key)
        .limit(sa.bindparam("limit", type_=sa.BigInteger))
    )


@lru_cache
def select_target_page(dialect: Dialect, parameter_count: int) -> CompiledStatement:
    """Return the statement for the sessions in a page, and those with the ids of the page."""
    in_page = is_in_page(facts.c.bucket, facts.c.session_id)
    condition = sa.or_(in_page, has_bound_id(parameter_count)) if parameter_count else in_page
    return dialect.compile(
        select_versions(sa.and_(facts.c.org_id == sa.bindparam("org_id"), condition))
    )
