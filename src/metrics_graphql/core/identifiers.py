"""Checks of ids: which can be compared, and which may be stored."""

import re
from typing import Final

from metrics_graphql.core.errors import BadUserInput, FieldPath

MAX_ID_LENGTH: Final = 256
"""Characters of a stored id."""
UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
"""NUL, which PostgreSQL text cannot hold, and unpaired surrogates, which UTF-8 cannot encode."""
CONTROL_CHARACTER: Final = re.compile("[\0-\x1f\x7f-\x9f]")
"""The characters of Unicode's category Cc."""


def check_id(path: FieldPath, value: str) -> str:
    """Return an id that every engine can store and compare.

    Raises:
        BadUserInput: the id contains NUL or an unpaired surrogate.
    """
    if UNSTORABLE.search(value):
        raise BadUserInput(path, "must not contain NUL or unpaired surrogates")
    return value


def check_new_id(path: FieldPath, value: str) -> str:
    """Return an id that may be stored, and that both APIs can filter by.

    Raises:
        BadUserInput: `check_id` refuses the id, it is empty or longer than `MAX_ID_LENGTH`, or it
            contains a control character or a comma (the REST API joins ids with commas).
    """
    if not value or value.isspace():
        raise BadUserInput(path, "must not be empty")
    if len(value) > MAX_ID_LENGTH:
        raise BadUserInput(path, f"must have at most {MAX_ID_LENGTH} characters")
    if "," in value:
        raise BadUserInput(path, "must not contain a comma")
    if CONTROL_CHARACTER.search(value):
        raise BadUserInput(path, "must not contain control characters")
    return check_id(path, value)
