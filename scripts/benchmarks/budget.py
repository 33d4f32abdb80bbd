"""Time to read the worst documents: those over the budget, and those that just fit into it."""

import gc
import time
from collections.abc import Iterator
from statistics import median
from typing import Any, Final

from graphql import get_introspection_query

from metrics_graphql.errors import QueryTooExpensive
from metrics_graphql.graphql_api.bodies import GraphQLRequest
from metrics_graphql.graphql_api.budget import Budget
from metrics_graphql.graphql_api.documents import Documents, InvalidDocument
from metrics_graphql.settings import Settings

Row = dict[str, Any]
REPEATS: Final = 7
SETTINGS: Final = Settings()
METRICS: Final = 'sessionMetrics(orgId: "o", filters: {timeAfter: 0, timeBefore: 1})'


def measure() -> list[Row]:
    """Return a row of milliseconds for each document."""
    # As the server does.
    gc.collect()
    gc.freeze()
    rows = []
    for name, text in cases():
        seconds, outcome = zip(*(timed(text) for _ in range(REPEATS)), strict=True)
        rows.append(
            {
                "document": name,
                "characters": len(text),
                "outcome": outcome[0],
                "median ms": median(seconds) * 1e3,
                "max ms": max(seconds) * 1e3,
            }
        )
    return rows


def timed(text: str) -> tuple[float, str]:
    """Return how long it takes to read a document that is not known, and what comes of it."""
    documents = Documents(Budget.of(SETTINGS), suggestions=True)
    outcome = "valid"
    started = time.perf_counter()
    try:
        documents.find(GraphQLRequest(text, None, None)).plan("Q0" if "query Q0" in text else None)
    except QueryTooExpensive as error:
        outcome = f"refused: {error.limit}"
    except InvalidDocument as invalid:
        outcome = f"not valid: {len(invalid.errors)} errors"
    return time.perf_counter() - started, outcome


def repeated(text: str, times: int) -> str:
    """Return a text with each `#` in it numbered, so many times."""
    return " ".join(text.replace("#", str(number)) for number in range(times))


def cases() -> Iterator[tuple[str, str]]:
    """Yield hostile documents, by name; those that fit are as large as the budget allows."""
    most = SETTINGS
    doubling = repeated("fragment F# on Query { ...G# ...G# }", 80)
    for number in range(80):
        doubling = doubling.replace(f"...G{number} ", f"...F{number + 1} ")
    bomb = f"{{ ...F0 }} {doubling} fragment F80 on Query {{ __typename }}"
    yield "fragments that double 80 times", bomb
    yield "3,000 aliases", f"{{ {repeated('a#: __typename', 3_000)} }}"
    yield "10,000 times one field", f"{{ {repeated('__typename', 10_000)} }}"
    yield "50,000 comments", "#\n" * 49_000 + "{ __typename }"
    yield "braces without an end", "{a" * 49_000
    yield "introspection, as GraphiQL asks it", get_introspection_query()
    fields = most.max_fields - 1
    yield "one field as often as fits", f"{{ {METRICS} {{ {repeated('__typename', fields)} }} }}"
    conflicts = repeated("timeSeries(interval: DAY) { __typename }", most.max_cost - 1)
    yield "a field with objects, as often as fits", f"{{ {METRICS} {{ {conflicts} }} }}"
    unlike = repeated("organizations(first: #) { id }", most.max_cost)
    yield "arguments that conflict", f"{{ viewer {{ {unlike} }} }}"
    aliases = most.max_aliases // 2
    clashing = repeated("a: sessionsCreatedCount a: avgAcusPerSession", aliases)
    yield "aliases that conflict", f"{{ {METRICS} {{ {clashing} }} }}"
    unknown = repeated("sessionsCreatedCounts", fields)
    yield "fields that are almost right", f"{{ {METRICS} {{ {unknown} }} }}"
    spreads = repeated("...F#", 200)
    many = repeated("fragment F# on Viewer { id }", 200)
    yield "fragments, each compared with each", f"{{ viewer {{ {spreads} }} }} {many}"
    chain = repeated("fragment F# on Viewer { id ...G# }", 150)
    for number in range(150):
        chain = chain.replace(f"...G{number} ", f"...F{number + 1} ")
    chain += " fragment F150 on Viewer { id }"
    yield "a chain of fragments", f"{{ viewer {{ ...F0 }} }} {chain}"
    yield "operations", repeated("query Q# { viewer { id } }", 240)
