"""Sessions that are written, again and elsewhere; questions about them; and what is right."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from metrics_graphql.domain.metrics import SessionMetrics, SessionMetricsQuery
from metrics_graphql.domain.periods import DAY
from metrics_graphql.domain.sessions import Session
from metrics_graphql.rest_api.shim import body_of
from scripts.benchmarks.data import ORG, PLAYBOOKS, START, USERS, YEAR, sessions
from tests import oracle

Row = dict[str, Any]
COUNT: Final = 20_000
AGAIN: Final = 10
"""One of so many sessions is written again, with a change."""
MOVED: Final = 100
"""One of so many is written again with a later `created_at`, and so under another key."""
END: Final = START + 2 * YEAR
QUESTIONS: Final[list[dict[str, Any]]] = [
    {"time_after": 0, "time_before": END},
    {"time_after": START + 77 * DAY + 1_234, "time_before": START + 107 * DAY + 99},
    {"time_after": START, "time_before": END, "user_ids": [USERS[0], USERS[9]]},
    {"time_after": START, "time_before": END, "playbook_id": PLAYBOOKS[1]},
    {"time_after": 1, "time_before": END, "user_ids": USERS[:50], "playbook_id": PLAYBOOKS[2]},
    {"time_after": START, "time_before": END, "user_ids": ["nobody"]},
]
RAGGED: Final = 1
"""Which of them is of days that are not whole."""
EVERYTHING: Final = SessionMetricsQuery.asked(org_id=ORG, time_after=0, time_before=END)


class History:
    """Sessions as they are written for the first time and again, and as they are in the end."""

    def __init__(self) -> None:
        self.new = list(sessions(COUNT))
        self.again = [
            session._replace(has_merged_pr=True, acus=session.acus + 1)
            for session in self.new[::AGAIN]
        ]
        self.left = self.new[1::MOVED]
        self.moved = [moved(session) for session in self.left]
        newest = {session.session_id: session for session in self.new + self.again + self.moved}
        end = [session._asdict() for session in newest.values()]
        self.asked = [
            (SessionMetricsQuery.asked(org_id=ORG, **each), oracle.rest(end, ORG, **each))
            for each in QUESTIONS
        ]
        """Questions, and what a count in Python answers to them in the end."""

    def written_again(self) -> Iterator[list[object]]:
        """Yield the rows of what is written again, as the product's writer makes them."""
        yield from rows_of(self.again + self.moved, version=2)
        yield from rows_of(self.left, version=2, is_deleted=1)


def rows_of(
    written: Iterable[Session], *, version: int, is_deleted: int = 0
) -> Iterator[list[object]]:
    """Yield the rows of ClickHouse's table for some sessions."""
    for session in written:
        yield [*session, version, is_deleted]


def moved(session: Session) -> Session:
    """Return a session as if it had been created in another month."""
    return session._replace(created_at=session.created_at + 40 * DAY)


def is_right(answer: SessionMetrics, expected: dict[str, Any]) -> bool:
    """Return whether an answer has all the measures of the oracle's."""
    return bool(json.loads(body_of(answer)) == expected)


def fact(
    on: str, what: str, found: object, must: object = None, seconds: float | None = None
) -> Row:
    """Return a row of the table of facts; what must be, is told from what was found."""
    verdict = "" if must is None else "yes" if found == must else f"NO, but {must}"
    return {
        "on": on,
        "fact": what,
        "found": str(found),
        "as it must be": verdict,
        "after s": "" if seconds is None else seconds,
    }
