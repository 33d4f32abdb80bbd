"""The schema of a row: accepted spellings, and errors that name the field."""

import io
import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.core.sessions import SessionUpdate
from metrics_graphql.ingestion.reader import parse_file
from metrics_graphql.ingestion.row_parser import SessionParser
from metrics_graphql.ingestion.row_schema import SessionRow
from metrics_graphql.ingestion.rows import InvalidRow, RejectedRow
from tests.ingestion.counts import pull_requests

Values = dict[str, Any]
Parse = Callable[[Values], SessionUpdate]

MILLION = 1_000_000
COUNT_FIELDS = ("pr_count", "open_pr_count", "merged_pr_count", "closed_pr_count")


def parse_row(value: object, default_org_id: str | None) -> SessionUpdate:
    """Parse an item of a page, which is parsed JSON."""
    return SessionParser(default_org_id).parse_object(value)


def parse_json_row(text: str | bytes, default_org_id: str | None) -> SessionUpdate:
    """Parse the second line of newline-delimited JSON."""
    data = text.encode() if isinstance(text, str) else text
    raw: Any = io.BytesIO(b'{"session_id": "first", "org_id": "org-1"}\n' + data)
    _, row = parse_file(io.BufferedReader(raw), SessionParser(default_org_id))
    if isinstance(row, RejectedRow):
        raise InvalidRow(row.reason)
    return row.update


def from_json(row: Values) -> SessionUpdate:
    """Parse a row as a line of newline-delimited JSON."""
    return parse_json_row(json.dumps(row), "org-1")


def from_values(row: Values) -> SessionUpdate:
    """Parse a row as an item of a page, which is already parsed JSON."""
    return parse_row(json.loads(json.dumps(row)), "org-1")


@pytest.fixture(params=[from_json, from_values])
def parse(request: pytest.FixtureRequest) -> Parse:
    """Return each of the two parsers."""
    function: Parse = request.param
    return function


def decimal_text(number: int, digits: int) -> str:
    """Return `number` with its last `digits` digits as decimals."""
    whole, fraction = divmod(number, 10**digits)
    return f"{whole}.{fraction:0{digits}d}"


@pytest.mark.parametrize(
    ("given_fields", "values"),
    [
        ({}, {}),
        ({"session_size": "m"}, {"size": "m"}),
        ({"size": "m"}, {"size": "m"}),
        ({"size": "enormous"}, {"size": "enormous"}),
        ({"origin": "devin_spaces"}, {"origin": "devin_spaces"}),
        ({"origin": "cli, mostly"}, {"origin": "cli, mostly"}),
        ({"user_id": "email|aa"}, {"user_id": "email|aa"}),
        ({"service_user_id": "service-1"}, {"service_user_id": "service-1"}),
        ({"playbook_id": "playbook-ü"}, {"playbook_id": "playbook-ü"}),
        ({"user_id": "x" * 256}, {"user_id": "x" * 256}),
        ({"user_id": "\U0001f600" * 256}, {"user_id": "\U0001f600" * 256}),
        ({"used_search": True}, {"used_search": True}),
        ({"used_search": False}, {"used_search": False}),
        ({"used_search": "true"}, {"used_search": True}),
        ({"used_search": "False"}, {"used_search": False}),
        ({"pull_requests": []}, pull_requests(0)),
        # A state that is null or unknown counts in no state.
        ({"pull_requests": [{"pr_url": "u", "pr_state": None}]}, pull_requests(1)),
        ({"pull_requests": [{"pr_state": "stale"}, {}]}, pull_requests(2)),
        ({"pull_requests": [{"pr_url": "u", "pr_state": "closed"}]}, pull_requests(1, closed=1)),
        (
            {"pull_requests": [{"pr_state": "open"}, {"pr_url": "u", "pr_state": "merged"}]},
            pull_requests(2, is_open=1, merged=1),
        ),
        # A draft is open.
        (
            {"pull_requests": [{"pr_state": "draft"}, {"pr_state": "Draft"}, {"pr_state": "open"}]},
            pull_requests(3, is_open=3),
        ),
        (
            {"pull_requests": [{"pr_state": "merged"}] * 3 + [{"pr_state": "closed"}] * 2},
            pull_requests(5, merged=3, closed=2),
        ),
        # Any of the counts gives all of them.
        ({"merged_pr_count": 0}, pull_requests(0)),
        ({"merged_pr_count": 2}, pull_requests(2, merged=2)),
        ({"merged_pr_count": "2"}, pull_requests(2, merged=2)),
        ({"pr_count": 3}, pull_requests(3)),
        ({"open_pr_count": 1}, pull_requests(1, is_open=1)),
        ({"closed_pr_count": "4"}, pull_requests(4, closed=4)),
        ({"pr_count": 100_000}, pull_requests(100_000)),
        (
            {"pr_count": 9, "open_pr_count": 1, "merged_pr_count": 2, "closed_pr_count": 3},
            pull_requests(9, is_open=1, merged=2, closed=3),
        ),
        # A list may come with its own counts.
        (
            {"pull_requests": [{"pr_state": "merged"}] * 2, "merged_pr_count": 2, "pr_count": 2},
            pull_requests(2, merged=2),
        ),
        ({"title": "x", "tags": ["a"], "status": 5, "url": None}, {}),
        ({"origin": "Slack"}, {"origin": "slack"}),
        ({"origin": " TEAMS\t"}, {"origin": "teams"}),
        ({"origin": "VSCode_Extension"}, {"origin": "vscode_extension"}),
        ({"origin": "Slack bot "}, {"origin": "Slack bot "}),
        ({"session_size": " XL "}, {"size": "xl"}),
        ({"session_size": "Small"}, {"size": "Small"}),
        ({"user_id": " user-1\n"}, {"user_id": "user-1"}),
        ({"user_id": "  "}, {"user_id": None}),
        ({"pull_requests": [{"pr_state": "MERGED"}]}, pull_requests(1, merged=1)),
        ({"pull_requests": [{"pr_state": " Merged "}]}, pull_requests(1, merged=1)),
        ({"pull_requests": [{"PrState": "merged"}]}, pull_requests(1, merged=1)),
        ({"pull_requests": [{"prState": "merged", "prUrl": "u"}]}, pull_requests(1, merged=1)),
        ({"pull_requests": [{"state": "merged"}]}, pull_requests(1)),
        ({"pull_requests": [{"pr_state": "closed_unmerged"}]}, pull_requests(1)),
        ({"pull_requests": '[{"pr_state": "merged"}]'}, pull_requests(1, merged=1)),
        ({"Origin": "api"}, {"origin": "api"}),
        ({"sessionSize": "m"}, {"size": "m"}),
        ({"Session Size": "m"}, {"size": "m"}),
        ({"SESSION-SIZE": "m"}, {"size": "m"}),
        ({"ACUs Consumed": 1, "createdAt": 5}, {"acus": MILLION, "created_at": 5}),
    ],
)
def test_accepted_values(parse: Parse, given_fields: Values, values: Values) -> None:
    """Fields are converted; unknown ones are ignored, absent ones are not in the update."""
    update = parse({"session_id": "a", **given_fields})

    assert update == SessionUpdate("org-1", "a", values)


@pytest.mark.parametrize(
    ("spelled", "instant"),
    [
        (0, 0),
        (1735689600, 1735689600),
        ("1735689600", 1735689600),
        (253402300798, 253402300798),
        ("2025-01-01T00:00:00Z", 1735689600),
        ("2025-01-01T00:00:00+00:00", 1735689600),
        ("2025-01-01T05:45:00+05:45", 1735689600),
        ("2024-12-31 19:00:00-05:00", 1735689600),
        ("2025-01-01T00:00:00.999999Z", 1735689600),
        ("2025-01-01T00:00:00,5Z", 1735689600),
        ("2025-01-01T00:00Z", 1735689600),
        ("2025-01-01t00:00z", 1735689600),
        ("2025-01-01 00:00+0000", 1735689600),
        ("2025-01-01T00:00:00+0000", 1735689600),
        ("2025-01-01T05:45:00.25+0545", 1735689600),
        ("2025-01-01 00:00:00+00", 1735689600),
        (" 2025-01-01T00:00:00Z ", 1735689600),
        (1735689600.0, 1735689600),
        (1735689600.75, 1735689600),
        ("1735689600.75", 1735689600),
        ("1735689600.", 1735689600),
        (" 1735689600 ", 1735689600),
        ("1970-01-01T00:00:00Z", 0),
    ],
    ids=repr,
)
def test_created_at_formats(parse: Parse, spelled: object, instant: int) -> None:
    """Unix seconds, or ISO 8601 with an offset; fractions of a second are truncated."""
    assert parse({"session_id": "a", "created_at": spelled}).values == {"created_at": instant}


@pytest.mark.parametrize(
    ("acus", "micros"),
    [
        (0, 0),
        (1, MILLION),
        (0.1, 100_000),
        (0.2 + 0.1, 300_000),
        ("0.1", 100_000),
        (1.1, 1_100_000),
        (4.35, 4_350_000),
        (0.000001, 1),
        (1e-7, 0),
        ("1e-6", 1),
        (1_000_000, 10**12),
        ("0.0000005", 0),
        ("0.0000015", 2),
        ("0.0000025", 2),
        ("0.0000025000001", 3),
        (0.0000015, 2),
        (0.0000025, 2),
    ],
    ids=repr,
)
def test_acus_are_converted_to_millionths(parse: Parse, acus: object, micros: int) -> None:
    """Exactly; a finer value is rounded to the nearest, half to even."""
    assert parse({"session_id": "a", "acus_consumed": acus}).values == {"acus": micros}


@given(micros=st.integers(0, 10**12))
def test_six_decimals_are_exact(micros: int) -> None:
    """No float error changes a value of six decimals, given as text or as a number."""
    text = decimal_text(micros, digits=6)

    assert parse_row({"session_id": "a", "acus_consumed": text}, "o").values == {"acus": micros}
    assert parse_row({"session_id": "a", "acus_consumed": float(text)}, "o").values["acus"] == (
        micros
    )
    line = f'{{"session_id": "a", "acus_consumed": {text}}}'
    assert parse_json_row(line, "o").values == {"acus": micros}


@given(tenths=st.integers(0, 10**13) | st.integers(0, 10**6).map(lambda n: 10 * n + 5))
def test_the_seventh_decimal_rounds_half_to_even(tenths: int) -> None:
    """As `round` of an exact fraction."""
    expected = round(Fraction(tenths, 10))
    text = decimal_text(tenths, digits=7)

    assert parse_row({"session_id": "a", "acus_consumed": text}, "o").values == {"acus": expected}
    line = f'{{"session_id": "a", "acus_consumed": {text}}}'
    assert parse_json_row(line, "o").values == {"acus": expected}


@pytest.mark.parametrize("field", ["origin", "size", "user_id", "service_user_id", "playbook_id"])
@pytest.mark.parametrize("nothing", [None, ""])
def test_null_clears_a_nullable_field(parse: Parse, field: str, nothing: object) -> None:
    """So does an empty text, which is null in CSV."""
    assert parse({"session_id": "a", field: nothing}).values == {field: None}


@pytest.mark.parametrize(
    "field",
    ["created_at", "used_search", "acus_consumed", "pull_requests", *COUNT_FIELDS],
)
def test_null_in_another_field_is_ignored(parse: Parse, field: str) -> None:
    """The field is never null in storage, so null means that it is absent."""
    assert parse({"session_id": "a", field: None}).values == {}


@pytest.mark.parametrize(
    ("named", "given_org", "expected"),
    [
        ({}, "org-1", "org-1"),
        ({"org_id": None}, "org-1", "org-1"),
        ({"org_id": ""}, "org-1", "org-1"),
        ({"org_id": "org-2"}, "org-1", "org-2"),
        ({"org_id": "org-2"}, None, "org-2"),
    ],
)
def test_the_default_organization(named: Values, given_org: str | None, expected: str) -> None:
    """It applies to rows without an organization only."""
    row = {"session_id": "a", **named}

    assert parse_row(row, given_org).org_id == expected
    assert parse_json_row(json.dumps(row), given_org).org_id == expected


@pytest.mark.parametrize("named", [{}, {"org_id": None}, {"org_id": ""}])
def test_a_row_without_an_organization_is_invalid(named: Values) -> None:
    """If there is no default."""
    with pytest.raises(InvalidRow, match=r"^org_id: "):
        parse_row({"session_id": "a", **named}, None)


INVALID_IDS = ["a,b", "a\0b", "x" * 257, 5, True, ["a"], {}]
INVALID_VALUES: dict[str, list[object]] = {
    "session_id": [*INVALID_IDS, "", None],
    "org_id": INVALID_IDS,
    "user_id": INVALID_IDS,
    "service_user_id": INVALID_IDS,
    "playbook_id": INVALID_IDS,
    "origin": ["a\0b", "x" * 257, 5],
    "size": ["a\0b", "x" * 257, 5],
    "session_size": ["a\0b", "x" * 257, 5],
    "created_at": [
        *(1735689600000, "1735689600000", 253402300799, -1, "-1", "1969-12-31T23:59:59Z"),
        *(10**30, "9" * 5_000, 1e300, float("inf"), float("nan"), "1e9", True, "1_0"),
        *("soon", "2025-01-01", "2025-01-01T00:00:00", "2025-13-01T00:00:00Z", [], {}),
        *("01/02/2025 10:00", "2025-01-01T00Z", "2025-01-01T00:00.5Z", "20250101T000000Z"),
    ],
    "used_search": ["maybe", 2, -1, 0.5, []],
    "acus_consumed": [
        *(-1, -0.000001, "-1", float("nan"), float("inf"), float("-inf")),
        *("NaN", "sNaN", "Infinity", 1_000_000.000001, 10**30, "1e999999999", "9" * 5_000),
        *("abc", "1,5", True, [], {}),
    ],
    "pull_requests": [{}, "merged", 5, [5], [None], [{"pr_state": 5}]],
    **{name: [-1, 1.5, 100_001, "many", True, []] for name in COUNT_FIELDS},
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param(field, value, id=f"{field}={value!r:.24}")
        for field, values in INVALID_VALUES.items()
        for value in values
    ],
)
def test_invalid_values(parse: Parse, field: str, value: object) -> None:
    """The error is one line, begins with the field, and does not repeat long values."""
    with pytest.raises(InvalidRow) as refused:
        parse({"session_id": "a", "created_at": 5, field: value})

    reason = str(refused.value)
    named = "session_size" if field == "size" else field
    assert reason.startswith((f"{named}: ", f"{named}."))
    assert "\n" not in reason
    assert len(reason) < 200


@pytest.mark.parametrize(
    "created_at", [1735689600000, "1735689600000", 1.7e12, "1735689600000.5"], ids=repr
)
def test_milliseconds_are_named(parse: Parse, created_at: object) -> None:
    """They are the usual mistake: read as seconds, they are after the year 9999."""
    with pytest.raises(InvalidRow, match="Unix seconds are expected, not milliseconds"):
        parse({"session_id": "a", "created_at": created_at})


@pytest.mark.parametrize(
    "created_at", ["soon", "2025-01-01", "2025-01-01T00:00:00", "31.01.2025 10:00", True, [], "1e9"]
)
def test_other_dates_are_refused_with_the_accepted_formats(
    parse: Parse, created_at: object
) -> None:
    """Local times are among them: their offset is unknown."""
    with pytest.raises(InvalidRow, match=r"Unix seconds, or ISO 8601 with an offset, like 2025-"):
        parse({"session_id": "a", "created_at": created_at})


@pytest.mark.parametrize(
    "row",
    [
        {"origin": "slack", "Origin": "slack"},
        {"size": "s", "session_size": "s"},
        {"Created At": 5, "CREATED_AT": 5},
    ],
)
def test_a_field_that_is_given_twice_is_invalid(parse: Parse, row: Values) -> None:
    """Whichever value was meant; the error has both names."""
    with pytest.raises(InvalidRow, match=r"given twice, by '\w.*' and '\w.*'"):
        parse({"session_id": "a", **row})


@pytest.mark.parametrize("pull_request", ["merged", 5, None, []])
def test_a_pull_request_that_is_no_object_is_invalid(parse: Parse, pull_request: object) -> None:
    """The reason names no class of this program."""
    with pytest.raises(InvalidRow, match=r"^pull_requests\.0: must be an object$"):
        parse({"session_id": "a", "pull_requests": [pull_request]})


def test_bytes_that_are_not_utf_8_are_named() -> None:
    """The most common other encoding is recognized."""
    with pytest.raises(
        InvalidRow, match=r"^user_id: not UTF-8: looks like Windows-1252; save the file as UTF-8$"
    ):
        parse_json_row(b'{"session_id": "a", "user_id": "J\xf6rg"}', "org-1")
    with pytest.raises(InvalidRow, match=r"^user_id: not UTF-8; save the file as UTF-8$"):
        parse_json_row(b'{"session_id": "a", "user_id": "J\x81rg"}', "org-1")
    assert parse_json_row(b'{"session_id": "a", "title": "J\xf6rg"}', "org-1").values == {}


def test_session_id_is_required(parse: Parse) -> None:
    """It identifies the session."""
    with pytest.raises(InvalidRow, match=r"^session_id: "):
        parse({"created_at": 5})


def test_every_invalid_field_is_named(parse: Parse) -> None:
    """One error lists all fields at fault."""
    with pytest.raises(InvalidRow) as refused:
        parse({"session_id": "a,b", "created_at": "soon", "acus_consumed": -1})

    for field in ("session_id", "created_at", "acus_consumed"):
        assert f"{field}: " in str(refused.value)


@pytest.mark.parametrize("field", ["session_id", "user_id", "origin"])
@pytest.mark.parametrize("escape", [r"\ud800", r"\udc00", r"\ude00\ud83d"])
def test_unpaired_surrogates_are_invalid(field: str, escape: str) -> None:
    """JSON can escape them, but UTF-8 cannot encode them."""
    text = f'{{"session_id": "a", "{field}": "{escape}"}}'

    with pytest.raises(InvalidRow):
        parse_json_row(text, "org-1")
    with pytest.raises(InvalidRow, match=f"^{field}: "):
        parse_row(json.loads(text), "org-1")


def test_surrogate_pairs_are_decoded() -> None:
    """JSON escapes characters beyond U+FFFF as surrogate pairs."""
    assert parse_json_row(r'{"session_id": "\ud83d\ude00"}', "org-1").session_id == "\U0001f600"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=repr(text[:30]))
        for text in (
            *(b"{", b"}", b"nul", b"{'session_id': 'a'}", b'{"session_id": "a"', b"\xff"),
            *(b'{"session_id": "\xff"}', b'{"session_id": "a"} {', b'{"session_id": "a",}'),
            *(b"5", b'"a"', b"null", b"true", b"[5]", b"{}"),
            *(b"[" * 100_000, b'{"a": ' * 100_000, b'{"session_id": "a\0"}'),
        )
    ],
)
def test_invalid_json(text: bytes) -> None:
    """Malformed JSON, JSON other than an object, deep nesting, and invalid UTF-8."""
    with pytest.raises(InvalidRow) as refused:
        parse_json_row(text, "org-1")

    assert 0 < len(str(refused.value)) < 200
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", [None, 5, "a", True, [], [["session_id", "a"]]])
def test_an_item_that_is_not_an_object_is_invalid(value: object) -> None:
    """As it is on a line of newline-delimited JSON."""
    with pytest.raises(InvalidRow):
        parse_row(value, "org-1")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"pull_requests": [], "merged_pr_count": 3}, "merged_pr_count: 3 contradicts"),
        ({"pull_requests": [{"pr_state": "merged"}], "merged_pr_count": 0}, "merged_pr_count: 0"),
        ({"pull_requests": [{"pr_state": "open"}], "closed_pr_count": 1}, "closed_pr_count: 1"),
        ({"pull_requests": [{"pr_state": "odd"}], "pr_count": 2}, "pr_count: 2 contradicts"),
        ({"pr_count": 1, "open_pr_count": 1, "merged_pr_count": 2}, "pr_count: must not be less"),
    ],
)
def test_counts_that_contradict_are_rejected(row: dict[str, Any], reason: str) -> None:
    """Each other, or the list of pull requests."""
    with pytest.raises(InvalidRow, match=reason):
        SessionRow.model_validate({"session_id": "a", "org_id": "o", **row}).to_update(None)
