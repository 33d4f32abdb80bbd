"""Query plans: how many rows and pages each kind of query reads at most, on any number of sessions.

Two databases have the same sessions at the ends of the period. Between them, one has ten sessions
where the other has one, in the same roll-ups.
"""

import asyncio
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from metrics_graphql.core.breakdowns import BreakdownQuery, Dimension, OrderDirection, Ranking
from metrics_graphql.core.measures import MEASURES
from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.storage.breakdowns import fetch_breakdown
from metrics_graphql.storage.dialects import CompiledStatement
from metrics_graphql.storage.session_store import StatementReader
from tests.conftest import Gateway, only_sqlite
from tests.engines import Engine

DAY: Final = 86_400
START: Final = 1_735_689_600
DAYS: Final = 40
SESSIONS: Final = 2_000
PERIOD: Final = {"timeAfter": START + 30_000, "timeBefore": START + (DAYS - 1) * DAY + 30_000}
"""From the first day to the last one. At both, queries by id read raw sessions."""
USERS: Final = [f"user-{number}" for number in range(100)]
TABLES: Final = ("sessions", "rollups", "category_rollups")
FIELDS: Final = (
    "sessionsCreatedCount acusConsumed sessionsWithMergedPrsCount sessionsCreatedBySize { s other }"
)
TOP: Final = f"(first: 25) {{ nodes {{ {FIELDS} }} }}"
FIFTY_USERS: Final = {"userIds": USERS[:50]}
ENTERPRISE: Final = "enterpriseSessionMetrics(filters: $filters)"


class Reads(NamedTuple):
    """What a query reads: rows of sessions and roll-ups, and pages of 8 KiB.

    PostgreSQL 15 rounds the rows of each loop of a plan, 18 does not.
    """

    rows: int
    pages: int


class Kind(NamedTuple):
    """A kind of query, and what it reads at most."""

    at_most: Reads
    selection: str = FIELDS
    filters: Mapping[str, Any] = {}
    field: str = "sessionMetrics(orgId: $org, filters: $filters)"


def daily_series(zone: str) -> str:
    """Return the selection of a series by day."""
    return f'timeSeries(interval: DAY, timeZone: "{zone}") {{ {FIELDS} }}'


KINDS: Final = {
    "totals": Kind(Reads(75, 25)),
    "totals of 50 users": Kind(Reads(500, 600), filters=FIFTY_USERS),
    "totals of an origin": Kind(Reads(550, 50), filters={"origins": ["SLACK"]}),
    "previous period": Kind(Reads(65, 55), f"previousPeriod {{ {FIELDS} }}"),
    "days in UTC": Kind(Reads(110, 50), daily_series("UTC")),
    "days in Berlin": Kind(Reads(200, 300), daily_series("Europe/Berlin")),
    "days in Kolkata": Kind(Reads(700, 450), daily_series("Asia/Kolkata")),
    "days in UTC of 50 users": Kind(Reads(1250, 1250), daily_series("UTC"), FIFTY_USERS),
    "top 25 users": Kind(Reads(500, 850), f"byUser{TOP}"),
    "top 25 of 50 users": Kind(Reads(350, 1250), f"byUser{TOP}", FIFTY_USERS),
    "playbooks": Kind(Reads(350, 350), f"byPlaybook{TOP}"),
    "origins of a size": Kind(Reads(220, 50), f"byOrigin{TOP}", {"sizes": ["S"]}),
    "enterprise totals": Kind(Reads(170, 70), field=ENTERPRISE),
    "enterprise totals of 50 users": Kind(Reads(650, 1500), filters=FIFTY_USERS, field=ENTERPRISE),
    "enterprise days in UTC": Kind(Reads(240, 160), daily_series("UTC"), field=ENTERPRISE),
}


def session_rows(copies: int) -> Iterator[dict[str, Any]]:
    """Yield sessions of three organizations, with copies between the first and the last day."""
    for number in range(SESSIONS):
        created_at = START + number * DAYS * DAY // SESSIONS
        is_at_an_end = (created_at - START) // DAY in {0, DAYS - 1}
        for copy in range(1 if is_at_an_end else copies):
            yield {
                "org_id": "org-1" if number % 10 else f"org-{2 + number % 20 // 10}",
                "session_id": f"{number}-{copy}",
                "created_at": created_at,
                "origin": ["slack", "webapp", "api"][number % 3],
                "size": ["s", "m", "xl", None][number % 4],
                "user_id": USERS[number % len(USERS)],
                "playbook_id": f"playbook-{number % 10}",
                "has_merged_pr": number % 2 == 0,
                "acus": number,
            }


def recorded_statements(gateway: Gateway, kind: Kind) -> list[tuple[CompiledStatement, Any]]:
    """Execute a query; return its statements that read sessions, with their values."""
    recorded = []
    reader = type(gateway.storage.sessions)
    fetch = reader.fetch

    async def record(self: StatementReader, statement: Any, values: Any) -> Any:  # noqa: ANN401 - passed on
        recorded.append((statement, values))
        return await fetch(self, statement, values)

    org = "" if kind.field == ENTERPRISE else "$org: ID!, "
    document = (
        f"query ({org}$filters: SessionMetricsFilters!) {{ {kind.field} {{ {kind.selection} }} }}"
    )
    variables = {"org": "org-1", "filters": {**PERIOD, **kind.filters}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "fetch", record)
        response = gateway.graphql(document, gateway.token(), variables).json()
    assert "errors" not in response, response
    return recorded


async def reads_of(gateway: Gateway, statement: CompiledStatement, values: Any) -> Reads:  # noqa: ANN401 - any values
    """Execute a statement as the product does, with a generic plan, and return what it reads."""
    literals = ", ".join(map(literal, statement.bind(values)))
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE explained({literals})"
    async with gateway.database.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(f"PREPARE explained AS {statement.sql}")
        explained = await driver.fetchval(explain)
        await driver.execute("DEALLOCATE explained")
    (root,) = explained
    plan = root["Plan"]
    rows = sum(
        (node["Actual Rows"] + removed_rows(node)) * node["Actual Loops"]
        for node in nodes(plan)
        if node.get("Relation Name") in TABLES
    )
    return Reads(round(rows), plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a node of a plan, and those below."""
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


def removed_rows(node: Mapping[str, Any]) -> float:
    """Return how many rows a node read, but did not return, per loop."""
    removed: list[float] = [node[key] for key in node if key.startswith("Rows Removed by")]
    return sum(removed)


def literal(value: object) -> str:
    """Return a value in SQL, as a text that PostgreSQL converts to the parameter's type."""
    if value is None:
        return "NULL"
    text = "{" + ",".join(map(str, value)) + "}" if isinstance(value, list) else str(value)
    return f"'{text}'"


@pytest.fixture(scope="module")
def most_reads(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reads]:
    """Return the most that each kind of query reads: of both databases, fresh and analyzed."""
    found: dict[str, list[Reads]] = {name: [] for name in KINDS}
    for copies in (1, 10):
        with asyncio.Runner() as runner:
            for gateway in filled(runner, engine, tmp_path_factory.mktemp("plans"), copies):
                for is_analyzed in (False, True):
                    if is_analyzed:
                        gateway.run(gateway.storage.sessions.analyze())
                    for name, kind in KINDS.items():
                        (statement,) = recorded_statements(gateway, kind)
                        found[name].append(gateway.run(reads_of(gateway, *statement)))
    return {name: Reads(*map(max, zip(*reads, strict=True))) for name, reads in found.items()}


def filled(runner: asyncio.Runner, engine: Engine, folder: Path, copies: int) -> Generator[Gateway]:
    """Yield a running gateway on a filled database, of which a planner has no statistics."""
    gateway = Gateway(runner, engine.new_database(folder))
    gateway.run(gateway.start())

    async def disable_autovacuum() -> None:
        async with gateway.database.connect() as connection:
            for table in TABLES:
                await connection.exec_driver_sql(
                    f"ALTER TABLE {table} SET (autovacuum_enabled = off)"
                )

    if engine.name == "postgresql":
        gateway.run(disable_autovacuum())
    gateway.load(session_rows(copies))
    yield gateway
    gateway.run(gateway.stop())


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize("name", KINDS)
def test_postgresql_reads_no_more_rows_and_pages_than(
    most_reads: dict[str, Reads], name: str
) -> None:
    """Neither depends on the number of sessions, nor on the planner's statistics."""
    reads, at_most = most_reads[name], KINDS[name].at_most

    assert reads.rows <= at_most.rows
    assert reads.pages <= at_most.pages


@pytest.mark.engines("postgresql")
def test_a_long_statement_is_planned_once(gateway: Gateway) -> None:
    """Also if it exceeds asyncpg's default limit of 15 KiB, as some breakdowns do."""
    ranking = Ranking("sessions_created_by_origin_other", OrderDirection.DESC, first=25)
    for day in (1, 2, 3):
        query = SessionMetricsQuery.from_params(
            tenant="org-1",
            time_after=START,
            time_before=START + day * DAY,
            origins=["slack"],
            sizes=["s"],
            has_merged_pr=True,
        )
        breakdown = BreakdownQuery(query, Dimension.ORIGIN, ranking, MEASURES)
        gateway.run(fetch_breakdown(gateway.storage.sessions, breakdown))
    count_plans = CompiledStatement(
        "SELECT generic_plans FROM pg_prepared_statements WHERE length(statement) > 15 * 1024",
        (),
        {},
    )

    assert gateway.run(gateway.database.fetch(count_plans, {})) == [(3,)]


@only_sqlite
def test_sqlite_searches_indexes_only(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No table is scanned, and none is indexed on the fly."""
    with asyncio.Runner() as runner:
        for gateway in filled(runner, engine, tmp_path_factory.mktemp("plans"), 1):
            for kind in KINDS.values():
                ((statement, _),) = recorded_statements(gateway, kind)
                steps = gateway.run(gateway.database.explain(statement))

                accessed = [step for step in steps if any(f" {table} " in step for table in TABLES)]
                assert accessed
                assert not [step for step in accessed if "SCAN" in step or "AUTOMATIC" in step]
