"""Random tables in random dialects: the rows that are loaded are rows that were written."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.ingestion.rows import ParsedRow
from tests.ingestion.test_formats import read_until_error, rejected

FIELDS = ("session_id", "org_id", "created_at", "origin", "acus_consumed")
GHOST = {"session_id": "ghost", "org_id": "org-b", "created_at": 1, "acus_consumed": 999}
"""A session that no row describes. It is in the text of cells only."""
PIECES = ["a", ",", ";", "|", "\t", '"', '""', "'", "\\", "\n", "\r\n", "\r", " ", "é", "\u2028"]
ENDS = ["\n", "\r\n", "\r"]
LONG = "x" * 140_000

Values = dict[str, Any]


@st.composite
def tables(draw: st.DrawFn, separator: str = ",", *, text_is_last: bool = False) -> list[Values]:
    """Return sessions with fields in the same order, and with extra fields of any text.

    The texts have parts that would be a row of the same table. With `text_is_last`, the only text
    is such a row, in the last column.
    """
    extra = draw(st.lists(st.sampled_from(["title", "Notes", "x y"]), unique=True))
    columns = [*FIELDS, "title"] if text_is_last else draw(st.permutations([*FIELDS, *extra]))
    ghost = separator.join(str(GHOST.get(name, "")) for name in columns)
    pieces = st.sampled_from(PIECES)
    ghosts = st.builds(
        lambda before, end, after: f"{before}{end}{ghost}{end}{after}",
        st.sampled_from(["a", '"', '"', "'", "\\", LONG]),
        st.sampled_from(ENDS),
        st.sampled_from(["", '"', "'", "\\"]),
    )
    text_or_ghosts = st.lists(pieces | ghosts, max_size=6).map("".join) | ghosts
    if text_is_last:
        text_or_ghosts = ghosts
    values: dict[str, st.SearchStrategy[Any]] = {
        "org_id": st.sampled_from(["org-a", "org-b"]),
        "created_at": st.integers(0, 2),
        "origin": st.sampled_from(["slack", None]),
        "acus_consumed": st.sampled_from(["9.5", "3", None]),
    }
    return [
        {
            name: f"s{number}" if name == "session_id" else draw(values.get(name, text_or_ghosts))
            for name in columns
        }
        for number in range(draw(st.integers(1, 4)))
    ]


def update_of(session: Values) -> SessionUpdate:
    """Return what is to be loaded of a session."""
    values = {"origin": session["origin"], "created_at": session["created_at"]}
    if session["acus_consumed"]:
        values["acus"] = int(float(session["acus_consumed"]) * 1_000_000)
    return SessionUpdate(session["org_id"], session["session_id"], values)


@dataclass(frozen=True)
class Dialect:
    """How CSV is written."""

    separator: str
    end: str
    quotes: str
    """`needed`, `all`, or `none`."""
    quote: str
    """The character of quotes."""
    escape: str
    """`double` (quotes in quotes), `backslash`, or `none`."""
    encoding: str
    has_separator_line: bool
    decimal_comma: bool

    def cell(self, text: str) -> str:
        """Return the text of a cell."""
        special = (self.separator, self.quote, "\n", "\r")
        if self.escape == "backslash":
            escaped = ("\\", self.quote) if self.quotes != "none" else ("\\", *special)
            for character in dict.fromkeys(escaped):
                text = text.replace(character, f"\\{character}")
        if self.quotes == "none" or (
            self.quotes == "needed" and not any(each in text for each in special)
        ):
            return text
        if self.escape == "double":
            text = text.replace(self.quote, self.quote * 2)
        return f"{self.quote}{text}{self.quote}"

    def write(self, rows: Sequence[Values]) -> bytes:
        """Return a file."""
        lines = [f"sep={self.separator}"] if self.has_separator_line else []
        lines.append(self.separator.join(map(self.cell, rows[0])))
        for row in rows:
            texts = {name: "" if value is None else str(value) for name, value in row.items()}
            if self.decimal_comma:
                texts["acus_consumed"] = texts["acus_consumed"].replace(".", ",")
            lines.append(self.separator.join(map(self.cell, texts.values())))
        return self.end.join([*lines, ""]).encode(self.encoding)


def dialects(
    separators: str = ",;\t|",
    quotes: Sequence[str] = ("needed", "all"),
    escape: str = "double",
    quote: str = '"',
) -> st.SearchStrategy[Dialect]:
    """Return dialects."""
    return st.sampled_from(separators).flatmap(
        lambda separator: st.builds(
            Dialect,
            separator=st.just(separator),
            end=st.sampled_from(ENDS),
            quotes=st.sampled_from(quotes),
            quote=st.just(quote),
            escape=st.just(escape),
            encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
            has_separator_line=st.booleans(),
            decimal_comma=st.booleans().map(lambda value: value and separator != ","),
        )
    )


def load(data: bytes) -> tuple[list[SessionUpdate], list[tuple[str, str]], str | None]:
    """Return the updates and the rejected rows of a file, and why it ended early, if it did."""
    rows, error = read_until_error(data, None)
    return [row.update for row in rows if isinstance(row, ParsedRow)], rejected(rows), error


def is_in_order(found: Sequence[SessionUpdate], written: Sequence[SessionUpdate]) -> bool:
    """Return whether all that was found was written, in the same order."""
    numbers = [written.index(update) if update in written else -1 for update in found]
    return -1 not in numbers and all(one < other for one, other in pairwise(numbers))


@given(data=st.data(), dialect=dialects())
def test_csv(data: st.DataObject, dialect: Dialect) -> None:
    """All rows are loaded, or the file is refused, which only few texts cause."""
    rows = data.draw(tables(dialect.separator))
    written = [update_of(row) for row in rows]

    found, refused_rows, error = load(dialect.write(rows))

    assert refused_rows == []
    assert found == written[: len(found)]
    if error is None:
        assert found == written
    else:
        cells = "".join(str(value) for row in rows for value in row.values())
        assert (
            "\\" in cells
            or "'" in cells
            or (dialect.separator in "\t|" and dialect.separator in cells)
        )


@given(data=st.data(), dialect=dialects(quotes=["needed", "all", "none"], escape="backslash"))
def test_csv_with_escapes(data: st.DataObject, dialect: Dialect) -> None:
    """No other rows are loaded from a dialect that is not supported."""
    rows = data.draw(tables(dialect.separator, text_is_last=True))
    found, _, _ = load(dialect.write(rows))

    assert is_in_order(found, [update_of(row) for row in rows])


@given(data=st.data(), dialect=dialects(quote="'"))
def test_csv_with_single_quotes(data: st.DataObject, dialect: Dialect) -> None:
    """No other rows are loaded if apostrophes are quotes."""
    rows = data.draw(tables(dialect.separator, text_is_last=True))
    found, _, _ = load(dialect.write(rows))

    assert is_in_order(found, [update_of(row) for row in rows])


@given(data=st.data(), dialect=dialects(quotes=["none"], escape="none"))
def test_csv_with_line_breaks_but_without_quotes(data: st.DataObject, dialect: Dialect) -> None:
    """No other rows are loaded if text has line breaks, but no separators before them.

    In the last column, such a text can be detected only if rows end with CR LF, and the line breaks
    in it are LF.
    """
    rows = data.draw(tables(dialect.separator))
    end = data.draw(st.sampled_from(ENDS))
    last = [] if (dialect.end, end) == ("\r\n", "\n") else ["last"]
    ghost = dialect.separator.join(str(GHOST.get(name, "")) for name in (*rows[0], *last))
    written = [
        {
            name: value if name in FIELDS else f"text{end}{ghost}{end}text"
            for name, value in row.items()
        }
        | dict.fromkeys(last, "x")
        for row in rows
    ]
    found, _, _ = load(dialect.write(written))

    assert is_in_order(found, [update_of(row) for row in rows])


@given(data=st.data(), dialect=dialects("\t|", quotes=["none"], escape="none"))
def test_csv_without_quotes(data: st.DataObject, dialect: Dialect) -> None:
    """No other rows are loaded if a quote is a character like others."""
    rows = data.draw(tables(dialect.separator))
    impossible = {ord(character): None for character in "\r\n" + dialect.separator}
    for row in rows:
        for name in row.keys() - set(FIELDS):
            row[name] = row[name].translate(impossible)
    found, _, _ = load(dialect.write(rows))

    assert is_in_order(found, [update_of(row) for row in rows])


@given(data=st.data(), dialect=dialects())
def test_csv_that_is_cut_off(data: st.DataObject, dialect: Dialect) -> None:
    """A part of a file gives the first of its rows. Only the last one can be incomplete."""
    rows = data.draw(tables(dialect.separator))
    content = dialect.write(rows)
    found, _, _ = load(content[: data.draw(st.integers(0, len(content)))])

    assert is_in_order(found[:-1], [update_of(row) for row in rows])
    assert all(update.session_id != "ghost" for update in found)


def write_json(rows: list[Values], layout: str, indent: int | None) -> str:
    """Return rows as JSON."""
    half = len(rows) // 2
    documents: dict[str, list[object]] = {
        "sessions": [*rows],
        "array": [rows],
        "page": [{"total": len(rows), "items": rows, "end_cursor": None}],
        "pages": [{"items": rows[:half]}, {"items": []}, {"items": rows[half:]}],
        "array of pages": [[{"items": rows[:half]}, {"items": rows[half:]}]],
        "sessions and a page": [*rows[:half], {"items": rows[half:]}],
    }
    return "\n".join(json.dumps(each, indent=indent) for each in documents[layout])


layouts = st.sampled_from(
    ["sessions", "array", "page", "pages", "array of pages", "sessions and a page"]
)
indents = st.sampled_from([None, 0, 2])


@given(
    rows=tables(),
    layout=layouts,
    indent=indents,
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_json(rows: list[Values], layout: str, indent: int | None, end: str, encoding: str) -> None:
    """All rows are loaded."""
    text = write_json(rows, layout, indent).replace("\n", end)

    assert load(text.encode(encoding)) == ([update_of(row) for row in rows], [], None)


@given(rows=tables(), layout=layouts, indent=indents, data=st.data())
def test_json_that_is_cut_off(
    rows: list[Values], layout: str, indent: int | None, data: st.DataObject
) -> None:
    """A part of a file gives the first of its rows."""
    text = write_json(rows, layout, indent)
    found, _, _ = load(text[: data.draw(st.integers(0, len(text)))].encode())

    assert found == [update_of(row) for row in rows][: len(found)]
