"""The dialect of the database that a URL names, and checks that the URLs of all engines share."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from metrics_graphql.storage.dialects.base import DatabaseDialect
from metrics_graphql.storage.dialects.sqlite import SQLite

ASCII_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f]")
"""No URL contains one. In the path of a SQLite URL, like a line feed at its end, it would be a part
of the file's name."""
SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)


def dialect_for(url: str) -> DatabaseDialect:
    """Return the dialect for a database URL.

    Raises:
        ValueError: the engine is not supported, its driver is not installed, or the rest of the
            URL is not valid for it. The message contains no password.
    """
    if ASCII_CONTROL_CHARACTER.search(url):
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
    # Only the text before `://` cannot be part of a password.
    subject = name if url[len(name) :].startswith("://") else "this value"
    raise ValueError(
        f"{subject} is not a supported database; use sqlite:///FILE or"
        " postgresql://USER@HOST/DATABASE"
    )


def correction(name: str, known: Iterable[str]) -> str:
    """Return advice about an unknown parameter of a URL: the similar known one, or to remove it."""
    similar = get_close_matches(name.lower(), known, n=1)
    return f"did you mean {similar[0]}?" if similar else "remove it"
