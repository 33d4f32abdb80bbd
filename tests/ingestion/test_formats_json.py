"""JSON: which documents are sessions and pages, over one line or several."""

import json
import re
from typing import Any

import pytest

from metrics_graphql.ingestion import json_format
from metrics_graphql.ingestion.rows import ParsedRow, UnreadableFile
from tests.ingestion.test_formats import parsed, read, read_until_error, rejected

A: dict[str, Any] = {"session_id": "a", "created_at": 1, "tags": [{"x": []}]}
B: dict[str, Any] = {"session_id": "b", "created_at": 2, "title": "}\n]"}
PAGE: dict[str, Any] = {"items": [A, B], "has_next_page": False}


def dumps(*documents: object, indent: int | None = None, end: str = "\n") -> bytes:
    """Return JSON documents, one after the other."""
    return end.join(json.dumps(each, indent=indent) for each in documents).encode()


@pytest.mark.parametrize("indent", [None, 0, 1, 4])
@pytest.mark.parametrize("end", ["\n", "", " ", "\n\n", "\r\n"], ids=repr)
@pytest.mark.parametrize(
    "documents",
    [
        [A, B],
        [PAGE],
        [[A, B]],
        [{"items": [A]}, {"items": []}, {"items": [B]}],
        [{"items": [], "total": 0}, A, B],
        [A, {"items": [B]}],
        [[A], [], [B]],
        [[{"items": [A]}, {"items": [B]}]],
        [[A, {"items": [B]}]],
    ],
    ids=json.dumps,
)
def test_every_arrangement_of_sessions_is_read(
    documents: list[object], indent: int | None, end: str
) -> None:
    """One a line, pretty-printed or without line breaks; arrays, pages, and arrays of pages."""
    rows = read(dumps(*documents, indent=indent, end=end) + b"\n")

    assert rejected(rows) == []
    assert [name for _, name in parsed(rows)] == ["a", "b"]


@pytest.mark.parametrize("data", [b"[]", b'{"items": []}', b"[\n]\n", b'{"items":\n[]\n}', b"[][]"])
def test_no_sessions(data: bytes) -> None:
    """An empty array or page is valid."""
    assert read(data) == []


def test_a_session_may_have_a_field_items() -> None:
    """A page has no `session_id`."""
    rows = read(b'{"session_id": "a", "items": []}\n{"sessionId": "b", "items": [{}]}')

    assert parsed(rows) == [("line 1", "a"), ("line 2", "b")]


@pytest.mark.parametrize(
    "session",
    [
        {"id": "a", "created_at": 5, "items": []},
        {"id": "a", "Created At": 5, "size": "m", "session_size": "m", "items": []},
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize("indent", [None, 1])
def test_a_session_without_an_id_is_not_an_empty_page(
    session: dict[str, object], indent: int | None
) -> None:
    """It is rejected, rather than read as no rows."""
    rows = read(dumps(session, A, [session], indent=indent))

    assert [name for _, name in parsed(rows)] == ["a"]
    assert len(rejected(rows)) == 2


def test_fields_of_a_page_do_not_matter() -> None:
    """A page with items may have any other fields."""
    page = {"items": [A, B], "created_at": 5, "size": 50, "session_size": 5, "org_id": "x"}

    assert [name for _, name in parsed(read(dumps(page)))] == ["a", "b"]


def test_locations_of_items() -> None:
    """The line on which a document begins, and the number of the item."""
    rows = read(dumps(A, PAGE, [PAGE, A]) + b"\n\n" + dumps(A, [B], B, indent=1))

    assert parsed(rows) == [
        ("line 1", "a"),
        ("line 2: item 1", "a"),
        ("line 2: item 2", "b"),
        ("line 3: item 1: item 1", "a"),
        ("line 3: item 1: item 2", "b"),
        ("line 3: item 2", "a"),
        ("line 5", "a"),
        ("line 14: item 1", "b"),
        ("line 21", "b"),
    ]


@pytest.mark.parametrize(
    "document",
    [
        *({"items": {}}, {"items": None}, {"items": 5}, {"data": [A]}, {"sessions": [A]}, {}),
        *({"items": {"a": A}}, {"created_at": 5, "origin": "slack"}),
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_that_is_no_session_and_no_page_is_rejected(
    document: dict[str, object], indent: int | None
) -> None:
    """Sessions in other places are not found; the reason has the right ones."""
    (row,) = read(dumps(document, indent=indent))

    assert not isinstance(row, ParsedRow)
    assert row.location == "line 1"
    assert row.reason.startswith("session_id: missing")
    assert ("a page" in row.reason) == ("origin" not in document)


@pytest.mark.parametrize("item", [5, None, "a", [A], [[A]], True])
def test_an_item_that_is_no_object_is_rejected(item: object) -> None:
    """Arrays within arrays, too."""
    for rows in (read(dumps([A, item])), read(dumps({"items": [A, item]}, indent=1))):
        assert parsed(rows) == [("line 1: item 1", "a")]
        assert rejected(rows) == [("line 1: item 2", "must be an object")]


def test_a_line_that_was_cut_off_is_rejected() -> None:
    """The next line is a document of its own."""
    rows = read(b'{"session_id": "x"\n{"session_id": "a"}\n\n{"session_id": "y",\n[]\n{"se')

    assert parsed(rows) == [("line 2", "a")]
    assert [location for location, _ in rejected(rows)] == ["line 1", "line 4", "line 6"]


@pytest.mark.parametrize(
    "rest",
    [
        b'{"session_id": "b", "x": [\n{"session_id": "ghost"},\n{"session_id": "ghost"}\n]',
        b'{"session_id": "b", "x": [\n{"session_id": "ghost"}\n',
        b'{"items": [\n{"session_id": "ghost"}\n{"session_id": "ghost"}\n]}',
        b'[\n{"session_id": "ghost"},\n',
        b'[\n{"session_id": "ghost"}\n]\n{"session_id": "ghost"\n',
        b"{\n'session_id': 'b', 'children': [\n{\"session_id\": \"ghost\"}\n]}",
        b'{\n"items": [' + b"[" * 100_000 + b'\n{"session_id": "ghost"}\n',
        b'[\n{"session_id": "b", "created_at": ' + b"9" * 5_000 + b'}\n{"session_id": "ghost"}\n',
    ],
    ids=lambda data: repr(data[:60]),
)
def test_a_syntax_error_over_several_lines_ends_the_file(rest: bytes) -> None:
    """The lines within a document are not rows. The lines before are loaded."""
    rows, error = read_until_error(dumps(A, B) + b"\n" + rest)

    assert error is not None
    assert re.match(r"line \d: not JSON: ", error)
    assert parsed(rows) == [("line 1", "a"), ("line 2", "b")]


def test_a_document_that_is_cut_off_has_no_rows() -> None:
    """Truncated at any character, it is rejected or unreadable."""
    data = dumps(PAGE, indent=1)
    for length in range(1, len(data)):
        rows, error = read_until_error(data[:length])

        assert parsed(rows) == [], length
        assert rejected(rows) or error, length


def test_a_document_over_several_lines_has_a_maximum_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is held in memory. Sessions on a line each have no such limit."""
    monkeypatch.setattr(json_format, "MAX_LINE", 1_000)

    assert len(read(dumps(*[A] * 100))) == 100
    with pytest.raises(UnreadableFile, match=r"^line 1: JSON of more than 1,000 characters"):
        read(dumps(*[A] * 100, indent=1))


def test_sessions_of_any_length_are_read() -> None:
    """A long one takes another path."""
    long = {**A, "structured_output": "x" * 100_000, "origin": "Slack", "acus_consumed": 0.1}
    (row,) = read(dumps(long))

    assert isinstance(row, ParsedRow)
    assert row.update.values == {"created_at": 1, "origin": "slack", "acus": 100_000}
