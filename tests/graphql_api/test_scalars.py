"""`DateTime`: what it accepts and returns, and how anything else is refused."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.core.periods import MAX_INSTANT, MIN_INSTANT
from metrics_graphql.graphql_api.scalars import parse_instant, serialize_instant
from tests.conftest import Gateway
from tests.graphql_api.client import error_of, post
from tests.graphql_api.conftest import Execute

ACCEPTED: list[tuple[object, str]] = [
    # ISO 8601 with Z or an offset.
    ("2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
    ("2025-01-01T00:00:00+00:00", "2025-01-01T00:00:00Z"),
    ("2025-01-01T00:00:00-00:00", "2025-01-01T00:00:00Z"),
    ("2025-01-01T01:00:00+01:00", "2025-01-01T00:00:00Z"),
    ("2024-12-31T18:30:00-05:30", "2025-01-01T00:00:00Z"),
    ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z"),
    # A fraction rounds up, before the epoch as well.
    ("2025-01-01T00:00:00.000Z", "2025-01-01T00:00:00Z"),
    ("2025-01-01T00:00:00.001Z", "2025-01-01T00:00:01Z"),
    ("2025-01-01T00:00:00.000001Z", "2025-01-01T00:00:01Z"),
    ("2024-12-31T23:59:59.999999Z", "2025-01-01T00:00:00Z"),
    ("1969-12-31T23:59:58.5Z", "1969-12-31T23:59:59Z"),
    ("1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00Z"),
    # The set that files may have: no seconds, no minutes of the offset, a blank, small letters.
    ("2025-01-01T00:00Z", "2025-01-01T00:00:00Z"),
    ("2025-01-01t00:00z", "2025-01-01T00:00:00Z"),
    ("2025-01-01 00:00:00Z", "2025-01-01T00:00:00Z"),
    ("2025-01-01 00:00+0000", "2025-01-01T00:00:00Z"),
    ("2025-01-01T00:00:00+00", "2025-01-01T00:00:00Z"),
    ("2025-01-01T05:45:00.25+0545", "2025-01-01T00:00:01Z"),
    ("2025-01-01T00:00:00,5Z", "2025-01-01T00:00:01Z"),
    # Whole Unix seconds.
    (0, "1970-01-01T00:00:00Z"),
    (-1, "1969-12-31T23:59:59Z"),
    (1_735_689_600, "2025-01-01T00:00:00Z"),
    (2**31, "2038-01-19T03:14:08Z"),
    # Instants outside the years 1 to 9999 count as the nearest inside.
    ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ("0001-01-01T00:00:00+00:01", "0001-01-01T00:00:00Z"),
    ("0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00Z"),
    ("0001-01-01T00:00:00-23:59", "0001-01-01T23:59:00Z"),
    ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59Z"),
    ("9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59Z"),
    ("9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59Z"),
    ("9999-12-31T23:59:59+23:59", "9999-12-31T00:00:59Z"),
    (-(2**63) - 1, "0001-01-01T00:00:00Z"),
    (-(10**4000), "0001-01-01T00:00:00Z"),
]

REFUSED: list[tuple[object, str]] = [
    ("nonsense", "nonsense"),
    ("", '""'),
    ("2025-01-01T00Z", "2025-01-01T00Z"),
    ("2025-01-01T00:00.5Z", "2025-01-01T00:00.5Z"),
    ("2025-01-01 00:00", "has no offset"),
    (" 2025-01-01T00:00:00Z", " 2025-01-01T00:00:00Z"),
    ("1735689600", "1735689600"),
    ("2025-01-01", "2025-01-01"),
    ("2025-01-01T00:00:00", "2025-01-01T00:00:00"),
    ("2025-13-01T00:00:00Z", "2025-13-01"),
    ("2025-02-29T00:00:00Z", "2025-02-29"),
    ("2025-01-01T00:00:00+99:00", "+99:00"),
    ("0000-01-01T00:00:00Z", "0000-01-01"),
    ("10000-01-01T00:00:00Z", "10000-01-01"),
    ("-001-01-01T00:00:00Z", "-001-01-01"),
    (1.5, "1.5"),
    (-0.5, "-0.5"),
    (True, "true"),
    (False, "false"),
    (None, "DateTime!"),
    ([], "[]"),
    ([1], "[1]"),
    (["2025-01-01T00:00:00Z"], "2025-01-01T00:00:00Z"),
]
"""Values that are written alike in JSON and GraphQL, and what the error must contain."""

REFUSED_VARIABLES = [
    *REFUSED,
    (1e300, "1e+300"),
    ({}, "{}"),
    ({"seconds": 1}, "seconds"),
]

REFUSED_LITERALS = [
    *((json.dumps(value), shown) for value, shown in REFUSED),
    ("1e300", "1e+300"),
    ("{}", "{}"),
    ("{seconds: 1}", "seconds"),
    ("SOON", "SOON"),
    ('"""nonsense"""', "nonsense"),
]

AMBIGUOUS: list[tuple[object, str]] = [
    ("20250101T000000Z", "2025-01-01T00:00:00Z"),
    ("2025-W01-3T00:00:00Z", "2025-01-01T00:00:00Z"),
    ("2024-12-31T24:00:00Z", "2025-01-01T00:00:00Z"),
    ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
    (1_735_689_600.0, "2025-01-01T00:00:00Z"),
]
"""Formats of standards related to ISO 8601, and what they mean there."""


BY_VARIABLE = """
    query ($at: DateTime!) {
      sessionMetrics(orgId: "org-1", filters: { timeAfter: $at, timeBefore: $at }) {
        period { startsAt endsAt }
      }
    }
"""
"""Returns the empty period at an instant."""


def by_literal(literal: str) -> str:
    """Return the same query with a literal."""
    return BY_VARIABLE.replace("query ($at: DateTime!)", "").replace("$at", literal)


def at(moment: str) -> dict[str, Any]:
    """Return the response with the empty period at a moment."""
    return {"data": {"sessionMetrics": {"period": {"startsAt": moment, "endsAt": moment}}}}


def messages_of(body: dict[str, Any]) -> list[str]:
    """Return the messages of a response that must have errors of the client, and no data."""
    assert "data" not in body
    assert {error["extensions"]["code"] for error in body["errors"]} == {"BAD_USER_INPUT"}
    return [error["message"] for error in body["errors"]]


@pytest.mark.parametrize(("value", "moment"), ACCEPTED)
def test_an_instant_as_a_variable(execute: Execute, value: object, moment: str) -> None:
    """It is returned in UTC, or as the nearest instant in the years 1 to 9999."""
    assert execute(BY_VARIABLE, {"at": value}) == at(moment)


@pytest.mark.parametrize(("value", "moment"), ACCEPTED)
def test_an_instant_as_a_literal(execute: Execute, value: object, moment: str) -> None:
    """It means the same as a variable."""
    assert execute(by_literal(json.dumps(value))) == at(moment)


@pytest.mark.parametrize(("value", "shown"), REFUSED_VARIABLES)
def test_an_invalid_variable_is_named(execute: Execute, value: object, shown: str) -> None:
    """The error names the variable and its value."""
    (message,) = messages_of(execute(BY_VARIABLE, {"at": value}))

    assert "'$at'" in message
    assert shown.lower() in message.lower()


@pytest.mark.parametrize(("literal", "shown"), REFUSED_LITERALS)
def test_an_invalid_literal_is_in_the_error(execute: Execute, literal: str, shown: str) -> None:
    """There is an error for each occurrence, here two."""
    messages = messages_of(execute(by_literal(literal)))

    assert len(messages) == 2
    for message in messages:
        assert shown.lower() in message.lower()


def test_an_invalid_instant_in_a_variable_has_its_path(execute: Execute) -> None:
    """Each error names the field of the input object."""
    query = """
        query ($filters: SessionMetricsFilters!) {
          sessionMetrics(orgId: "org-1", filters: $filters) { __typename }
        }
    """
    filters = {"timeAfter": "yesterday", "timeBefore": 0.5}
    after, before = messages_of(execute(query, {"filters": filters}))

    assert ".timeAfter" in after
    assert '"yesterday"' in after
    assert ".timeBefore" in before
    assert "0.5" in before


def test_a_long_value_is_shortened_in_the_error(execute: Execute) -> None:
    """The response does not grow with the value."""
    (message,) = messages_of(execute(BY_VARIABLE, {"at": "x" * 50_000}))

    assert len(message) < 500
    assert "…" in message


@pytest.mark.parametrize(("value", "moment"), AMBIGUOUS)
def test_an_ambiguous_format_is_read_correctly_or_refused(
    execute: Execute, value: object, moment: str
) -> None:
    """It never means another instant."""
    for body in (execute(BY_VARIABLE, {"at": value}), execute(by_literal(json.dumps(value)))):
        assert body == at(moment) or all("DateTime" in message for message in messages_of(body))


@pytest.mark.parametrize("end", [2**63 - 1, 2**63, 10**4000])
def test_an_end_of_any_size_is_the_last_instant(execute: Execute, end: int) -> None:
    """As a variable and as a literal."""
    query = BY_VARIABLE.replace("timeAfter: $at", "timeAfter: 0")
    period = {"startsAt": "1970-01-01T00:00:00Z", "endsAt": "9999-12-31T23:59:59Z"}
    literal = query.replace("query ($at: DateTime!)", "").replace("$at", json.dumps(end))
    for body in (execute(query, {"at": end}), execute(literal)):
        assert body == {"data": {"sessionMetrics": {"period": period}}}


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("digits", [4300, 4301, 20_000])
def test_an_integer_literal_too_long_for_python_is_not_a_bug(
    execute: Execute, sign: str, digits: int
) -> None:
    """It counts as the first instant, or is refused as milliseconds are."""
    body = execute(by_literal(sign + "9" * digits))

    if sign:
        assert body == at("0001-01-01T00:00:00Z")
    else:
        (error,) = body["errors"]
        assert error["extensions"]["argument"] == "filters.timeAfter"


def test_a_variable_may_have_an_instant_as_its_default(execute: Execute) -> None:
    """A default is parsed, and refused, as a literal."""
    query = BY_VARIABLE.replace("DateTime!", 'DateTime! = "2025-01-01T00:00:00Z"')
    assert execute(query) == at("2025-01-01T00:00:00Z")

    query = BY_VARIABLE.replace("DateTime!", 'DateTime! = "new year"')
    assert "new year" in messages_of(execute(query))[0]


@pytest.mark.parametrize(
    "declared", ["Int!", "String!", "Float!", "ID!", "DateTime", "[DateTime!]!"]
)
def test_a_variable_of_another_type_is_refused(execute: Execute, declared: str) -> None:
    """By GraphQL's own rule: a variable has the type of its position."""
    query = BY_VARIABLE.replace("$at: DateTime!", f"$at: {declared}")

    for message in messages_of(execute(query, {"at": 0})):
        assert f"type '{declared}'" in message
        assert "'DateTime!'" in message


@given(st.integers(MIN_INSTANT, MAX_INSTANT))
def test_a_serialized_instant_is_parsed_to_itself(instant: int) -> None:
    """Every instant has a text of the same length."""
    text = serialize_instant(instant)

    assert parse_instant(text) == instant
    assert len(text) == len("0001-01-01T00:00:00Z")


@given(
    st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(2500, 1, 1)),  # noqa: DTZ001 - the offset is drawn too
    st.integers(-1439, 1439),
)
def test_fractions_round_up_whatever_the_offset(moment: datetime, minutes: int) -> None:
    """The instant is the first whole second that is not earlier."""
    text = moment.replace(tzinfo=timezone(timedelta(minutes=minutes))).isoformat()
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001 - offsets are added by hand, beyond year 1 too
    micros = (moment - epoch) // timedelta(microseconds=1) - minutes * 60_000_000

    assert parse_instant(text) == -(-micros // 1_000_000)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(st.characters()),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
)


@given(ANY_JSON | st.text("0123456789-+:.,TZtzW ", max_size=30))
def test_any_other_value_is_refused(value: object) -> None:
    """Any JSON value is an instant, or refused with what was expected."""
    try:
        instant = parse_instant(value)
    except GraphQLError as error:
        assert "expected ISO 8601" in error.message  # noqa: PT017 - either outcome is fine
    else:
        assert isinstance(instant, int)


def test_instants_are_unix_seconds() -> None:
    """As the standard library counts them."""
    moment = datetime(2025, 6, 30, 12, 34, 56, tzinfo=UTC)

    assert parse_instant(moment.isoformat()) == moment.timestamp()
    assert serialize_instant(int(moment.timestamp())) == "2025-06-30T12:34:56Z"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00.0000001Z", 1),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1969-12-31T23:59:59.999999999Z", 0),
        ("3000-01-01T00:00:00.000001Z", 32_503_680_001),
        ("9998-01-01T00:00:00.000001Z", 253_339_228_801),
    ],
)
def test_any_fraction_rounds_up(text: str, instant: int) -> None:
    """With any number of digits, in any year."""
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-01X00:00:00Z",
        "2025-01-01é00:00:00Z",
        "2025-01-01\ud80000:00:00Z",
        "2025-01-01\x0000:00:00Z",
        "2025-01-01T00:00:00Z\0",
        "2025-01-01T00:00:00Z\0; DROP TABLE sessions",
        "2025-01-01T00:00:00x+00:00",
        "2025-01-01T00:00:00\n+00:00",
        "2025-01-01T00:00:00.123456junk+00:00",
        "2025-01-01T00:00:00+00:00:30",
        "2025-01-01T00:00:00+00:00:00.5",
    ],
)
def test_text_that_only_python_reads_as_iso_8601_is_refused(text: str) -> None:
    """`datetime.fromisoformat` ignores some characters."""
    with pytest.raises(Exception, match="expected ISO 8601"):
        parse_instant(text)


@pytest.mark.parametrize("literal", ["0.5", '"yesterday"', "[1]"])
def test_an_invalid_literal_is_located(shared: Gateway, token: str, literal: str) -> None:
    """The error has the location of the value."""
    query = f"""{{
      sessionMetrics(orgId: "org-1", filters: {{ timeAfter: {literal}, timeBefore: 9 }}) {{
        __typename
      }}
    }}"""
    error = error_of(post(shared, token, query))

    assert error["locations"][0]["line"] == 2


def test_a_long_integer_literal_is_an_instant(shared: Gateway, token: str) -> None:
    """It is later than all sessions."""
    query = f"""{{
      sessionMetrics(orgId: "org-1", filters: {{ timeAfter: 0, timeBefore: {"9" * 4301} }}) {{
        sessionsCreatedCount
      }}
    }}"""
    body = post(shared, token, query).json()

    assert body == {"data": {"sessionMetrics": {"sessionsCreatedCount": 10}}}


@pytest.mark.parametrize("text", ["2025-01-01+00:00", "2025-01-01-05:30", "2025-01-01Z"])
def test_a_date_with_an_offset_is_refused(shared: Gateway, token: str, text: str) -> None:
    """With the scalar's own message."""
    field = f'sessionMetrics(orgId: "org-1", filters: {{ timeAfter: "{text}", timeBefore: 1 }})'
    error = error_of(post(shared, token, f"{{ {field} {{ __typename }} }}"))

    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert "expected ISO 8601" in error["message"]
