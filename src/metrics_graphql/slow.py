"""Slow questions: their SQL, without values, and how the engine goes about it."""

import asyncio
import logging
import time
from contextvars import Context
from typing import Final

from metrics_graphql.errors import MetricsError
from metrics_graphql.observability import named, word
from metrics_graphql.seen import Seen, Statement

logger = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 1.0
"""Between two that are told: when everything is slow, telling must not make it slower."""
EXPLAIN_SECONDS: Final = 5.0
"""How long an engine may take to say what it would do."""

CLOSING_SECONDS: Final = 1.0
"""How long a shutdown waits for it."""


class SlowQuestions:
    """Tells of requests that took longer than so many seconds; 0 tells of none."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0
        self._telling: asyncio.Task[None] | None = None

    def look(self, request: Seen) -> None:
        """Tell of a request that has ended, if it asked the database and was slow; one at a time.

        The line of the request itself says how long it took, in any case.
        """
        if not self._seconds or request.seconds < self._seconds or not request.statements:
            return
        if (self._telling and not self._telling.done()) or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PAUSE_SECONDS
        # Not in the context of the request, whose statements are counted.
        self._telling = asyncio.get_running_loop().create_task(tell(request), context=Context())

    async def close(self) -> None:
        """Give what is being told a moment."""
        if self._telling:
            await asyncio.wait([self._telling], timeout=CLOSING_SECONDS)
            self._telling.cancel()


async def tell(request: Seen) -> None:
    """Log the statements of a request, and the plan of the slowest."""
    slowest = max(request.statements, key=lambda statement: statement.seconds)
    logger.warning(
        "Slow question",
        extra={
            "request_id": request.request_id,
            "door": request.door,
            "org": named(request.organizations) or None,
            "operation": word(request.operation) or None,
            "ms": round(request.seconds * 1e3, 1),
            "statements": [
                {"ms": round(each.seconds * 1e3, 1), "sql": " ".join(each.sql.split())}
                for each in request.statements
            ],
            "plan": await plan_of(slowest),
        },
    )


async def plan_of(statement: Statement) -> list[str]:
    """Return what an engine would do for a statement, line by line; or that it does not say."""
    try:
        async with asyncio.timeout(EXPLAIN_SECONDS):
            return await statement.explain()
    except (TimeoutError, MetricsError):
        return ["the database does not say"]
    except Exception:
        # What was asked is answered: only its line would be lost.
        logger.exception("A slow question could not be explained")
        return ["see the error"]
