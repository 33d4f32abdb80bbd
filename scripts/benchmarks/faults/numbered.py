"""Sessions by number, the same in every batch, and what the oracle says of so many of them."""

from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from metrics_graphql.domain.sessions import SessionUpdate
from tests import oracle

ORG: Final = "org-faults"
BATCH: Final = 200
"""Sessions that are written at once: an answer knows of whole batches, or is wrong."""
END: Final = 2**31
"""Later than every session: number `n` was created at second `n`."""


def row(number: int) -> oracle.Row:
    """Return a session as the oracle has it; what it is repeats with every batch."""
    at = number % BATCH
    return {
        "org_id": ORG,
        "session_id": f"s{number}",
        "created_at": number,
        "origin": ("slack", "api", "scheduled", "cli", "webapp", None)[at % 6],
        "size": ("xs", "s", "m", "l", "xl", None, "xxl")[at % 7],
        "user_id": f"user-{at % 5}",
        "service_user_id": None,
        "playbook_id": (None, "playbook-1")[at % 2],
        "used_search": at % 3 == 0,
        "has_merged_pr": at % 4 == 0,
        "acus": at * 12_345,
    }


def update(number: int) -> SessionUpdate:
    """Return the same for the store."""
    values = row(number)
    return SessionUpdate(values.pop("org_id"), values.pop("session_id"), values)


def line(number: int) -> dict[str, Any]:
    """Return the same as a file has it."""
    values = row(number)
    return {
        **{name: value for name, value in values.items() if name not in {"acus", "has_merged_pr"}},
        "acus_consumed": values["acus"] / 1_000_000,
        "pull_requests": [{"pr_url": "https://pr", "pr_state": "merged"}]
        if values["has_merged_pr"]
        else [],
    }


def expected(after: int, count: int) -> oracle.Answer:
    """Return what REST is to answer about the first `count` sessions but the first `after`.

    `count` is a number of whole batches, `after` less than one.
    """
    first, each, times = counted(after), counted(0), count // BATCH - 1
    total: oracle.Answer = added(first, each, times)
    acus = sum(row(number)["acus"] for number in range(after, BATCH))
    acus += times * sum(row(number)["acus"] for number in range(BATCH))
    total["avg_acus_per_session"] = float(
        Fraction(acus, 1_000_000 * int(total["sessions_created_count"]))
    )
    return total


@lru_cache(BATCH)
def counted(after: int) -> oracle.Answer:
    """Return what the oracle counts in the first batch from a session on."""
    return oracle.rest([row(number) for number in range(BATCH)], ORG, after, END)


def added(some: oracle.Answer, others: oracle.Answer, times: int) -> oracle.Answer:
    """Add up two answers, the second so many times."""
    return {
        name: added(value, others[name], times)
        if isinstance(value, dict)
        else value + times * others[name]
        for name, value in some.items()
    }
