"""The formats of files of sessions: newline-delimited JSON, a v3 API page, CSV; gzipped too."""

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain
from typing import Final, NamedTuple

from metrics_graphql.domain.sessions import SessionUpdate
from metrics_graphql.loading.rows import BadRow, parse_json_row, parse_row

GZIP_MAGIC: Final = b"\x1f\x8b"
BYTE_ORDER_MARK: Final = codecs.BOM_UTF8


class UnreadableFile(Exception):
    """A file in none of the formats; its text is the reason."""


class Rejection(NamedTuple):
    """A row that can't be loaded."""

    place: str
    """Where it is: `line 7`, or `item 7` of a page."""
    reason: str


class Parsed(NamedTuple):
    """A row that was read."""

    place: str
    update: SessionUpdate


def read_sessions(stream: io.BufferedReader, org_id: str | None) -> Iterator[Parsed | Rejection]:
    """Yield the rows of a file, in its order; `org_id` is that of rows that name none.

    Raises:
        UnreadableFile: it is in none of the formats, or breaks off.
    """
    compressed = stream.peek(2)[:2] == GZIP_MAGIC
    try:
        yield from read_content(gzip.GzipFile(fileobj=stream) if compressed else stream, org_id)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableFile(f"not a whole gzip file: {error}") from None


def read_content(content: Iterable[bytes], org_id: str | None) -> Iterator[Parsed | Rejection]:
    """Yield the rows of a file that is not compressed, in the format its first line shows."""
    lines = enumerate(content, start=1)
    number, first = next(
        ((n, line) for n, line in lines if line.removeprefix(BYTE_ORDER_MARK).strip()), (0, b"")
    )
    first = first.removeprefix(BYTE_ORDER_MARK)
    if not first:
        return
    everything = chain([(number, first)], lines)
    if not first.lstrip().startswith((b"{", b"[")):
        yield from read_csv((line for _, line in everything), number, org_id)
    elif is_page(first):
        yield from read_page(b"".join(line for _, line in everything), org_id)
    else:
        yield from read_lines(everything, org_id)


def is_page(first_line: bytes) -> bool:
    """Return whether a file of JSON is one document, rather than one on each line."""
    try:
        value = json.loads(first_line)
    except json.JSONDecodeError as error:
        # What goes on in the next line is a document over several lines, if not a broken row.
        goes_on = error.pos >= len(error.doc.rstrip())
        return goes_on and (b'"items"' in first_line or b'"session_id"' not in first_line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, list) or (isinstance(value, dict) and "items" in value)


def read_lines(
    lines: Iterable[tuple[int, bytes]], org_id: str | None
) -> Iterator[Parsed | Rejection]:
    """Yield the rows of newline-delimited JSON; blank lines are passed over."""
    for number, line in lines:
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            yield Parsed(place, parse_json_row(line, org_id))
        except BadRow as error:
            yield Rejection(place, str(error))


def read_page(text: bytes, org_id: str | None) -> Iterator[Parsed | Rejection]:
    """Yield the rows of `{"items": [...]}`, as the v3 API returns it."""
    try:
        page = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"not JSON: {error}") from None
    if not isinstance(page, dict) or not isinstance(page.get("items"), list):
        raise UnreadableFile('JSON, but neither one object a line nor {"items": [...]}')
    for position, item in enumerate(page["items"], start=1):
        place = f"item {position}"
        try:
            yield Parsed(place, parse_row(item, org_id))
        except BadRow as error:
            yield Rejection(place, str(error))


def read_csv(
    lines: Iterable[bytes], first_line: int, org_id: str | None
) -> Iterator[Parsed | Rejection]:
    """Yield the rows of CSV with a header; an empty cell is null."""
    # A byte that is not UTF-8 becomes a surrogate, and the row's own validation refuses it.
    reader = csv.reader((line.decode(errors="surrogateescape") for line in lines), strict=True)
    try:
        header = [name.strip() for name in next(reader)]
    except csv.Error as error:
        raise UnreadableFile(f"line {first_line}: not CSV: {error}") from None
    if "session_id" not in header:
        raise UnreadableFile(
            "neither JSON nor CSV: no column session_id in its first line, separated by commas"
        )
    if len(set(header)) < len(header):
        raise UnreadableFile(f"line {first_line}: a column is there twice")
    while True:
        place = f"line {first_line + reader.line_num}"
        try:
            cells = next(reader)
            if any(cell.strip() for cell in cells):
                yield Parsed(place, parse_cells(header, cells, org_id))
        except StopIteration:
            return
        except csv.Error as error:
            yield Rejection(place, f"not CSV: {error}")
        except BadRow as error:
            yield Rejection(place, str(error))


def parse_cells(header: list[str], cells: list[str], org_id: str | None) -> SessionUpdate:
    """Return the update of a row of CSV.

    Raises:
        BadRow: with the reason.
    """
    if len(cells) != len(header):
        raise BadRow(f"{len(cells)} cells under {len(header)} columns")
    return parse_row(dict(zip(header, cells, strict=True)), org_id)
