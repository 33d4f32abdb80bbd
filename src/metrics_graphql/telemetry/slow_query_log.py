"""The slow query log: the SQL of slow requests, without values, and the engine's query plan."""

import asyncio
import logging
import time
from contextvars import Context
from typing import Final

from metrics_graphql.core.errors import MetricsError
from metrics_graphql.telemetry.redaction import log_organizations, log_word
from metrics_graphql.telemetry.request_record import RequestRecord, Statement

logger = logging.getLogger(__name__)

MIN_INTERVAL: Final = 1.0
"""Seconds between two entries: when everything is slow, explaining must not make it slower."""
EXPLAIN_TIMEOUT: Final = 5.0
"""Seconds that an engine may take to return a plan."""
CLOSE_TIMEOUT: Final = 1.0
"""Seconds that a shutdown waits for an entry in progress."""


class SlowQueryLog:
    """Logs requests that queried the database and took at least `threshold` seconds; 0: none."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._next_at = 0.0
        self._explaining: asyncio.Task[None] | None = None

    def add(self, record: RequestRecord) -> None:
        """Log a request that has ended, if it was slow and no other one is being explained."""
        if not self._threshold or record.seconds < self._threshold or not record.statements:
            return
        is_explaining = self._explaining is not None and not self._explaining.done()
        if is_explaining or time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + MIN_INTERVAL
        # Not in the request's context, where EXPLAIN would be recorded as one of its statements.
        loop = asyncio.get_running_loop()
        self._explaining = loop.create_task(log_slow_request(record), context=Context())

    async def close(self) -> None:
        """Wait for an entry in progress, but not for long."""
        if self._explaining:
            await asyncio.wait([self._explaining], timeout=CLOSE_TIMEOUT)
            self._explaining.cancel()


async def log_slow_request(record: RequestRecord) -> None:
    """Log the statements of a request, and the plan of the slowest one."""
    slowest = max(record.statements, key=lambda statement: statement.seconds)
    logger.warning(
        "Slow query",
        extra={
            "request_id": record.request_id,
            "endpoint": record.endpoint,
            "caller": log_word(record.caller_id) or None,
            "org": log_organizations(record.organizations) or None,
            "operation": log_word(record.operation_name) or None,
            "duration_ms": round(record.seconds * 1e3, 1),
            "statements": [
                {"ms": round(each.seconds * 1e3, 1), "sql": " ".join(each.sql.split())}
                for each in record.statements
            ],
            "query_plan": await query_plan(slowest),
        },
    )


async def query_plan(statement: Statement) -> list[str]:
    """Return the engine's plan of a statement, line by line, or why there is none."""
    try:
        async with asyncio.timeout(EXPLAIN_TIMEOUT):
            return await statement.explain()
    except (TimeoutError, MetricsError):
        return ["not available: the database did not respond"]
    except Exception:
        # The request itself has been responded to: only its log entry would be lost.
        logger.exception("A slow query could not be explained")
        return ["not available: see the error before this line"]
