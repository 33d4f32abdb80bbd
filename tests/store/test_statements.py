"""Statements: what they read, through which index, and their SQL as committed files."""

import os
from itertools import product
from pathlib import Path

import pytest

from metrics_graphql.domain.measures import ACUS_CONSUMED, MEASURES, SESSIONS_CREATED
from metrics_graphql.domain.metrics import SessionMetricsQuery
from metrics_graphql.store.planner import Filters, Organizations, plan_for
from metrics_graphql.store.statements import session_sums
from tests.conftest import Gateway, on_every_engine, only_sqlite
from tests.engines import Engine

pytestmark = on_every_engine

SQL = Path(__file__).parent / "sql"
FILTERS = [Filters(*given) for given in product([False, True], repeat=3)]
ONE, SOME, ALL = Organizations
COMMITTED = [(ONE, filters) for filters in FILTERS] + [
    (organizations, Filters(users=users, service_users=False, playbook=False))
    for organizations in (SOME, ALL)
    for users in (False, True)
]
"""The kinds of questions whose SQL is committed."""
BY_PERIOD = "created_at>? AND created_at<?"


def name_of(filters: Filters) -> str:
    """Return the name of some filters."""
    return "-".join(name for name, given in filters._asdict().items() if given) or "unfiltered"


def file_of(kind: tuple[Organizations, Filters]) -> str:
    """Return the name of the file for a kind of question."""
    organizations, filters = kind
    return name_of(filters) if organizations is ONE else f"{organizations.value}-{name_of(filters)}"


def question_with(filters: Filters, organizations: Organizations = ONE) -> SessionMetricsQuery:
    """Return a question that has these filters."""
    return SessionMetricsQuery.asked(
        org_id="org-1" if organizations is ONE else None,
        org_ids=["org-1", "org-2"] if organizations is SOME else None,
        time_after=0,
        time_before=100,
        user_ids=["a", "b"] if filters.users else None,
        service_user_ids=["c"] if filters.service_users else None,
        playbook_id="p" if filters.playbook else None,
    )


def plan_of(
    gateway: Gateway,
    filters: Filters,
    organizations: Organizations = ONE,
    *,
    one_question: bool,
) -> list[str]:
    """Return how SQLite goes about a question, step by step."""
    plan = plan_for(question_with(filters, organizations))
    statement = session_sums(gateway.database.dialect, plan, MEASURES, one_question=one_question)
    explained = statement._replace(sql=f"EXPLAIN QUERY PLAN {statement.sql}")
    nothing = dict.fromkeys(statement.order, "[]")
    return [row[3] for row in gateway.run(gateway.database.fetch(explained, nothing))]


@pytest.mark.parametrize("kind", COMMITTED, ids=file_of)
def test_the_sql_for_each_kind_of_question_is_the_committed_one(
    gateway: Gateway, engine: Engine, kind: tuple[Organizations, Filters]
) -> None:
    """`UPDATE_SQL=1 scripts/test tests/store` writes the files again, for a review to see."""
    organizations, filters = kind
    dialect = gateway.store.sessions.dialect
    plan = plan_for(question_with(filters, organizations), rolled_up=dialect.rolls_up)
    measures = (SESSIONS_CREATED, ACUS_CONSUMED)
    statement = session_sums(dialect, plan, measures, one_question=False)
    path = SQL / engine.name / f"{file_of(kind)}.sql"
    sql = "".join(f"{line.rstrip()}\n" for line in statement.sql.splitlines())
    if os.environ.get("UPDATE_SQL"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(sql)

    assert sql == path.read_text()


def test_a_statement_reads_only_the_measures_asked_for(gateway: Gateway) -> None:
    """A question for the number of sessions touches no other column, raw or rolled up."""
    dialect = gateway.store.sessions.dialect
    everything = question_with(Filters(users=False, service_users=False, playbook=False))
    plan = plan_for(everything, rolled_up=dialect.rolls_up)
    statement = session_sums(dialect, plan, (SESSIONS_CREATED,), one_question=True)

    for column in ("origin", "size", "acus", "search", "merged", "playbook"):
        assert column not in statement.sql


@only_sqlite
@pytest.mark.parametrize("one_question", [True, False])
@pytest.mark.parametrize("organizations", Organizations)
@pytest.mark.parametrize("filters", FILTERS, ids=name_of)
def test_a_question_costs_its_own_rows_only(
    gateway: Gateway, filters: Filters, organizations: Organizations, *, one_question: bool
) -> None:
    """Tables are searched by an index down to the run; none is scanned or indexed on the fly.

    Of many organizations, for each of them.
    """
    steps = plan_of(gateway, filters, organizations, one_question=one_question)

    assert not [step for step in steps if step.startswith(("SCAN sessions", "SCAN rollups"))]
    assert not [step for step in steps if "AUTOMATIC" in step]
    searches = " ".join(step for step in steps if step.startswith("SEARCH"))
    if filters.users:
        assert f"user_id_created_at (org_id=? AND user_id=? AND {BY_PERIOD})" in searches
    if filters.service_users:
        assert f"(org_id=? AND service_user_id=? AND {BY_PERIOD})" in searches
    if filters == Filters(users=False, service_users=False, playbook=True):
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
@pytest.mark.parametrize("filters", FILTERS, ids=name_of)
def test_one_question_is_not_grouped(gateway: Gateway, filters: Filters) -> None:
    """Grouping sorts every row that is read."""
    steps = plan_of(gateway, filters, one_question=True)

    assert "USE TEMP B-TREE FOR GROUP BY" not in steps


def test_a_statement_is_built_once_for_its_shape(gateway: Gateway) -> None:
    """The second question of a shape gets the same object, whatever its bounds and ids."""
    dialect = gateway.store.sessions.dialect
    one, other = (
        session_sums(
            dialect,
            plan_for(
                SessionMetricsQuery.asked(org_id=org, time_after=at, time_before=9, user_ids=[org]),
                rolled_up=dialect.rolls_up,
            ),
            MEASURES,
            one_question=True,
        )
        for org, at in (("org-1", 1), ("org-2", 2))
    )

    assert one is other
