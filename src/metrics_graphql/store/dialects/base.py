"""What the store needs of a database engine: of every one, and of one with transactions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.compiler import SQLCompiler

from metrics_graphql.store.inline import InlineReader

Insert = TypeVar("Insert", sqlite.Insert, postgresql.Insert)
"""Inserts that know ON CONFLICT."""
OnConflict = Literal["keep", "replace", "add"]
"""What becomes of a row with the same key: it stays, is replaced, or is added to."""


class Prepared(NamedTuple):
    """A statement as the driver takes it: SQLAlchemy has done its part, once."""

    sql: str
    order: tuple[str, ...]
    """The name of each parameter, in the order of their places."""
    constants: dict[str, Any]
    """The values of those that are always the same."""

    def bound(self, values: dict[str, Any]) -> tuple[Any, ...]:
        """Return the values in the order of their places."""
        everything = self.constants | values
        return tuple([everything[name] for name in self.order])

    def named(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values by the names of their parameters."""
        return dict(zip(self.order, self.bound(values), strict=True))


class Run(NamedTuple):
    """Buckets, or a stretch of raw sessions, that one of the questions of a statement adds up."""

    question: int
    grain: int
    """0 for raw sessions."""
    start: int
    end: int


class Dialect(Hashable, Protocol):
    """How one engine spells questions, where SQLAlchemy leaves it to the engine."""

    @property
    def name(self) -> str:
        """What the engine is called."""

    @property
    def rolls_up(self) -> bool:
        """Whether there are roll-ups beside the sessions, and indexes for each filter."""

    def prepare(self, statement: sa.ClauseElement) -> Prepared:
        """Return a statement as the driver takes it."""

    def one_of(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        """Return a condition: the column is one of the ids bound to `parameter`.

        Its SQL is the same for any number of ids.
        """

    def bind_ids(self, ids: Iterable[str]) -> object:
        """Return what to bind to the parameter of `one_of`."""

    def in_runs(
        self,
        parameter: str,
        instant: sa.Column[int],
        *conditions: sa.ColumnElement[bool],
        grain: sa.Column[int] | None = None,
        one_question: bool,
    ) -> sa.Select[*tuple[Any, ...]]:
        """Return the rows of a table whose instant is in one of the runs bound to `parameter`.

        Their one column is a number, of which `questions` tells the questions. If all runs are of
        one question, the statement may be a simpler one. `grain` is the column to compare with that
        of a run.
        """

    def bind_runs(self, runs: Iterable[Run]) -> object:
        """Return what to bind to the parameter of `in_runs`."""

    def questions(self, runs: Iterable[Run]) -> Callable[[int | None], Iterable[int]]:
        """Return what tells the questions that a row of a number belongs to; None is no rows."""

    def sum(self, column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """Return the sum of a column of integers, as an integer."""

    def quotient(
        self, dividend: sa.ColumnElement[int], divisor: sa.ColumnElement[int]
    ) -> sa.ColumnElement[int]:
        """Return the whole part of a quotient of integers that are not negative."""

    def now(self) -> sa.ColumnElement[int]:
        """Return the time that the engine has, in Unix seconds."""


class DatabaseDialect(Dialect, Protocol):
    """How an engine with transactions is opened and written to, besides."""

    @property
    def driver_errors(self) -> tuple[type[Exception], ...]:
        """What all errors of the driver are."""

    def is_unavailable(self, error: BaseException) -> bool:
        """Return whether an error of the driver says that the database can't answer."""

    def exists(self, url: sa.URL) -> bool:
        """Return whether there is something to open, which opening would make otherwise."""

    def create_engine(self, url: sa.URL, *, connections: int, wait_seconds: float) -> AsyncEngine:
        """Return an engine with so many connections at most, which wait so long for a lock.

        They read in autocommit.
        """

    def create(self, url: sa.URL) -> None:
        """Make an empty database where that is for us to do, and none is there.

        Raises:
            Exception: one of `driver_errors`; it can't be made.
        """

    def writer(self, engine: AsyncEngine) -> AsyncEngine:
        """Return the same engine for connections that hold a write transaction from its begin."""

    async def begin(self, connection: AsyncConnection, *, alone: bool) -> None:
        """Begin a write transaction beside the others, or `alone`: after them and before them."""

    async def fetch(
        self,
        connection: Any,  # noqa: ANN401 - what the driver calls a connection
        prepared: Prepared,
        values: dict[str, Any],
    ) -> Sequence[Sequence[Any]]:
        """Return the rows of a statement, in one trip on a connection of the driver.

        When cancelled, the database stops working on it before this ends.
        """

    async def explain(self, connection: AsyncConnection, prepared: Prepared) -> list[str]:
        """Return how the engine goes about a statement, line by line, without any values."""

    def is_open(self, connection: Any) -> bool:  # noqa: ANN401 - what the driver calls one
        """Return whether a connection that was kept open still is."""

    async def learn_sizes(self, connection: AsyncConnection) -> None:
        """Let the engine's planner find out how much there is in the tables, after a bulk load."""

    def inline_reader(self, url: sa.URL) -> InlineReader | None:
        """Return what reads without a thread, of a database that is open; None if nothing does."""

    def insert(self, table: sa.Table, key: Iterable[str], on_conflict: OnConflict) -> Prepared:
        """Return the insert of rows of all columns, in their order, for `insert_rows`."""

    async def insert_rows(
        self, connection: AsyncConnection, insert: Prepared, rows: Sequence[Sequence[Any]]
    ) -> int:
        """Insert rows in their order; return how many there are but for those that stayed."""


class RollingUp(ABC):
    """What the engines with roll-ups have in common: runs are a table to join with."""

    rolls_up: Final = True

    @abstractmethod
    def runs(self, parameter: str) -> sa.CTE:
        """Return the runs bound to `parameter` as a table with the columns of `Run`."""

    def in_runs(
        self,
        parameter: str,
        instant: sa.Column[int],
        *conditions: sa.ColumnElement[bool],
        grain: sa.Column[int] | None = None,
        one_question: bool,
    ) -> sa.Select[*tuple[Any, ...]]:
        """Join the table with the runs; a row's number is its question's."""
        del one_question
        runs = self.runs(parameter)
        same_grain = () if grain is None else (grain == runs.c.grain,)
        in_run = sa.and_(*conditions, *same_grain, instant >= runs.c.start, instant < runs.c.end)
        return sa.select(runs.c.question).select_from(runs.join(instant.table, in_run))

    def questions(self, runs: Iterable[Run]) -> Callable[[int | None], Iterable[int]]:
        """Return a row's own question."""
        del runs
        return lambda number: (number or 0,)

    def quotient(
        self, dividend: sa.ColumnElement[int], divisor: sa.ColumnElement[int]
    ) -> sa.ColumnElement[int]:
        """Divide integers, which makes an integer."""
        return dividend // divisor


def compiled(statement: sa.ClauseElement, engine: sa.Dialect) -> Prepared:
    """Return a statement as SQLAlchemy's dialect of an engine writes it."""
    written = cast("SQLCompiler", statement.compile(dialect=engine))
    constants = {name: bind.value for name, bind in written.binds.items() if not bind.required}
    return Prepared(written.string, tuple(written.positiontup or ()), constants)


def resolved(insert: Insert, key: Iterable[str], on_conflict: OnConflict) -> Insert:
    """Return an insert that says what becomes of a row with the same key."""
    if on_conflict == "keep":
        return insert.on_conflict_do_nothing()
    assignments = {
        column.name: column + insert.excluded[column.name]
        if on_conflict == "add"
        else insert.excluded[column.name]
        for column in insert.table.c
        if column.name not in set(key)
    }
    return insert.on_conflict_do_update(index_elements=list(key), set_=assignments)
