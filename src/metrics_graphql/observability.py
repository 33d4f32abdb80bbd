"""What the operator sees of an unexpected error, and what its caller sees instead."""

import logging
import re
import secrets
from typing import Final

logger = logging.getLogger(__name__)

TOKEN: Final = re.compile(r"cog_\w+", re.IGNORECASE)


ACCESS_ARGUMENTS: Final = 5
"""Of the server's line of a request: client, method, path with query, version, status."""


class WithoutTokens(logging.Formatter):
    """Writes log lines, tracebacks too, with every token struck out, whoever put it there."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return TOKEN.sub("cog_…", super().format(record))


def without_query(record: logging.LogRecord) -> bool:
    """Cut the query off the address in the server's line of a request: it holds ids, or worse."""
    if isinstance(record.args, tuple) and len(record.args) == ACCESS_ARGUMENTS:
        client, method, path, *others = record.args
        record.args = (client, method, str(path).partition("?")[0], *others)
    return True


def configure_logging(level: str) -> None:
    """Log to standard error: our own messages from a level up, those of libraries from warning.

    Requests, which the server logs, count as ours.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(WithoutTokens("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("uvicorn.access").addFilter(without_query)
    for name in ("metrics_graphql", "uvicorn"):
        logging.getLogger(name).setLevel(level.upper())


def report(error: BaseException) -> str:
    """Log an unexpected error with its traceback and return a message that tells only its id."""
    error_id = secrets.token_hex(8)
    logger.error("Unexpected error %s", error_id, exc_info=error)
    return f"Internal error. The server's log has the details under the id {error_id}."


def report_unavailable(error: BaseException) -> None:
    """Log that the database could not answer, and why."""
    logger.warning("The database is not available: %r", error.__cause__)
