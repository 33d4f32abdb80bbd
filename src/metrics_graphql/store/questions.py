"""Questions to the database: those that differ only in their bounds share one statement."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from metrics_graphql.domain.measures import MEASURES, Measure, in_order
from metrics_graphql.domain.metrics import Creators, SessionMetrics, SessionMetricsQuery
from metrics_graphql.domain.periods import TimePeriod
from metrics_graphql.errors import TimedOut, Unavailable
from metrics_graphql.seen import saw_rows
from metrics_graphql.store.dialects import Dialect, Run
from metrics_graphql.store.engine import Reader
from metrics_graphql.store.planner import plan_for
from metrics_graphql.store.statements import session_sums


class Asked(NamedTuple):
    """A question, and the measures that are wanted of its answer."""

    question: SessionMetricsQuery
    measures: tuple[Measure, ...] = MEASURES


class SessionsOf(NamedTuple):
    """What questions that share a statement have in common: everything but the period."""

    org_id: str | None
    org_ids: frozenset[str] | None
    creators: Creators
    playbook_id: str | None


Answer = SessionMetrics | Unavailable | TimedOut


async def session_metrics(database: Reader, asked: Sequence[Asked]) -> list[Answer]:
    """Return the answer to each question, in order; it may have measures that others wanted.

    Questions that differ only in their bounds share one statement, and equal ones a place in it.
    A statement that the database can't answer leaves the others' answers standing.
    """
    alike: defaultdict[SessionsOf, list[Asked]] = defaultdict(list)
    for each in asked:
        alike[sessions_of(each.question)].append(each)
    if len(alike) == 1:  # The usual case does not pay for tasks.
        answers = [await answer_alike(database, asked)]
    else:
        answers = await asyncio.gather(*(answer_alike(database, group) for group in alike.values()))
    by_question = {key: answer for group in answers for key, answer in group.items()}
    return [by_question[each.question] for each in asked]


async def answer_alike(
    database: Reader, asked: Sequence[Asked]
) -> dict[SessionMetricsQuery, Answer]:
    """Answer questions that differ only in their bounds, with one statement."""
    questions = list(dict.fromkeys(each.question for each in asked))
    wanted = {measure for each in asked for measure in each.measures}
    try:
        answers: Sequence[Answer] = await sums_by_period(
            database,
            questions[0],
            [question.period for question in questions],
            in_order(wanted),
        )
    except (Unavailable, TimedOut) as error:
        answers = [error] * len(questions)
    return dict(zip(questions, answers, strict=True))


def sessions_of(question: SessionMetricsQuery) -> SessionsOf:
    """Return everything of a question but its period."""
    return SessionsOf(question.org_id, question.org_ids, question.creators, question.playbook_id)


async def sums_by_period(
    database: Reader,
    question: SessionMetricsQuery,
    periods: Sequence[TimePeriod],
    measures: tuple[Measure, ...],
) -> list[SessionMetrics]:
    """Return the sums of these measures for a question moved to each of some periods, in order.

    One statement and one trip, however many periods there are.

    Raises:
        Unavailable: the database can't answer.
    """
    if not measures:
        return [SessionMetrics({}) for _ in periods]
    dialect = database.dialect
    plan = plan_for(question, rolled_up=dialect.rolls_up)
    saw_rows("rollups" if plan.scope else "raw")
    runs = [run for at, period in enumerate(periods) for run in plan.runs(at, period)]
    parameters = parameters_of(question, runs, dialect)
    sums = [[0] * len(measures) for _ in periods]
    statement = session_sums(dialect, plan, measures, one_question=len(periods) == 1)
    rows = await database.fetch(statement, parameters)
    questions = dialect.questions(runs)
    for number, *values in rows:
        for at in questions(number):
            of = sums[at]
            of[:] = [total + int(value or 0) for total, value in zip(of, values, strict=True)]
    names = [measure.name for measure in measures]
    return [SessionMetrics(dict(zip(names, values, strict=True))) for values in sums]


def parameters_of(
    question: SessionMetricsQuery, runs: Collection[Run], dialect: Dialect
) -> dict[str, Any]:
    """Return what to bind to a statement: a question's organizations and filters, and the runs."""
    creators = question.creators
    parameters = {
        "org_id": question.org_id,
        "playbook_id": question.playbook_id,
        "rolled_up": dialect.bind_runs([run for run in runs if run.grain]),
        "raw": dialect.bind_runs([run for run in runs if not run.grain]),
    }
    if question.org_ids is not None:
        parameters["org_ids"] = dialect.bind_ids(question.org_ids)
    if creators.user_ids is not None:
        parameters["user_ids"] = dialect.bind_ids(creators.user_ids)
    if creators.service_user_ids is not None:
        parameters["service_user_ids"] = dialect.bind_ids(creators.service_user_ids)
    return parameters
