"""One method per question: authorise, ask the store, return the answer.

Does not know how a question is spelled outside.
"""

import asyncio
import logging
from collections.abc import Iterable

from metrics_graphql import auth
from metrics_graphql.domain.measures import Measure
from metrics_graphql.domain.metrics import SessionMetrics, SessionMetricsQuery
from metrics_graphql.errors import Unavailable
from metrics_graphql.store import questions
from metrics_graphql.store.accounts import ServiceUser
from metrics_graphql.store.engine import Database

logger = logging.getLogger(__name__)


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
        self, caller: ServiceUser, query: SessionMetricsQuery, measures: Iterable[Measure]
    ) -> SessionMetrics:
        """Return these measures of the sessions that the question counts.

        Raises:
            Forbidden: the caller may not read the organization, or there is none.
            Unavailable: the database can't answer.
        """
        await auth.authorise(self._database, caller, query.org_id)
        return await questions.session_metrics(self._database, query, measures)

    async def close(self) -> None:
        """Wait for what is still being written."""
        await asyncio.gather(*self._recording.values())

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
