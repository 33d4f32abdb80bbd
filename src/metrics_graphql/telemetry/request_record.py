"""What is recorded of a request, for the access log, metrics, traces and the slow query log.

The telemetry middleware puts a `RequestRecord` into the ASGI scope, and the endpoints complete it.
`current_request` is for code that has no scope: log lines and SQL statements.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from time import perf_counter
from typing import Final, Literal, NamedTuple

from starlette.types import Scope

from metrics_graphql.core.tenants import ENTERPRISE, Tenant

DataSource = Literal["none", "cache", "rollups", "raw"]
"""Where a response's numbers came from. Raw sessions at the ends of roll-ups count as `rollups`."""
Rejection = Literal["", "rate_limit", "overload"]
"""Why a request was refused before anything of it ran."""

SOURCE_RANK: Final[dict[DataSource, int]] = {"none": 0, "cache": 1, "rollups": 2, "raw": 3}
SCOPE_KEY: Final = "metrics_graphql.request"
CLIENT_CLOSED_REQUEST: Final = 499
"""The status recorded when the client disconnected before the response; nginx's number for it."""


class Statement(NamedTuple):
    """A SQL statement that read. Its text has placeholders and no values."""

    engine: str
    sql: str
    started_at: float
    """On the clock of `perf_counter`, as every instant here."""
    seconds: float
    data_source: DataSource
    explain: Callable[[], Awaitable[list[str]]]
    """Returns the engine's query plan."""


StatementObserver = Callable[[Statement], None]
"""Called with each statement when it ends, also when it failed."""


class RequestRecord:
    """One request. Texts that a client sent are recorded as sent, and escaped when written.

    Attributes have their defaults in the class, so that a record costs little to create.
    """

    seconds = 0.0
    status = CLIENT_CLOSED_REQUEST
    endpoint = ""
    """The name of the matched route, unless the handler sets a more specific one."""
    route = ""
    """The path template of the matched route (OpenTelemetry's `http.route`)."""
    caller_id = ""
    """The id of the authenticated service user."""
    organizations: frozenset[str] = frozenset()
    """The organizations in the response; `*` for the enterprise."""
    operation_name = ""
    """The name of the GraphQL operation."""
    data_source: DataSource = "none"
    """The most expensive source that was used."""
    rejection: Rejection = ""
    fast_path_failures = 0
    """GraphQL fields that failed on the fast path because of a bug."""
    statements: Sequence[Statement] = ()
    trace_id = ""

    def __init__(self, request_id: str, method: str, path: str) -> None:
        self.started_at = perf_counter()
        self.request_id = request_id
        self.method = method
        self.path = path

    def record_data_source(self, source: DataSource) -> None:
        """Record a source; the most expensive one stands."""
        if SOURCE_RANK[source] > SOURCE_RANK[self.data_source]:
            self.data_source = source

    def record_tenants(self, tenants: Iterable[Tenant]) -> None:
        """Record whose sessions the response is about."""
        self.organizations |= {"*" if each is ENTERPRISE else each for each in tenants}

    @classmethod
    def of(cls, scope: Scope) -> "RequestRecord":
        """Return the record in an ASGI scope."""
        record: RequestRecord = scope[SCOPE_KEY]
        return record


current_request: Final[ContextVar[RequestRecord | None]] = ContextVar("request", default=None)
"""Correlates log lines and statements with the request that caused them."""
