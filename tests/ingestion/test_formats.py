"""File formats: each yields the same rows, and locates rejected ones."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.ingestion.reader import parse_file
from metrics_graphql.ingestion.row_parser import SessionParser
from metrics_graphql.ingestion.rows import ParsedRow, RejectedRow, Row, UnreadableFile
from tests.ingestion.counts import pull_requests

Values = dict[str, Any]
Compress = Callable[[bytes], bytes]

BOM = b"\xef\xbb\xbf"
ROWS: list[Values] = [
    {"session_id": "a", "created_at": 10, "origin": "slack", "size": "s", "used_search": True},
    {"session_id": "b", "created_at": 20, "origin": None, "size": "xl", "used_search": False},
    {"session_id": "c", "created_at": 30, "origin": "cli", "size": None, "used_search": True},
]
ITEMS = ["line 1: item 1", "line 1: item 2", "line 1: item 3"]
VALUES = [
    (row["session_id"], {name: row[name] for name in row if name != "session_id"}) for row in ROWS
]


def as_ndjson(rows: Iterable[Values], end: str = "\n") -> bytes:
    """Return rows as newline-delimited JSON."""
    return "".join(json.dumps(row) + end for row in rows).encode()


def as_page(rows: Iterable[Values], indent: int | None = None) -> bytes:
    """Return rows as a page of the v3 API."""
    page = {"items": list(rows), "end_cursor": None, "has_next_page": False, "total": 3}
    return json.dumps(page, indent=indent).encode()


def as_csv(rows: list[Values], quoting: Any = csv.QUOTE_MINIMAL, end: str = "\n") -> bytes:  # noqa: ANN401 - csv's constants have no public type
    """Return rows as CSV with a header; null is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), quoting=quoting, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def uncompressed(data: bytes) -> bytes:
    """Return data unchanged."""
    return data


@pytest.fixture(params=[uncompressed, gzip.compress], ids=["plain", "gzip"])
def compress(request: pytest.FixtureRequest) -> Compress:
    """Return a function that writes the content of a file, plain or gzipped."""
    function: Compress = request.param
    return function


def open_bytes(data: bytes) -> io.BufferedReader:
    """Return a binary stream of this data."""
    raw: Any = io.BytesIO(data)
    return io.BufferedReader(raw)


def read(data: bytes) -> list[Row[SessionUpdate]]:
    """Return the rows of a file with this data; org-1 is the default organization."""
    return list(parse(data))


def parse(data: bytes, org_id: str | None = "org-1") -> Iterator[Row[SessionUpdate]]:
    """Yield the rows of a file with this data."""
    return parse_file(open_bytes(data), SessionParser(org_id))


def read_until_error(
    data: bytes, org_id: str | None = "org-1"
) -> tuple[list[Row[SessionUpdate]], str | None]:
    """Return the rows before an error, and the error; None if all of the file was read."""
    rows: list[Row[SessionUpdate]] = []
    try:
        rows.extend(parse(data, org_id))
    except UnreadableFile as error:
        return rows, str(error)
    return rows, None


def parsed(rows: Iterable[Row[SessionUpdate]]) -> list[tuple[str, str]]:
    """Return the location and the session id of each parsed row."""
    return [(row.location, row.update.session_id) for row in rows if isinstance(row, ParsedRow)]


def rejected(rows: Iterable[Row[SessionUpdate]]) -> list[tuple[str, str]]:
    """Return the location and the field at fault of each rejected row."""
    return [
        (row.location, row.reason.split(":")[0]) for row in rows if isinstance(row, RejectedRow)
    ]


@pytest.mark.parametrize(
    ("data", "locations"),
    [
        pytest.param(as_ndjson(ROWS), ["line 1", "line 2", "line 3"], id="ndjson"),
        pytest.param(as_ndjson(ROWS)[:-1], ["line 1", "line 2", "line 3"], id="ndjson-no-end"),
        pytest.param(as_ndjson(ROWS, "\r\n"), ["line 1", "line 2", "line 3"], id="ndjson-crlf"),
        pytest.param(BOM + as_ndjson(ROWS), ["line 1", "line 2", "line 3"], id="ndjson-bom"),
        pytest.param(
            b"\n \n" + as_ndjson(ROWS, "\n\t\n\n"),
            ["line 3", "line 6", "line 9"],
            id="ndjson-blank",
        ),
        pytest.param(as_page(ROWS), ITEMS, id="page"),
        pytest.param(as_page(ROWS) + b"\n", ITEMS, id="page-end"),
        pytest.param(as_page(ROWS, 2), ITEMS, id="page-pretty"),
        pytest.param(as_page(ROWS, 0), ITEMS, id="page-flat"),
        pytest.param(
            b'{"items": [\n' + as_ndjson(ROWS, ",\n")[:-2] + b"]}",
            ITEMS,
            id="page-by-lines",
        ),
        pytest.param(BOM + as_page(ROWS), ITEMS, id="page-bom"),
        pytest.param(BOM + as_page(ROWS, 1), ITEMS, id="page-pretty-bom"),
        pytest.param(as_csv(ROWS), ["line 2", "line 3", "line 4"], id="csv"),
        pytest.param(as_csv(ROWS)[:-1], ["line 2", "line 3", "line 4"], id="csv-no-end"),
        pytest.param(as_csv(ROWS, end="\r\n"), ["line 2", "line 3", "line 4"], id="csv-crlf"),
        pytest.param(as_csv(ROWS, end="\n\n"), ["line 3", "line 5", "line 7"], id="csv-blank"),
        pytest.param(b"\n\n" + as_csv(ROWS), ["line 4", "line 5", "line 6"], id="csv-blank-first"),
        pytest.param(BOM + as_csv(ROWS), ["line 2", "line 3", "line 4"], id="csv-bom"),
        pytest.param(as_csv(ROWS, csv.QUOTE_ALL), ["line 2", "line 3", "line 4"], id="csv-quoted"),
        pytest.param(
            BOM + as_csv(ROWS, csv.QUOTE_ALL, "\r\n"),
            ["line 2", "line 3", "line 4"],
            id="csv-quoted-bom",
        ),
    ],
)
def test_every_format_yields_the_same_rows(
    compress: Compress, data: bytes, locations: list[str]
) -> None:
    """In order; plain or gzipped, with any line ending, with and without a byte order mark."""
    rows = read(compress(data))

    assert rejected(rows) == []
    assert [row.location for row in rows] == locations
    assert [
        (row.update.session_id, dict(row.update.values))
        for row in rows
        if isinstance(row, ParsedRow)
    ] == VALUES


@pytest.mark.parametrize("data", [b"", b"\n", b" \n\r\n\n", BOM], ids=repr)
def test_an_empty_file_has_no_rows(compress: Compress, data: bytes) -> None:
    """An empty or blank file is valid in every format."""
    assert read(compress(data)) == []


def test_an_empty_page_has_no_rows(compress: Compress) -> None:
    """This is the response of the v3 API without sessions."""
    assert read(compress(as_page([]))) == []


def test_concatenated_gzip_members_are_one_file() -> None:
    """As written by `cat a.gz b.gz`."""
    rows = read(gzip.compress(as_ndjson(ROWS[:1])) + gzip.compress(as_ndjson(ROWS[1:])))

    assert parsed(rows) == [("line 1", "a"), ("line 2", "b"), ("line 3", "c")]


@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\\"), max_size=50),
        min_size=1,
    ),
    indent=st.sampled_from([None, 0, 2]),
)
def test_text_round_trips_in_every_format(texts: list[str], indent: int | None) -> None:
    """Quotes, commas, brackets and line breaks need no special treatment.

    For backslashes in CSV, see `test_formats_csv.py`.
    """
    rows = [{"session_id": str(n), "origin": text} for n, text in enumerate(texts)]
    expected = [text if text.strip() else None for text in texts]

    for data in (
        as_ndjson(rows),
        "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode(),
        as_page(rows, indent),
        as_csv(rows, csv.QUOTE_ALL),
        gzip.compress(as_csv(rows, csv.QUOTE_ALL, "\r\n")),
    ):
        found = read(data)
        assert rejected(found) == []
        assert [
            row.update.values["origin"] for row in found if isinstance(row, ParsedRow)
        ] == expected


def test_invalid_json_lines_are_rejected_by_line_number(compress: Compress) -> None:
    """The other lines are parsed; blank lines count."""
    lines = [
        b'{"session_id": "a"}',
        b"junk",
        b"",
        b'{"session_id": "b"',
        b'"session_id"',
        b"null",
        b'{"session_id": "\xff"}',
        b'{"session_id": "d"}',
        b'{"session_id": "e", "x": ' + b"[" * 100_000,
        b'{"session_id": "f,g"}',
        rb'{"session_id": "\ud800"}',
        b'{"session_id": "h", "created_at": ' + b"9" * 5_000 + b"}",
        b'{"session_id": "i"}',
    ]
    rows = read(compress(b"\n".join(lines)))

    assert parsed(rows) == [("line 1", "a"), ("line 8", "d"), ("line 13", "i")]
    assert [location for location, _ in rejected(rows)] == [
        f"line {number}" for number in (2, 4, 5, 6, 7, 9, 10, 11, 12)
    ]
    assert ("line 10", "session_id") in rejected(rows)


def test_an_invalid_first_line_is_a_rejected_row(compress: Compress) -> None:
    """It begins like JSON, so the other lines are parsed as JSON."""
    rows = read(compress(b'{"session_id": "a"\n{"session_id": "b"}\n'))

    assert parsed(rows) == [("line 2", "b")]
    assert [location for location, _ in rejected(rows)] == ["line 1"]


@pytest.mark.parametrize("indent", [None, 2])
def test_invalid_items_of_a_page_are_rejected_by_number(
    compress: Compress, indent: int | None
) -> None:
    """The other items are parsed. Items are numbered because a page may be on one line."""
    items: list[Any] = [
        {"session_id": "a"},
        {"session_id": "b,c"},
        5,
        None,
        ["session_id"],
        {"session_id": "d", "origin": "\ud800"},
        {"session_id": "e", "acus_consumed": float("nan")},
        {"session_id": "f"},
    ]
    rows = read(compress(json.dumps({"items": items}, indent=indent).encode()))

    assert parsed(rows) == [("line 1: item 1", "a"), ("line 1: item 8", "f")]
    assert [at for at, _ in rejected(rows)] == [f"line 1: item {at}" for at in range(2, 8)]
    assert [field for _, field in rejected(rows)] == [
        "session_id",
        *["must be an object"] * 3,
        "origin",
        "acus_consumed",
    ]


def test_csv_line_numbers_are_those_of_an_editor(compress: Compress) -> None:
    """A cell with line breaks spans several lines."""
    text = 'session_id,origin\na,"one\ntwo\r\n\nthree"\nb,slack\n\n"c,",slack\nd,\n'
    rows = read(compress(text.encode()))

    assert parsed(rows)[1:] == [("line 6", "b"), ("line 9", "d")]
    assert rejected(rows) == [("line 8", "session_id")]
    assert isinstance(rows[0], ParsedRow)
    assert rows[0].update.values == {"origin": "one\ntwo\r\n\nthree"}


def test_an_empty_cell_is_null() -> None:
    """Null clears a nullable field, and leaves others and the organization unset."""
    header = "session_id,org_id,created_at,origin,session_size,user_id,service_user_id,playbook_id"
    (row,) = read(f"{header},used_search,acus_consumed,merged_pr_count\na,,,,,,,,,,\n".encode())

    assert isinstance(row, ParsedRow)
    assert row.update.org_id == "org-1"
    assert row.update.values == dict.fromkeys(
        ("origin", "size", "user_id", "service_user_id", "playbook_id")
    )


def test_missing_and_unknown_csv_columns_are_ignored() -> None:
    """A field without a column is not in the update."""
    (row,) = read(b"title,created_at,session_id\nx,5,a\n")

    assert isinstance(row, ParsedRow)
    assert (row.update.session_id, row.update.values) == ("a", {"created_at": 5})


def test_csv_cells_are_parsed_by_type(compress: Compress) -> None:
    """Numbers, booleans and instants are written as in JSON, without quotes."""
    header = b"session_id,org_id,created_at,size,used_search,acus_consumed,merged_pr_count\n"
    rows = read(
        compress(
            header
            + b"a,org-2,2025-01-01T00:00:00Z,m,true,0.1,2\nb,,1735689600,,false,1.0000005,0\n"
        )
    )

    assert [
        (row.update.org_id, row.update.values) for row in rows if isinstance(row, ParsedRow)
    ] == [
        (
            "org-2",
            {
                "size": "m",
                "created_at": 1735689600,
                "used_search": True,
                "acus": 100_000,
                **pull_requests(2, merged=2),
            },
        ),
        (
            "org-1",
            {
                "size": None,
                "created_at": 1735689600,
                "used_search": False,
                "acus": 1_000_000,
                **pull_requests(0),
            },
        ),
    ]


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        (b"a\xff,1,slack,", "session_id"),
        (b"a,1,\xed\xa0\x80,", "origin"),
        (b"a,1,sla\0ck,", "origin"),
        (b'"a,b",1,slack,', "session_id"),
        (b",1,slack,", "session_id"),
        (b"a,1735689600000,slack,", "created_at"),
        (b"a,2025-01-01,slack,", "created_at"),
        (b"a,true,slack,", "created_at"),
        (b"a,1,slack,NaN", "acus_consumed"),
        (b"a,1,slack,-1", "acus_consumed"),
        (b"a,1,slack,1e400", "acus_consumed"),
    ],
    ids=repr,
)
def test_invalid_csv_cells_reject_their_row_only(cells: bytes, field: str) -> None:
    """The field is named. Bytes that are not UTF-8 do not affect other rows."""
    rows = read(b"session_id,created_at,origin,acus_consumed\n" + cells + b"\nz,1,slack,1\n")

    assert rejected(rows) == [("line 2", field)]
    assert parsed(rows) == [("line 3", "z")]


@pytest.mark.parametrize(
    "data",
    [
        b"created_at,origin\n5,slack\n",
        b"session_id:created_at\na:5\n",
        b"hello\n",
        b"5",
        b"null",
    ],
    ids=repr,
)
def test_a_file_that_is_neither_json_nor_csv_with_session_ids_is_unreadable(
    compress: Compress, data: bytes
) -> None:
    """The error names the missing column, and the option for another name."""
    with pytest.raises(UnreadableFile, match=r"column session_id: .*--column NAME="):
        read(compress(data))


@pytest.mark.parametrize("data", [as_ndjson(ROWS), as_csv(ROWS)], ids=["ndjson", "csv"])
def test_a_truncated_file_yields_a_prefix_of_its_rows(data: bytes) -> None:
    """Truncated at any byte: the first rows of the whole file, then the error."""
    compressed = gzip.compress(data)
    whole = read(compressed)

    for length in range(2, len(compressed)):
        found, error = read_until_error(compressed[:length])
        assert error is not None
        assert "gzip" in error
        assert found == whole[: len(found)]


def test_rows_are_yielded_before_the_end_of_a_file() -> None:
    """A truncated file still yields the rows before its end."""
    rows = [{"session_id": f"{n:040x}"} for n in range(5_000)]
    compressed = gzip.compress(as_ndjson(rows))
    found, error = read_until_error(compressed[: len(compressed) // 2])

    assert error is not None
    assert "gzip" in error
    assert 1_000 < len(found) < 5_000
    assert [session_id for _, session_id in parsed(found)] == [
        row["session_id"] for row in rows[: len(found)]
    ]
