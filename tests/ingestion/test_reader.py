"""Reading files: their order, their errors, and what is unknown in them."""

import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest

from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.ingestion.field_names import SESSION_FIELDS, suggest
from metrics_graphql.ingestion.reader import FileReader, parse_file
from metrics_graphql.ingestion.row_parser import SessionParser
from metrics_graphql.ingestion.rows import ParsedRow, UnreadableFile
from metrics_graphql.ingestion.unknown_input import MAX_LINES
from tests.ingestion.test_formats import open_bytes, parsed

NDJSON = b'{"session_id": "a"}\n{"session_id": "b"}\n'


def read(
    tmp_path: Path, contents: Mapping[str, bytes | None]
) -> tuple[FileReader[SessionUpdate], list[tuple[str, str]]]:
    """Read files with these contents, of which None is a missing file; return what was parsed."""
    for name, content in contents.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    reader = FileReader([tmp_path / name for name in contents], SessionParser("org-1"))
    return reader, [
        (location.removeprefix(f"{tmp_path}/"), name) for location, name in parsed(reader)
    ]


def test_the_files_after_an_unreadable_one_are_read(tmp_path: Path) -> None:
    """Each error has the number of rows before it."""
    (tmp_path / "directory").mkdir()
    truncated = gzip.compress(NDJSON * 20_000)[:-8]
    reader, rows = read(
        tmp_path,
        {
            "a": NDJSON,
            "missing.csv": None,
            "b.csv": b'session_id,title\nc,x\nd,"y',
            "c.csv": b"id\nx\n",
            "directory": None,
            "x" * 300: None,
            "d.gz": truncated,
            "e": NDJSON,
        },
    )

    assert rows[:3] == [("a: line 1", "a"), ("a: line 2", "b"), ("b.csv: line 2", "c")]
    assert rows[-2:] == [("e: line 1", "a"), ("e: line 2", "b")]
    errors = [(error.path.name, error.rows) for error in reader.errors]
    assert errors == [
        ("missing.csv", 0),
        ("b.csv", 1),
        ("c.csv", 0),
        ("directory", 0),
        ("x" * 300, 0),
        ("d.gz", len(rows) - 5),
    ]
    reasons = [error.reason for error in reader.errors]
    assert (reasons[0], *reasons[3:5]) == ("no such file", "is a directory", "file name too long")
    assert reasons[1] == "line 3: not CSV: a quote is not closed"
    assert reasons[2].startswith("neither JSON nor CSV with a column session_id")
    assert reasons[5].startswith("not a whole gzip file")


def test_progress(tmp_path: Path) -> None:
    """Bytes are those of the files, compressed or not; of all, once they are read."""
    compressed = gzip.compress(NDJSON)
    reader, _ = read(tmp_path, {"a": NDJSON, "b.gz": compressed, "missing": None, "c": b""})

    assert reader.bytes_read == reader.total_bytes == len(NDJSON) + len(compressed)


def test_the_size_of_standard_input_is_unknown(tmp_path: Path) -> None:
    """So there is no total with standard input."""
    (tmp_path / "a.csv").write_bytes(b"session_id\n")

    assert FileReader([tmp_path / "a.csv", Path("-")], SessionParser(None)).total_bytes is None
    assert FileReader([tmp_path / "a.csv"], SessionParser(None)).total_bytes == 11


def report(data: bytes, columns: Mapping[str, str] | None = None) -> list[str]:
    """Return what is reported of a file."""
    parser = SessionParser("org-1", columns or {})
    list(parse_file(open_bytes(data), parser))
    return list(parser.report())


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (
            b"session_id,acus,url,Origin,orgin\na,1,u,slack,x\nb,1,u,,\nc,1,,,\n",
            [
                'ignored: column "acus" (3 rows; did you mean acus_consumed?)',
                'ignored: column "orgin" (3 rows; did you mean origin?)',
            ],
        ),
        (
            (
                b'{"session_id": "a", "acu_consumed": 1}\n'
                b'{"session_id": "b", "acu_consumed": 1, "foo": null, "Title": "x"}\n'
                b'{"session_id": "c,d", "foo": 1}'
            ),
            [
                'ignored: field "acu_consumed" (2 rows; did you mean acus_consumed?)',
                'ignored: field "foo" (2 rows)',
            ],
        ),
        (
            b'{"items": [{"session_id": "a", "\\u001b[1m": 1, "Orgin": 1, "Size": "m"}]}',
            [
                'ignored: field "\N{REPLACEMENT CHARACTER}[1m" (1 row)',
                'ignored: field "Orgin" (1 row; did you mean origin?)',
            ],
        ),
        (
            (
                b'{"session_id": "a", "pull_requests": [{"state": "merged"}, {"state": "open"}]}\n'
                b'{"session_id": "b", "pull_requests": [{"status": "merged", "x": 1}]}'
            ),
            [
                'ignored: field "pull_requests.state" (1 row; did you mean pr_state?)',
                'ignored: field "pull_requests.status" (1 row; did you mean pr_state?)',
                'ignored: field "pull_requests.x" (1 row)',
            ],
        ),
        (
            (
                b"session_id,origin,session_size,pull_requests\n"
                b'a,slak,Small,"[{""pr_state"": ""unmerged""}, {""pr_state"": ""x""}]"\n'
                b"b,slak,Small,[]\nc,Slack,XL,[]\nd,something,,\ne,code_scan,,\nf,,,\n"
            ),
            [
                'unknown: origin "slak" (2 rows; did you mean slack?)',
                'unknown: session_size "Small" (2 rows; known are xs, s, m, l, xl)',
                'unknown: pr_state "unmerged" (1 row; known are open, merged, closed, draft)',
                'unknown: pr_state "x" (1 row; known are open, merged, closed, draft)',
                'unknown: origin "something" (1 row)',
            ],
        ),
        (
            (
                b'{"session_id": "a", "pull_requests": [{"pr_state": "closed_unmerged"}]}\n'
                b'{"session_id": "b", "pull_requests": [{"pr_state": "Draft"}, {"pr_state": null}]}'
            ),
            ['unknown: pr_state "closed_unmerged" (1 row; known are open, merged, closed, draft)'],
        ),
        (
            b'{"items": [{"session_id": "a"}, {"session_id": "b"}], "origin": 9, "x": 1}',
            ['ignored: page field "origin" (2 rows)', 'ignored: page field "x" (2 rows)'],
        ),
        (
            b'{"id": "a", "items": []}\n{"items": [], "end_cursor": null, "Total": 0}',
            ['ignored: page field "id" (0 rows; did you mean session_id?)'],
        ),
        (b"session_id,acus\n", ['ignored: column "acus" (0 rows; did you mean acus_consumed?)']),
        (b"session_id,J\xf6rg\na,1\n", ['ignored: column "J\N{REPLACEMENT CHARACTER}rg" (1 row)']),
    ],
    ids=range(10),
)
def test_unknown_names_and_values_are_reported(data: bytes, lines: list[str]) -> None:
    """Names and values with the number of their rows, the most frequent first."""
    assert report(data) == lines


@pytest.mark.parametrize(
    ("created_at", "is_unusual"),
    [
        *((value, True) for value in ("0", "46000.5", "20089", "20250101", "946684799")),
        *((value, False) for value in ("946684800", "1735689600.5", "2000-01-01T00:00Z")),
    ],
)
def test_instants_before_2000_are_reported(created_at: str, *, is_unusual: bool) -> None:
    """They are days or dates of spreadsheets rather than Unix seconds. They are loaded."""
    objects = f'{{"session_id": "a", "created_at": "{created_at}"}}\n' * 3
    cells = f"a,{created_at}\n" * 3
    expected = (
        "unusual: created_at before 2000 (3 rows; Unix seconds are expected, not the days of a"
        " spreadsheet)"
    )

    assert report(objects.encode()) == [expected] * is_unusual
    assert report(f"session_id,created_at\n{cells}".encode()) == [expected] * is_unusual


def test_fields_of_the_v3_api_are_not_reported() -> None:
    """Those that no metric needs, on each of the ways to read a row."""
    fields = (
        '"url": "u", "status": "exit", "tags": [], "updated_at": 1, "title": "t", '
        '"parent_session_id": null, "child_session_ids": [], "is_archived": false, '
        '"structured_output": {}, "status_detail": null, "category": "c", "subcategory": null, '
        '"num_user_messages": 1, "num_devin_messages": 2, "analysis": null'
    )
    row = f'{{"session_id": "a", "origin": "webapp", {fields}}}'

    assert report(row.encode()) == []
    assert report(f'{{"items": [{row}], "has_next_page": false, "total": 1}}'.encode()) == []
    assert report(b"session_id,URL,Status,is archived,Num-User-Messages\na,,,,\n") == []


def test_the_report_is_short() -> None:
    """Only the first names and values are listed."""
    row = ", ".join(f'"x{number}": 1' for number in range(50))
    rows = b"".join(b'{"session_id": "a", "origin": "o%d"}\n' % number for number in range(99))
    reported = report(f'{{"session_id": "a", {row}}}\n'.encode() + rows)

    assert len(reported) == 2 * (MAX_LINES + 1)
    assert "ignored: 40 more names" in reported
    assert "unknown: 89 more values" in reported


COLUMNS = {"ID": "session_id", "when": "created_at", "state": "session_size"}


def test_columns_are_mapped(tmp_path: Path) -> None:
    """In every format, regardless of case."""
    for data in (
        b"id,When,state,title\na,5,M,x\n",
        b'{"id": "a", "when": 5, "State": "m", "title": "x"}',
        b'[{"id": "a", "when": 5, "State": "m", "title": "x"}]',
        b'{"items": [{"id": "a", "when": 5, "STATE": "m"}]}',
    ):
        parser = SessionParser("org-1", COLUMNS)
        (tmp_path / "file").write_bytes(data)
        (row,) = FileReader([tmp_path / "file"], parser)
        assert isinstance(row, ParsedRow)
        assert row.update.values == {"created_at": 5, "size": "m"}
        assert not parser.ignores_input


def test_a_mapped_column_takes_precedence() -> None:
    """Over a column with the name of the field, which is not reported then."""
    columns = {"created_ts": "created_at", "user_id": "service_user_id"}

    for data in (
        b"session_id,created_at,created_ts,user_id\na,soon,1735689600,u\n",
        b'{"session_id": "a", "created_at": "soon", "created_ts": 1.7e9, "user_id": "u"}',
    ):
        assert report(data, columns) == []


def test_a_mapped_column_that_no_file_has_is_reported() -> None:
    """It is probably misspelled."""
    assert report(b"session_id,id\na,b\n", COLUMNS) == [
        "ignored: --column when=created_at (there is no such column)",
        "ignored: --column state=session_size (there is no such column)",
    ]


def test_columns_that_are_mapped_to_the_same_field_are_found() -> None:
    """The error is that there are two, not that there is none."""
    parser = SessionParser("org-1", {"a": "created_at", "b": "created_at"})

    with pytest.raises(UnreadableFile, match="created_at: given twice, by 'a' and 'b'"):
        list(parse_file(open_bytes(b"session_id,a,b\nx,1,2\n"), parser))
    assert list(parser.report()) == []


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("acus", "acus_consumed"),
        ("ACU consumed", "acus_consumed"),
        ("orgin", "origin"),
        ("organization", "org_id"),
        ("organization_id", "org_id"),
        ("id", "session_id"),
        ("sessionid2", "session_id"),
        ("created", "created_at"),
        ("createdate", "created_at"),
        ("service_user", "service_user_id"),
        ("playbook", "playbook_id"),
        ("search", "used_search"),
        ("merged", "merged_pr_count"),
        ("pullrequest", "pull_requests"),
        ("color", None),
        ("x", None),
        ("", None),
    ],
)
def test_similar_names_are_suggested(name: str, field: str | None) -> None:
    """By their letters, or by a word of the field."""
    assert suggest(name, SESSION_FIELDS) == field
