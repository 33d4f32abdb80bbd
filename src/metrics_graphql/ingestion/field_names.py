"""Names of the fields of a row, and how the columns of a file are matched with them."""

import difflib
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from metrics_graphql.ingestion.rows import InvalidRow

SESSION_FIELDS: Final = (
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
    **dict(zip(SESSION_FIELDS, SESSION_FIELDS, strict=True)),
    "size": "session_size",
}
"""The field of each spelling."""
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
MAX_CACHED_RESOLUTIONS: Final = 1_000
"""Lists of names whose `Resolution` is cached."""
IGNORED_CHARACTERS: Final = re.compile(r"[\s_\-\u200b\ufeff]+")
"""Characters that are ignored in names. Blanks include those without width, such as a second byte
order mark."""
SIMILARITY: Final = 0.6
"""The least similarity of a suggested name, from 0 to 1: see `difflib.get_close_matches`."""
MIN_PREFIX: Final = 3
"""Characters that a name and a word of a field must have in common."""


def normalize(name: str) -> str:
    """Return a name as it is compared: in lower case, without blanks, `-` and `_`."""
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
    """The name that gives each field."""
    unknown: tuple[str, ...]
    """The names that give no field, without those that are ignored on purpose."""


class FieldNames:
    """Matches names with fields, regardless of case, blanks, `-` and `_`.

    `spellings` has the fields by their names, and `unused` the names to ignore. `columns` has the
    fields of further names, which users gave. They take precedence over `spellings`.
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
        """The entries of `columns` whose name was in no row or header so far."""
        self._cache: dict[tuple[str, ...], Resolution] = {}

    def field(self, name: str) -> str | None:
        """Return the field that a name stands for; None if it is unknown."""
        key = normalize(name)
        return self.columns.get(key) or self._fields.get(key)

    def resolve(self, names: tuple[str, ...]) -> Resolution:
        """Return the fields that the names of a row or a header stand for.

        Raises:
            InvalidRow: two names stand for the same field.
        """
        resolution = self._cache.get(names)
        if resolution is None:
            if len(self._cache) >= MAX_CACHED_RESOLUTIONS:
                self._cache.clear()
            resolution = self._cache[names] = self._resolve(names)
        return resolution

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
        """Return the name that gives a field: the one in `columns` if there is one.

        Raises:
            InvalidRow: several names give it.
        """
        names = [name for name in names if normalize(name) in self.columns] or names
        if len(names) > 1:
            raise InvalidRow(f"{field}: given twice, by {names[0]!r} and {names[1]!r}")
        return names[0]
