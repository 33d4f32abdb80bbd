"""Everything that differs between engines, in one module each."""

import sqlalchemy as sa

from metrics_graphql.storage.dialects.base import (
    CompiledStatement,
    DatabaseDialect,
    Dialect,
    OnConflict,
    Reader,
    Rows,
    TimeRange,
)
from metrics_graphql.storage.dialects.sqlite import SQLite

__all__ = [
    "CompiledStatement",
    "DatabaseDialect",
    "Dialect",
    "OnConflict",
    "Reader",
    "Rows",
    "TimeRange",
    "dialect_for",
]


def dialect_for(url: sa.URL) -> DatabaseDialect:
    """Return the dialect for a database URL.

    Raises:
        ValueError: the engine is not supported, its driver is not installed, or the rest of the
            URL is not valid for it.
    """
    if url.drivername in {"sqlite", "sqlite+aiosqlite"}:
        return SQLite(url)
    if url.drivername in {"postgresql", "postgres", "postgresql+asyncpg"}:
        try:
            from metrics_graphql.storage.dialects.postgresql import PostgreSQL  # noqa: PLC0415 - an extra
        except ImportError:
            raise ValueError(
                "PostgreSQL needs its driver: pip install 'metrics-graphql[postgres]'"
            ) from None
        return PostgreSQL(url)
    raise ValueError(
        f"{url.drivername} is not a supported database; use sqlite:///FILE or postgresql://..."
    )
