"""Logging: lines for people or in JSON, on standard error, without tokens."""

import logging
import sys
import time
from functools import lru_cache
from typing import Final, Literal

import structlog
from structlog.typing import EventDict, Processor

from metrics_graphql.telemetry.redaction import redact
from metrics_graphql.telemetry.request_record import current_request

LogFormat = Literal["console", "json"]

ACCESS_LOGGER: Final = "metrics_graphql.requests"
"""The logger of the access log, whose lines are formatted already."""
FIELDS: Final = (
    "request_id",
    "endpoint",
    "caller",
    "org",
    "operation",
    "duration_ms",
    "statements",
    "query_plan",
)
"""Fields that a line may have in addition to its message. Others, from libraries, are dropped."""


class RedactingFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats log records, tracebacks included, and removes tokens from them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; those of the access log as they are."""
        if record.name == ACCESS_LOGGER:
            return record.getMessage()
        return redact(super().format(record))


def configure_logging(level: str, log_format: LogFormat = "console") -> None:
    """Log to standard error: this project and the server from `level` up, libraries warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(log_format))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in ("metrics_graphql", "uvicorn"):
        logging.getLogger(name).setLevel(level.upper())


def formatter(log_format: LogFormat) -> RedactingFormatter:
    """Return the formatter of a log format."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(allow=FIELDS),
        add_timestamp,
        add_request_id,
    ]
    # Neither format shows the values of local variables in a traceback.
    if log_format == "json":
        shared.append(structlog.stdlib.add_logger_name)
        renderers: list[Processor] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ]
    else:
        renderers = [
            structlog.dev.ConsoleRenderer(
                pad_event_to=0,
                colors=sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    return RedactingFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        foreign_pre_chain=shared,
    )


def add_timestamp(_logger: object, _name: str, event: EventDict) -> EventDict:
    """Add the present time in UTC, as the first field."""
    return {"timestamp": utc_timestamp(int(time.time() * 1_000)), **event}


def add_request_id(_logger: object, _name: str, event: EventDict) -> EventDict:
    """Add the id of the request that a line was logged for."""
    if record := current_request.get():
        event.setdefault("request_id", record.request_id)
    return event


@lru_cache(maxsize=4)
def utc_timestamp(milliseconds: int) -> str:
    """Return Unix milliseconds as ISO 8601; cached, since under load most lines share theirs."""
    seconds, rest = divmod(milliseconds, 1_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03}Z"
