"""The scenario of the cluster benchmark: sessions to insert, update and move, and queries."""

import json
from typing import Any, Final

from metrics_graphql.core.periods import DAY
from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.core.sessions import Session
from metrics_graphql.rest_api.response_body import sessions_body
from scripts.benchmarks.dataset import ORG, PLAYBOOKS, START, USERS, YEAR, sessions
from tests import oracle

Row = dict[str, Any]
COUNT: Final = 20_000
UPDATED: Final = 10
"""The inverse of the share of sessions that are updated."""
MOVED: Final = 100
"""The inverse of the share of these that get a later `created_at`."""
END: Final = START + 2 * YEAR
PARAMETERS: Final[list[dict[str, Any]]] = [
    {"time_after": 0, "time_before": END},
    {"time_after": START + 77 * DAY + 1_234, "time_before": START + 107 * DAY + 99},
    {"time_after": START, "time_before": END, "user_ids": [USERS[0], USERS[9]]},
    {"time_after": START, "time_before": END, "playbook_ids": [PLAYBOOKS[1]]},
    {"time_after": 1, "time_before": END, "user_ids": USERS[:50], "playbook_ids": [PLAYBOOKS[2]]},
    {"time_after": START, "time_before": END, "user_ids": ["unknown"]},
]
RAGGED: Final = 1
"""The index of the query whose first and last day are not whole."""
ALL_SESSIONS: Final = SessionMetricsQuery.from_params(tenant=ORG, time_after=0, time_before=END)


class Scenario:
    """New sessions, later versions of them, and queries with the results expected in the end."""

    def __init__(self) -> None:
        self.new = list(sessions(COUNT))
        self.updated = [
            session._replace(has_merged_pr=True, acus=session.acus + 1)
            for session in self.new[::UPDATED]
        ]
        self.moved = [move(session) for session in self.new[1::MOVED]]
        latest = {each.session_id: each for each in self.new + self.updated + self.moved}
        self.final = [session._asdict() for session in latest.values()]
        self.queries = [
            (
                SessionMetricsQuery.from_params(tenant=ORG, **parameters),
                oracle.rest(self.final, ORG, **parameters),
            )
            for parameters in PARAMETERS
        ]


def move(session: Session) -> Session:
    """Return a session as if it had been created in another month."""
    return session._replace(created_at=session.created_at + 40 * DAY)


def is_correct(result: SessionMetrics, expected: dict[str, Any]) -> bool:
    """Return whether all measures of a result are those that the oracle expects."""
    return bool(json.loads(sessions_body(result)) == expected)


def check(
    on: str, what: str, actual: object, expected: object = None, seconds: float | None = None
) -> Row:
    """Return a row of the table: an observation, and whether it is as expected."""
    verdict = "" if expected is None else "yes" if actual == expected else f"NO: {expected}"
    return {
        "on": on,
        "observation": what,
        "actual": str(actual),
        "as expected": verdict,
        "after s": "" if seconds is None else seconds,
    }
