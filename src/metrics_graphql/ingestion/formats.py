"""Parsers of the file formats: newline-delimited JSON, a page of the v3 API, and CSV.

The format is detected by content. Files may be gzipped and may begin with a byte order mark.
"""

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

from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.ingestion.row_schema import InvalidRow, parse_json_row, parse_row

GZIP_MAGIC: Final = b"\x1f\x8b"
BYTE_ORDER_MARK: Final = codecs.BOM_UTF8


class UnreadableFile(Exception):
    """A file is in none of the formats, or truncated. The message is the reason."""


class ParsedRow(NamedTuple):
    """A valid row."""

    location: str
    """Its position in the file: `line 7`, or `item 7` of a page."""
    update: SessionUpdate


class RejectedRow(NamedTuple):
    """A row that cannot be loaded."""

    location: str
    """As `ParsedRow.location`."""
    reason: str


Row = ParsedRow | RejectedRow


def parse_file(stream: io.BufferedReader, default_org_id: str | None) -> Iterator[Row]:
    """Yield the rows of a file, which may be gzipped, in order.

    `default_org_id` is the organization of rows without an `org_id`.

    Raises:
        UnreadableFile: the file is in none of the formats, or truncated.
    """
    is_compressed = stream.peek(2)[:2] == GZIP_MAGIC
    try:
        yield from parse_lines(
            gzip.GzipFile(fileobj=stream) if is_compressed else stream, default_org_id
        )
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableFile(f"not a whole gzip file: {error}") from None


def parse_lines(content: Iterable[bytes], default_org_id: str | None) -> Iterator[Row]:
    """Yield the rows of uncompressed lines; the first line that is not blank shows the format."""
    lines = enumerate(content, start=1)
    number, first = next(
        ((n, line) for n, line in lines if line.removeprefix(BYTE_ORDER_MARK).strip()), (0, b"")
    )
    first = first.removeprefix(BYTE_ORDER_MARK)
    if not first:
        return
    all_lines = chain([(number, first)], lines)
    if not first.lstrip().startswith((b"{", b"[")):
        yield from parse_csv((line for _, line in all_lines), number, default_org_id)
    elif is_single_document(first):
        yield from parse_page(b"".join(line for _, line in all_lines), default_org_id)
    else:
        yield from parse_ndjson(all_lines, default_org_id)


def is_single_document(first_line: bytes) -> bool:
    """Return whether a JSON file is one document rather than one object per line."""
    try:
        value = json.loads(first_line)
    except json.JSONDecodeError as error:
        # An error at the end of the line: the document continues, unless it is a truncated row.
        is_incomplete = error.pos >= len(error.doc.rstrip())
        return is_incomplete and (b'"items"' in first_line or b'"session_id"' not in first_line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, list) or (isinstance(value, dict) and "items" in value)


def parse_ndjson(lines: Iterable[tuple[int, bytes]], default_org_id: str | None) -> Iterator[Row]:
    """Yield the rows of numbered lines of JSON, skipping blank ones."""
    for number, line in lines:
        if not line.strip():
            continue
        location = f"line {number}"
        try:
            yield ParsedRow(location, parse_json_row(line, default_org_id))
        except InvalidRow as error:
            yield RejectedRow(location, str(error))


def parse_page(text: bytes, default_org_id: str | None) -> Iterator[Row]:
    """Yield the rows of `{"items": [...]}`, a response of the v3 API."""
    try:
        page = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"not JSON: {error}") from None
    if not isinstance(page, dict) or not isinstance(page.get("items"), list):
        raise UnreadableFile('JSON, but neither one object a line nor {"items": [...]}')
    for number, item in enumerate(page["items"], start=1):
        location = f"item {number}"
        try:
            yield ParsedRow(location, parse_row(item, default_org_id))
        except InvalidRow as error:
            yield RejectedRow(location, str(error))


def parse_csv(lines: Iterable[bytes], first_line: int, default_org_id: str | None) -> Iterator[Row]:
    """Yield the rows of CSV, whose header is line `first_line`. An empty cell is null."""
    # Invalid UTF-8 becomes a surrogate, which the row's own validation refuses.
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
        raise UnreadableFile(f"line {first_line}: a column is named twice")
    while True:
        location = f"line {first_line + reader.line_num}"
        try:
            cells = next(reader)
            if any(cell.strip() for cell in cells):
                yield ParsedRow(location, parse_csv_row(header, cells, default_org_id))
        except StopIteration:
            return
        except csv.Error as error:
            yield RejectedRow(location, f"not CSV: {error}")
        except InvalidRow as error:
            yield RejectedRow(location, str(error))


def parse_csv_row(header: list[str], cells: list[str], default_org_id: str | None) -> SessionUpdate:
    """Return the update that a row of CSV describes.

    Raises:
        InvalidRow: it does not match the header or the schema.
    """
    if len(cells) != len(header):
        raise InvalidRow(f"{len(cells)} cells under {len(header)} columns")
    return parse_row(dict(zip(header, cells, strict=True)), default_org_id)
