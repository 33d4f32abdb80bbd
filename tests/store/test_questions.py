"""Questions of one request: how many statements they take, and that none is answered wrongly."""

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.deadlines import deadline_in
from metrics_graphql.domain.measures import MEASURES, SESSIONS_CREATED
from metrics_graphql.domain.metrics import SessionMetrics, SessionMetricsQuery
from metrics_graphql.errors import MetricsError, Unavailable
from metrics_graphql.store import questions
from metrics_graphql.store.engine import MAX_READERS, Reader
from metrics_graphql.store.questions import Asked
from tests import oracle, strategies
from tests.conftest import Gateway, new_organization, on_every_engine

pytestmark = on_every_engine


def asked(org_id: str = "org-1", after: int = 0, before: int = 10, **filters: Any) -> Asked:  # noqa: ANN401 - any filter
    """Return a question for everything."""
    return Asked(
        SessionMetricsQuery.asked(org_id=org_id, time_after=after, time_before=before, **filters)
    )


def statements(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, *together: Asked) -> int:
    """Return how many statements some questions take when they are asked together."""
    run: list[object] = []
    reader = type(gateway.store.sessions)
    fetch = reader.fetch

    async def counted(self: Reader, prepared: Any, values: Any) -> Any:  # noqa: ANN401 - passed on
        run.append(prepared)
        return await fetch(self, prepared, values)

    with monkeypatch.context() as patch:
        patch.setattr(reader, "fetch", counted)
        gateway.run(questions.session_metrics(gateway.store.sessions, together))
    return len(run)


def test_questions_that_differ_in_their_bounds_share_a_statement(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, and whatever measures each wants."""
    months = [asked(after=at, before=at + 30) for at in range(0, 360, 30)]
    few = [each._replace(measures=(SESSIONS_CREATED,)) for each in months]

    assert statements(gateway, monkeypatch, *months, *few) == 1


def test_questions_for_other_sessions_take_a_statement_each(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another organization, other creators, another playbook."""
    others = [
        asked(),
        asked("org-2"),
        asked(user_ids=["a"]),
        asked(user_ids=[]),
        asked(service_user_ids=["a"]),
        asked(playbook_id="p"),
    ]

    assert statements(gateway, monkeypatch, *others, *others) == len(others)


def test_a_question_without_measures_takes_no_statement(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when only `period` is selected."""
    assert statements(gateway, monkeypatch, asked()._replace(measures=())) == 0


def test_a_statement_that_fails_leaves_the_other_answers(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its questions have the error for an answer."""
    reader = type(gateway.store.sessions)
    fetch = reader.fetch

    async def fail_for_one(self: Reader, prepared: Any, values: Any) -> Any:  # noqa: ANN401 - passed on
        if values["org_id"] == "org-1":
            raise Unavailable
        return await fetch(self, prepared, values)

    monkeypatch.setattr(reader, "fetch", fail_for_one)
    both = gateway.run(
        questions.session_metrics(gateway.store.sessions, [asked("org-1"), asked("org-2")])
    )

    assert isinstance(both[0], Unavailable)
    assert both[1] == SessionMetrics({measure.name: 0 for measure in MEASURES})


@given(data=st.data())
def test_together_is_answered_as_alone(gateway: Gateway, data: st.DataObject) -> None:
    """Aliases of one request, of random periods and filters, each say what the oracle says."""
    org_id = next(new_organization)
    rows = data.draw(
        st.lists(
            strategies.session_rows(org_id, st.sampled_from("abcdefghijklmnop")),
            max_size=30,
            unique_by=lambda row: row["session_id"],
        )
    )
    gateway.load(rows)
    token = gateway.token(org_id)
    together = data.draw(
        st.lists(
            st.tuples(strategies.periods(), st.just({}) | strategies.filters()),
            min_size=1,
            max_size=8,
        )
    )
    aliases = " ".join(
        f"a{at}: sessionMetrics(orgId: {strategies.quoted(org_id)}, filters: $f{at}) {{"
        " sessionsCreatedCount avgAcusPerSession sessionsWithMergedPrsBySize { s xl } }"
        for at in range(len(together))
    )
    declared = " ".join(f"$f{at}: SessionMetricsFilters!" for at in range(len(together)))
    variables = {
        f"f{at}": strategies.graphql_filters(period, filters)
        for at, (period, filters) in enumerate(together)
    }
    answer = gateway.graphql(f"query ({declared}) {{ {aliases} }}", token, variables).json()

    for at, (period, filters) in enumerate(together):
        arguments: dict[str, Any] = {**period, **filters}
        expected = oracle.graphql(rows, org_id, **arguments)
        wanted = {
            "sessionsCreatedCount": None,
            "avgAcusPerSession": None,
            "sessionsWithMergedPrsBySize": {"s": None, "xl": None},
        }
        assert answer["data"][f"a{at}"] == oracle.select(expected, wanted)


def test_more_questions_at_once_than_the_pool_has_places_leave_nothing_open(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """As many connections as at first, each with its thread, and nothing is logged."""

    async def ask_at_once() -> None:
        questions_of = (asked(user_ids=[str(number)]) for number in range(2 * MAX_READERS))
        with deadline_in(30):
            answers = await questions.session_metrics(gateway.store.sessions, list(questions_of))
        assert not any(isinstance(answer, MetricsError) for answer in answers)

    gateway.run(ask_at_once())
    threads = threading.active_count()
    for _ in range(4):
        gateway.run(ask_at_once())

    assert threading.active_count() == threads
    assert caplog.records == []
