"""What is seen of the request at hand, for its line in the log, the counts and the traces.

Rooms note here what they know of it; who looks at it, and how, they do not know.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from time import perf_counter
from typing import Final, Literal, NamedTuple

from metrics_graphql.counts import STATEMENTS

Rows = Literal["none", "cache", "rollups", "raw"]
"""Where the rows of an answer came from; raw sessions at the ends of roll-ups do not count."""

ENTERPRISE: Final = "*"
NOBODY: Final[frozenset[str]] = frozenset()


class Statement(NamedTuple):
    """A statement that read, and how to ask its engine for its plan; it has no values in it."""

    engine: str
    sql: str
    started: float
    """On the clock of `perf_counter`, as all instants here."""
    seconds: float
    explain: Callable[[], Awaitable[list[str]]]


class Seen:
    """One request. What a client said of itself is in here as it was said."""

    organizations = NOBODY
    """Those asked about that the caller may read."""
    operation = ""
    """The name of a GraphQL operation, if it has one."""
    rows: Rows = "none"
    statements: Sequence[Statement] = ()
    status = 499
    """Nothing was answered: the client went away."""
    seconds = 0.0
    trace_id = ""

    def __init__(self, request_id: str, door: str, method: str, path: str) -> None:
        self.started = perf_counter()
        self.request_id = request_id
        self.door = door
        self.method = method
        self.path = path


at_hand: Final[ContextVar[Seen | None]] = ContextVar("seen", default=None)


def saw_statement(
    engine: str, sql: str, started: float, explain: Callable[[], Awaitable[list[str]]]
) -> None:
    """Note a statement that ended just now; one that several requests wait for is of none."""
    seconds = perf_counter() - started
    STATEMENTS.labels(engine).observe(seconds)
    if request := at_hand.get():
        statement = Statement(engine, sql, started, seconds, explain)
        request.statements = (*request.statements, statement)


def saw_rows(rows: Rows) -> None:
    """Note where rows came from; the dearest is what is told of a request."""
    request = at_hand.get()
    if request is not None and request.rows != "raw":
        request.rows = rows


def saw_organizations(org_ids: Iterable[str | None]) -> None:
    """Note organizations that the caller asked about and may read; None is the enterprise."""
    if request := at_hand.get():
        request.organizations |= {ENTERPRISE if org_id is None else org_id for org_id in org_ids}


def saw_operation(name: str) -> None:
    """Note the name of a GraphQL operation."""
    if request := at_hand.get():
        request.operation = name


def saw_page() -> None:
    """Note that a page is shown where there is another door, too."""
    if request := at_hand.get():
        request.door = "page"
