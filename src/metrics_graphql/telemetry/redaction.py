"""Makes texts from outside safe to log: no tokens, one word, bounded length."""

import re
from typing import Final
from urllib.parse import quote

MAX_WORD: Final = 200
"""Characters of a client's value that a log line repeats."""
TOKEN: Final = re.compile(r"cog(?:_|%(?:25)*5f)\w+|[0-9a-z]{38,}", re.IGNORECASE)
"""A token, whole or without its prefix. Usual ids have fewer letters and digits in a row."""


def redact(text: str) -> str:
    """Return a text with every token replaced."""
    return TOKEN.sub("cog_…", text)


def log_word(text: str) -> str:
    """Return a client's text percent-encoded as one word, redacted and cut to `MAX_WORD`."""
    # Redacted before it is cut, or a part of a token would be left.
    return redact(quote(text, safe="/:@$,;+*", errors="replace"))[:MAX_WORD]


def log_organizations(organizations: frozenset[str]) -> str:
    """Return organizations as one word, joined by commas."""
    return log_word(",".join(sorted(organizations)))
