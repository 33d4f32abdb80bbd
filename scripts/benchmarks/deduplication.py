"""Deduplication of sessions in ClickHouse: FINAL, which the product uses, and alternatives."""

import time
from collections import deque
from collections.abc import Iterator
from statistics import median
from typing import Any, Final

from metrics_graphql.core.measures import MEASURES, SESSIONS_CREATED
from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.storage.clickhouse.client import READ_SETTINGS
from metrics_graphql.storage.clickhouse.tables import COLUMNS, VERSION
from metrics_graphql.storage.dialects.clickhouse import ClickHouse
from metrics_graphql.storage.query_planner import plan_query
from metrics_graphql.storage.tables import sessions
from metrics_graphql.storage.totals import session_sums, statement_parameters

Row = dict[str, Any]
ROUNDS: Final = 7
MAX_SECONDS: Final = 60.0
"""No round starts later."""
MAX_SORTED: Final = 1_000_000
"""Sessions up to which variants that group or sort every row are fast enough to be measured."""
FROM: Final = "FROM `sessions`"
FINAL_SETTINGS: Final = READ_SETTINGS | {"final": 1}
"""The settings of the product's reads."""
PLAIN_SETTINGS: Final = READ_SETTINGS | {"final": 0}
COUNT_COLUMN: Final = 1 + MEASURES.index(SESSIONS_CREATED)


def variants(sql: str, *, all_variants: bool) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the name of each variant, its SQL, derived from the product's, and its settings."""
    key_columns = sessions.primary_key.columns.keys()
    key = ", ".join(key_columns)
    values = [name for name in COLUMNS if name not in {*key_columns, VERSION}]
    rows = f"{FROM} WHERE {sql.partition('WHERE ')[2]}"
    newest = ", ".join(f"newest.{at} AS {name}" for at, name in enumerate(values, 1))
    grouped = (
        f"SELECT {key}, argMax(tuple({', '.join(values)}), {VERSION}) AS newest"
        f" {rows} GROUP BY {key}"
    )
    limited = f"SELECT * {rows} ORDER BY {key}, {VERSION} DESC LIMIT 1 BY {key}"
    yield "none", sql, PLAIN_SETTINGS
    yield "FINAL", sql, FINAL_SETTINGS
    if all_variants:
        yield "argMax, GROUP BY", from_newest(sql, f"{key}, {newest}", grouped), PLAIN_SETTINGS
        yield "LIMIT 1 BY", from_newest(sql, "*", limited), PLAIN_SETTINGS


def from_newest(sql: str, columns: str, newest: str) -> str:
    """Return the product's SQL over a subquery of the newest rows, without tombstones."""
    table = f"SELECT {columns} FROM ({newest}) WHERE is_deleted = 0"  # noqa: S608 - no input
    return sql.replace(FROM, f"FROM ({table}) AS `sessions`")


def measure(
    client: Any,  # noqa: ANN401 - the driver's class
    query: SessionMetricsQuery,
    expected: int,
    state: str,
) -> list[Row]:
    """Return a row for each variant: its time, and how many sessions it counts too many.

    Each round runs all variants, starting with another one, so that other load on the machine
    slows all of them.
    """
    plan, dialect = plan_query(query, has_rollups=False), ClickHouse()
    statement = session_sums(dialect, plan, MEASURES, single_query=True)
    ranges = plan.ranges([query.period])
    parameters = statement.bind_by_name(statement_parameters(query, ranges, dialect))
    order = deque(variants(statement.sql, all_variants=expected <= MAX_SORTED))
    times: dict[str, list[float]] = {name: [] for name, *_ in order}
    counted = {}
    began = time.perf_counter()
    for number in range(ROUNDS + 1):
        if number > 1 and time.perf_counter() - began > MAX_SECONDS:
            break
        for name, sql, settings in order:
            started = time.perf_counter()
            ((*sums,),) = client.query(sql, parameters=parameters, settings=settings).result_rows
            if number:  # The first round is a warm-up.
                times[name].append(time.perf_counter() - started)
            counted[name] = sums[COUNT_COLUMN]
        order.rotate(1)
    ((parts, rows),) = client.query(
        "SELECT count(), sum(rows) FROM system.parts"
        " WHERE active AND database = currentDatabase() AND table = 'sessions'"
    ).result_rows
    return [
        {
            "sessions in the year": expected,
            "state": state,
            "parts": parts,
            "rows": rows,
            "deduplication": name,
            "median ms": median(seconds) * 1_000,
            "median / none": median(seconds) / median(times["none"]),
            "min ms": min(seconds) * 1_000,
            "min / none": min(seconds) / min(times["none"]),
            "overcount": counted[name] - expected,
        }
        for name, seconds in times.items()
    ]
