"""What the operator sees of an unexpected error, and what its caller sees instead."""

import asyncio
import logging
import re
import secrets
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

    _second = -1
    _spelled = ""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return TOKEN.sub("cog_…", super().format(record))

    def formatTime(self, record: logging.LogRecord, _datefmt: str | None = None) -> str:  # noqa: N802 - logging's own name
        """Return the instant of a line; the second is spelled out once, for all its lines."""
        second = int(record.created)
        if second != self._second:
            self._second, self._spelled = second, super().formatTime(record, "%Y-%m-%dT%H:%M:%S")
        return f"{self._spelled}.{int(record.msecs):03}"


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

    def add(self, method: str, path: str, status: int, milliseconds: float) -> None:
        """Note a request, without its query: that holds ids, or a token in the wrong place."""
        if not request_logger.isEnabledFor(logging.INFO):
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(LATE_SECONDS, self.write)
        self._lines.append(f"{method} {path} {status} {milliseconds:.1f} ms")

    def write(self) -> None:
        """Write what was noted, each request in a line of its own."""
        lines, self._lines = self._lines, []
        if lines:
            request_logger.info("%s", "\n".join(line.translate(ONE_LINE) for line in lines))


def report(error: BaseException) -> str:
    """Log an unexpected error with its traceback and return a message that tells only its id."""
    error_id = secrets.token_hex(8)
    logger.error("Unexpected error %s", error_id, exc_info=error)
    return f"Internal error. The server's log has the details under the id {error_id}."


def report_unavailable(error: BaseException) -> None:
    """Log that the database could not answer, and why."""
    logger.warning("The database is not available: %r", error.__cause__)
