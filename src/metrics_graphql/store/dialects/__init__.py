"""What differs between database engines, and nothing else. One module an engine."""

import sqlalchemy as sa

from metrics_graphql.store.dialects.base import (
    DatabaseDialect,
    Dialect,
    OnConflict,
    Prepared,
    Run,
)
from metrics_graphql.store.dialects.sqlite import SQLite, check_file

__all__ = ["DatabaseDialect", "Dialect", "OnConflict", "Prepared", "Run", "dialect_for"]


def dialect_for(url: sa.URL) -> DatabaseDialect:
    """Return the dialect of a database URL.

    Raises:
        ValueError: an engine that is not supported, or whose driver is not installed; parameters
            that it does not have; or a SQLite database that is not a file in a folder that exists.
    """
    if url.drivername in {"sqlite", "sqlite+aiosqlite"}:
        check_file(url)
        return SQLite()
    if url.drivername in {"postgresql", "postgres", "postgresql+asyncpg"}:
        try:
            from metrics_graphql.store.dialects.postgresql import (  # noqa: PLC0415 - an extra
                PostgreSQL,
                check_parameters,
            )
        except ImportError:
            raise ValueError(
                "PostgreSQL needs its driver: pip install 'metrics-graphql[postgres]'"
            ) from None
        check_parameters(url)
        return PostgreSQL()
    raise ValueError(
        f"{url.drivername} is not a supported database; use sqlite:///FILE or postgresql://..."
    )
