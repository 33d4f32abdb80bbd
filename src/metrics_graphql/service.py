"""One method per question: authorise, ask the store, return the answer.

Does not know how a question is spelled outside.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Final

from cachetools import TTLCache

from metrics_graphql import auth
from metrics_graphql.domain.breakdowns import Breakdown, BreakdownQuery
from metrics_graphql.domain.metrics import SessionMetrics
from metrics_graphql.errors import BadUserInput, Forbidden, MetricsError, TimedOut, Unavailable
from metrics_graphql.freshness import MAX_KEPT, Fresh
from metrics_graphql.seen import saw_organizations
from metrics_graphql.store import breakdowns, questions
from metrics_graphql.store.accounts import ServiceUser, StoredToken, find_tokens
from metrics_graphql.store.organizations import data_versions
from metrics_graphql.store.questions import Asked
from metrics_graphql.store.store import Store

logger = logging.getLogger(__name__)

MAX_ORGANIZATIONS: Final = 1_000
"""How many organizations are listed at once."""
CLOSING_SECONDS: Final = 2.0
"""How long a shutdown waits for last uses to be recorded."""


class MetricsService:
    """The room that both doors open on."""

    def __init__(self, store: Store, freshness: float) -> None:
        """Know callers and data versions for half of so many seconds, then read them again.

        The other half is for what was decided on them.
        """
        self._sessions = store.sessions
        self._database = database = store.database
        self._tokens = Fresh(partial(find_tokens, database), freshness / 2)
        self._versions = Fresh(partial(data_versions, database), freshness / 2)
        self._recording: dict[str, asyncio.Task[None]] = {}
        self._recorded: TTLCache[str, None] = TTLCache(MAX_KEPT, auth.USE_RESOLUTION)

    async def authenticate(self, token: str) -> StoredToken:
        """Return who is asking, and until when with this token.

        Raises:
            Unauthenticated: the token opens nothing.
            Unavailable: the database can't answer.
        """
        stored = await auth.authenticate(self._tokens, token)
        self._record_use(stored.service_user)
        return stored

    async def versions(self, org_ids: Collection[str | None]) -> Mapping[str | None, int]:
        """Return the data versions of those of some organizations that are known; None: of all.

        What is asked later is at least as new, and stays true while they are the same.

        Raises:
            Unavailable: the database can't answer.
        """
        return await self._versions.get(org_ids)

    async def session_metrics(
        self, caller: ServiceUser, asked: Sequence[Asked]
    ) -> list[SessionMetrics | MetricsError]:
        """Return the answer to each question in order, or why it has none.

        That is `Forbidden` where the caller may not read the organization, or the enterprise, and
        `Unavailable` or `TimedOut` where the database can't answer; the others are answered all the
        same.
        """
        org_ids = {each.question.org_id for each in asked}
        try:
            readable = await auth.readable(self._versions, caller, org_ids)
        except (Unavailable, TimedOut) as error:
            return [error] * len(asked)
        saw_organizations(readable)
        allowed = [each for each in asked if each.question.org_id in readable]
        answers = iter(await questions.session_metrics(self._sessions, allowed))
        return [
            next(answers) if org_id in readable else Forbidden(org_id)
            for org_id in (each.question.org_id for each in asked)
        ]

    async def breakdown(self, caller: ServiceUser, query: BreakdownQuery) -> Breakdown:
        """Return the same measures for each user, playbook or organization.

        Raises:
            Forbidden: the caller may not read the organization, or the enterprise.
            Unavailable: the database can't answer.
        """
        org_id = query.question.org_id
        if org_id not in await auth.readable(self._versions, caller, {org_id}):
            raise Forbidden(org_id)
        saw_organizations({org_id})
        return await breakdowns.breakdown(self._sessions, query)

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
        who = caller.service_user_id
        if who in self._recorded or auth.use_is_recorded(caller):
            return
        # Whoever records it next: what is known of the caller may be a moment old.
        self._recorded[who] = None
        task = asyncio.create_task(self._try_to_record_use(caller))
        self._recording[who] = task
        task.add_done_callback(lambda _: self._recording.pop(who, None))

    async def _try_to_record_use(self, caller: ServiceUser) -> None:
        try:
            await auth.record_use(self._database, caller)
        except Unavailable as error:
            self._recorded.pop(caller.service_user_id, None)
            logger.warning("The last use of %s was not recorded: %r", caller.service_user_id, error)
