"""Decodes a file to lines of text: gzip, byte order marks, line ends, and what is not text.

Bytes that are not UTF-8 become unpaired surrogates. They are an error only in fields that are used.
"""

import codecs
import gzip
import io
import re
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from metrics_graphql.ingestion.rows import UnreadableFile

MAX_LINE: Final = 128_000_000
"""Characters of a line, and of a JSON document. They are held in memory."""
SNIFFED_BYTES: Final = 8_192
"""Bytes from the start of a file that show what it is."""
GZIP_MAGIC: Final = b"\x1f\x8b"
BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""UTF-32 first: its mark begins with that of UTF-16."""
LINE_END: Final = re.compile(r"\r*\n|\r")
UNDECODED: Final = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as the error handler `surrogateescape` decodes it."""

TO_CSV: Final = "save it as CSV"
TO_TEXT: Final = "export it as CSV or newline-delimited JSON"
DECOMPRESS: Final = "decompress it, or compress it with gzip"
BINARY_FORMATS: Final = (
    (rb"PK\x03\x04(?=.*opendocument\.spreadsheet)", f"an OpenDocument spreadsheet; {TO_CSV}"),
    (
        rb"PK\x03\x04(?=.*(?:\[Content_Types\]\.xml|xl/|docProps/|_rels/))",
        f"an Excel workbook (.xlsx); {TO_CSV}",
    ),
    (rb"PK\x03\x04|PK\x05\x06", "a ZIP archive; unpack it"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"an Excel workbook (.xls); {TO_CSV}"),
    (rb"PAR1", f"a Parquet file; {TO_TEXT}"),
    (rb"Obj\x01", f"an Avro file; {TO_TEXT}"),
    (rb"ARROW1|FEA1", f"an Arrow file; {TO_TEXT}"),
    (rb"SQLite format 3\0", f"a SQLite database; {TO_TEXT}"),
    (rb"\x28\xb5\x2f\xfd", f"compressed with zstd; {DECOMPRESS}"),
    (rb"BZh\d1AY&SY", f"compressed with bzip2; {DECOMPRESS}"),
    (rb"\xfd7zXZ\0", f"compressed with xz; {DECOMPRESS}"),
    (rb"\x04\x22\x4d\x18", f"compressed with lz4; {DECOMPRESS}"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (rb".{257}ustar", "a tar archive; unpack it"),
    (rb"\x1f\x8b", "compressed with gzip twice; decompress it"),
    (rb"%PDF-", f"a PDF document; {TO_TEXT}"),
    (rb"\0|.\0", "binary, or UTF-16 without a byte order mark; save it as UTF-8"),
    (rb"\s*<", f"HTML or XML; {TO_TEXT}"),
)
"""Patterns of the first bytes of a file, and a description of it. The first match counts."""


def read_lines(stream: io.BufferedReader) -> Iterator[str]:
    """Yield the lines of a file, which may be gzipped, with their ends.

    Lines end with LF or CR LF, or with CR if the first one does. The stream is closed at the end.

    Raises:
        UnreadableFile: the file is binary or in another encoding, or a line is too long.
        OSError, EOFError, zlib.error: the file cannot be read or decompressed.
    """
    head = stream.peek(SNIFFED_BYTES)
    if head.startswith(GZIP_MAGIC):
        decompressed: Any = gzip.GzipFile(fileobj=stream)
        stream = io.BufferedReader(decompressed)
        head = stream.peek(SNIFFED_BYTES)
    marked = (each for each in BYTE_ORDER_MARKS if head.startswith(each[0]))
    mark, encoding = next(marked, (b"", "utf-8"))
    if not mark:
        check_is_text(head)
    stream.read(len(mark))
    first_end = LINE_END.search(head.removeprefix(mark).decode(encoding, errors="ignore"))
    with io.TextIOWrapper(
        stream,
        encoding,
        errors="surrogateescape" if encoding == "utf-8" else "strict",
        newline="\r" if first_end and first_end[0] == "\r" else "\n",
    ) as text:
        try:
            for number, line in enumerate(iter(partial(text.readline, MAX_LINE + 1), ""), start=1):
                if len(line) > MAX_LINE:
                    raise UnreadableFile(f"line {number}: more than {MAX_LINE:,} characters")
                yield line
        except UnicodeError:
            name = encoding[: len("utf-16")].upper()
            raise UnreadableFile(f"not {name}, despite its byte order mark") from None


def check_is_text(head: bytes) -> None:
    """Refuse a file whose first bytes show that it is binary.

    Raises:
        UnreadableFile: the file is binary. The message names its format.
    """
    for pattern, description in BINARY_FORMATS:
        if re.match(pattern, head, re.DOTALL):
            raise UnreadableFile(description)


def describe_undecoded(text: str) -> str | None:
    """Return the message about a text that was not UTF-8; None if it was."""
    undecoded = UNDECODED.findall(text)
    if not undecoded:
        return None
    try:
        bytes(ord(each) - 0xDC00 for each in undecoded).decode("cp1252")
    except UnicodeError:
        return "not UTF-8; save the file as UTF-8"
    return "not UTF-8: looks like Windows-1252; save the file as UTF-8"
