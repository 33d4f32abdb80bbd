"""Counts unknown names and values of the input, and reports them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from metrics_graphql.core.errors import shorten
from metrics_graphql.ingestion.field_names import SESSION_FIELDS, suggest
from metrics_graphql.ingestion.row_schema import KNOWN_VALUES

MAX_DISTINCT: Final = 10_000
"""Different names, and values, that are counted. Later ones are not, to bound the memory."""
MAX_LINES: Final = 10
"""Names, and values, that a report lists."""
MAX_CHOICES: Final = 5
"""Known values of a field that a report lists. If there are more, it names only a similar one."""


class UnknownInput:
    """Unknown columns and fields, which are ignored, unknown values, and unusual instants."""

    def __init__(self, fields: Sequence[str] = SESSION_FIELDS) -> None:
        self._fields = fields
        self.names: Counter[tuple[str, str]] = Counter()
        """The number of rows by kind (`column`, `field` or `page field`) and name."""
        self.values: Counter[tuple[str, str]] = Counter()
        """The number of rows by field and value."""
        self.early_rows = 0
        """Rows whose `created_at` is before 2000."""
        self.future_rows = 0
        """Rows whose `created_at` is after tomorrow."""

    def count_names(self, kind: str, names: Iterable[str], rows: int = 1) -> None:
        """Count rows that have these unknown columns or fields."""
        for name in names:
            _count(self.names, (kind, name), rows)

    def count_value(self, field: str, value: str) -> None:
        """Count a row with this unknown value of a field."""
        _count(self.values, (field, value), 1)

    def report(self) -> Iterator[str]:
        """Yield a line for each name and value, most frequent first, and for unusual instants."""
        for (kind, name), rows in self.names.most_common(MAX_LINES):
            yield f"ignored: {kind} {quote(name)} ({_rows(rows)}{_name_hint(name, self._fields)})"
        if (more := len(self.names) - MAX_LINES) > 0:
            yield f"ignored: {more:,} more names"
        for (field, value), rows in self.values.most_common(MAX_LINES):
            hint = _value_hint(value, KNOWN_VALUES[field])
            yield f"unknown: {field} {quote(value)} ({_rows(rows)}{hint})"
        if (more := len(self.values) - MAX_LINES) > 0:
            yield f"unknown: {more:,} more values"
        if self.early_rows:
            yield (
                f"unusual: created_at before 2000 ({_rows(self.early_rows)}; Unix seconds are"
                " expected, not the days of a spreadsheet)"
            )
        if self.future_rows:
            yield f"unusual: created_at in the future ({_rows(self.future_rows)})"


def quote(text: str) -> str:
    """Return a text in quotes, shortened, that can be printed on one line."""
    return '"{}"'.format("".join(c if c.isprintable() else "\ufffd" for c in shorten(text)))


def _count(counter: Counter[tuple[str, str]], key: tuple[str, str], rows: int) -> None:
    if key in counter or len(counter) < MAX_DISTINCT:
        counter[key] += rows


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _name_hint(name: str, fields: Sequence[str]) -> str:
    parent, _, last = name.rpartition(".")
    meant = suggest(last, ("pr_state", "pr_url") if parent == "pull_requests" else fields)
    return f"; did you mean {meant}?" if meant and meant != last else ""


def _value_hint(value: str, known: Sequence[str]) -> str:
    if len(known) <= MAX_CHOICES:
        return f"; known are {', '.join(known)}"
    meant = suggest(value, known)
    return f"; did you mean {meant}?" if meant else ""
