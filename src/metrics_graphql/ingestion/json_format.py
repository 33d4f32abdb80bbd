"""JSON: one object per line, arrays, pages of the v3 API, and any of these over several lines."""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final, TypeVar

from metrics_graphql.ingestion.encoding import MAX_LINE
from metrics_graphql.ingestion.row_parser import RowParser
from metrics_graphql.ingestion.rows import (
    InvalidRow,
    ParsedRow,
    RejectedRow,
    Row,
    UnreadableFile,
)

T = TypeVar("T")

DECODER: Final = json.JSONDecoder(parse_float=Decimal)
NON_BLANK: Final = re.compile(r"\S")

Documents = list[tuple[int, object]]
"""JSON documents, each after the number of line breaks before it."""


class NotJSON(Exception):
    """A text is not a sequence of JSON documents."""

    def __init__(
        self, reason: str, line: int = 0, column: int = 0, *, is_incomplete: bool = False
    ) -> None:
        super().__init__(f"not JSON: {reason}" + (f" in column {column}" if column else ""))
        self.line = line
        """The number of line breaks before the error."""
        self.is_incomplete = is_incomplete
        """Whether the text could become JSON if it continued."""


def parse_json(
    lines: Iterator[tuple[int, str]], parser: RowParser[T], prefix: str
) -> Iterator[Row[T]]:
    """Yield the rows of JSON documents: objects, and the items of arrays and pages.

    A line that is not JSON is a rejected row, unless the next line continues it. Then this line and
    all later ones are parsed together.

    Raises:
        UnreadableFile: lines that are parsed together are not JSON, or too long.
    """
    lines = PeekableLines(lines)
    for number, line in lines:
        if line.isspace():
            continue
        try:
            documents = decode(line)
        except NotJSON as error:
            if not (error.is_incomplete and is_continued(line, lines.peek())):
                yield RejectedRow(f"{prefix}line {number}", str(error))
                continue
            documents = decode_rest(number, line, lines)
        for line_breaks, document in documents:
            yield from parse_document(document, f"{prefix}line {number + line_breaks}", parser)


def parse_document(document: object, location: str, parser: RowParser[T]) -> Iterator[Row[T]]:
    """Yield the rows of a document."""
    for item_location, item in items_of(document, location, parser):
        try:
            yield ParsedRow(item_location, parser.parse_object(item))
        except InvalidRow as error:
            yield RejectedRow(item_location, str(error))


def items_of(document: object, location: str, parser: RowParser[T]) -> Iterator[tuple[str, object]]:
    """Yield the items of an array, of a page, or of an array of pages, or else the document."""
    array = document if isinstance(document, list) else None
    for at, item in [(location, document)] if array is None else enumerate_items(array, location):
        items = parser.items_of_page(item)
        if items is None:
            yield at, item
        else:
            yield from enumerate_items(items, at)


def enumerate_items(items: list[object], location: str) -> Iterator[tuple[str, object]]:
    """Yield each item with its location."""
    return ((f"{location}: item {number}", item) for number, item in enumerate(items, start=1))


def decode(text: str) -> Documents:
    """Return the JSON documents of a text, which need no separators.

    Raises:
        NotJSON: the text contains something else.
    """
    documents: Documents = []
    position = line_breaks = 0
    try:
        while start := NON_BLANK.search(text, position):
            line_breaks += text.count("\n", position, start.start())
            document, position = DECODER.raw_decode(text, start.start())
            documents.append((line_breaks, document))
            line_breaks += text.count("\n", start.start(), position)
    except json.JSONDecodeError as error:
        raise NotJSON(
            error.msg,
            error.lineno - 1,
            error.colno,
            is_incomplete=error.pos >= len(text.rstrip()),
        ) from None
    except RecursionError:
        raise NotJSON("nested too deeply", line_breaks) from None
    except ValueError:
        raise NotJSON("a number has too many digits", line_breaks) from None
    return documents


def is_continued(line: str, following: str) -> bool:
    """Return whether an incomplete document continues in the following line.

    It does if both lines together are the start of a document, or if the following line alone is
    not. Otherwise the following line is a document of its own, and the first one was cut off.
    """
    return bool(following) and (is_start(line + following) or not is_start(following))


def is_start(text: str) -> bool:
    """Return whether a text is JSON or the start of JSON."""
    try:
        decode(text)
    except NotJSON as error:
        return error.is_incomplete
    return True


def decode_rest(number: int, line: str, lines: Iterable[tuple[int, str]]) -> Documents:
    """Return the documents of a line and of all later ones.

    Raises:
        UnreadableFile: the lines are not JSON, or too long.
    """
    texts, length = [line], len(line)
    for _, text in lines:
        texts.append(text)
        length += len(text)
        if length > MAX_LINE:
            raise UnreadableFile(
                f"line {number}: JSON of more than {MAX_LINE:,} characters; write one object a line"
            )
    try:
        return decode("".join(f"{text.rstrip()}\n" for text in texts))
    except NotJSON as error:
        raise UnreadableFile(f"line {number + error.line}: {error}") from None


class PeekableLines:
    """Numbered lines. The next ones can be read before they are consumed."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines = lines
        self._peeked: deque[tuple[int, str]] = deque()

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return self

    def __next__(self) -> tuple[int, str]:
        return self._peeked.popleft() if self._peeked else next(self._lines)

    def peek(self) -> str:
        """Return the text up to the next line that is not blank, or up to the end."""
        while not self._peeked or self._peeked[-1][1].isspace():
            line = next(self._lines, None)
            if line is None:
                break
            self._peeked.append(line)
        return "".join(text for _, text in self._peeked)
