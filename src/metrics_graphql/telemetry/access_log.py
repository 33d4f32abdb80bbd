"""The access log: a line for each request, at the level debug for probes.

Lines are written together, at most `MAX_DELAY` seconds late, and their common part is cached: one
call to `logging` and one pass through structlog for each would cost as much as a cached response
(docs/decisions/0011).
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from metrics_graphql.telemetry.logging import ACCESS_LOGGER, LogFormat, utc_timestamp
from metrics_graphql.telemetry.redaction import MAX_WORD, log_organizations, log_word
from metrics_graphql.telemetry.request_record import RequestRecord

logger = logging.getLogger(ACCESS_LOGGER)

MAX_DELAY: Final = 0.2
PROBES: Final = frozenset({"health", "metrics"})
"""The endpoints that are requested every few seconds: `/livez`, `/readyz` and `/metrics`."""


class CommonFields(NamedTuple):
    """The fields that many requests share."""

    level: int
    endpoint: str
    caller_id: str
    method: str
    path: str
    organizations: frozenset[str]
    operation_name: str
    status: int
    data_source: str


class AccessLog:
    """Collects the lines of requests, and writes them together."""

    def __init__(self, log_format: LogFormat = "console") -> None:
        format_common: Callable[[CommonFields], str]
        if log_format == "json":
            self._format_line, format_common = json_line, common_as_json
        else:
            self._format_line, format_common = console_line, common_as_text
        self._format_common = lru_cache(maxsize=1_024)(format_common)
        self._lines: list[tuple[int, str]] = []
        self._flush_loop: asyncio.AbstractEventLoop | None = None
        """The event loop in which a flush is scheduled."""

    def add(self, record: RequestRecord) -> None:
        """Add a line for a request, without its query string, which may contain secrets."""
        level = logging.DEBUG if record.endpoint in PROBES else logging.INFO
        if not logger.isEnabledFor(level):
            return
        if self._flush_loop is None or self._flush_loop.is_closed():
            self._flush_loop = asyncio.get_running_loop()
            self._flush_loop.call_later(MAX_DELAY, self.flush)
        common = CommonFields(
            level,
            record.endpoint,
            record.caller_id,
            record.method,
            record.path if len(record.path) <= MAX_WORD else log_word(record.path),
            record.organizations,
            record.operation_name,
            record.status,
            record.data_source,
        )
        timestamp = utc_timestamp(int(time.time() * 1_000))
        line = self._format_line(record, self._format_common(common), timestamp)
        self._lines.append((level, line))

    def flush(self) -> None:
        """Write the collected lines."""
        lines, self._lines, self._flush_loop = self._lines, [], None
        for level, group in groupby(lines, key=itemgetter(0)):
            logger.log(level, "%s", "\n".join(line for _, line in group))


def common_as_text(common: CommonFields) -> str:
    """Return the common fields in the console format."""
    caller = f" caller={log_word(common.caller_id)}" if common.caller_id else ""
    return (
        f"[{level_name(common.level):9}]"
        f" {log_word(common.method)} {log_word(common.path)} status={common.status}"
        f" endpoint={common.endpoint}{caller}"
        f" org={log_organizations(common.organizations) or '-'}"
        f" operation={log_word(common.operation_name) or '-'} data_source={common.data_source}"
    )


def level_name(level: int) -> str:
    """Return the name of a level as structlog spells it."""
    return logging.getLevelName(level).lower()


def console_line(record: RequestRecord, common: str, timestamp: str) -> str:
    """Return a line in the console format, which is that of structlog."""
    statements = record.statements
    sql = f" sql_statements={len(statements)} sql_ms={sql_ms(record):.1f}" if statements else ""
    trace = f" trace_id={record.trace_id}" if record.trace_id else ""
    return (
        f"{timestamp} {common} duration_ms={record.seconds * 1e3:.1f}{sql}{trace}"
        f" request_id={record.request_id}"
    )


def common_as_json(common: CommonFields) -> str:
    """Return the common fields as members of a JSON object."""
    fields = {
        "level": level_name(common.level),
        "logger": ACCESS_LOGGER,
        "event": "request",
        "method": log_word(common.method),
        "path": log_word(common.path),
        "status": common.status,
        "endpoint": common.endpoint,
        "caller": log_word(common.caller_id) or None,
        "org": log_organizations(common.organizations) or None,
        "operation": log_word(common.operation_name) or None,
        "data_source": common.data_source,
    }
    return json.dumps(fields)[1:-1]


def json_line(record: RequestRecord, common: str, timestamp: str) -> str:
    """Return a line as a JSON object."""
    trace = f', "trace_id": "{record.trace_id}"' if record.trace_id else ""
    return (
        f'{{"timestamp": "{timestamp}", {common}, "duration_ms": {record.seconds * 1e3:.2f},'
        f' "sql_statements": {len(record.statements)}, "sql_ms": {sql_ms(record):.2f}{trace},'
        f' "request_id": "{record.request_id}"}}'
    )


def sql_ms(record: RequestRecord) -> float:
    """Return the milliseconds that a request's statements took, concurrent ones added up."""
    if not record.statements:
        return 0.0
    return sum(statement.seconds for statement in record.statements) * 1e3
