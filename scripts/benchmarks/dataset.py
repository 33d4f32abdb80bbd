"""A synthetic data set: the sessions of one large organization, spread evenly over a year."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import accumulate, islice
from random import Random
from typing import Final, TypeVar

from metrics_graphql.core.periods import DAY
from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.core.sessions import Session
from metrics_graphql.storage import verification
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.database_sessions import DatabaseSessionStore
from metrics_graphql.storage.ingest import insert_session
from metrics_graphql.storage.migrations.runner import migrate
from metrics_graphql.storage.organizations import ensure_organizations

ORG: Final = "org-benchmark"
YEAR: Final = 365 * DAY
START: Final = 1_735_689_600
"""2025-01-01T00:00:00Z."""
CHUNK_SIZE: Final = 50_000
BATCH_SIZE: Final = 100_000
T = TypeVar("T")

USERS: Final = [f"email|{hashlib.sha256(str(n).encode()).hexdigest()[:24]}" for n in range(1_200)]
USER_WEIGHTS: Final = list(accumulate(1 / (rank + 10) for rank in range(len(USERS))))
PLAYBOOKS: Final = [None, *(f"playbook-{n:03}" for n in range(80))]
PLAYBOOK_WEIGHTS: Final = list(accumulate([10.0, *(1 / (rank + 1) for rank in range(80))]))
ORIGINS: Final = ["webapp", "slack", "api", "linear", "scheduled", "jira", "teams", "cli"]
SIZES: Final = ["xs", "s", "s", "m", "m", "l", "xl", None]


def sessions(count: int) -> Iterator[Session]:
    """Yield `count` sessions in the order of their creation, the same in every run."""
    rng = Random(1)  # noqa: S311 - synthetic data
    for first in range(0, count, CHUNK_SIZE):
        numbers = range(first, min(count, first + CHUNK_SIZE))
        size = len(numbers)
        columns = zip(
            numbers,
            rng.choices(ORIGINS, k=size),
            rng.choices(SIZES, k=size),
            rng.choices(USERS, cum_weights=USER_WEIGHTS, k=size),
            rng.choices(PLAYBOOKS, cum_weights=PLAYBOOK_WEIGHTS, k=size),
            rng.choices(range(1, 30_000_000, 997), k=size),
            strict=True,
        )
        for number, origin, session_size, user, playbook, acus in columns:
            is_open, is_merged = number % 2, acus % 3 == 0
            yield Session(
                ORG,
                f"{number * 2_654_435_761 % 2**40:010x}{number:012x}",
                START + number * YEAR // count,
                origin,
                session_size,
                user,
                None,
                playbook,
                used_search=number % 5 == 0,
                has_merged_pr=is_merged,
                acus=acus,
                pr_count=is_open + is_merged,
                open_pr_count=is_open,
                merged_pr_count=int(is_merged),
            )


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of at most `size`."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def year_query(*user_ids: str) -> SessionMetricsQuery:
    """Return a query for the year without its first and last minutes: both ends are unaligned."""
    return SessionMetricsQuery.from_params(
        tenant=ORG,
        time_after=START + 1_234,
        time_before=START + YEAR - 1_234,
        user_ids=user_ids or None,
    )


async def ensure_filled(database: Database, size: int) -> bool:
    """Migrate a database and store the sessions, unless an earlier run has; return whether.

    Inserts raw sessions first, then rebuilds the roll-ups as `verify --repair` does.
    """
    await migrate(database)
    if await verification.list_units(database):
        return False
    dialect = database.dialect
    async with database.transaction() as connection:
        await ensure_organizations(connection, dialect, [ORG])
    for batch in batched(sessions(size), BATCH_SIZE):
        async with database.transaction() as connection:
            await dialect.insert_rows(connection, insert_session(dialect), batch)
    store = DatabaseSessionStore(database)
    for unit in await store.verification_units():
        await store.repair(unit)
    await database.analyze()
    return True
