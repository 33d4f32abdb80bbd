"""Names of the fields of a row, and how the columns of a file are matched with them."""

import difflib
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from metrics_graphql.ingestion.rows import InvalidRow

FIELDS: Final = (
    "session_id",
    "org_id",
    "created_at",
    "origin",
    "session_size",
    "user_id",
    "service_user_id",
    "playbook_id",
    "used_search",
    "acus_consumed",
    "pull_requests",
    "pr_count",
    "open_pr_count",
    "merged_pr_count",
    "closed_pr_count",
)
FIELD_SPELLINGS: Final[Mapping[str, str]] = {
    **dict(zip(FIELDS, FIELDS, strict=True)),
    "size": "session_size",
}
"""Spelling to field."""
UNUSED_FIELDS: Final = (
    "analysis",
    "category",
    "child_session_ids",
    "is_archived",
    "num_devin_messages",
    "num_user_messages",
    "parent_session_id",
    "status",
    "status_detail",
    "structured_output",
    "subcategory",
    "tags",
    "title",
    "updated_at",
    "url",
)
"""Fields of the v3 API that no metric depends on."""
PAGE_FIELDS: Final = frozenset({"items", "endcursor", "hasnextpage", "total"})
"""Fields of a page of the v3 API, as `normalize` returns them."""
MAX_CACHED: Final = 1_000
"""Different lists of names whose resolution is cached."""
IGNORED_CHARACTERS: Final = re.compile(r"[\s_\-\u200b\ufeff]+")
"""Blanks are also those without width, such as a second byte order mark."""
SIMILARITY: Final = 0.6
MIN_PREFIX: Final = 3
"""Characters that a name and a word of a field must have in common."""


def normalize(name: str) -> str:
    """Return a name as it is compared: without case, blanks, `-` and `_`."""
    return IGNORED_CHARACTERS.sub("", name).lower()


def suggest(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that was probably meant; None if none is similar."""
    key = normalize(name)
    by_key = {normalize(each): each for each in known}
    if close := difflib.get_close_matches(key, by_key, n=1, cutoff=SIMILARITY):
        return by_key[close[0]]
    for field in known:
        for word in field.split("_"):
            shorter, longer = sorted((key, word), key=len)
            if key == word or (len(shorter) >= MIN_PREFIX and longer.startswith(shorter)):
                return field
    return None


class Resolution(NamedTuple):
    """What the names of a row or of a header mean."""

    fields: Mapping[str, str]
    """Field to the name that gives it."""
    unknown: tuple[str, ...]


class FieldNames:
    """Matches names with fields, regardless of case, blanks, `-` and `_`.

    `columns` maps further names to fields. It takes precedence over the fields' own names.
    """

    def __init__(
        self,
        spellings: Mapping[str, str] = FIELD_SPELLINGS,
        unused: Sequence[str] = UNUSED_FIELDS,
        columns: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._fields = {normalize(spelling): field for spelling, field in spellings.items()}
        self._unused = frozenset(map(normalize, unused))
        self.columns = {normalize(name): field for name, field in columns.items()}
        self.unmatched = dict(columns)
        """Those of `columns` that were not found yet."""
        self._cache: dict[tuple[str, ...], Resolution] = {}

    def field(self, name: str) -> str | None:
        """Return the field that a name gives; None if it gives none."""
        key = normalize(name)
        return self.columns.get(key) or self._fields.get(key)

    def resolve(self, names: tuple[str, ...]) -> Resolution:
        """Return the fields that some names give, and the names that are unknown.

        Raises:
            InvalidRow: two names give the same field.
        """
        found = self._cache.get(names)
        if found is None:
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            found = self._cache[names] = self._resolve(names)
        return found

    def _resolve(self, names: tuple[str, ...]) -> Resolution:
        keys = set(map(normalize, names))
        self.unmatched = {
            name: field for name, field in self.unmatched.items() if normalize(name) not in keys
        }
        given: dict[str, list[str]] = {}
        unknown = []
        for name in names:
            if (field := self.field(name)) is not None:
                given.setdefault(field, []).append(name)
            elif (key := normalize(name)) and key not in self._unused:
                unknown.append(name)
        fields = {field: self._choose(field, candidates) for field, candidates in given.items()}
        return Resolution(fields, tuple(dict.fromkeys(unknown)))

    def _choose(self, field: str, names: Sequence[str]) -> str:
        """Return the name that gives a field: one of `columns` if there is any."""
        names = [name for name in names if normalize(name) in self.columns] or names
        if len(names) > 1:
            raise InvalidRow(f"{field}: given twice, by {names[0]!r} and {names[1]!r}")
        return names[0]
