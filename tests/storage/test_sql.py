"""SQL: the committed text of each kind of statement, and the indexes that it uses."""

import os
from itertools import product
from pathlib import Path

import pytest

from metrics_graphql.core.measures import ACUS_CONSUMED, MEASURES, SESSIONS_CREATED
from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.core.tenants import ENTERPRISE
from metrics_graphql.storage.query_planner import FilterShape, OrganizationFilter, plan_query
from metrics_graphql.storage.sql import session_sums
from tests.conftest import Gateway, on_every_engine, only_sqlite
from tests.engines import Engine

pytestmark = on_every_engine

SQL = Path(__file__).parent / "sql"
SHAPES = [FilterShape(*given) for given in product([False, True], repeat=3)]
ONE, SOME, ALL = OrganizationFilter
COMMITTED = [(ONE, filters) for filters in SHAPES] + [
    (organizations, FilterShape(users=users, service_users=False, playbook=False))
    for organizations in (SOME, ALL)
    for users in (False, True)
]
"""The kinds of statements whose SQL is committed."""
BY_PERIOD = "created_at>? AND created_at<?"


def shape_name(filters: FilterShape) -> str:
    """Return the name of a shape for a file or a test."""
    return "-".join(name for name, given in filters._asdict().items() if given) or "unfiltered"


def file_name(kind: tuple[OrganizationFilter, FilterShape]) -> str:
    """Return the name of the file with the SQL of a kind."""
    organizations, filters = kind
    name = shape_name(filters)
    return name if organizations is ONE else f"{organizations.value}-{name}"


def query_with(
    filters: FilterShape, organizations: OrganizationFilter = ONE
) -> SessionMetricsQuery:
    """Return a query that has these filters."""
    return SessionMetricsQuery.from_params(
        tenant="org-1" if organizations is ONE else ENTERPRISE,
        org_ids=["org-1", "org-2"] if organizations is SOME else None,
        time_after=0,
        time_before=100,
        user_ids=["a", "b"] if filters.users else None,
        service_user_ids=["c"] if filters.service_users else None,
        playbook_id="p" if filters.playbook else None,
    )


def explain(
    gateway: Gateway,
    filters: FilterShape,
    organizations: OrganizationFilter = ONE,
    *,
    single_query: bool,
) -> list[str]:
    """Return SQLite's plan for a query."""
    plan = plan_query(query_with(filters, organizations), has_rollups=True)
    statement = session_sums(gateway.database.dialect, plan, MEASURES, single_query=single_query)
    explained = statement._replace(sql=f"EXPLAIN QUERY PLAN {statement.sql}")
    values = dict.fromkeys(statement.parameter_names, "[]")
    return [row[3] for row in gateway.run(gateway.database.fetch(explained, values))]


@pytest.mark.parametrize("kind", COMMITTED, ids=file_name)
def test_the_sql_is_the_committed_one(
    gateway: Gateway, engine: Engine, kind: tuple[OrganizationFilter, FilterShape]
) -> None:
    """`UPDATE_SQL=1 scripts/test tests/storage` writes the files, for a review to show changes."""
    organizations, filters = kind
    dialect = gateway.storage.sessions.dialect
    plan = plan_query(query_with(filters, organizations), has_rollups=dialect.has_rollups)
    measures = (SESSIONS_CREATED, ACUS_CONSUMED)
    statement = session_sums(dialect, plan, measures, single_query=False)
    path = SQL / engine.name / f"{file_name(kind)}.sql"
    sql = "".join(f"{line.rstrip()}\n" for line in statement.sql.splitlines())
    if os.environ.get("UPDATE_SQL"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(sql)

    assert sql == path.read_text()


def test_a_statement_reads_only_requested_measures(gateway: Gateway) -> None:
    """A query for the number of sessions reads no other column, raw or rolled up."""
    dialect = gateway.storage.sessions.dialect
    unfiltered = query_with(FilterShape(users=False, service_users=False, playbook=False))
    plan = plan_query(unfiltered, has_rollups=dialect.has_rollups)
    statement = session_sums(dialect, plan, (SESSIONS_CREATED,), single_query=True)

    for column in ("origin", "size", "acus", "search", "merged", "playbook"):
        assert column not in statement.sql


@only_sqlite
@pytest.mark.parametrize("single_query", [True, False])
@pytest.mark.parametrize("organizations", OrganizationFilter)
@pytest.mark.parametrize("filters", SHAPES, ids=shape_name)
def test_a_query_reads_matching_rows_only(
    gateway: Gateway, filters: FilterShape, organizations: OrganizationFilter, *, single_query: bool
) -> None:
    """Indexes are searched down to the range, and no table is scanned or indexed on the fly.

    With several organizations, for each of them.
    """
    steps = explain(gateway, filters, organizations, single_query=single_query)

    assert not [step for step in steps if step.startswith(("SCAN sessions", "SCAN rollups"))]
    assert not [step for step in steps if "AUTOMATIC" in step]
    searches = " ".join(step for step in steps if step.startswith("SEARCH"))
    if filters.users:
        assert f"user_id_created_at (org_id=? AND user_id=? AND {BY_PERIOD})" in searches
    if filters.service_users:
        assert f"(org_id=? AND service_user_id=? AND {BY_PERIOD})" in searches
    if filters == FilterShape(users=False, service_users=False, playbook=True):
        assert f"(org_id=? AND playbook_id=? AND {BY_PERIOD})" in searches
    if sum(filters) == 0:
        assert f"SEARCH sessions USING PRIMARY KEY (org_id=? AND {BY_PERIOD})" in steps
        assert (
            "rollups USING PRIMARY KEY (org_id=? AND scope=? AND grain=? AND bucket>?" in searches
        )
    if sum(filters) == 1:
        assert (
            "(org_id=? AND scope=? AND scope_id=? AND grain=? AND bucket>? AND bucket<?)"
            in searches
        )
    if sum(filters) > 1:
        assert "rollups" not in searches


@only_sqlite
@pytest.mark.parametrize("filters", SHAPES, ids=shape_name)
def test_a_single_query_is_not_grouped(gateway: Gateway, filters: FilterShape) -> None:
    """GROUP BY would sort all rows that are read."""
    steps = explain(gateway, filters, single_query=True)

    assert "USE TEMP B-TREE FOR GROUP BY" not in steps


def test_a_statement_is_compiled_once_per_shape(gateway: Gateway) -> None:
    """Queries that differ in bounds and ids get the same object."""
    dialect = gateway.storage.sessions.dialect
    one, other = (
        session_sums(
            dialect,
            plan_query(
                SessionMetricsQuery.from_params(
                    tenant=org_id, time_after=start, time_before=9, user_ids=[org_id]
                ),
                has_rollups=dialect.has_rollups,
            ),
            MEASURES,
            single_query=True,
        )
        for org_id, start in (("org-1", 1), ("org-2", 2))
    )

    assert one is other


def test_the_data_source_of_a_statement_is_that_of_its_plan(gateway: Gateway) -> None:
    """Raw sessions at the ends of roll-ups count as roll-ups."""
    dialect = gateway.storage.sessions.dialect
    sources = [
        session_sums(
            dialect,
            plan_query(query_with(filters), has_rollups=dialect.has_rollups),
            MEASURES,
            single_query=True,
        ).data_source
        for filters in (FilterShape(True, False, False), FilterShape(True, True, False))  # noqa: FBT003
    ]

    assert sources == ["rollups" if dialect.has_rollups else "raw", "raw"]
