"""Ways to count each session once in ClickHouse, of which the product's is FINAL; for one year."""

import time
from collections import deque
from collections.abc import Iterator
from statistics import median
from typing import Any, Final

from metrics_graphql.domain.measures import MEASURES, SESSIONS_CREATED
from metrics_graphql.domain.metrics import SessionMetricsQuery
from metrics_graphql.store.clickhouse.connection import READS
from metrics_graphql.store.clickhouse.tables import COLUMNS, VERSION
from metrics_graphql.store.dialects.clickhouse import ClickHouse
from metrics_graphql.store.planner import plan_for
from metrics_graphql.store.questions import parameters_of
from metrics_graphql.store.statements import SESSION_KEY, session_sums

Row = dict[str, Any]
ROUNDS: Final = 7
SECONDS: Final = 60.0
"""No round begins later."""
ALL_UP_TO: Final = 1_000_000
"""Those that group or sort every row take too long beyond so many sessions."""
FROM: Final = "FROM `sessions`"
FINAL: Final = READS | {"final": 1}
"""As the product reads."""
PLAIN: Final = READS | {"final": 0}
COUNTED: Final = 1 + MEASURES.index(SESSIONS_CREATED)


def ways(sql: str, *, everyone: bool) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each way's name, its SQL, made of the product's own, and its settings."""
    key = ", ".join(column.name for column in SESSION_KEY)
    values = [name for name in COLUMNS if name not in {*key.split(", "), VERSION}]
    rows = f"{FROM} WHERE {sql.partition('WHERE ')[2]}"
    newest = ", ".join(f"newest.{at} AS {name}" for at, name in enumerate(values, 1))
    grouped = (
        f"SELECT {key}, argMax(tuple({', '.join(values)}), {VERSION}) AS newest"
        f" {rows} GROUP BY {key}"
    )
    limited = f"SELECT * {rows} ORDER BY {key}, {VERSION} DESC LIMIT 1 BY {key}"
    yield "not at all", sql, PLAIN
    yield "FINAL", sql, FINAL
    if everyone:
        yield "argMax, GROUP BY", of_existing(sql, f"{key}, {newest}", grouped), PLAIN
        yield "LIMIT 1 BY", of_existing(sql, "*", limited), PLAIN


def of_existing(sql: str, columns: str, newest: str) -> str:
    """Return the product's SQL over the newest rows, without those that were taken back."""
    table = f"SELECT {columns} FROM ({newest}) WHERE is_deleted = 0"  # noqa: S608 - all of it ours
    return sql.replace(FROM, f"FROM ({table}) AS `sessions`")


def measure(
    client: Any,  # noqa: ANN401 - the driver's own
    question: SessionMetricsQuery,
    truth: int,
    state: str,
) -> list[Row]:
    """Return a row for each way: its median, and how many more sessions it counts than there are.

    All take their turn in each round, another first each time, so that what else the machine does
    falls on all of them.
    """
    plan, dialect = plan_for(question, rolled_up=False), ClickHouse()
    prepared = session_sums(dialect, plan, MEASURES, one_question=True)
    runs = plan.runs(0, question.period)
    parameters = prepared.named(parameters_of(question, runs, dialect))
    sqls = deque(ways(prepared.sql, everyone=truth <= ALL_UP_TO))
    times: dict[str, list[float]] = {name: [] for name, *_ in sqls}
    counted = {}
    began = time.perf_counter()
    for number in range(ROUNDS + 1):
        if number > 1 and time.perf_counter() - began > SECONDS:
            break
        for name, sql, settings in sqls:
            started = time.perf_counter()
            ((*sums,),) = client.query(sql, parameters=parameters, settings=settings).result_rows
            if number:  # The first round warms up.
                times[name].append(time.perf_counter() - started)
            counted[name] = sums[COUNTED]
        sqls.rotate(1)
    ((parts, rows),) = client.query(
        "SELECT count(), sum(rows) FROM system.parts"
        " WHERE active AND database = currentDatabase() AND table = 'sessions'"
    ).result_rows
    return [
        {
            "in the year": truth,
            "state": state,
            "parts": parts,
            "rows": rows,
            "counted once by": name,
            "ms": median(seconds) * 1_000,
            "/ not at all": median(seconds) / median(times["not at all"]),
            "at best ms": min(seconds) * 1_000,
            "at best / not at all": min(seconds) / min(times["not at all"]),
            "too many sessions": counted[name] - truth,
        }
        for name, seconds in times.items()
    ]
