"""`DateTime`: what a client may write, what it reads back, and how anything else is refused."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.domain.periods import MAX_INSTANT, MIN_INSTANT
from metrics_graphql.graphql_api.scalars import parse_instant, serialize_instant
from tests.graphql_api.conftest import Ask

TAKEN: list[tuple[object, str]] = [
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
    # Whole Unix seconds.
    (0, "1970-01-01T00:00:00Z"),
    (-1, "1969-12-31T23:59:59Z"),
    (1_735_689_600, "2025-01-01T00:00:00Z"),
    (2**31, "2038-01-19T03:14:08Z"),
    # The years 1 to 9999 are what can be written; anything outside is the nearest inside.
    ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ("0001-01-01T00:00:00+00:01", "0001-01-01T00:00:00Z"),
    ("0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00Z"),
    ("0001-01-01T00:00:00-23:59", "0001-01-01T23:59:00Z"),
    ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59Z"),
    ("9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59Z"),
    ("9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59Z"),
    ("9999-12-31T23:59:59+23:59", "9999-12-31T00:00:59Z"),
    (2**63 - 1, "9999-12-31T23:59:59Z"),
    (2**63, "9999-12-31T23:59:59Z"),
    (10**4000, "9999-12-31T23:59:59Z"),
    (-(2**63) - 1, "0001-01-01T00:00:00Z"),
    (-(10**4000), "0001-01-01T00:00:00Z"),
]

REFUSED_ANYWHERE: list[tuple[object, str]] = [
    ("nonsense", "nonsense"),
    ("", '""'),
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
"""Values that are the same in JSON and in GraphQL, and what the refusal must mention."""

REFUSED_VARIABLES = [
    *REFUSED_ANYWHERE,
    (1e300, "1e+300"),
    ({}, "{}"),
    ({"seconds": 1}, "seconds"),
]

REFUSED_LITERALS = [
    *((json.dumps(value), shown) for value, shown in REFUSED_ANYWHERE),
    ("1e300", "1e+300"),
    ("{}", "{}"),
    ("{seconds: 1}", "seconds"),
    ("SOON", "SOON"),
    ('"""nonsense"""', "nonsense"),
]

DEBATABLE: list[tuple[object, str]] = [
    ("2025-01-01t00:00:00z", "2025-01-01T00:00:00Z"),
    ("2025-01-01T00:00:00z", "2025-01-01T00:00:00Z"),
    ("2025-01-01T00:00Z", "2025-01-01T00:00:00Z"),
    ("20250101T000000Z", "2025-01-01T00:00:00Z"),
    ("2025-W01-3T00:00:00Z", "2025-01-01T00:00:00Z"),
    ("2024-12-31T24:00:00Z", "2025-01-01T00:00:00Z"),
    ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
    ("2025-01-01T00:00:00,5Z", "2025-01-01T00:00:01Z"),
    (1_735_689_600.0, "2025-01-01T00:00:00Z"),
]
"""Spellings that some of the standards around ISO 8601 know, and what they mean there."""


BY_VARIABLE = """
    query ($at: DateTime!) {
      sessionMetrics(orgId: "org-1", filters: { timeAfter: $at, timeBefore: $at }) {
        period { startsAt endsAt }
      }
    }
"""
"""Asks for the empty period at an instant."""


def by_literal(literal: str) -> str:
    """Return the same question with the instant spelled out."""
    return BY_VARIABLE.replace("query ($at: DateTime!)", "").replace("$at", literal)


def at(moment: str) -> dict[str, Any]:
    """Return the answer for the empty period at a moment."""
    return {"data": {"sessionMetrics": {"period": {"startsAt": moment, "endsAt": moment}}}}


def refusals(answered: dict[str, Any]) -> list[str]:
    """Return the messages of an answer that must hold errors of the caller's, and nothing else."""
    assert "data" not in answered
    assert {error["extensions"]["code"] for error in answered["errors"]} == {"BAD_USER_INPUT"}
    return [error["message"] for error in answered["errors"]]


@pytest.mark.parametrize(("value", "moment"), TAKEN)
def test_an_instant_as_a_variable(ask: Ask, value: object, moment: str) -> None:
    """It means the moment it names, or the nearest one in the years 1 to 9999."""
    assert ask(BY_VARIABLE, {"at": value}) == at(moment)


@pytest.mark.parametrize(("value", "moment"), TAKEN)
def test_an_instant_as_a_literal(ask: Ask, value: object, moment: str) -> None:
    """It means what it means as a variable."""
    assert ask(by_literal(json.dumps(value))) == at(moment)


@pytest.mark.parametrize(("value", "shown"), REFUSED_VARIABLES)
def test_a_bad_variable_is_named(ask: Ask, value: object, shown: str) -> None:
    """The refusal names the variable, and shows what it was."""
    (message,) = refusals(ask(BY_VARIABLE, {"at": value}))

    assert "'$at'" in message
    assert shown.lower() in message.lower()


@pytest.mark.parametrize(("literal", "shown"), REFUSED_LITERALS)
def test_a_bad_literal_is_shown(ask: Ask, literal: str, shown: str) -> None:
    """Each refusal shows what was written: here it stands in two places."""
    messages = refusals(ask(by_literal(literal)))

    assert len(messages) == 2
    for message in messages:
        assert shown.lower() in message.lower()


def test_a_bad_instant_in_the_filters_is_found_by_its_place(ask: Ask) -> None:
    """Where the filters are one variable, each refusal names the field inside."""
    query = """
        query ($filters: SessionMetricsFilters!) {
          sessionMetrics(orgId: "org-1", filters: $filters) { __typename }
        }
    """
    filters = {"timeAfter": "yesterday", "timeBefore": 0.5}
    after, before = refusals(ask(query, {"filters": filters}))

    assert ".timeAfter" in after
    assert '"yesterday"' in after
    assert ".timeBefore" in before
    assert "0.5" in before


def test_a_long_instant_is_cut_short_in_the_refusal(ask: Ask) -> None:
    """An answer does not grow with the nonsense it refuses."""
    (message,) = refusals(ask(BY_VARIABLE, {"at": "x" * 50_000}))

    assert len(message) < 500
    assert "…" in message


@pytest.mark.parametrize(("value", "moment"), DEBATABLE)
def test_a_debatable_spelling_is_right_or_refused(ask: Ask, value: object, moment: str) -> None:
    """What not every reader of ISO 8601 takes is never taken for something else."""
    for answered in (ask(BY_VARIABLE, {"at": value}), ask(by_literal(json.dumps(value)))):
        assert answered == at(moment) or all(
            "DateTime" in message for message in refusals(answered)
        )


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("digits", [4300, 4301, 20_000])
def test_an_integer_literal_too_long_for_python_is_not_an_error_of_ours(
    ask: Ask, sign: str, digits: int
) -> None:
    """It counts as the nearest instant inside, as any other integer, or is refused."""
    answered = ask(by_literal(sign + "9" * digits))

    if "data" in answered:
        assert answered == at("0001-01-01T00:00:00Z" if sign else "9999-12-31T23:59:59Z")
    else:
        assert all("DateTime" in message for message in refusals(answered))


def test_a_variable_may_have_an_instant_as_its_default(ask: Ask) -> None:
    """A default is read as a literal is, and refused as one."""
    query = BY_VARIABLE.replace("DateTime!", 'DateTime! = "2025-01-01T00:00:00Z"')
    assert ask(query) == at("2025-01-01T00:00:00Z")

    query = BY_VARIABLE.replace("DateTime!", 'DateTime! = "new year"')
    assert "new year" in refusals(ask(query))[0]


@pytest.mark.parametrize(
    "declared", ["Int!", "String!", "Float!", "ID!", "DateTime", "[DateTime!]!"]
)
def test_a_variable_of_another_type_is_refused(ask: Ask, declared: str) -> None:
    """GraphQL's own rule: a variable has the type of the place it is used in."""
    query = BY_VARIABLE.replace("$at: DateTime!", f"$at: {declared}")

    for message in refusals(ask(query, {"at": 0})):
        assert f"type '{declared}'" in message
        assert "'DateTime!'" in message


@given(st.integers(MIN_INSTANT, MAX_INSTANT))
def test_what_is_shown_can_be_asked_for(instant: int) -> None:
    """Every instant comes back from its own spelling, which is as long as any other."""
    shown = serialize_instant(instant)

    assert parse_instant(shown) == instant
    assert len(shown) == len("0001-01-01T00:00:00Z")


@given(
    st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(2500, 1, 1)),  # noqa: DTZ001 - the offset is drawn too
    st.integers(-1439, 1439),
)
def test_fractions_round_up_whatever_the_offset(moment: datetime, minutes: int) -> None:
    """The instant is the first whole second that is not before the moment."""
    text = moment.replace(tzinfo=timezone(timedelta(minutes=minutes))).isoformat()
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001 - offsets are added by hand, beyond year 1 too
    micros = (moment - epoch) // timedelta(microseconds=1) - minutes * 60_000_000

    assert parse_instant(text) == -(-micros // 1_000_000)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(st.characters()),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
)


@given(ANY_JSON | st.text("0123456789-+:.,TZtzW ", max_size=30))
def test_nothing_else_is_taken_or_breaks_the_reader(value: object) -> None:
    """Whatever JSON can hold is an instant or a refusal that says what was expected."""
    try:
        instant = parse_instant(value)
    except GraphQLError as refusal:
        assert "expected ISO 8601" in refusal.message  # noqa: PT017 - either outcome is fine
    else:
        assert isinstance(instant, int)


def test_the_epoch_is_the_epoch() -> None:
    """An instant counts the seconds that the standard library counts."""
    moment = datetime(2025, 6, 30, 12, 34, 56, tzinfo=UTC)

    assert parse_instant(moment.isoformat()) == moment.timestamp()
    assert serialize_instant(int(moment.timestamp())) == "2025-06-30T12:34:56Z"
