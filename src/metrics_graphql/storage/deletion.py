"""Deletes sessions from the database, with their share of the roll-ups, in one transaction."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from metrics_graphql.core.periods import THIRTY_DAYS
from metrics_graphql.storage.dialects import DatabaseDialect
from metrics_graphql.storage.organizations import bump_known_data_version
from metrics_graphql.storage.rollups import USER
from metrics_graphql.storage.session_store import Deletion, VerificationUnit
from metrics_graphql.storage.tables import rollups, sessions
from metrics_graphql.storage.verification import ROLLUP_TABLES, rebuild


def deletion_conditions(deletion: Deletion) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that all sessions to delete meet."""
    conditions = [sessions.c.org_id == deletion.org_id]
    if deletion.session_id is not None:
        conditions.append(sessions.c.session_id == deletion.session_id)
    if deletion.before is not None:
        conditions.append(sessions.c.created_at < deletion.before)
    return conditions


async def delete_sessions(
    connection: AsyncConnection, dialect: DatabaseDialect, deletion: Deletion
) -> int:
    """Delete sessions in the caller's exclusive transaction; return how many.

    Only the last unit of 30 days can have sessions left. Its roll-ups are recounted, and those of
    the units before it are deleted.
    """
    matching = deletion_conditions(deletion)
    edges = sa.select(sa.func.min(sessions.c.created_at), sa.func.max(sessions.c.created_at))
    first, last = (await connection.execute(edges.where(*matching))).one()
    if first is None:
        return 0
    start, end = first // THIRTY_DAYS * THIRTY_DAYS, last // THIRTY_DAYS * THIRTY_DAYS
    deleted = (await connection.execute(sa.delete(sessions).where(*matching))).rowcount
    for table in ROLLUP_TABLES:
        in_units = table.c.bucket >= start, table.c.bucket < end
        await connection.execute(
            sa.delete(table).where(table.c.org_id == deletion.org_id, *in_units)
        )
    await rebuild(connection, dialect, VerificationUnit(deletion.org_id, end, end + THIRTY_DAYS))
    await bump_known_data_version(connection, deletion.org_id)
    return deleted


async def erase_user(connection: AsyncConnection, org_id: str, user_id: str) -> int:
    """Remove a user's id in the caller's exclusive transaction; return how many sessions had it.

    Only the roll-ups of the user depend on the id. They are deleted.
    """
    statements: tuple[Any, ...] = (
        sa.update(sessions)
        .where(sessions.c.org_id == org_id, sessions.c.user_id == user_id)
        .values(user_id=None),
        sa.delete(rollups).where(
            rollups.c.org_id == org_id,
            rollups.c.scope == USER.code,
            rollups.c.scope_id == user_id,
        ),
    )
    changed, _ = [(await connection.execute(each)).rowcount for each in statements]
    await bump_known_data_version(connection, org_id)
    return int(changed)
