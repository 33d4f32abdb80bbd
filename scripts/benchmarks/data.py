"""Sessions of one large organization, spread over a year, quick to make up."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import accumulate, islice
from random import Random
from typing import Final, TypeVar

from metrics_graphql.domain.periods import DAY
from metrics_graphql.domain.sessions import Session

ORG: Final = "org-benchmark"
YEAR: Final = 365 * DAY
START: Final = 1_735_689_600
"""2025-01-01T00:00:00Z."""
CHUNK: Final = 50_000
T = TypeVar("T")

USERS: Final = [f"email|{hashlib.sha256(str(n).encode()).hexdigest()[:24]}" for n in range(1_200)]
USER_WEIGHTS: Final = list(accumulate(1 / (rank + 10) for rank in range(len(USERS))))
PLAYBOOKS: Final = [None, *(f"playbook-{n:03}" for n in range(80))]
PLAYBOOK_WEIGHTS: Final = list(accumulate([10.0, *(1 / (rank + 1) for rank in range(80))]))
ORIGINS: Final = ["webapp", "slack", "api", "linear", "scheduled", "jira", "teams", "cli"]
SIZES: Final = ["xs", "s", "s", "m", "m", "l", "xl", None]


def sessions(count: int, *, seed: int = 1) -> Iterator[Session]:
    """Yield `count` new sessions in the order of their creation, evenly over the year."""
    chance = Random(seed)  # noqa: S311 - data
    for first in range(0, count, CHUNK):
        numbers = range(first, min(count, first + CHUNK))
        size = len(numbers)
        columns = zip(
            numbers,
            chance.choices(ORIGINS, k=size),
            chance.choices(SIZES, k=size),
            chance.choices(USERS, cum_weights=USER_WEIGHTS, k=size),
            chance.choices(PLAYBOOKS, cum_weights=PLAYBOOK_WEIGHTS, k=size),
            chance.choices(range(1, 30_000_000, 997), k=size),
            strict=True,
        )
        for number, origin, stored_size, user, playbook, acus in columns:
            yield Session(
                ORG,
                f"{number * 2_654_435_761 % 2**40:010x}{number:012x}",
                START + number * YEAR // count,
                origin,
                stored_size,
                user,
                None,
                playbook,
                used_search=number % 5 == 0,
                has_merged_pr=acus % 3 == 0,
                acus=acus,
            )


def blocks(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the things, so many at a time."""
    left = iter(things)
    while block := list(islice(left, size)):
        yield block
