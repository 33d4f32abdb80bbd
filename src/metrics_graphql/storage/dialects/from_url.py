"""The dialect of the database that a URL names."""

import re
from typing import Final

from metrics_graphql.storage.dialects.base import DatabaseDialect
from metrics_graphql.storage.dialects.sqlite import SQLite

CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x1f\x7f]")
"""Characters that no URL contains. A path with one would name another file."""
SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)


def dialect_for(url: str) -> DatabaseDialect:
    """Return the dialect for a database URL.

    Raises:
        ValueError: the engine is not supported, its driver is not installed, or the rest of the
            URL is not valid for it. The message contains no password.
    """
    if CONTROL_CHARACTERS.search(url):
        raise ValueError("the database URL must not contain control characters")
    scheme = SCHEME.match(url)
    name = scheme[1].lower() if scheme else ""
    if name in {"sqlite", "sqlite+aiosqlite"}:
        return SQLite(url)
    if name in {"postgresql", "postgres", "postgresql+asyncpg"}:
        try:
            from metrics_graphql.storage.dialects.postgresql import PostgreSQL  # noqa: PLC0415 - an extra
        except ImportError:
            raise ValueError(
                "PostgreSQL needs its driver: pip install 'metrics-graphql[postgres]'"
            ) from None
        return PostgreSQL(url)
    # Only what is before `://` is known to be no password.
    subject = name if url[len(name) :].startswith("://") else "this value"
    raise ValueError(
        f"{subject} is not a supported database; use sqlite:///FILE or"
        " postgresql://USER@HOST/DATABASE"
    )
