"""SQL: the committed text of each kind of statement, and the indexes that it uses."""

import os
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

from metrics_graphql.core.breakdowns import ORDER_MEASURES, Dimension, OrderDirection
from metrics_graphql.core.measures import (
    ACUS_CONSUMED,
    AVERAGE_ACUS,
    MEASURES,
    SESSIONS_CREATED,
    summed_measures,
)
from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.core.tenants import ENTERPRISE
from metrics_graphql.storage import rollups
from metrics_graphql.storage.breakdowns import select_ranked_sums
from metrics_graphql.storage.dialects import CompiledStatement
from metrics_graphql.storage.query_planner import OrganizationFilter, plan_query
from metrics_graphql.storage.tables import STORED_MEASURES
from metrics_graphql.storage.totals import select_totals
from tests.conftest import Gateway, on_every_engine, only_sqlite
from tests.engines import Engine

pytestmark = on_every_engine

SQL = Path(__file__).parent / "sql"
VALUES: dict[str, Any] = {
    "user_ids": ["a", "b"],
    "service_user_ids": ["c"],
    "playbook_ids": ["p", "q"],
    "origins": ["slack", "other"],
    "sizes": ["xl"],
    "has_merged_pr": True,
}
"""A value of each filter."""
BY_ID = ("user_ids", "service_user_ids", "playbook_ids")
BY_CATEGORY = ("origins", "sizes", "has_merged_pr")
Names = tuple[str, ...]
SHAPES: list[Names] = [
    tuple(name for name, given in zip(BY_ID, flags, strict=True) if given)
    for flags in product([False, True], repeat=3)
]
SHAPES += [("origins",), ("sizes",), ("has_merged_pr",), BY_CATEGORY]
SHAPES += [(one, category) for one in BY_ID for category in BY_CATEGORY]
SHAPES += [("user_ids", "service_user_ids", "origins"), tuple(VALUES)]
"""Combinations of filters: all by id, some by category, some by both."""
ONE, SOME, ALL = OrganizationFilter
COMMITTED: list[tuple[OrganizationFilter, Names]] = [
    *((ONE, filters) for filters in SHAPES[:8]),
    (ONE, ("origins",)),
    (ONE, BY_CATEGORY),
    (ONE, ("user_ids", "origins")),
    *((organizations, filters) for organizations in (SOME, ALL) for filters in ((), ("user_ids",))),
]
"""The kinds of statements whose SQL is committed."""
COMMITTED_BREAKDOWNS: list[tuple[str, Dimension, Names, str, bool]] = [
    ("by-user", Dimension.USER, (), SESSIONS_CREATED.name, False),
    ("by-user-user_ids", Dimension.USER, ("user_ids",), SESSIONS_CREATED.name, False),
    ("by-user-average-after", Dimension.USER, (), AVERAGE_ACUS, True),
    ("by-user-other-after", Dimension.USER, (), "sessions_created_by_size_other", True),
    ("by-origin-after", Dimension.ORIGIN, ("sizes",), SESSIONS_CREATED.name, True),
]
"""The same of breakdowns: name, dimension, filters, order, and whether it continues a page."""
BY_PERIOD = "created_at>? AND created_at<?"
ROLLED_UP = {
    (): "ORGANIZATION",
    ("user_ids",): "USER",
    ("service_user_ids",): "SERVICE_USER",
    ("playbook_ids",): "PLAYBOOK",
    **{filters: "CATEGORY" for count in (1, 2, 3) for filters in combinations(BY_CATEGORY, count)},
}
"""The roll-ups that answer queries with these filters; with others, raw sessions do."""


def shape_name(filters: Names) -> str:
    """Return the name of a combination of filters for a file or a test."""
    return "-".join(filters) or "unfiltered"


def file_name(kind: tuple[OrganizationFilter, Names]) -> str:
    """Return the name of the file with the SQL of a kind."""
    organizations, filters = kind
    name = shape_name(filters)
    return name if organizations is ONE else f"{organizations.value}-{name}"


def query_with(filters: Names, organizations: OrganizationFilter = ONE) -> SessionMetricsQuery:
    """Return a query that has these filters."""
    return SessionMetricsQuery.from_params(
        tenant="org-1" if organizations is ONE else ENTERPRISE,
        org_ids=["org-1", "org-2"] if organizations is SOME else None,
        time_after=0,
        time_before=100,
        **{name: VALUES[name] for name in filters},
    )


def explain(
    gateway: Gateway,
    filters: Names,
    organizations: OrganizationFilter = ONE,
    *,
    by_range: bool,
) -> list[str]:
    """Return SQLite's plan for a query."""
    plan = plan_query(query_with(filters, organizations), rollups.ROLLUP_DIMENSIONS)
    statement = select_totals(gateway.database.dialect, plan, STORED_MEASURES, by_range=by_range)
    return explain_statement(gateway, statement)


def explain_statement(gateway: Gateway, statement: CompiledStatement) -> list[str]:
    """Return SQLite's plan for a statement."""
    explained = statement._replace(sql=f"EXPLAIN QUERY PLAN {statement.sql}")
    values = dict.fromkeys(statement.parameter_names, "[]")
    return [row[3] for row in gateway.run(gateway.database.fetch(explained, values))]


def check_committed(engine: Engine, name: str, statement: CompiledStatement) -> None:
    """Check that the SQL of a statement is that in a file; with `UPDATE_SQL`, write the file."""
    path = SQL / engine.name / f"{name}.sql"
    sql = "".join(f"{line.rstrip()}\n" for line in statement.sql.splitlines())
    if os.environ.get("UPDATE_SQL"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(sql)

    assert sql == path.read_text()


@pytest.mark.parametrize("kind", COMMITTED, ids=file_name)
def test_the_sql_is_the_committed_one(
    gateway: Gateway, engine: Engine, kind: tuple[OrganizationFilter, Names]
) -> None:
    """`UPDATE_SQL=1 scripts/test tests/storage` writes the files, for a review to show changes."""
    organizations, filters = kind
    dialect = gateway.storage.sessions.dialect
    plan = plan_query(query_with(filters, organizations), dialect.rollup_dimensions)
    measures = (SESSIONS_CREATED, ACUS_CONSUMED)
    statement = select_totals(dialect, plan, measures, by_range=True)

    check_committed(engine, file_name(kind), statement)


@pytest.mark.engines("sqlite", "postgresql")
def test_the_sql_of_a_single_query_is_the_committed_one(gateway: Gateway, engine: Engine) -> None:
    """It is not grouped by range. ClickHouse groups it, like several queries."""
    dialect = gateway.storage.sessions.dialect
    plan = plan_query(query_with(("user_ids",)), dialect.rollup_dimensions)
    statement = select_totals(dialect, plan, (SESSIONS_CREATED, ACUS_CONSUMED), by_range=False)

    check_committed(engine, "user_ids-single", statement)


@pytest.mark.parametrize(
    "kind", COMMITTED_BREAKDOWNS, ids=[name for name, *_ in COMMITTED_BREAKDOWNS]
)
def test_the_sql_of_a_breakdown_is_the_committed_one(
    gateway: Gateway, engine: Engine, kind: tuple[str, Dimension, Names, str, bool]
) -> None:
    """Of a first page and of later ones, with and without the number of all rows."""
    name, dimension, filters, field, continues = kind

    check_committed(
        engine, name, breakdown_statement(gateway, dimension, filters, field, continues=continues)
    )


def breakdown_statement(
    gateway: Gateway,
    dimension: Dimension,
    filters: Names,
    field: str = SESSIONS_CREATED.name,
    *,
    continues: bool = False,
) -> CompiledStatement:
    """Return the statement of a breakdown, whose first page also has the number of all rows."""
    dialect = gateway.storage.sessions.dialect
    plan = plan_query(query_with(filters), dialect.rollup_dimensions, grouped_by=dimension.value)
    return select_ranked_sums(
        dialect,
        plan,
        summed_measures({SESSIONS_CREATED, ACUS_CONSUMED, *ORDER_MEASURES[field]}),
        order=(field, OrderDirection.DESC),
        is_later_page=continues,
        with_total_count=not continues,
    )


def test_a_remainder_is_not_summed(gateway: Gateway) -> None:
    """Its condition is that of the whole: a sum by it would be the sum of the whole."""
    dialect = gateway.storage.sessions.dialect
    plan = plan_query(query_with(()), dialect.rollup_dimensions)

    with pytest.raises(ValueError, match="sessions_created_by_size_other"):
        select_totals(dialect, plan, MEASURES, by_range=False)


def test_a_statement_reads_only_requested_measures(gateway: Gateway) -> None:
    """A query for the number of sessions reads no other column, raw or rolled up."""
    dialect = gateway.storage.sessions.dialect
    plan = plan_query(query_with(()), dialect.rollup_dimensions)
    statement = select_totals(dialect, plan, (SESSIONS_CREATED,), by_range=False)

    for column in ("origin", "size", "acus", "search", "merged", "playbook"):
        assert column not in statement.sql


@only_sqlite
@pytest.mark.parametrize("by_range", [False, True])
@pytest.mark.parametrize("organizations", OrganizationFilter)
@pytest.mark.parametrize("filters", SHAPES, ids=shape_name)
def test_a_query_reads_matching_rows_only(
    gateway: Gateway, filters: Names, organizations: OrganizationFilter, *, by_range: bool
) -> None:
    """Indexes are searched down to the range, and no table is scanned or indexed on the fly.

    With several organizations, for each of them. Categories have no index: they are compared with
    the sessions of the period, or with those that the index of another filter finds.
    """
    steps = explain(gateway, filters, organizations, by_range=by_range)

    scanned = ("SCAN sessions", "SCAN rollups", "SCAN category_rollups")
    assert not [step for step in steps if step.startswith(scanned)]
    assert not [step for step in steps if "AUTOMATIC" in step]
    searches = " ".join(step for step in steps if step.startswith("SEARCH"))
    if "user_ids" in filters:
        assert f"user_id_created_at (org_id=? AND user_id=? AND {BY_PERIOD})" in searches
    if "service_user_ids" in filters:
        assert f"(org_id=? AND service_user_id=? AND {BY_PERIOD})" in searches
    if set(filters) & set(BY_ID) == {"playbook_ids"}:
        assert f"(org_id=? AND playbook_id=? AND {BY_PERIOD})" in searches
    if not set(filters) & set(BY_ID):
        assert f"SEARCH sessions USING PRIMARY KEY (org_id=? AND {BY_PERIOD})" in steps
    expected = {
        "ORGANIZATION": "SEARCH rollups USING PRIMARY KEY"
        " (org_id=? AND scope=? AND scope_id=? AND grain=? AND bucket>? AND bucket<?)",
        "CATEGORY": "SEARCH category_rollups USING PRIMARY KEY"
        " (org_id=? AND grain=? AND bucket>? AND bucket<?)",
    }
    if rolled_up := ROLLED_UP.get(filters):
        by_id = "(org_id=? AND scope=? AND scope_id=? AND grain=? AND bucket>? AND bucket<?)"
        assert expected.get(rolled_up, by_id) in searches
    else:
        assert "rollups" not in searches


@only_sqlite
@pytest.mark.parametrize("filters", SHAPES, ids=shape_name)
def test_a_single_query_is_not_grouped(gateway: Gateway, filters: Names) -> None:
    """GROUP BY would sort all rows that are read."""
    steps = explain(gateway, filters, by_range=False)

    assert "USE TEMP B-TREE FOR GROUP BY" not in steps


PAIRS: list[Names] = [
    (),
    *((name,) for name in VALUES),
    *combinations(VALUES, 2),
    BY_CATEGORY,
    tuple(VALUES),
]


@pytest.mark.parametrize("filters", PAIRS, ids=shape_name)
def test_queries_are_answered_from_the_roll_ups_with_their_filters(
    gateway: Gateway, filters: Names
) -> None:
    """No filter, one filter by id, and any by origin, size and outcome; others from raw sessions.

    Raw sessions at the ends of roll-ups count as roll-ups.
    """
    dialect = gateway.storage.sessions.dialect
    plan = plan_query(query_with(filters), dialect.rollup_dimensions)
    statement = select_totals(dialect, plan, STORED_MEASURES, by_range=False)
    expected = getattr(rollups, ROLLED_UP[filters]) if filters in ROLLED_UP else None

    assert getattr(plan.rollup_dimension, "fields", None) == getattr(expected, "fields", None)
    assert statement.data_source == ("rollups" if plan.rollup_dimension else "raw")


BREAKDOWNS = {
    Dimension.USER: [(), ("user_ids",)],
    Dimension.SERVICE_USER: [(), ("service_user_ids",)],
    Dimension.PLAYBOOK: [(), ("playbook_ids",)],
    Dimension.ORGANIZATION: [each for each in PAIRS if each in ROLLED_UP],
    **{
        dimension: [(), *(each for each in PAIRS if ROLLED_UP.get(each) == "CATEGORY")]
        for dimension in (Dimension.ORIGIN, Dimension.SIZE)
    },
}
"""The filters with which a breakdown by each dimension is answered from roll-ups."""


@pytest.mark.parametrize("dimension", Dimension)
def test_breakdowns_are_answered_from_the_roll_ups_with_their_fields(
    gateway: Gateway, dimension: Dimension
) -> None:
    """Those that have all fields of the filters and of the rows."""
    rolled_up = [
        filters
        for filters in PAIRS
        if breakdown_statement(gateway, dimension, filters).data_source == "rollups"
    ]

    assert rolled_up == BREAKDOWNS[dimension]


def test_a_statement_is_compiled_once_per_shape(gateway: Gateway) -> None:
    """Queries that differ in bounds and ids get the same object."""
    dialect = gateway.storage.sessions.dialect
    one, other = (
        select_totals(
            dialect,
            plan_query(
                SessionMetricsQuery.from_params(
                    tenant=org_id, time_after=start, time_before=9, user_ids=[org_id]
                ),
                dialect.rollup_dimensions,
            ),
            STORED_MEASURES,
            by_range=False,
        )
        for org_id, start in (("org-1", 1), ("org-2", 2))
    )

    assert one is other
