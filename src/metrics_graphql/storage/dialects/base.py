"""The protocols of engines: the SQL of every engine, and connections and writes of databases."""

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.compiler import SQLCompiler

from metrics_graphql.core.measures import Measure
from metrics_graphql.telemetry.request_record import DataSource

if TYPE_CHECKING:
    from metrics_graphql.storage.query_planner import QueryPlan
    from metrics_graphql.storage.rollups import RollupDimension
    from metrics_graphql.storage.session_sql import Select

Rows = Sequence[Sequence[Any]]
Insert = TypeVar("Insert", sqlite.Insert, postgresql.Insert)
"""Inserts that support ON CONFLICT."""
OnConflict = Literal["keep", "replace", "add"]
"""What an insert does to a stored row with the same key: keep it, replace it, or add to it."""


class CompiledStatement(NamedTuple):
    """A statement in the form that the driver takes. It is compiled once and executed often."""

    sql: str
    parameter_names: tuple[str, ...]
    """In the order of the placeholders."""
    constants: dict[str, Any]
    """The values of parameters that are the same in every execution."""
    data_source: DataSource = "none"
    """Where its sums come from; `none` for statements that compute no metrics."""

    def bind(self, values: dict[str, Any]) -> tuple[Any, ...]:
        """Return the values of all parameters, in the order of the placeholders."""
        all_values = self.constants | values
        return tuple([all_values[name] for name in self.parameter_names])

    def bind_by_name(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values of all parameters, by name."""
        return dict(zip(self.parameter_names, self.bind(values), strict=True))


class TimeRange(NamedTuple):
    """A range of roll-up buckets, or of raw sessions, that is summed for one query of a group."""

    query_index: int
    """Negative, counted from the end, if the range is subtracted from the query."""
    grain: int
    """Length of the buckets in seconds; 0 for raw sessions."""
    start: int
    end: int


class Key(NamedTuple):
    """A leading column of an index, and the values to look up. A range is read for each of them."""

    column: sa.Column[Any]
    values: "str | sa.ColumnElement[Any]"
    """The parameter that ids are bound to, or a column of another relation."""


@dataclass(frozen=True)
class SumsSpec:
    """Which sums to read, by which plan.

    Raises:
        ValueError: a measure is a remainder, which has no sum of its own.
    """

    plan: "QueryPlan"
    measures: tuple[Measure, ...]
    """As `summed_measures` returns them: no remainders."""
    by_range: bool = False
    """Whether rows are grouped by range key. Each group is added to its query, or subtracted from
    it. Otherwise there is one query, and the values of subtracted ranges are negated."""
    ranked: sa.CTE | None = None
    """A relation whose column `id` restricts the ids. The plan has roll-ups by these ids. Only for
    dialects with `ranks_first`."""

    def __post_init__(self) -> None:
        if remainders := [each.name for each in self.measures if each.is_remainder]:
            raise ValueError(f"measures have no sum of their own: {', '.join(remainders)}")


class SumsPart(NamedTuple):
    """The matching rows of one relation, and the values that are summed over them."""

    select: "Select"
    """Selects the matching rows. With `by_range`, it selects their range key, and nothing else: a
    number that identifies the queries that a row is summed for. `Dialect.query_lookup` returns
    their indexes."""
    values: tuple[sa.ColumnElement[int], ...]
    """The value of a row for each measure, labeled with its name."""
    row_id: sa.ColumnElement[Any] = sa.null()
    """The id of a row, if sums are by id."""


class RangeScan(NamedTuple):
    """Which rows to read: for each bound time range, and each value of the keys, one index range.

    A statement that is built from it reads no other rows, whatever the planner's statistics are.
    """

    parameter: str
    """The parameter that the time ranges are bound to: `raw` or `rolled_up`."""
    instant: sa.Column[Any]
    """The column that must be in one of the time ranges."""
    columns: frozenset[str]
    """The columns that the statement uses."""
    conditions: tuple[sa.ColumnElement[bool], ...] = ()
    """Conditions on columns of the index."""
    keys: tuple[Key, ...] = ()
    index_name: str | None = None
    """The index to read, for engines with index hints; None: the primary key."""

    @property
    def table(self) -> sa.Table:
        """The table to read."""
        return self.instant.table


class RangeRows(NamedTuple):
    """The rows of a `RangeScan`."""

    select: sa.Select[*tuple[Any, ...]]
    """Selects the rows, and with `by_range` their range key: see `SumsPart.select`."""
    columns: ReadOnlyColumnCollection[str, Any]
    """The columns of the rows."""
    sign: sa.ColumnElement[int] | None = None
    """The factor of a row's values: -1 if its range is subtracted, else 1. None with `by_range`:
    there, the range key is negative if the range is subtracted."""


class EqualByClass:
    """Objects of one class are equal.

    So all dialects of an engine, which compile the same SQL, share the cached statements.
    """

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))


class Dialect(Hashable, Protocol):
    """The SQL that an engine needs where SQLAlchemy's own dialects differ or fall short."""

    @property
    def name(self) -> str:
        """The name of the engine."""

    @property
    def rollup_dimensions(self) -> "tuple[RollupDimension, ...]":
        """The roll-ups that the engine stores, in the order in which queries prefer them."""

    @property
    def ranks_first(self) -> bool:
        """Whether a breakdown ranks ids first, and then reads the other measures of its page.

        If not, it reads all measures of all ids at once.
        """

    def compile(self, statement: sa.ClauseElement) -> CompiledStatement:
        """Return a statement in the form that the driver takes."""

    def in_ids(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        """Return the condition that a column is one of the texts bound to `parameter`.

        The SQL is the same for any number of texts. So one compiled statement serves all.
        """

    def bind_ids(self, ids: Iterable[str]) -> object:
        """Return the value for the parameter of `in_ids`."""

    def sums_parts(self, spec: SumsSpec) -> list[SumsPart]:
        """Return disjoint parts whose sums add up to the sums over all matching sessions.

        The parameters are `org_id` or `org_ids`, those of `bind_ranges`, and those of the filters,
        by their names.
        """

    def bind_ranges(self, ranges: Collection[TimeRange]) -> dict[str, object]:
        """Return the parameters for the time ranges of a statement, by name."""

    def subtracts_ranges(self, plan: "QueryPlan") -> bool:
        """Return whether a statement for a single query with this plan may subtract ranges.

        If so, totals are grouped by range key. Statements for several queries always may subtract,
        and are always grouped.
        """

    def query_lookup(self, ranges: Iterable[TimeRange]) -> Callable[[int], Iterable[int]]:
        """Return a function from a range key to the indexes of the queries it belongs to.

        An index is negative, counted from the end, if the row is subtracted from the query.
        """

    def sum(self, column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """Return the sum of an integer column, as an integer."""

    def floor_divide(
        self, dividend: sa.ColumnElement[int], divisor: sa.ColumnElement[int]
    ) -> sa.ColumnElement[int]:
        """Return the integer quotient of two non-negative integers."""

    def current_time(self) -> sa.ColumnElement[int]:
        """Return the engine's clock, in Unix seconds."""


class RangeDialect(Dialect, Protocol):
    """The SQL of an engine that looks up ranges of indexes, with an index for each filter."""

    def scan_ranges(self, scan: RangeScan, *, by_range: bool) -> RangeRows:
        """Return the rows of a scan: their instant is in a bound range, and they match the keys.

        Without `by_range`, all rows belong to one query. In a table with a column `grain`, a row
        matches ranges of its own grain only.
        """


class Reader(Protocol):
    """Executes the reads of requests, on a limited number of connections of its own."""

    async def fetch(self, statement: CompiledStatement, values: dict[str, Any]) -> Rows:
        """Return the rows of a statement as the driver returns them, in one round trip.

        Raises:
            TimedOut: the request passed its deadline. The engine has stopped the statement.
            Exception: an error of the driver; see `DatabaseDialect.is_unavailable`.
        """

    async def close(self) -> None:
        """Close every connection; one that is in use closes when its statement ends."""


class DatabaseDialect(RangeDialect, Protocol):
    """The SQL, connections and transactions of a database."""

    @property
    def file(self) -> Path | None:
        """The file of an embedded database; None for one on a server."""

    def is_unavailable(self, error: BaseException) -> bool:
        """Return whether an error means that the database is unavailable.

        Other errors of the driver are bugs.
        """

    def create_file(self) -> None:
        """Create the file of an embedded database if it does not exist.

        Raises:
            Exception: an error of the driver; see `is_unavailable`.
        """

    def create_engine(self, *, pool_size: int, lock_timeout: float) -> AsyncEngine:
        """Return an engine whose connections read in autocommit.

        `lock_timeout` is how long a statement waits for a lock, in seconds.
        """

    def create_reader(self) -> Reader:
        """Return a reader with connections of its own."""

    def for_writing(self, engine: AsyncEngine) -> AsyncEngine:
        """Return an engine on the same pool, whose transactions can write from their start."""

    async def lock_sessions(self, connection: AsyncConnection, *, exclusive: bool) -> None:
        """Take the lock on sessions until the transaction ends: shared by writers, or exclusive."""

    async def explain(self, connection: AsyncConnection, statement: CompiledStatement) -> list[str]:
        """Return the query plan of a statement, line by line, without any values."""

    async def analyze(self, connection: AsyncConnection) -> None:
        """Update the planner's statistics after a bulk load, if the planner depends on them."""

    def select_by_ids(
        self, column: sa.Column[Any], parameter: str, *conditions: sa.ColumnElement[bool]
    ) -> sa.Select[*tuple[Any, ...]]:
        """Return the statement for all columns of the rows whose `column` is one of the bound ids.

        It reads an index, whatever the planner's statistics are.
        """

    def compile_insert(
        self, table: sa.Table, key: Collection[str], on_conflict: OnConflict
    ) -> CompiledStatement:
        """Return an insert for `insert_rows`. Rows have all columns, in the order of the table."""

    async def insert_rows(
        self, connection: AsyncConnection, insert: CompiledStatement, rows: Rows
    ) -> int:
        """Insert rows in order; return how many were inserted, replaced or added to."""


def compile_statement(statement: sa.ClauseElement, dialect: sa.Dialect) -> CompiledStatement:
    """Return a statement as a positional dialect of SQLAlchemy compiles it."""
    compiled = cast("SQLCompiler", statement.compile(dialect=dialect))
    names = tuple(compiled.positiontup or ())
    binds = {name: compiled.binds[name] for name in names}
    constants = {name: bind.value for name, bind in binds.items() if not bind.required}
    return CompiledStatement(compiled.string, names, constants)


def add_on_conflict(insert: Insert, key: Collection[str], on_conflict: OnConflict) -> Insert:
    """Return an insert with an ON CONFLICT clause for rows with the same key."""
    if on_conflict == "keep":
        return insert.on_conflict_do_nothing()
    assignments = {
        column.name: column + insert.excluded[column.name]
        if on_conflict == "add"
        else insert.excluded[column.name]
        for column in insert.table.c
        if column.name not in key
    }
    return insert.on_conflict_do_update(index_elements=list(key), set_=assignments)


def number_literal(number: int) -> sa.ColumnElement[int]:
    """Return a number that is part of the SQL, instead of a parameter."""
    return sa.literal_column(str(number), sa.Integer)
