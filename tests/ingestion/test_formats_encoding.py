"""Encodings, and files that are no text."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import pytest

from metrics_graphql.ingestion import encoding
from metrics_graphql.ingestion.rows import RejectedRow, UnreadableFile
from tests.ingestion.test_formats import parsed, read, rejected

CSV = "session_id,created_at,origin,user_id,title\na,5,slack,J\xf6rg,\u2028\U0001f600\n"
JSON = json.dumps({"session_id": "a", "user_id": "J\xf6rg \u0100"}, ensure_ascii=False)


def zipped(*names: str) -> bytes:
    """Return a ZIP archive with these files."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            archive.writestr(name, "session_id\na\n")
    return data.getvalue()


def tarred() -> bytes:
    """Return a tar archive with one file."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("sessions.csv"))
    return data.getvalue()


@pytest.mark.parametrize("text", [CSV, JSON, JSON + "\n" + JSON, f"[\n{JSON}\n]"], ids=repr)
@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
def test_unicode_encodings(text: str, codec: str, end: str) -> None:
    """UTF-8 with and without a byte order mark, UTF-16 and UTF-32 with one."""
    mark = "" if codec in {"utf-8", "utf-8-sig", "utf-16", "utf-32"} else "\ufeff"
    data = (mark + text).replace("\n", end).encode(codec)

    for rows in (read(data), read(gzip.compress(data))):
        assert rejected(rows) == []
        assert {name for _, name in parsed(rows)} == {"a"}


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [CSV, JSON])
def test_utf_16_without_a_byte_order_mark_is_named(codec: str, text: str) -> None:
    """It could be binary."""
    with pytest.raises(UnreadableFile, match="UTF-16 without a byte order mark"):
        read(text.encode(codec))


def test_text_that_is_not_utf_16_despite_its_byte_order_mark() -> None:
    """It ends within a character."""
    with pytest.raises(UnreadableFile, match="not UTF-16, despite its byte order mark"):
        read(CSV.encode("utf-16")[:-1])


def test_windows_1252_is_named_where_it_matters() -> None:
    """In a field that is used, not in a column that is ignored."""
    rows = read(CSV.encode("cp1252", errors="ignore") + b"b,5,slack,user-1,J\xf6rg\n")

    assert parsed(rows) == [("line 3", "b")]
    (row,) = (row for row in rows if isinstance(row, RejectedRow))
    assert row == RejectedRow(
        "line 2", "user_id: not UTF-8: looks like Windows-1252; save the file as UTF-8"
    )


@pytest.mark.parametrize(
    ("data", "name"),
    [
        pytest.param(zipped("[Content_Types].xml", "xl/x"), "an Excel workbook (.xlsx)", id="xlsx"),
        pytest.param(zipped("docProps/app.xml"), "an Excel workbook (.xlsx)", id="xlsx-openpyxl"),
        pytest.param(zipped("sessions.csv"), "a ZIP archive; unpack it", id="zip"),
        pytest.param(zipped(), "a ZIP archive", id="zip-empty"),
        pytest.param(
            zipped("mimetype").replace(
                b"session_id", b"application/vnd.oasis.opendocument.spreadsheet"
            ),
            "an OpenDocument spreadsheet",
            id="ods",
        ),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "an Excel workbook (.xls)", id="xls"),
        pytest.param(b"PAR1\x15\x04\x15", "a Parquet file", id="parquet"),
        pytest.param(b"Obj\x01\x04\x14avro.codec", "an Avro file", id="avro"),
        pytest.param(b"ARROW1\0\0", "an Arrow file", id="arrow"),
        pytest.param(b"\x28\xb5\x2f\xfd\x04\x00", "compressed with zstd", id="zstd"),
        pytest.param(bz2.compress(CSV.encode()), "compressed with bzip2", id="bzip2"),
        pytest.param(lzma.compress(CSV.encode()), "compressed with xz", id="xz"),
        pytest.param(b"\x04\x22\x4d\x18\x64\x40", "compressed with lz4", id="lz4"),
        pytest.param(b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive", id="7z"),
        pytest.param(tarred(), "a tar archive; unpack it", id="tar"),
        pytest.param(gzip.compress(CSV.encode()), "compressed with gzip twice", id="gzip"),
        pytest.param(b"%PDF-1.7\n", "a PDF document", id="pdf"),
        pytest.param(b"\0\0\0\0", "binary", id="binary"),
        pytest.param(b"\n <!DOCTYPE html>\n<html>", "HTML or XML", id="html"),
        pytest.param(b"<?xml version='1.0'?>", "HTML or XML", id="xml"),
    ],
)
def test_other_formats_are_named(data: bytes, name: str) -> None:
    """In the error, plain and gzipped; some with an advice."""
    is_gzipped = data.startswith(encoding.GZIP_MAGIC)
    contents = [gzip.compress(data)] if is_gzipped else [data, gzip.compress(data)]
    for content in contents:
        with pytest.raises(UnreadableFile) as refused:
            read(content)
        assert str(refused.value).startswith(name)


def test_a_database_is_named(tmp_path: Path) -> None:
    """SQLite's is the usual one in a file."""
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("CREATE TABLE sessions (session_id)")
    database.close()

    with pytest.raises(UnreadableFile, match="a SQLite database"):
        read((tmp_path / "a.db").read_bytes())


@pytest.mark.parametrize("start", [b"", b'{"session_id": "a"}\n', b"session_id\n"], ids=repr)
def test_the_length_of_a_line_is_limited(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is held in memory."""
    monkeypatch.setattr(encoding, "MAX_LINE", 1_000)
    number = 1 + start.count(b"\n")

    with pytest.raises(UnreadableFile, match=f"line {number}: more than 1,000 characters"):
        read(gzip.compress(start + b"x" * 1_001))
