"""Time to process the most expensive documents: above the limits, and just below them."""

import gc
import time
from collections.abc import Iterator
from statistics import median
from typing import Any, Final

from graphql import get_introspection_query
from graphql.execution.values import VariableValues

from metrics_graphql.graphql_api.document_limits import DocumentLimits
from metrics_graphql.graphql_api.document_store import DocumentStore
from metrics_graphql.graphql_api.errors import InvalidDocument, QueryTooExpensive
from metrics_graphql.graphql_api.request import GraphQLRequest
from metrics_graphql.settings import Settings

Row = dict[str, Any]
REPEATS: Final = 7
SETTINGS: Final = Settings()
NO_VARIABLES: Final = VariableValues({}, {})
METRICS: Final = 'sessionMetrics(orgId: "o", filters: {timeAfter: 0, timeBefore: 1})'


def measure() -> list[Row]:
    """Return a row of times, in milliseconds, for each document."""
    # As the server does.
    gc.collect()
    gc.freeze()
    rows = []
    for name, text in documents():
        seconds, outcomes = zip(*(process(text) for _ in range(REPEATS)), strict=True)
        rows.append(
            {
                "document": name,
                "characters": len(text),
                "outcome": outcomes[0],
                "median ms": median(seconds) * 1_000,
                "max ms": max(seconds) * 1_000,
            }
        )
    return rows


def process(text: str) -> tuple[float, str]:
    """Parse, validate and compile a document that is not cached; return the time and outcome."""
    store = DocumentStore(DocumentLimits.from_settings(SETTINGS))
    outcome = "valid"
    started = time.perf_counter()
    try:
        document = store.resolve(GraphQLRequest(text, None, None))
        document.operation("Q0" if "query Q0" in text else None).compiled(NO_VARIABLES)
    except QueryTooExpensive as error:
        outcome = f"refused: {error.limit}"
    except InvalidDocument as error:
        outcome = f"invalid: {len(error.errors)} errors"
    return time.perf_counter() - started, outcome


def repeat(text: str, times: int) -> str:
    """Return copies of a text, with each `#` replaced by the number of the copy."""
    return " ".join(text.replace("#", str(number)) for number in range(times))


def documents() -> Iterator[tuple[str, str]]:
    """Yield hostile documents, by name. Those within the limits are as large as these allow."""
    doubling = repeat("fragment F# on Query { ...G# ...G# }", 80)
    for number in range(80):
        doubling = doubling.replace(f"...G{number} ", f"...F{number + 1} ")
    bomb = f"{{ ...F0 }} {doubling} fragment F80 on Query {{ __typename }}"
    yield "fragments that double 80 times", bomb
    yield "3,000 aliases", f"{{ {repeat('a#: __typename', 3_000)} }}"
    yield "10,000 times one field", f"{{ {repeat('__typename', 10_000)} }}"
    yield "49,000 comments", "#\n" * 49_000 + "{ __typename }"
    yield "unclosed braces", "{a" * 49_000
    yield "introspection query of GraphiQL", get_introspection_query()
    fields = SETTINGS.max_fields - 1
    yield "one field, up to max_fields", f"{{ {METRICS} {{ {repeat('__typename', fields)} }} }}"
    mergeable = repeat("timeSeries(interval: DAY) { __typename }", SETTINGS.max_cost - 1)
    yield "one object field, up to max_cost", f"{{ {METRICS} {{ {mergeable} }} }}"
    conflicting = repeat("organizations(first: #) { id }", SETTINGS.max_cost)
    yield "conflicting arguments", f"{{ viewer {{ {conflicting} }} }}"
    aliases = SETTINGS.max_aliases // 2
    clashing = repeat("a: sessionsCreatedCount a: avgAcusPerSession", aliases)
    yield "conflicting aliases", f"{{ {METRICS} {{ {clashing} }} }}"
    misspelled = repeat("sessionsCreatedCounts", fields)
    yield "misspelled fields", f"{{ {METRICS} {{ {misspelled} }} }}"
    spreads = repeat("...F#", 200)
    many = repeat("fragment F# on Viewer { id }", 200)
    yield "200 fragments, compared pairwise", f"{{ viewer {{ {spreads} }} }} {many}"
    chain = repeat("fragment F# on Viewer { id ...G# }", 150)
    for number in range(150):
        chain = chain.replace(f"...G{number} ", f"...F{number + 1} ")
    chain += " fragment F150 on Viewer { id }"
    yield "a chain of 150 fragments", f"{{ viewer {{ ...F0 }} }} {chain}"
    yield "240 operations", repeat("query Q# { viewer { id } }", 240)
