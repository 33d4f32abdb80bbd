"""What the operator sees of an unexpected error, and what its caller sees instead."""

import logging
import secrets

logger = logging.getLogger(__name__)


def configure_logging(level: str) -> None:
    """Log to standard error: our own messages from a level up, those of libraries from warning."""
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("metrics_graphql").setLevel(level.upper())


def report(error: BaseException) -> str:
    """Log an unexpected error with its traceback and return a message that tells only its id."""
    error_id = secrets.token_hex(8)
    logger.error("Unexpected error %s", error_id, exc_info=error)
    return f"Internal error. The server's log has the details under the id {error_id}."


def report_unavailable(error: BaseException) -> None:
    """Log that the database could not answer, and why."""
    logger.warning("The database is not available: %r", error.__cause__)
