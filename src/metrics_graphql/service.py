"""One method per question: authorise, ask the store, return the answer.

Does not know how a question is spelled outside.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from metrics_graphql import auth
from metrics_graphql.domain.breakdowns import Breakdown, BreakdownQuery
from metrics_graphql.domain.metrics import SessionMetrics
from metrics_graphql.errors import BadUserInput, Forbidden, MetricsError, TimedOut, Unavailable
from metrics_graphql.store import breakdowns, questions
from metrics_graphql.store.accounts import ServiceUser
from metrics_graphql.store.engine import Database
from metrics_graphql.store.questions import Asked

logger = logging.getLogger(__name__)

MAX_ORGANIZATIONS: Final = 1_000
"""How many organizations are listed at once."""
CLOSING_SECONDS: Final = 2.0
"""How long a shutdown waits for last uses to be recorded."""


class MetricsService:
    """The room that both doors open on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recording: dict[str, asyncio.Task[None]] = {}

    async def authenticate(self, authorization: str | None) -> ServiceUser:
        """Return who is asking, from the value of an `Authorization` header.

        Raises:
            Unauthenticated: there is no bearer token, or it opens nothing.
            Unavailable: the database can't answer.
        """
        caller = await auth.authenticate(self._database, auth.bearer_token(authorization))
        self._record_use(caller)
        return caller

    async def session_metrics(
        self, caller: ServiceUser, asked: Sequence[Asked]
    ) -> list[SessionMetrics | MetricsError]:
        """Return the answer to each question in order, or why it has none.

        That is `Forbidden` where the caller may not read the organization, or there is none, and
        `Unavailable` or `TimedOut` where the database can't answer; the others are answered all the
        same.
        """
        org_ids = {each.question.org_id for each in asked}
        try:
            readable = await auth.readable(self._database, caller, org_ids)
        except (Unavailable, TimedOut) as error:
            return [error] * len(asked)
        allowed = [each for each in asked if each.question.org_id in readable]
        answers = iter(await questions.session_metrics(self._database, allowed))
        return [
            next(answers) if each.question.org_id in readable else Forbidden() for each in asked
        ]

    async def breakdown(self, caller: ServiceUser, query: BreakdownQuery) -> Breakdown:
        """Return the same measures for each user or playbook.

        Raises:
            Forbidden: the caller may not read the organization, or there is none.
            Unavailable: the database can't answer.
        """
        org_id = query.question.org_id
        if org_id not in await auth.readable(self._database, caller, {org_id}):
            raise Forbidden
        return await breakdowns.breakdown(self._database, query)

    async def organizations(self, caller: ServiceUser, first: int) -> list[str]:
        """Return the organizations whose metrics the caller may read, ordered by id.

        Raises:
            BadUserInput: `first` is not from 1 to `MAX_ORGANIZATIONS`.
            Unavailable: the database can't answer.
        """
        if not 1 <= first <= MAX_ORGANIZATIONS:
            raise BadUserInput("first", f"must be from 1 to {MAX_ORGANIZATIONS}, not {first}")
        return await auth.readable_organizations(self._database, caller, first)

    async def close(self) -> None:
        """Give what is still being written a moment; a busy writer must not hold up a shutdown."""
        pending = set(self._recording.values())
        if pending:
            _, pending = await asyncio.wait(pending, timeout=CLOSING_SECONDS)
        for task in pending:
            task.cancel()

    def _record_use(self, caller: ServiceUser) -> None:
        """Write down the caller's last use beside the request, which must not wait for a writer."""
        if auth.use_is_recorded(caller) or caller.service_user_id in self._recording:
            return
        task = asyncio.create_task(self._try_to_record_use(caller))
        self._recording[caller.service_user_id] = task
        task.add_done_callback(lambda _: self._recording.pop(caller.service_user_id))

    async def _try_to_record_use(self, caller: ServiceUser) -> None:
        try:
            await auth.record_use(self._database, caller)
        except Unavailable as error:
            logger.warning("The last use of %s was not recorded: %r", caller.service_user_id, error)
