"""Deletes sessions from ClickHouse: cancels their versions, and what these added to roll-ups."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from metrics_graphql.core.sessions import Session
from metrics_graphql.storage.clickhouse.chain import Chain, Change
from metrics_graphql.storage.clickhouse.facts import facts
from metrics_graphql.storage.clickhouse.snapshot import select_versions
from metrics_graphql.storage.dialects import CompiledStatement, Dialect
from metrics_graphql.storage.dialects.clickhouse import ClickHouse
from metrics_graphql.storage.ingest import SessionKey
from metrics_graphql.storage.session_store import Deletion

BATCH_SIZE: Final = 50_000
"""Sessions that are read and cancelled together."""
CONDITIONS: Final[dict[str, Callable[[sa.ColumnElement[Any]], sa.ColumnElement[bool]]]] = {
    "session_id": lambda value: facts.c.session_id == value,
    "user_id": lambda value: facts.c.user_id == value,
    "before": lambda value: facts.c.bucket < value,
}
"""The condition that a version of a session matches a value, by the name of the value."""


async def delete_sessions(chain: Chain, deletion: Deletion) -> int:
    """Cancel each session to delete; return how many."""
    values = {
        name: value
        for name, value in deletion._asdict().items()
        if name in CONDITIONS and value is not None
    }
    return await replace_sessions(chain, deletion.org_id, values, lambda _: None)


async def erase_user(chain: Chain, org_id: str, user_id: str) -> int:
    """Replace each session of a user by the same without the user's id; return how many."""
    return await replace_sessions(
        chain, org_id, {"user_id": user_id}, lambda session: session._replace(user_id=None)
    )


async def replace_sessions(
    chain: Chain,
    org_id: str,
    values: dict[str, Any],
    replacement: Callable[[Session], Session | None],
) -> int:
    """Replace the sessions that match the given values, batch by batch, until there are none.

    Returns how many were replaced. A session whose replacement is None is only cancelled.
    """
    statement = select_matching(ClickHouse(), frozenset(values))
    replaced, before = 0, set[SessionKey]()
    while True:
        snapshot = await chain.read(statement, {**values, "limit": BATCH_SIZE}, org_id)
        replaced += len(before - snapshot.stored.keys())
        if not snapshot.stored:
            return replaced
        # Sessions of a block that was refused, because of another writer, are read again.
        await chain.append(
            snapshot,
            [Change(each, replacement(each.session)) for each in snapshot.stored.values()],
        )
        before = set(snapshot.stored)


@lru_cache
def select_matching(dialect: Dialect, given: frozenset[str]) -> CompiledStatement:
    """Return the statement for sessions of `org_id` that match the given values, and for markers.

    It returns at most `limit` rows, of which those of markers come first.
    """
    conditions = (
        CONDITIONS[name](sa.bindparam(name, type_=sa.BigInteger if name == "before" else sa.Text))
        for name in sorted(given)
    )
    condition = sa.and_(facts.c.org_id == sa.bindparam("org_id"), *conditions)
    limit = sa.bindparam("limit", type_=sa.Integer)
    return dialect.compile(select_versions(condition).limit(limit))
