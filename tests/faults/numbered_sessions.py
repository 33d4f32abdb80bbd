"""Sessions by number, and the results that the oracle expects for the first of them.

Batches differ only in ids and times. So the number of stored sessions, which every response shows,
determines all other measures.
"""

from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from metrics_graphql.core.sessions import SessionUpdate
from tests import oracle

Row = dict[str, Any]
Result = dict[str, Any]

ORG: Final = "org-faults"
BATCH_SIZE: Final = 200
"""Sessions of a transaction: a result with part of them is wrong."""
END: Final = 2**31
"""Later than every session: session `n` is created at second `n`."""


def row(number: int) -> Row:
    """Return a session as a row of the oracle."""
    position = number % BATCH_SIZE
    return {
        "org_id": ORG,
        "session_id": f"s{number}",
        "created_at": number,
        "origin": ("slack", "api", "scheduled", "cli", "webapp", None)[position % 6],
        "size": ("xs", "s", "m", "l", "xl", None, "xxl")[position % 7],
        "user_id": f"user-{position % 5}",
        "service_user_id": None,
        "playbook_id": (None, "playbook-1")[position % 2],
        "used_search": position % 3 == 0,
        "has_merged_pr": position % 4 == 0,
        "acus": position * 12_345,
    }


def session_update(number: int) -> SessionUpdate:
    """Return a session as an update to upsert."""
    values = row(number)
    return SessionUpdate(values.pop("org_id"), values.pop("session_id"), values)


def file_row(number: int) -> Row:
    """Return a session as a row of a file to load."""
    values = row(number)
    acus, has_merged_pr = values.pop("acus"), values.pop("has_merged_pr")
    pull_requests = [{"pr_url": "https://pr", "pr_state": "merged"}] if has_merged_pr else []
    return {**values, "acus_consumed": acus / 1_000_000, "pull_requests": pull_requests}


def expected_result(after: int, count: int) -> Result:
    """Return the REST response for the first `count` sessions without the first `after`.

    `count` is a number of whole batches, `after` less than one.
    """
    further_batches = count // BATCH_SIZE - 1
    total = add(expected_of_batch(after), expected_of_batch(0), further_batches)
    acus = sum(row(number)["acus"] for number in range(after, BATCH_SIZE))
    acus += further_batches * sum(row(number)["acus"] for number in range(BATCH_SIZE))
    total["avg_acus_per_session"] = float(
        Fraction(acus, 1_000_000 * int(total["sessions_created_count"]))
    )
    return total


@lru_cache(BATCH_SIZE)
def expected_of_batch(after: int) -> Result:
    """Return the REST response for the first batch without the first `after` sessions."""
    return oracle.rest([row(number) for number in range(BATCH_SIZE)], ORG, after, END)


def add(result: Result, other: Result, times: int) -> Result:
    """Return a result plus `times` times another one."""
    return {
        name: add(value, other[name], times)
        if isinstance(value, dict)
        else value + times * other[name]
        for name, value in result.items()
    }
