"""Statements: what they read, through which index, and their SQL as committed files."""

import os
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy.dialects import sqlite

from metrics_graphql.domain.measures import ACUS_CONSUMED, MEASURES, SESSIONS_CREATED, Measure
from metrics_graphql.domain.metrics import SessionMetricsQuery
from metrics_graphql.store.questions import parameters_of, shape_of
from metrics_graphql.store.statements import Shape, session_sums
from tests.conftest import Gateway

SQL = Path(__file__).parent / "sql"
SHAPES = [Shape(*shape) for shape in product([False, True], repeat=3)]


def name_of(shape: Shape) -> str:
    """Return the name of a shape's file."""
    return "-".join(name for name, given in shape._asdict().items() if given) or "unfiltered"


def rendered(gateway: Gateway, shape: Shape, measures: tuple[Measure, ...]) -> str:
    """Return a statement as the engine gets it, with its constants in place."""
    statement = session_sums(gateway.database.dialect, shape, measures)
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="named")))


def plan_of(gateway: Gateway, question: SessionMetricsQuery) -> str:
    """Return how SQLite goes about a question."""
    dialect = gateway.database.dialect
    statement = session_sums(dialect, shape_of(question), MEASURES)
    bound = statement.params(parameters_of(question, dialect))

    async def explain() -> str:
        async with gateway.database.reading() as connection:
            sql = bound.compile(connection.sync_connection)
            values = tuple(sql.params[name] for name in sql.positiontup or ())
            rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
            return "\n".join(row.detail for row in rows)

    return gateway.run(explain())


@pytest.mark.parametrize("shape", SHAPES, ids=name_of)
def test_the_sql_of_each_shape_is_the_committed_one(gateway: Gateway, shape: Shape) -> None:
    """`UPDATE_SQL=1 scripts/test tests/store` writes the files again, for a review to see."""
    path = SQL / "sqlite" / f"{name_of(shape)}.sql"
    sql = rendered(gateway, shape, (SESSIONS_CREATED, ACUS_CONSUMED)) + "\n"
    if os.environ.get("UPDATE_SQL"):
        path.write_text(sql)

    assert sql == path.read_text()


def test_a_statement_reads_only_the_measures_asked_for(gateway: Gateway) -> None:
    """A question for the number of sessions touches no other column."""
    sql = rendered(
        gateway, Shape(users=False, service_users=False, playbook=False), (SESSIONS_CREATED,)
    )

    for column in ("origin", "size", "acus", "used_search", "has_merged_pr", "playbook_id"):
        assert column not in sql


@pytest.mark.parametrize("shape", SHAPES, ids=name_of)
def test_a_question_costs_its_own_rows_only(gateway: Gateway, shape: Shape) -> None:
    """Every table is searched by an index down to the period; the whole of it is never scanned."""
    question = SessionMetricsQuery.asked(
        org_id="org-1",
        time_after=0,
        time_before=100,
        user_ids=["a", "b"] if shape.users else None,
        service_user_ids=["c"] if shape.service_users else None,
        playbook_id="p" if shape.playbook else None,
    )
    plan = plan_of(gateway, question)

    assert "SCAN sessions" not in plan
    by_period = "created_at>? AND created_at<?"
    if shape.users:
        assert f"user_id_created_at (org_id=? AND user_id=? AND {by_period})" in plan
    if shape.service_users:
        assert f"user_id_created_at (org_id=? AND service_user_id=? AND {by_period})" in plan
    if shape.playbook and not shape.users and not shape.service_users:
        assert f"playbook_id_created_at (org_id=? AND playbook_id=? AND {by_period})" in plan
    if not any(shape):
        assert plan == f"SEARCH sessions USING PRIMARY KEY (org_id=? AND {by_period})"


def test_a_statement_is_built_once_for_its_shape(gateway: Gateway) -> None:
    """The second question of a shape gets the same object."""
    shape = Shape(users=True, service_users=False, playbook=True)
    dialect = gateway.database.dialect

    assert session_sums(dialect, shape, MEASURES) is session_sums(dialect, shape, MEASURES)
