"""CSV with a header, in the dialects of spreadsheets and databases.

A quote that is missing or wrongly escaped can make a cell look like rows, or rows like a cell.
Therefore the first structural error ends a file, and so does text that two dialects read
differently.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, TypeVar

from metrics_graphql.ingestion.row_parser import RowParser
from metrics_graphql.ingestion.rows import (
    InvalidRow,
    ParsedRow,
    RejectedRow,
    Row,
    UnreadableFile,
)
from metrics_graphql.ingestion.unknown_input import quote

SEPARATORS: Final = (",", ";", "\t", "|")
UNQUOTED_SEPARATORS: Final = frozenset("\t|")
"""Separators of dialects without quotes, such as those of database clients."""
SEPARATOR_LINE: Final = re.compile(r'"?sep=([^"\r\n])"?\s*', re.IGNORECASE)
"""A first line by which Excel knows the separator."""
LINE_BREAK: Final = re.compile(r"[\r\n]")
MAX_ROW: Final = 16_000_000
"""Characters of a row. A row is held in memory."""
MAX_LISTED: Final = 5
"""Columns that an error lists."""
DECIMAL_FIELDS: Final = ("acus_consumed", "created_at")
"""Fields that may have a decimal comma if the separator is not a comma."""
UNCLOSED: Final = 'a quote may not be closed, or a quote in a cell is not written twice ("")'
UNQUOTED: Final = "a cell with separators or line breaks needs quotes"
REASONS: Final = {
    "unexpected end": "a quote is not closed",
    "expected after": 'text after a closing quote; a quote in a cell is written twice ("")',
    "new-line character": "a line break in a cell without quotes",
}
"""A part of each message of the `csv` module, and the reason to report instead."""

T = TypeVar("T")
NumberedLines = Iterator[tuple[int, str]]


def parse_csv(lines: NumberedLines, parser: RowParser[T], prefix: str) -> Iterator[Row[T]]:
    """Yield the rows of CSV. The first line is the header. An empty cell is null.

    Raises:
        UnreadableFile: the header lacks a required column, or a line has a structural error. No
            later line is parsed.
    """
    # The default is 131,072 characters, which the cell of an ignored column may exceed.
    csv.field_size_limit(MAX_ROW)
    table = Table(lines, parser)
    rows = unnamed_rows = 0
    try:
        for number, cells in table:
            rows += 1
            location = f"{prefix}line {number}"
            unnamed_rows += table.has_unnamed(cells)
            try:
                yield ParsedRow(location, parser.parse_values(table.values_of(cells)))
            except InvalidRow as error:
                yield RejectedRow(location, str(error))
    finally:
        parser.unknown.count_names("column", table.unknown, rows)
        if unnamed_rows:
            parser.unknown.count_names("column", [""], unnamed_rows)


class Table:
    """A header, and the records below it with their line numbers."""

    def __init__(self, lines: NumberedLines, parser: RowParser[Any]) -> None:
        """Read the header.

        Raises:
            UnreadableFile: the header lacks a required column, or is not CSV.
        """
        self._number, first, self._separator = read_first_line(lines, parser)
        content = chain([first], (line for _, line in lines))
        self._lines = CheckedLines(content, self._separator)
        self._reader = csv.reader(
            self._lines, delimiter=self._separator, skipinitialspace=True, strict=True
        )
        try:
            self._header = next(self._reader)
            fields, self.unknown = parser.names.resolve(tuple(self._header))
        except csv.Error as error:
            raise unreadable(self._number, error) from None
        except InvalidRow as error:
            raise UnreadableFile(f"line {self._number}: {error}") from None
        self._unnamed = [index for index, name in enumerate(self._header) if not name.strip()]
        self._columns = {field: self._header.index(name) for field, name in fields.items()}
        separator = re.escape(self._separator)
        # A cell in quotes, in which each quote is written twice.
        self._quoted_cells = re.compile(rf'(?:(?<={separator})|\A) *"[^"]*(?:""[^"]*)*"')
        # An apostrophe that opens a cell and is not closed. Not before `=`, `+`, `@` and `-`: some
        # programs write it there, because spreadsheets would take the cell for a formula.
        self._open_apostrophe = re.compile(
            rf"(?:(?<={separator})|\A) *'(?![=+@-])[^'{separator}]*(?:(?:'[^'{separator}]*){{2}})*"
            rf"(?:{separator}|\Z)"
        )
        self._decimals = [
            field for field in DECIMAL_FIELDS if field in fields and self._separator != ","
        ]
        self._ends_with_crlf = self._lines.record[-1].endswith("\r\n")

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the cells of each record that is not blank.

        Raises:
            UnreadableFile: a record has a structural error.
        """
        number = self._number
        try:
            while True:
                number = self._number + self._reader.line_num
                self._lines.start_record()
                cells = next(self._reader, None)
                if cells is None:
                    return
                if any(cell.strip() for cell in cells):
                    self._check(cells)
                    yield number, cells
        except csv.Error as error:
            raise unreadable(number, error) from None

    def has_unnamed(self, cells: Sequence[str]) -> bool:
        """Return whether a column without a name has a value."""
        return any(cells[index].strip() for index in self._unnamed)

    def values_of(self, cells: Sequence[str]) -> dict[str, str]:
        """Return the cells of the columns that are used, by field."""
        values = {field: cells[index] for field, index in self._columns.items()}
        for field in self._decimals:
            values[field] = values[field].replace(",", ".", 1)
        return values

    def _check(self, cells: Sequence[str]) -> None:
        """Refuse a record that may have ended too early or too late.

        Raises:
            csv.Error: the quotes of the record may be wrong.
        """
        lines = self._lines
        last = lines.record[-1]
        if self._ends_with_crlf and last.endswith("\n") and not last.endswith("\r\n"):
            raise csv.Error("ends with LF, the header with CR LF; line breaks in cells need quotes")
        if lines.ends_with_escape:
            raise csv.Error("ends with a backslash; line breaks in cells need quotes")
        if len(cells) != len(self._header):
            counts = f"{len(cells)} cells under {len(self._header)} columns"
            raise csv.Error(f"{counts}; {UNCLOSED if lines.has_quotes else UNQUOTED}")
        if not lines.has_quotes and not lines.has_apostrophes:
            return
        unquoted = self._quoted_cells.sub("", "".join(lines.record))
        if self._open_apostrophe.search(unquoted):
            raise csv.Error(
                "an apostrophe at the start of a cell, which may be a quote that is not closed; put"
                " the cell in double quotes"
            )
        if self._separator not in UNQUOTED_SEPARATORS:
            if '"' in unquoted:
                raise csv.Error("a quote in a cell without quotes")
        elif any(self._separator in cell and LINE_BREAK.search(cell) for cell in cells):
            raise csv.Error(f"a cell with line breaks and separators; {UNCLOSED}")


class CheckedLines:
    """Lines, as the `csv` module consumes them. Raises `csv.Error` for ambiguous escapes."""

    def __init__(self, lines: Iterable[str], separator: str) -> None:
        self._lines = lines
        self._quotes_after_backslash = re.compile(
            rf'(?<!\\)(?:\\\\)*\\("+)([{re.escape(separator)}\r\n]|\Z)?'
        )
        self._escapes_are_excluded = False
        """Whether an earlier line is well-formed only if a backslash does not escape."""
        self.record: list[str] = []
        """The lines of the current record."""
        self.has_quotes = self.has_apostrophes = False
        """Whether there is such a character in the current record."""
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._size += len(line)
            if self._size > MAX_ROW:
                raise csv.Error(f"a row of more than {MAX_ROW:,} characters; {UNCLOSED}")
            if '"' in line:
                self.has_quotes = True
            if "'" in line:
                self.has_apostrophes = True
            if "\\" in line and not self._escapes_are_excluded:
                self._check_quotes(line)
            self.record.append(line)
            yield line

    def start_record(self) -> None:
        """Forget the lines that were read."""
        self.record.clear()
        self.has_quotes = self.has_apostrophes = False
        self._size = 0

    @property
    def ends_with_escape(self) -> bool:
        """Whether the record ends with a backslash, which in some dialects escapes a line break."""
        last = self.record[-1]
        return (
            "\\" in last and not self._escapes_are_excluded and last.rstrip("\r\n").endswith("\\")
        )

    def _check_quotes(self, line: str) -> None:
        r"""Refuse a backslash before quotes at the end of a cell: two dialects differ about it.

        In one, a quote is written twice: `\"` is a backslash and the end of the cell, `\""` is a
        backslash and a quote. In the other, a backslash escapes: `\"` is a quote, and `\""` is a
        quote and the end of the cell. So `\""` in the middle of a cell is well-formed in the first
        dialect only, and shows that the file has this dialect.
        """
        for match in self._quotes_after_backslash.finditer(line):
            quotes, ends = len(match[1]), match[2] is not None
            if quotes > 1 + ends:
                self._escapes_are_excluded = True
                return
            if ends:
                raise csv.Error(
                    "a backslash before a quote at the end of a cell, which may be an escape;"
                    ' a quote in a cell is written twice ("")'
                )


def read_first_line(lines: NumberedLines, parser: RowParser[Any]) -> tuple[int, str, str]:
    """Return the number and the text of the header's first line, and the separator.

    Raises:
        UnreadableFile: the line has the required columns with no separator.
    """
    number, line = next(lines)
    separators: Sequence[str] = SEPARATORS
    if given := SEPARATOR_LINE.fullmatch(line):
        separators = given[1]
        header = next((each for each in lines if not each[1].isspace()), None)
        if header is None:
            raise UnreadableFile(f"line {number}: no header follows")
        number, line = header
    headers = {separator: split(line, separator) for separator in separators}
    fields = {each: set(map(parser.names.field, headers[each])) for each in headers}
    separator = max(headers, key=lambda each: (len(fields[each]), len(headers[each])))
    if fields[separator].issuperset(parser.required):
        return number, line, separator
    columns = ", ".join(map(quote, headers[separator][:MAX_LISTED]))
    raise UnreadableFile(
        f"neither JSON nor CSV with {parser.required_columns}: line {number} has the columns"
        f" {columns}{parser.column_hint}"
    )


def split(line: str, separator: str) -> list[str]:
    """Return the cells of a line; none if it is not CSV."""
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        return []


def unreadable(number: int, error: csv.Error) -> UnreadableFile:
    """Return the error about a record that is not CSV, which begins on a line."""
    message = str(error)
    reason = next((REASONS[part] for part in REASONS if part in message), message)
    return UnreadableFile(f"line {number}: not CSV: {reason}")
