"""The formats of files: the same rows out of each, every bad row with its place."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.loading.formats import Parsed, Rejection, UnreadableFile, read_sessions

Row = dict[str, Any]
Pack = Callable[[bytes], bytes]

BOM = b"\xef\xbb\xbf"
ROWS: list[Row] = [
    {"session_id": "a", "created_at": 10, "origin": "slack", "size": "s", "used_search": True},
    {"session_id": "b", "created_at": 20, "origin": None, "size": "xl", "used_search": False},
    {"session_id": "c", "created_at": 30, "origin": "cli", "size": None, "used_search": True},
]
VALUES = [
    (row["session_id"], {name: row[name] for name in row if name != "session_id"}) for row in ROWS
]


def as_ndjson(rows: Iterable[Row], end: str = "\n") -> bytes:
    """Return rows as newline-delimited JSON."""
    return "".join(json.dumps(row) + end for row in rows).encode()


def as_page(rows: Iterable[Row], indent: int | None = None) -> bytes:
    """Return rows as the v3 API does."""
    page = {"items": list(rows), "end_cursor": None, "has_next_page": False, "total": 3}
    return json.dumps(page, indent=indent).encode()


def as_csv(rows: list[Row], quoting: Any = csv.QUOTE_MINIMAL, end: str = "\n") -> bytes:  # noqa: ANN401 - csv's own constants
    """Return rows as CSV, null as an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), quoting=quoting, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def unpacked(data: bytes) -> bytes:
    """Return data as it is."""
    return data


@pytest.fixture(params=[unpacked, gzip.compress], ids=["plain", "gzip"])
def pack(request: pytest.FixtureRequest) -> Pack:
    """Lend each way that a file may lie on the disk."""
    way: Pack = request.param
    return way


def opened(data: bytes) -> io.BufferedReader:
    """Return a file with this data, open to be read."""
    raw: Any = io.BytesIO(data)
    return io.BufferedReader(raw)


def read(data: bytes) -> list[Parsed | Rejection]:
    """Return what a file with this data has, its rows without an organization in org-1."""
    return list(read_sessions(opened(data), "org-1"))


def good(rows: Iterable[Parsed | Rejection]) -> list[tuple[str, str]]:
    """Return the place and the session id of each good row."""
    return [(row.place, row.update.session_id) for row in rows if isinstance(row, Parsed)]


def bad(rows: Iterable[Parsed | Rejection]) -> list[tuple[str, str]]:
    """Return the place and the field at fault of each bad row."""
    return [(row.place, row.reason.split(":")[0]) for row in rows if isinstance(row, Rejection)]


@pytest.mark.parametrize(
    ("data", "places"),
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
        pytest.param(as_page(ROWS), ["item 1", "item 2", "item 3"], id="page"),
        pytest.param(as_page(ROWS) + b"\n", ["item 1", "item 2", "item 3"], id="page-end"),
        pytest.param(as_page(ROWS, 2), ["item 1", "item 2", "item 3"], id="page-pretty"),
        pytest.param(b"\n" + as_page(ROWS, 0), ["item 1", "item 2", "item 3"], id="page-flat"),
        pytest.param(
            b'{"items": [\n' + as_ndjson(ROWS, ",\n")[:-2] + b"]}",
            ["item 1", "item 2", "item 3"],
            id="page-by-lines",
        ),
        pytest.param(BOM + as_page(ROWS), ["item 1", "item 2", "item 3"], id="page-bom"),
        pytest.param(BOM + as_page(ROWS, 1), ["item 1", "item 2", "item 3"], id="page-pretty-bom"),
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
def test_each_format_gives_the_same_rows(pack: Pack, data: bytes, places: list[str]) -> None:
    """In its order, plain or gzipped, whatever ends its lines and whether a mark begins it."""
    rows = read(pack(data))

    assert bad(rows) == []
    assert [row.place for row in rows] == places
    assert [
        (row.update.session_id, dict(row.update.values)) for row in rows if isinstance(row, Parsed)
    ] == VALUES


@pytest.mark.parametrize("data", [b"", b"\n", b" \n\r\n\n", BOM], ids=repr)
def test_an_empty_file_has_no_rows(pack: Pack, data: bytes) -> None:
    """It is in every format at once."""
    assert read(pack(data)) == []


def test_an_empty_page_has_no_rows(pack: Pack) -> None:
    """The v3 API answers so where there are no sessions."""
    assert read(pack(as_page([]))) == []


def test_gzip_members_are_one_file() -> None:
    """As `cat a.gz b.gz` makes them."""
    rows = read(gzip.compress(as_ndjson(ROWS[:1])) + gzip.compress(as_ndjson(ROWS[1:])))

    assert good(rows) == [("line 1", "a"), ("line 2", "b"), ("line 3", "c")]


@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50),
        min_size=1,
    ),
    indent=st.sampled_from([None, 0, 2]),
)
def test_any_text_survives_any_format(texts: list[str], indent: int | None) -> None:
    """Quotes, commas, brackets and line breaks of every kind are text like any other."""
    rows = [{"session_id": str(n), "origin": text} for n, text in enumerate(texts)]
    expected = [row["origin"] or None for row in rows]

    for data in (
        as_ndjson(rows),
        "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode(),
        as_page(rows, indent),
        as_csv(rows, csv.QUOTE_ALL),
        gzip.compress(as_csv(rows, csv.QUOTE_ALL, "\r\n")),
    ):
        found = read(data)
        assert bad(found) == []
        assert [row.update.values["origin"] for row in found if isinstance(row, Parsed)] == expected


def test_bad_lines_of_json_are_named_and_the_others_kept(pack: Pack) -> None:
    """Each with the number of its line; blank lines count."""
    lines = [
        b'{"session_id": "a"}',
        b"junk",
        b"",
        b'{"session_id": "b"',
        b'["session_id", "c"]',
        b"null",
        b'{"session_id": "\xff"}',
        b'{"session_id": "d"}',
        b'{"session_id": "e", "x": ' + b"[" * 100_000,
        b'{"session_id": "f,g"}',
        rb'{"session_id": "\ud800"}',
        b'{"session_id": "h", "created_at": ' + b"9" * 5_000 + b"}",
        b'{"session_id": "i"}',
    ]
    rows = read(pack(b"\n".join(lines)))

    assert good(rows) == [("line 1", "a"), ("line 8", "d"), ("line 13", "i")]
    assert [place for place, _ in bad(rows)] == [
        f"line {number}" for number in (2, 4, 5, 6, 7, 9, 10, 11, 12)
    ]
    assert ("line 10", "session_id") in bad(rows)


def test_a_first_line_that_is_broken_is_a_bad_row(pack: Pack) -> None:
    """It still looks like JSON, so the rest is read as such."""
    rows = read(pack(b'{"session_id": "a"\n{"session_id": "b"}\n'))

    assert good(rows) == [("line 2", "b")]
    assert [place for place, _ in bad(rows)] == ["line 1"]


@pytest.mark.parametrize("indent", [None, 2])
def test_bad_items_of_a_page_are_named_and_the_others_kept(pack: Pack, indent: int | None) -> None:
    """Each with its position, since a page on one line has one line only."""
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
    rows = read(pack(json.dumps({"items": items}, indent=indent).encode()))

    assert good(rows) == [("item 1", "a"), ("item 8", "f")]
    assert [place for place, _ in bad(rows)] == [f"item {at}" for at in range(2, 8)]
    assert {("item 2", "session_id"), ("item 6", "origin"), ("item 7", "acus_consumed")} <= {
        *bad(rows)
    }


def test_lines_are_counted_as_an_editor_does(pack: Pack) -> None:
    """A cell with line breaks takes several lines, and so moves the rows behind it."""
    text = 'session_id,origin\na,"one\ntwo\r\n\nthree"\nb,slack\n\n"c,",slack\nd,\n'
    rows = read(pack(text.encode()))

    assert good(rows)[1:] == [("line 6", "b"), ("line 9", "d")]
    assert bad(rows) == [("line 8", "session_id")]
    assert isinstance(rows[0], Parsed)
    assert rows[0].update.values == {"origin": "one\ntwo\r\n\nthree"}


def test_a_row_with_another_number_of_cells_is_bad(pack: Pack) -> None:
    """It can't be told which cell is whose; the rows beside it are kept."""
    rows = read(pack(b"session_id,created_at\na,1\nb\nc,2,\nd,3\n"))

    assert good(rows) == [("line 2", "a"), ("line 5", "d")]
    assert [place for place, _ in bad(rows)] == ["line 3", "line 4"]
    assert all("cells" in row.reason for row in rows if isinstance(row, Rejection))


def test_an_empty_cell_is_null() -> None:
    """It clears a text, and says nothing of a field that is never null or of an organization."""
    header = "session_id,org_id,created_at,origin,session_size,user_id,service_user_id,playbook_id"
    (row,) = read(f"{header},used_search,acus_consumed,merged_pr_count\na,,,,,,,,,,\n".encode())

    assert isinstance(row, Parsed)
    assert row.update.org_id == "org-1"
    assert row.update.values == dict.fromkeys(
        ("origin", "size", "user_id", "service_user_id", "playbook_id")
    )


def test_a_column_that_csv_does_not_have_says_nothing() -> None:
    """Its field keeps what is stored; a column of an unknown name is passed over."""
    (row,) = read(b"title,created_at,session_id\nx,5,a\n")

    assert isinstance(row, Parsed)
    assert (row.update.session_id, row.update.values) == ("a", {"created_at": 5})


def test_every_cell_of_csv_is_text_that_is_read(pack: Pack) -> None:
    """Numbers, flags and instants are spelled as in JSON, without its quotes."""
    header = b"session_id,org_id,created_at,size,used_search,acus_consumed,merged_pr_count\n"
    rows = read(
        pack(
            header
            + b"a,org-2,2025-01-01T00:00:00Z,m,true,0.1,2\nb,,1735689600,,false,1.0000005,0\n"
        )
    )

    assert [(row.update.org_id, row.update.values) for row in rows if isinstance(row, Parsed)] == [
        (
            "org-2",
            {
                "size": "m",
                "created_at": 1735689600,
                "used_search": True,
                "acus": 100_000,
                "has_merged_pr": True,
            },
        ),
        (
            "org-1",
            {
                "size": None,
                "created_at": 1735689600,
                "used_search": False,
                "acus": 1_000_000,
                "has_merged_pr": False,
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
def test_bad_cells_are_named_and_the_other_rows_kept(cells: bytes, field: str) -> None:
    """Bytes that are not UTF-8 spoil their own row only."""
    rows = read(b"session_id,created_at,origin,acus_consumed\n" + cells + b"\nz,1,slack,1\n")

    assert bad(rows) == [("line 2", field)]
    assert good(rows) == [("line 3", "z")]


@pytest.mark.parametrize(
    "data",
    [
        b"created_at,origin\n5,slack\n",
        b"session_id;created_at\na;5\n",
        b"hello\n",
        b"5",
        b"null",
        b"\0\0\0\0",
        "session_id,created_at\na,5\n".encode("utf-16"),
    ],
    ids=repr,
)
def test_what_is_neither_json_nor_has_a_session_id_is_refused(pack: Pack, data: bytes) -> None:
    """The reason says which column is missing."""
    with pytest.raises(UnreadableFile, match="session_id"):
        read(pack(data))


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b'[{"session_id": "a"}]',
        b'[\n{"session_id": "a"}\n]',
        b'{"items": {}}',
        b'{"items": null}',
        b'{\n"session_id": "a"\n}',
        as_page(ROWS, 2)[:-9],
        b'{"items": [{"session_id": "a"}',
        b'{\n"items": [{"session_id": "\xff"}]}',
        b'{\n"items": ' + b"[" * 100_000,
    ],
    ids=lambda data: repr(data[:24] + data[-12:]),
)
def test_a_document_that_is_no_whole_page_is_refused(pack: Pack, data: bytes) -> None:
    """There is no telling its rows apart; the reason says that it is about JSON."""
    with pytest.raises(UnreadableFile, match="JSON"):
        read(pack(data))


@pytest.mark.parametrize("data", [as_ndjson(ROWS), as_csv(ROWS)], ids=["ndjson", "csv"])
def test_a_truncated_file_gives_what_came_before(data: bytes) -> None:
    """However it is cut: rows of the whole file, in their order, and then the news."""
    packed = gzip.compress(data)
    whole = read(packed)

    for length in range(2, len(packed)):
        found: list[Parsed | Rejection] = []
        with pytest.raises(UnreadableFile, match="gzip"):
            found.extend(read_sessions(opened(packed[:length]), "org-1"))
        assert found == whole[: len(found)]


def test_rows_come_before_a_truncated_file_breaks_off() -> None:
    """They are not held back until its end."""
    rows = [{"session_id": f"{n:040x}"} for n in range(5_000)]
    packed = gzip.compress(as_ndjson(rows))
    found: list[Parsed | Rejection] = []

    with pytest.raises(UnreadableFile, match="gzip"):
        found.extend(read_sessions(opened(packed[: len(packed) // 2]), "org-1"))

    assert 1_000 < len(found) < 5_000
    assert [session_id for _, session_id in good(found)] == [
        row["session_id"] for row in rows[: len(found)]
    ]
