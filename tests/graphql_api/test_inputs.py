"""The arguments of a question: what each value means, and which place a refusal names."""

import json
from typing import Any

import pytest

from tests.conftest import Gateway
from tests.graphql_api.conftest import Ask

QUESTION = """
    query ($org: ID!, $filters: SessionMetricsFilters!) {
      sessionMetrics(orgId: $org, filters: $filters) { sessionsCreatedCount }
    }
"""
EVERYTHING = {"timeAfter": 0, "timeBefore": 10}

ID_REASON = "must not contain NUL or unpaired surrogates."
UNSTORABLE = ["\0", "user\0-1"]


def counted(sessions: int) -> dict[str, Any]:
    """Return the answer that counts so many sessions."""
    return {"data": {"sessionMetrics": {"sessionsCreatedCount": sessions}}}


def filtered(**filters: object) -> dict[str, Any]:
    """Return the variables that ask for everything that some more filters match."""
    return {"org": "org-1", "filters": EVERYTHING | filters}


def refusal(answered: dict[str, Any]) -> dict[str, Any]:
    """Return the one error of an answer; it must be the caller's."""
    (error,) = answered["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    found: dict[str, Any] = error
    return found


@pytest.mark.parametrize(
    ("filters", "sessions"),
    [
        ({}, 10),
        # Absent or null restricts nothing; an empty list matches nothing.
        ({"userIds": None, "serviceUserIds": None, "playbookId": None}, 10),
        ({"userIds": []}, 0),
        ({"serviceUserIds": []}, 0),
        ({"userIds": [], "serviceUserIds": []}, 0),
        ({"userIds": [], "serviceUserIds": None}, 0),
        ({"userIds": [], "serviceUserIds": ["service-1"]}, 5),
        ({"userIds": ["user-1"], "serviceUserIds": []}, 5),
        ({"userIds": ["user-1"], "serviceUserIds": ["service-1"]}, 10),
        ({"userIds": ["user-1", "user-1", "nobody"]}, 5),
        ({"userIds": ["service-1"]}, 0),
        # Filters of different kinds must all match.
        ({"userIds": ["user-1"], "playbookId": "playbook-1"}, 2),
        ({"playbookId": "playbook-1"}, 3),
        ({"playbookId": ""}, 0),
        # An id is compared as it is: no trimming, no splitting, no folding of case.
        ({"userIds": ["user-1,service-1"]}, 0),
        ({"userIds": [" user-1"]}, 0),
        ({"userIds": ["USER-1"]}, 0),
        ({"userIds": ["%"]}, 0),
        ({"userIds": ["' OR '1'='1"]}, 0),
        ({"userIds": ["\U0001f600", "é", "e\u0301"]}, 0),
        # GraphQL reads a single value as a list of one.
        ({"userIds": "user-1"}, 5),
        # Equal bounds make the empty period.
        ({"timeBefore": 0}, 0),
        ({"timeAfter": 10}, 0),
        ({"timeAfter": 10**30, "timeBefore": 10**30}, 0),
        ({"timeAfter": -(10**30), "timeBefore": 10**30}, 10),
        # Half a second is no session's instant, so either bound there means the next second.
        ({"timeAfter": "1970-01-01T00:00:04.5Z"}, 5),
        ({"timeBefore": "1970-01-01T00:00:04.5Z"}, 5),
    ],
)
def test_which_sessions_the_filters_match(ask: Ask, filters: dict[str, Any], sessions: int) -> None:
    """Of ten sessions, five are by a user, five by a service user, three of a playbook."""
    assert ask(QUESTION, filtered(**filters)) == counted(sessions)


@pytest.mark.parametrize(
    ("argument", "bounds"),
    [
        ("filters.timeBefore", {"timeAfter": 10, "timeBefore": 9}),
        ("filters.timeBefore", {"timeAfter": 10**30 + 1, "timeBefore": 10**30}),
        ("filters.timeBefore", {"timeAfter": "2025-01-01T00:00:00Z", "timeBefore": 0}),
        (
            "filters.timeBefore",
            {"timeAfter": "2025-01-01T00:00:00Z", "timeBefore": "2025-01-01T00:30:00+01:00"},
        ),
    ],
)
def test_reversed_bounds_are_refused(ask: Ask, argument: str, bounds: dict[str, Any]) -> None:
    """The refusal names the bound by its path, in words and for programs."""
    answered = ask(QUESTION, filtered(**bounds))
    error = refusal(answered)

    assert answered["data"] == {"sessionMetrics": None}
    assert error["extensions"]["argument"] == argument
    assert error["message"].startswith(f"`{argument}` must not be earlier than the start")
    assert error["path"] == ["sessionMetrics"]


@pytest.mark.parametrize("name", ["userIds", "serviceUserIds"])
def test_more_than_a_thousand_ids_are_refused(ask: Ask, name: str) -> None:
    """The refusal names the filter, the limit and the number given; repeated ids count too."""
    for ids in ([f"user-{number}" for number in range(1001)], ["user-1"] * 1001):
        error = refusal(ask(QUESTION, filtered(**{name: ids})))

        assert error["extensions"]["argument"] == f"filters.{name}"
        assert error["message"] == f"`filters.{name}` must have at most 1000 ids, not 1001."


def test_a_thousand_ids_of_each_kind_are_fine(ask: Ask) -> None:
    """The limit itself is allowed, for both lists at once, with ids as long as real ones."""
    users = [f"google-oauth2|{number:021}" for number in range(999)]
    services = [f"service-user-{number:016x}" for number in range(999)]
    filters = {"userIds": [*users, "user-1"], "serviceUserIds": [*services, "service-1"]}

    assert ask(QUESTION, filtered(**filters)) == counted(10)


@pytest.mark.parametrize("unstorable", UNSTORABLE)
@pytest.mark.parametrize("name", ["userIds", "serviceUserIds", "playbookId"])
def test_an_id_that_no_database_can_hold_is_refused_by_its_place(
    ask: Ask, name: str, unstorable: str
) -> None:
    """The refusal names the filter."""
    ids = unstorable if name == "playbookId" else ["user-1", unstorable]
    answered = ask(QUESTION, filtered(**{name: ids}))

    assert answered["data"] == {"sessionMetrics": None}
    assert refusal(answered)["extensions"]["argument"] == f"filters.{name}"
    assert refusal(answered)["message"] == f"`filters.{name}` {ID_REASON}"


@pytest.mark.parametrize("unstorable", UNSTORABLE)
@pytest.mark.parametrize("enterprise", [False, True])
def test_an_organization_that_no_database_can_hold_is_refused_by_its_place(
    shared: Gateway, ask: Ask, unstorable: str, *, enterprise: bool
) -> None:
    """At either level, and before the right to read is looked at."""
    asked = {"org": unstorable, "filters": EVERYTHING}
    if enterprise:
        body = json.dumps({"query": QUESTION, "variables": asked})
        headers = {"content-type": "application/json"}
        answered = shared.request(
            "POST", "/graphql", shared.token(), content=body, headers=headers
        ).json()
    else:
        answered = ask(QUESTION, asked)

    assert refusal(answered)["extensions"]["argument"] == "orgId"
    assert refusal(answered)["message"] == f"`orgId` {ID_REASON}"


def test_a_nul_spelled_out_in_the_document_is_refused_too(ask: Ask) -> None:
    """GraphQL's own escape is read before the id is looked at."""
    query = QUESTION.replace("$filters)", '{timeAfter: 0, timeBefore: 1, userIds: "\\u0000"})')
    query = query.replace(", $filters: SessionMetricsFilters!", "")

    error = refusal(ask(query, {"org": "org-1"}))

    assert error["extensions"]["argument"] == "filters.userIds"


@pytest.mark.parametrize("given", [7, "7"], ids=["integer", "text"])
def test_an_id_may_be_given_as_an_integer(gateway: Gateway, given: object) -> None:
    """GraphQL's `ID` takes both, and both are the text `7`."""
    gateway.load(
        [
            {"org_id": "7", "session_id": "a", "created_at": 0, "user_id": "7"},
            {"org_id": "7", "session_id": "b", "created_at": 0, "service_user_id": "7"},
            {"org_id": "7", "session_id": "c", "created_at": 0, "playbook_id": "7"},
        ]
    )
    token = gateway.token("7")
    for name in ("userIds", "serviceUserIds", "playbookId"):
        literal = f"{{timeAfter: 0, timeBefore: 1, {name}: {json.dumps(given)}}}"
        variables = {"org": given, "filters": {"timeAfter": 0, "timeBefore": 1, name: given}}

        spelled_out = f"{{ sessionMetrics(orgId: {json.dumps(given)}, filters: {literal})"
        spelled_out += " { sessionsCreatedCount } }"
        assert gateway.graphql(spelled_out, token).json() == counted(1)
        assert gateway.graphql(QUESTION, token, variables).json() == counted(1)


@pytest.mark.parametrize("given", [10**30, -1])
def test_any_integer_is_an_id(ask: Ask, given: int) -> None:
    """However large: it is only text."""
    assert ask(QUESTION, filtered(playbookId=given, userIds=[given])) == counted(0)


@pytest.mark.parametrize(
    ("filters", "named"),
    [
        # Missing.
        ({"timeAfter": 0}, ["'timeBefore'", "required"]),
        ({"timeBefore": 0}, ["'timeAfter'", "required"]),
        ({"timeAfter": 0, "timeBefore": None}, [".timeBefore", "DateTime!"]),
        (None, ["SessionMetricsFilters!"]),
        # Unknown, with the right name where it is near.
        (EVERYTHING | {"teamIds": []}, ["'teamIds'"]),
        (EVERYTHING | {"user_ids": []}, ["'user_ids'", "Did you mean 'userIds'"]),
        # Of the wrong type.
        ("org-1", ["SessionMetricsFilters", "'org-1'"]),
        ([EVERYTHING], ["SessionMetricsFilters"]),
        (EVERYTHING | {"userIds": [None]}, [".userIds[0]", "ID!"]),
        (EVERYTHING | {"userIds": ["a", True]}, [".userIds[1]", "ID"]),
        (EVERYTHING | {"userIds": ["a", 1.5]}, [".userIds[1]", "ID", "1.5"]),
        (EVERYTHING | {"userIds": [["a"]]}, [".userIds[0]", "ID"]),
        (EVERYTHING | {"userIds": {"id": "a"}}, [".userIds", "ID"]),
        (EVERYTHING | {"serviceUserIds": False}, [".serviceUserIds", "ID"]),
        (EVERYTHING | {"playbookId": []}, [".playbookId", "ID"]),
        (EVERYTHING | {"playbookId": ["a"]}, [".playbookId", "ID"]),
        (EVERYTHING | {"playbookId": True}, [".playbookId", "ID"]),
    ],
)
def test_filters_that_do_not_fit_the_schema_are_refused_by_their_place(
    ask: Ask, filters: object, named: list[str]
) -> None:
    """Nothing is asked; the refusal names the variable, the field in it, and what it takes."""
    answered = ask(QUESTION, {"org": "org-1", "filters": filters})

    assert "data" not in answered
    for word in ["'$filters'", *named]:
        assert word in refusal(answered)["message"]
    assert refusal(answered)["locations"]


@pytest.mark.parametrize(
    ("org", "named"),
    [(None, "ID!"), (True, "ID"), (1.5, "1.5"), ([], "ID"), (["org-1"], "org-1"), ({}, "ID")],
)
def test_an_organization_of_another_type_is_refused(ask: Ask, org: object, named: str) -> None:
    """The refusal names the variable and what it takes."""
    answered = ask(QUESTION, {"org": org, "filters": EVERYTHING})

    assert "data" not in answered
    assert "'$org'" in refusal(answered)["message"]
    assert named in refusal(answered)["message"]


def test_missing_variables_are_all_named(ask: Ask) -> None:
    """Each has an error of its own; variables that are not declared are not looked at."""
    answered = ask(QUESTION, {"organization": "org-1", "other": "\0"})

    assert [error["extensions"] for error in answered["errors"]] == [
        {"code": "BAD_USER_INPUT"},
        {"code": "BAD_USER_INPUT"},
    ]
    assert "'$org'" in answered["errors"][0]["message"]
    assert "'$filters'" in answered["errors"][1]["message"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("", ["sessionMetrics(orgId:)", "sessionMetrics(filters:)"]),
        ('orgId: "org-1"', ["sessionMetrics(filters:)"]),
        ("filters: {timeAfter: 0, timeBefore: 1}", ["sessionMetrics(orgId:)"]),
        ('orgId: "org-1", filters: null', ["SessionMetricsFilters!"]),
        ("orgId: null, filters: {timeAfter: 0, timeBefore: 1}", ["ID!"]),
        ("orgId: org, filters: {timeAfter: 0, timeBefore: 1}", ["ID cannot represent", "org"]),
        ("orgId: 1.5, filters: {timeAfter: 0, timeBefore: 1}", ["ID cannot represent", "1.5"]),
        ('orgId: "a", filters: {timeAfter: 0}', ["'timeBefore'"]),
        ('orgId: "a", filters: {timeAfter: 0, timeBefore: 1, team: 1}', ["'team'"]),
        ('orgId: "a", filters: {timeAfter: 0, timeBefore: 1, timeAfter: 1}', ["'timeAfter'"]),
        ('orgId: "a", team: 1, filters: {timeAfter: 0, timeBefore: 1}', ["'team'"]),
        ('orgId: "a", org_id: "a", filters: {timeAfter: 0, timeBefore: 1}', ["'orgId'"]),
        ('orgId: "a", orgId: "b", filters: {timeAfter: 0, timeBefore: 1}', ["'orgId'"]),
        ('orgId: "a", filters: {timeAfter: 0, timeBefore: 1, userIds: [null]}', ["'ID!'"]),
        ('orgId: "a", filters: {timeAfter: 0, timeBefore: 1, userIds: [a]}', ["ID", "a"]),
        ('orgId: "a", filters: {timeAfter: 0, timeBefore: 1, userIds: [$a]}', ["'$a'"]),
        ('orgId: "a", filters: $filters', ["'$filters'"]),
    ],
)
def test_arguments_that_do_not_fit_the_schema_are_refused(
    ask: Ask, arguments: str, named: list[str]
) -> None:
    """Nothing is asked; each refusal names its argument and points at a place in the document."""
    parentheses = f"({arguments})" if arguments else ""
    answered = ask(f"{{ sessionMetrics{parentheses} {{ sessionsCreatedCount }} }}")

    assert "data" not in answered
    assert {error["extensions"]["code"] for error in answered["errors"]} == {"BAD_USER_INPUT"}
    assert all(error["locations"] for error in answered["errors"])
    messages = " ".join(error["message"] for error in answered["errors"])
    for word in named:
        assert word in messages


@pytest.mark.parametrize(
    ("declared", "variables", "sessions"),
    [
        ("$ids: [ID!]", {"ids": None}, 10),
        ("$ids: [ID!]", {}, 10),
        ("$ids: [ID!]", {"ids": []}, 0),
        ("$ids: [ID!]", {"ids": "user-1"}, 5),
        ('$ids: [ID!] = ["user-1"]', {}, 5),
        ('$ids: [ID!] = ["user-1"]', {"ids": None}, 10),
        ("$ids: [ID!]!", {"ids": ["user-1"]}, 5),
    ],
)
def test_a_variable_inside_the_filters(
    ask: Ask, declared: str, variables: dict[str, Any], sessions: int
) -> None:
    """Null, absent, and a default mean what they mean for the filter itself."""
    query = f"""
        query ({declared}) {{
          sessionMetrics(
            orgId: "org-1", filters: {{ timeAfter: 0, timeBefore: 10, userIds: $ids }}
          ) {{ sessionsCreatedCount }}
        }}
    """
    assert ask(query, variables) == counted(sessions)


def test_null_in_the_place_of_a_default_is_refused_where_null_is_not_taken(ask: Ask) -> None:
    """GraphQL finds this only when the field runs, so the answer has data beside the error."""
    query = """
        query ($at: DateTime = 0) {
          mine: sessionMetrics(orgId: "org-1", filters: { timeAfter: $at, timeBefore: 10 }) {
            sessionsCreatedCount
          }
        }
    """
    assert ask(query)["data"] == {"mine": {"sessionsCreatedCount": 10}}

    answered = ask(query, {"at": None})

    assert answered["data"] == {"mine": None}
    assert "'$at'" in refusal(answered)["message"]
    assert refusal(answered)["path"] == ["mine"]
