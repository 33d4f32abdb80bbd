"""ClickHouse through clickhouse-connect: sessions alone, which are scanned and not rolled up."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, Final, cast

import sqlalchemy as sa
from clickhouse_connect.cc_sqlalchemy.datatypes.sqltypes import Array, Int64, Tuple
from clickhouse_connect.cc_sqlalchemy.dialect import ClickHouseDialect
from sqlalchemy.sql.compiler import SQLCompiler

from metrics_graphql.store.dialects.base import Prepared, Run

COMPILER: Final = ClickHouseDialect(server_side_params=True)
"""Values go beside the SQL, as `{name:Type}`: none is ever written into it."""
RUNS: Final = Array(Tuple(Int64, Int64))


class ClickHouse:
    """ClickHouse: FINAL, which is asked for by a setting, leaves out what `is_deleted`."""

    name: Final = "clickhouse"
    rolls_up: Final = False

    def prepare(self, statement: sa.ClauseElement) -> Prepared:
        """Return a statement with `{name:Type}` for each parameter."""
        written = cast("SQLCompiler", statement.compile(dialect=COMPILER))
        binds = {name: written.binds[name] for name in written.params}
        constants = {name: bind.value for name, bind in binds.items() if not bind.required}
        return Prepared(written.string, tuple(binds), constants)

    def one_of(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        """Compare with an array."""
        return column.in_(sa.bindparam(parameter, type_=sa.Text, expanding=True))

    def bind_ids(self, ids: Iterable[str]) -> list[str]:
        """Return the ids, sorted so that equal sets bind equal values."""
        return sorted(ids)

    def in_runs(
        self,
        parameter: str,
        instant: sa.Column[int],
        *conditions: sa.ColumnElement[bool],
        grain: sa.Column[int] | None = None,
        one_question: bool,
    ) -> sa.Select[*tuple[Any, ...]]:
        """Read from the first run to the last, in one pass; a row's number is its run's start.

        Runs are those that `bind_runs` cuts, so a row is in one of them or lies between two.
        """
        if grain is not None:
            raise ValueError("there are no roll-ups in ClickHouse")
        runs = sa.bindparam(parameter, type_=RUNS)
        starts, ends = (sa.func.tupleElement(runs, position(at)) for at in (1, 2))
        start = sa.func.roundDown(instant, starts)
        rows = sa.select(sa.literal(0) if one_question else start).where(
            *conditions,
            instant >= sa.func.arrayElement(starts, position(1)),
            instant < sa.func.arrayElement(ends, position(-1)),
        )
        if not one_question:
            rows = rows.where(instant < sa.func.transform(start, starts, ends, position(0)))
        return rows.select_from(instant.table)

    def bind_runs(self, runs: Iterable[Run]) -> list[tuple[int, int]]:
        """Return the pieces into which each other's bounds cut the runs, in order.

        Without any, one that nothing lies in: ClickHouse rounds to no empty list.
        """
        return list(pieces(runs)) or [(0, 0)]

    def questions(self, runs: Iterable[Run]) -> Callable[[int | None], Iterable[int]]:
        """Return the questions that look at a piece; 0 is the number of the only question, too."""
        of_start = {start: asked for (start, _), asked in pieces(runs).items()}
        return lambda number: of_start.get(number or 0, (0,))

    def sum(self, column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """Sum integers, which makes an integer."""
        return sa.func.sum(column)

    def quotient(
        self, dividend: sa.ColumnElement[int], divisor: sa.ColumnElement[int]
    ) -> sa.ColumnElement[int]:
        """Divide integers; `/` would make a float of them."""
        return sa.func.intDiv(dividend, divisor)

    def now(self) -> sa.ColumnElement[int]:
        """Return the server's time."""
        return sa.func.toUnixTimestamp(sa.func.now())

    def explaining(self, prepared: Prepared) -> Prepared:
        """Return the statement that tells the steps of a statement, without values."""
        return prepared._replace(sql=f"EXPLAIN {prepared.sql}")


def position(number: int) -> sa.ColumnElement[int]:
    """Return a number that is part of the SQL, as positions have to be."""
    return sa.literal_column(str(number), sa.Integer)


def pieces(runs: Iterable[Run]) -> dict[tuple[int, int], tuple[int, ...]]:
    """Cut runs at each other's bounds; return the pieces in order, each with its questions.

    Runs of different questions may overlap, the pieces do not.
    """
    begun: defaultdict[int, list[int]] = defaultdict(list)
    ended: defaultdict[int, list[int]] = defaultdict(list)
    for run in runs:
        if run.start < run.end:
            begun[run.start].append(run.question)
            ended[run.end].append(run.question)
    found = {}
    open_now: set[int] = set()
    for start, end in pairwise(sorted(begun.keys() | ended.keys())):
        open_now.difference_update(ended[start])
        open_now.update(begun[start])
        if open_now:
            found[start, end] = tuple(open_now)
    return found
