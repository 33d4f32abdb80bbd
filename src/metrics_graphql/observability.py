"""What the operator sees of an unexpected error, and what its caller sees instead."""

import asyncio
import logging
import re
import secrets
import time
from functools import lru_cache
from typing import Final

logger = logging.getLogger(__name__)

LATE_SECONDS: Final = 0.2
"""How long a request's line may wait for others."""
ONE_LINE: Final = {
    code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160), 0x2028, 0x2029)
}
"""Spells out what would end a line."""
request_logger = logging.getLogger("metrics_graphql.requests")

TOKEN: Final = re.compile(r"cog_\w+", re.IGNORECASE)


class WithoutTokens(logging.Formatter):
    """Writes log lines, tracebacks too, with every token struck out, whoever put it there."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or the lines of requests, which begin as others do already."""
        is_whole = record.name == request_logger.name
        line = record.getMessage() if is_whole else super().format(record)
        return TOKEN.sub("cog_…", line)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's own
        """Return the instant of a line."""
        return instant_of(record.created)


def instant_of(seconds: float) -> str:
    """Return Unix seconds as ISO 8601 in UTC, to the millisecond."""
    return f"{second_of(int(seconds))}.{int(seconds % 1 * 1_000):03}Z"


@lru_cache(maxsize=4)
def second_of(seconds: int) -> str:
    """Return Unix seconds as ISO 8601 in UTC; most lines share theirs with others."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def configure_logging(level: str) -> None:
    """Log to standard error: our own messages from a level up, those of libraries from warning.

    What the server says counts as ours.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(WithoutTokens("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in ("metrics_graphql", "uvicorn"):
        logging.getLogger(name).setLevel(level.upper())


class RequestLog:
    """A line for each request: one call to `logging` for each would cost as much as an answer.

    Lines are written together, at most `LATE_SECONDS` late.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._writing: asyncio.AbstractEventLoop | None = None

    def add(self, method: str, path: str, status: int, milliseconds: float) -> None:
        """Note a request, without its query: that holds ids, or a token in the wrong place."""
        if not request_logger.isEnabledFor(logging.INFO):
            return
        if self._writing is None or self._writing.is_closed():
            self._writing = asyncio.get_running_loop()
            self._writing.call_later(LATE_SECONDS, self.write)
        what = f"{method} {path} {status} {milliseconds:.1f} ms"
        if not what.isprintable():
            what = what.translate(ONE_LINE)
        self._lines.append(f"{instant_of(time.time())} INFO {request_logger.name}: {what}")

    def write(self) -> None:
        """Write what was noted."""
        lines, self._lines, self._writing = self._lines, [], None
        if lines:
            request_logger.info("%s", "\n".join(lines))


def report(error: BaseException) -> str:
    """Log an unexpected error with its traceback and return a message that tells only its id."""
    error_id = secrets.token_hex(8)
    logger.error("Unexpected error %s", error_id, exc_info=error)
    return f"Internal error. The server's log has the details under the id {error_id}."


def report_unavailable(error: BaseException) -> None:
    """Log that the database could not answer, and why."""
    logger.warning("The database is not available: %r", error.__cause__)
