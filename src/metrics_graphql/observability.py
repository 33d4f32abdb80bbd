"""How logs are written, and what the operator and the caller see of an unexpected error."""

import asyncio
import json
import logging
import re
import secrets
import sys
import time
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, Processor

from metrics_graphql.seen import Seen, at_hand

logger = logging.getLogger(__name__)

LogFormat = Literal["console", "json"]

LATE_SECONDS: Final = 0.2
"""How long a request's line may wait for others."""
MAX_WORD: Final = 200
"""Characters of a value that a request's line repeats."""
request_logger = logging.getLogger("metrics_graphql.requests")

TOKEN: Final = re.compile(r"cog(?:_|%(?:25)*5f)\w+|[0-9a-z]{38,}", re.IGNORECASE)
"""A token, whole or without its prefix: no id that is usual has as many letters and digits."""

FIELDS: Final = ("request_id", "door", "org", "operation", "ms", "statements", "plan")
"""What a line may have beside its message: what libraries bring along is theirs."""


def without_tokens(text: str) -> str:
    """Return a text with every token struck out, whoever put it there."""
    return TOKEN.sub("cog_…", text)


class WithoutTokens(structlog.stdlib.ProcessorFormatter):
    """Writes log lines, tracebacks too, without tokens."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or the lines of requests, which are written already."""
        if record.name == request_logger.name:
            return record.getMessage()
        return without_tokens(super().format(record))


def configure_logging(level: str, log_format: LogFormat = "console") -> None:
    """Log to standard error: our own messages from a level up, those of libraries from warning.

    What the server says counts as ours.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(log_format))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in ("metrics_graphql", "uvicorn"):
        logging.getLogger(name).setLevel(level.upper())


def formatter(log_format: LogFormat) -> WithoutTokens:
    """Return what writes lines as JSON, or for people."""
    known: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(allow=FIELDS),
        add_instant,
        add_request_id,
    ]
    # Without the values of local variables, which both ways would show in a traceback otherwise.
    if log_format == "json":
        known.append(structlog.stdlib.add_logger_name)
        written: list[Processor] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ]
    else:
        written = [
            structlog.dev.ConsoleRenderer(
                pad_event_to=0,
                colors=sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    return WithoutTokens(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *written],
        foreign_pre_chain=known,
    )


def add_instant(_logger: object, _name: str, event: EventDict) -> EventDict:
    """Add when a line was written."""
    return {"timestamp": instant_of(int(time.time() * 1_000)), **event}


def add_request_id(_logger: object, _name: str, event: EventDict) -> EventDict:
    """Add which request it was written for."""
    if request := at_hand.get():
        event.setdefault("request_id", request.request_id)
    return event


@lru_cache(maxsize=4)
def instant_of(milliseconds: int) -> str:
    """Return Unix milliseconds as ISO 8601 in UTC; most lines share theirs with others."""
    seconds, rest = divmod(milliseconds, 1_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03}Z"


def word(text: str) -> str:
    """Return what a client said as one word without quotes, not too long, and without tokens."""
    # Only then is it cut short, or a part of a token would be left.
    return without_tokens(quote(text, safe="/:@$,;+", errors="replace"))[:MAX_WORD]


def named(organizations: frozenset[str]) -> str:
    """Return organizations as one word."""
    return word(",".join(sorted(organizations)))


class Alike(NamedTuple):
    """What most requests have in common with others."""

    door: str
    method: str
    path: str
    organizations: frozenset[str]
    operation: str
    status: int
    rows: str


class RequestLog:
    """A line for each request: one call to `logging` for each would cost as much as an answer.

    Lines are written together, at most `LATE_SECONDS` late.
    """

    def __init__(self, log_format: LogFormat = "console") -> None:
        self._write_line = as_json if log_format == "json" else for_people
        self._about = lru_cache(maxsize=1_024)(
            about_as_json if log_format == "json" else about_for_people
        )
        """It takes longer than the rest of a line."""
        self._lines: list[str] = []
        self._writing: asyncio.AbstractEventLoop | None = None

    def add(self, request: Seen) -> None:
        """Note a request, without its query: that holds ids, or a token in the wrong place."""
        if not request_logger.isEnabledFor(logging.INFO):
            return
        if self._writing is None or self._writing.is_closed():
            self._writing = asyncio.get_running_loop()
            self._writing.call_later(LATE_SECONDS, self.write)
        path = request.path if len(request.path) <= MAX_WORD else word(request.path)
        alike = Alike(
            request.door,
            request.method,
            path,
            request.organizations,
            request.operation,
            request.status,
            request.rows,
        )
        instant = instant_of(int(time.time() * 1_000))
        self._lines.append(self._write_line(request, self._about(alike), instant))

    def write(self) -> None:
        """Write what was noted."""
        lines, self._lines, self._writing = self._lines, [], None
        if lines:
            request_logger.info("%s", "\n".join(lines))


def about_for_people(alike: Alike) -> str:
    """Return what the lines of alike requests have in common, as words."""
    door, method, path, organizations, operation, status, rows = alike
    return (
        f"{word(method)} {word(path)} status={status} door={door}"
        f" org={named(organizations) or '-'} operation={word(operation) or '-'} rows={rows}"
    )


def for_people(request: Seen, about: str, instant: str) -> str:
    """Return a request's line as words; structlog's own way takes as long as an answer."""
    statements = request.statements
    asked = f" statements={len(statements)} sql_ms={sql_ms(request):.1f}" if statements else ""
    trace = f" trace_id={request.trace_id}" if request.trace_id else ""
    return (
        f"{instant} [info     ] {about} ms={request.seconds * 1e3:.1f}{asked}{trace}"
        f" request_id={request.request_id}"
    )


def about_as_json(alike: Alike) -> str:
    """Return what the lines of alike requests have in common, as the members of an object."""
    about = {
        "level": "info",
        "logger": request_logger.name,
        "event": "request",
        "method": word(alike.method),
        "path": word(alike.path),
        "status": alike.status,
        "door": alike.door,
        "org": named(alike.organizations) or None,
        "operation": word(alike.operation) or None,
        "rows": alike.rows,
    }
    return json.dumps(about)[1:-1]


def as_json(request: Seen, about: str, instant: str) -> str:
    """Return a request's line as JSON."""
    trace = f', "trace_id": "{request.trace_id}"' if request.trace_id else ""
    database = sql_ms(request)
    return (
        f'{{"timestamp": "{instant}", {about}, "ms": {request.seconds * 1e3:.2f},'
        f' "statements": {len(request.statements)}, "sql_ms": {database:.2f}{trace},'
        f' "request_id": "{request.request_id}"}}'
    )


def sql_ms(request: Seen) -> float:
    """Return the milliseconds that a request's statements took, those side by side added up."""
    if not request.statements:
        return 0.0
    return sum(statement.seconds for statement in request.statements) * 1e3


def report(error: BaseException) -> str:
    """Log an unexpected error with its traceback and return a message that tells only its id."""
    error_id = secrets.token_hex(8)
    logger.error("Unexpected error %s", error_id, exc_info=error)
    return f"Internal error. The server's log has the details under the id {error_id}."


def report_unavailable(error: BaseException) -> None:
    """Log that the database could not answer, and why."""
    logger.warning("The database is not available: %r", error.__cause__)
