"""CSV: dialects, and structural errors, after which nothing is taken for a row."""

import csv
import io
import re
from typing import Any

import pytest

from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.ingestion import csv_format
from metrics_graphql.ingestion.reader import parse_file
from metrics_graphql.ingestion.row_parser import SessionParser
from metrics_graphql.ingestion.rows import ParsedRow
from tests.ingestion.counts import pull_requests
from tests.ingestion.test_formats import open_bytes, parsed, read, read_until_error, rejected

HEADER = "session_id,org_id,created_at,first_message,acus_consumed"
GHOST = "ghost,org-b,1735689600,never a session,999999"
"""A row that is the text of a cell."""
LONG = 131_100
"""Characters of a cell: more than the default of the `csv` module."""


def unreadable(data: str | bytes) -> tuple[list[str], str]:
    """Return the ids of the sessions before an error, and the error."""
    rows, error = read_until_error(data if isinstance(data, bytes) else data.encode())
    assert error is not None
    return [session_id for _, session_id in parsed(rows)], error


def values(data: str | bytes) -> list[dict[str, Any]]:
    """Return the values of each row; none is rejected."""
    rows = read(data if isinstance(data, bytes) else data.encode())
    assert rejected(rows) == []
    return [dict(row.update.values) for row in rows if isinstance(row, ParsedRow)]


@pytest.mark.parametrize("length", [LONG, 3_000_000])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=repr)
def test_long_cells_are_read(length: int, end: str) -> None:
    """A cell that looks like rows remains a cell."""
    message = "x" * length + f"{end}{GHOST}{end}"
    text = f'{HEADER}{end}s1,org-a,1,"{message}",5{end}s2,org-a,2,hi,6{end}'

    rows = read(text.encode())

    assert parsed(rows) == [("line 2", "s1"), ("line 5", "s2")]
    assert rejected(rows) == []


def test_the_length_of_a_row_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the characters of its lines, as they are held in memory. Its lines are not rows."""
    monkeypatch.setattr(csv_format, "MAX_ROW", 1_000)
    cells = '"x\n"' + ',"x\n"' * 400

    for row in ('"' + "x" * 990 + "\n", '"' + f"x\n{GHOST}\n" * 50, cells):
        found, error = unreadable(f"{HEADER}\ns1,org-a,1,hi,5\ns2,org-a,2,{row}\n{GHOST}\n")
        assert found == ["s1"]
        assert error.startswith("line 3: not CSV: a row of more than 1,000 characters")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param('s2,org-a,2,"never closed,6', "a quote is not closed", id="unclosed"),
        pytest.param('s2,org-a,2,"closed"too early,6', "text after a closing quote", id="text"),
        pytest.param('s2,org-a,2,"not "doubled"",6', "text after a closing quote", id="inner"),
        pytest.param(f'",s2,org-a,2,"\n{GHOST}\n"",6', "1 cells under 5 columns", id="shifted"),
        pytest.param(r's2,org-a,2,"\"quoted\" a",6', "text after a closing quote", id="escaped"),
        pytest.param(f's2,org-a,2,"\\"\n{GHOST}\n",6', "a backslash before a quote", id="cut"),
        pytest.param(f's2,org-a,2,6,"\\"\n{GHOST}\n"', "a backslash before a quote", id="last"),
        pytest.param(f's2,org-a,2,"a\\"",6\n{GHOST}', "a backslash before a quote", id="doubled"),
        pytest.param(f's2,org-a,2,\\"a\\",6\n{GHOST}', "a backslash before a quote", id="bare"),
        pytest.param(f"s2,org-a,2,6,a\\\n{GHOST}", "a backslash; line breaks", id="escaped-end"),
        pytest.param(f's2,org-a,2,"a\n"\n{GHOST}', "4 cells under 5 columns", id="few-lines"),
        pytest.param(f's2,org-a,2,"a\n",5,6\n{GHOST}', "6 cells under 5 columns", id="more-lines"),
        pytest.param(f's2,org-a,2,"a"\n{GHOST}', "4 cells under 5 columns", id="few-quoted"),
        pytest.param(f's2,org-a,2,a"\n{GHOST}', "4 cells under 5 columns", id="few-stray"),
        pytest.param(f's2,org-a,2,a "b" c,6\n{GHOST}', "a quote in a cell without", id="stray"),
        pytest.param(f's2,org-a,2,6,a "b\n{GHOST}\n"', "a quote in a cell without", id="stray-end"),
        pytest.param(f's2,"",2,"a,"",""b",6"\n{GHOST}\n"', "a quote in a cell without", id="both"),
        pytest.param(f"s2,org-a,2,a\r{GHOST}", "a line break in a cell without", id="cr"),
    ],
)
def test_a_structural_error_ends_the_file(row: str, reason: str) -> None:
    """With the number of its line. Later lines may be in a cell, so they are no rows."""
    found, error = unreadable(f"{HEADER}\ns1,org-a,1,hi,5\n{row}\n{GHOST}\n")

    assert found == ["s1"]
    assert error.startswith("line 3: not CSV: ")
    assert reason in error


def test_blanks_before_quotes_are_skipped() -> None:
    """A line break in such a cell ends no row."""
    rows = read(f'{HEADER}\ns1, "org-a", 1, 5, 6\n "s2", a, 2, "x\n{GHOST}\n, y", 6\n'.encode())

    assert parsed(rows) == [("line 2", "s1"), ("line 3", "s2")]
    assert rejected(rows) == []


def test_a_line_break_in_a_cell_without_quotes_ends_a_file_with_crlf() -> None:
    """Programs that do not quote line breaks end rows with CR LF, and lines in cells with LF."""
    found, error = unreadable(f"{HEADER}\r\ns1,org-a,1,hi,5\r\ns2,org-a,2,6,some text\n{GHOST}\r\n")

    assert found == ["s1"]
    assert error.startswith("line 3: not CSV: ends with LF, the header with CR LF")
    rows = read(f'{HEADER}\r\ns1,org-a,1,"a\n{GHOST}\n",5\r\n\ns2,org-a,2,hi,6'.encode())
    assert parsed(rows) == [("line 2", "s1"), ("line 6", "s2")]


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=repr)
@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("s2,org-a,2,some text{}" + GHOST, 4),
        ("s2,org-a,2,some, more, text{}" + GHOST, 6),
        ("s2{}" + GHOST, 1),
        ("s2,org-a,2,5,,{}" + GHOST, 6),
    ],
)
def test_a_row_with_other_cells_than_the_header_ends_the_file(
    row: str, cells: int, end: str
) -> None:
    """Programs that do not quote at all write a line break of a cell as it is."""
    lines = [HEADER, "s1,org-a,1,hi,5", row.format(end, end), ""]
    found, error = unreadable(end.join(lines))

    assert found == ["s1"]
    assert error == (
        f"line 3: not CSV: {cells} cells under 5 columns; a cell with separators or line breaks"
        " needs quotes"
    )


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"], ids=repr)
@pytest.mark.parametrize(
    "quoted", ["\n{}\n", "a\n{}\n", "it''s\n{}", "'', \n{}\n", '"\n{}\n"', ",\n{}"]
)
@pytest.mark.parametrize("last", [True, False])
def test_single_quotes_end_the_file(separator: str, quoted: str, *, last: bool) -> None:
    """A program that quotes with apostrophes may have line breaks in the cell."""
    columns = (
        ["session_id", "created_at", "title"] if last else ["title", "session_id", "created_at"]
    )
    rows = [["s1", "1", f"'{quoted}'"], ["ghost", "1", "boo"]]
    if not last:
        rows = [[title, *cells] for *cells, title in rows]
    first, ghost = map(separator.join, rows)
    found, error = unreadable(f"{separator.join(columns)}\n{first.format(ghost)}\n")

    assert found == []
    assert error.startswith("line 2: not CSV: ")


@pytest.mark.parametrize(
    "title",
    [
        "it's",
        "'a' and 'b'",
        "'quoted'",
        "'=1+1",
        "'@name",
        "'+1",
        "'-1",
        "x'",
        '"\'tis"',
        '"a\n\'b"',
    ],
)
@pytest.mark.parametrize("separator", [",", "|"])
def test_apostrophes_in_cells_are_read(title: str, separator: str) -> None:
    """Among them the one that prevents a formula in a spreadsheet."""
    for cells in (
        (["session_id", "title"], ["s1", title], ["s2", "x"]),
        (["title", "session_id"], [title, "s1"], ["x", "s2"]),
    ):
        rows = read("\n".join(map(separator.join, cells)).encode())

        assert [name for _, name in parsed(rows)] == ["s1", "s2"]
        assert rejected(rows) == []


@pytest.mark.parametrize(
    "message",
    [
        r"C:\new folder\file.txt",
        r"{\"a\": \"b\", \"c\": [\"d\"]}",
        'say "hi"',
        '"',
        '",',
        '\\"x\\", y\\',
        "a\\\nb",
        'a\\b"c',
        '""',
    ],
    ids=repr,
)
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_backslashes_and_quotes_in_cells_are_read(message: str, quoting: Any) -> None:  # noqa: ANN401 - csv's constants have no public type
    """If quotes are doubled, backslashes have no meaning."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator="\n")
    writer.writerows([HEADER.split(","), ["s1", "org-a", 1, message, 5], GHOST.split(",")])

    rows = read(text.getvalue().encode())

    assert [session_id for _, session_id in parsed(rows)] == ["s1", "ghost"]


@pytest.mark.parametrize("separator", list("\t|"), ids=repr)
def test_rows_that_a_quote_would_merge_end_the_file(separator: str) -> None:
    """Files with tabs or bars often have no quotes: a quote is a character like others then."""
    header = separator.join(["session_id", "title", "created_at"])
    merged = f'{header}\ns1{separator}"Fix{separator}1\ns2{separator}the bug"{separator}2\n'

    found, error = unreadable(merged)

    assert found == []
    assert error.startswith("line 2: not CSV: a cell with line breaks and separators")
    assert values(f'{header}\ns1{separator}"a\nb"{separator}1\n') == [{"created_at": 1}]
    assert values(f'{header}\ns1{separator}"a{separator}b"{separator}1\n') == [{"created_at": 1}]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"], ids=repr)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"], ids=repr)
def test_separators_and_line_ends(separator: str, end: str) -> None:
    """The header shows the separator."""
    lines = ["session_id,created_at,origin,size", "a,5,slack,", "", "b,6,,m"]
    text = end.join(lines).replace(",", separator) + end

    assert values(text) == [
        {"created_at": 5, "origin": "slack", "size": None},
        {"created_at": 6, "origin": None, "size": "m"},
    ]


@pytest.mark.parametrize("separator", [";", "\t", "|", "#"], ids=repr)
@pytest.mark.parametrize("line", ["sep={}", '"sep={}"', "SEP={}"])
def test_the_line_that_tells_excel_the_separator(separator: str, line: str) -> None:
    """It is no header, and any separator may be in it."""
    first = line.format(separator)
    rows = read(f"{first}\r\n\r\nsession_id{separator}title\r\na{separator}x\r\n".encode())

    assert parsed(rows) == [("line 4", "a")]
    for lines in (first, f"{first}\r\n\r\n"):
        assert unreadable(lines) == ([], "line 1: no header follows")


def test_a_separator_in_the_other_cells_of_the_header() -> None:
    """The separator that gives most fields is chosen."""
    assert values('session_id;"a,b,c";created_at\na;"x,y";5\n') == [{"created_at": 5}]
    assert values('"a;b","session_id","created_at"\n"x;y","a","5"\n') == [{"created_at": 5}]


@pytest.mark.parametrize(
    ("cell", "micros"),
    [
        ("9,5", 9_500_000),
        ("0,125", 125_000),
        ("9.5", 9_500_000),
        ("9", 9_000_000),
        (" 9,5 ", 9_500_000),
    ],
)
@pytest.mark.parametrize("separator", [";", "\t", "|"], ids=repr)
def test_decimal_commas(cell: str, micros: int, separator: str) -> None:
    """Where a comma is not the separator."""
    text = "session_id,acus_consumed,created_at\n".replace(",", separator)

    assert values(f'{text}a{separator}{cell}{separator}"1735689600,75"\n') == [
        {"acus": micros, "created_at": 1735689600}
    ]


@pytest.mark.parametrize(
    "text",
    [
        'session_id,acus_consumed\na,"9,5"\n',
        "session_id;acus_consumed\na;1.234,5\n",
        "session_id;acus_consumed\na;1,234,567\n",
        "session_id;acus_consumed\na;1,234.5\n",
    ],
)
def test_ambiguous_numbers_are_rejected(text: str) -> None:
    """Separators of thousands are not read."""
    assert rejected(read(text.encode())) == [("line 2", "acus_consumed")]


def test_names_of_ignored_columns_may_be_empty_or_repeated() -> None:
    """Spreadsheets and dataframes write such headers."""
    parser = SessionParser("org-1")
    data = b",session_id,x,x,,created_at,title,title\n0,a,,,,1735689600,,\n1,b,,,,1735689600,,\n"
    rows = list(parse_file(open_bytes(data), parser))

    assert [name for _, name in parsed(rows)] == ["a", "b"]
    assert list(parser.report()) == [
        'ignored: column "x" (2 rows)',
        'ignored: column "" (2 rows)',
    ]


@pytest.mark.parametrize(
    "header",
    [
        "session_id,origin,origin",
        "session_id,origin,Origin",
        "Session ID,session-id",
        "session_id,size,session_size",
    ],
)
def test_a_field_with_two_columns_is_unreadable(header: str) -> None:
    """Whichever was meant; the error has both names."""
    found, error = unreadable(f"{header}\na,slack,slack\n")

    assert found == []
    assert re.match(r"line 1: \w+: given twice, by '.*' and '.*'", error)


@pytest.mark.parametrize(
    "name",
    [
        *("session_id", "Session ID", "SESSION-ID", "sessionId", " session_id "),
        *("session\u00a0id", "\ufeffsession_id", "\ufeff\ufeffsession\u200b_id"),
    ],
)
def test_columns_are_matched_by_normalized_names(name: str) -> None:
    """Case, blanks, `-` and `_` do not matter."""
    assert values(f"{name},Created At,SESSION SIZE,acusConsumed\na,5,M,1\n") == [
        {"created_at": 5, "size": "m", "acus": 1_000_000}
    ]


def test_pull_requests_in_a_cell_are_json() -> None:
    """As data warehouses export them."""
    rows = read(
        b"session_id,pull_requests\n"
        b'a,"[{""pr_url"": ""u"", ""pr_state"": ""MERGED""}]"\n'
        b"b,[]\n"
        b"c,\n"
        b"d,merged\n"
        b"e,{}\n"
    )

    assert [dict(row.update.values) for row in rows if isinstance(row, ParsedRow)] == [
        pull_requests(1, merged=1),
        pull_requests(0),
        {},
    ]
    assert rejected(rows) == [("line 5", "pull_requests"), ("line 6", "pull_requests")]


def test_pull_requests_are_counted_in_columns() -> None:
    """As many as a row gives; an empty cell gives none, and invalid numbers are rejected."""
    rows = read(
        b"session_id,pr_count,Open PR Count,merged_pr_count,closedPrCount\n"
        b"a,9,1,2,3\n"
        b"b,,,2,\n"
        b"c,,,,\n"
        b"d,-1,,,\n"
        b"e,1,,,100001\n"
    )

    assert [dict(row.update.values) for row in rows if isinstance(row, ParsedRow)] == [
        pull_requests(9, is_open=1, merged=2, closed=3),
        pull_requests(2, merged=2),
        {},
    ]
    assert rejected(rows) == [("line 5", "pr_count"), ("line 6", "closed_pr_count")]


def test_blanks_around_cells() -> None:
    """Ids have no outer blanks, and a blank cell is null."""
    (row,) = read(b"session_id, org_id, user_id, created_at, origin\na , org-2, \t, 5, Slack\n")

    assert isinstance(row, ParsedRow)
    assert row.update == SessionUpdate(
        "org-2", "a", {"user_id": None, "created_at": 5, "origin": "slack"}
    )
