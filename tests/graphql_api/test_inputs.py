"""The arguments of a query: what each value means, and how refused ones are named."""

import json
from typing import Any

import pytest

from tests.conftest import Gateway
from tests.graphql_api.both_ways import BothWays
from tests.graphql_api.client import post_body
from tests.graphql_api.conftest import Execute

QUERY = """
    query ($org: ID!, $filters: SessionMetricsFilters!) {
      sessionMetrics(orgId: $org, filters: $filters) { sessionsCreatedCount }
    }
"""
ALL_SESSIONS = {"timeAfter": 0, "timeBefore": 10}

ID_REASON = "must not contain NUL or unpaired surrogates."
UNSTORABLE = ["\0", "user\0-1"]


def counted(sessions: int) -> dict[str, Any]:
    """Return the response with a count of sessions."""
    return {"data": {"sessionMetrics": {"sessionsCreatedCount": sessions}}}


def filtered(**filters: object) -> dict[str, Any]:
    """Return variables with more filters for all sessions of org-1."""
    return {"org": "org-1", "filters": ALL_SESSIONS | filters}


def refusal(body: dict[str, Any]) -> dict[str, Any]:
    """Return the one error of a response; it must be the client's."""
    (error,) = body["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    found: dict[str, Any] = error
    return found


@pytest.mark.parametrize(
    ("filters", "sessions"),
    [
        ({}, 10),
        # Absent or null restricts nothing; an empty list matches nothing.
        ({"userIds": None, "serviceUserIds": None, "playbookIds": None}, 10),
        ({"origins": None, "sizes": None, "hasMergedPr": None}, 10),
        ({"playbookIds": []}, 0),
        ({"origins": []}, 0),
        ({"sizes": []}, 0),
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
        ({"userIds": ["user-1"], "playbookIds": ["playbook-1"]}, 2),
        ({"userIds": ["user-1"], "serviceUserIds": ["x"], "playbookIds": ["playbook-1"]}, 2),
        ({"userIds": ["user-1"], "origins": ["OTHER"]}, 3),
        ({"origins": ["SLACK"], "sizes": ["XL"]}, 0),
        ({"origins": ["SLACK"], "sizes": ["S"], "hasMergedPr": True}, 3),
        ({"playbookIds": ["playbook-1"], "hasMergedPr": False}, 0),
        ({"playbookIds": ["playbook-1"]}, 3),
        ({"playbookIds": ["playbook-1", "playbook-2"]}, 3),
        ({"playbookIds": [""]}, 0),
        # Values of an enum; `OTHER` has the origins and sizes that are not public.
        ({"origins": ["SLACK"]}, 3),
        ({"origins": ["OTHER"]}, 7),
        ({"origins": ["OTHER", "SLACK", "SLACK"]}, 10),
        ({"sizes": ["S", "XL"]}, 10),
        ({"sizes": ["XS", "M", "L", "OTHER"]}, 0),
        ({"hasMergedPr": True}, 3),
        ({"hasMergedPr": False}, 7),
        # An id is compared as it is, without trimming, splitting or case folding.
        ({"userIds": ["user-1,service-1"]}, 0),
        ({"userIds": [" user-1"]}, 0),
        ({"userIds": ["USER-1"]}, 0),
        ({"userIds": ["%"]}, 0),
        ({"userIds": ["' OR '1'='1"]}, 0),
        ({"userIds": ["\U0001f600", "é", "e\u0301"]}, 0),
        # GraphQL coerces a single value to a list.
        ({"userIds": "user-1"}, 5),
        ({"playbookIds": "playbook-1"}, 3),
        ({"origins": "SLACK", "sizes": "S"}, 3),
        # Equal bounds make the empty period.
        ({"timeBefore": 0}, 0),
        ({"timeAfter": 10}, 0),
        # An end after the year 9999, also one in milliseconds, means no end.
        ({"timeBefore": 1_763_600_000_000}, 10),
        ({"timeAfter": 4, "timeBefore": 10**30}, 6),
        ({"timeAfter": 253_402_300_799, "timeBefore": 10**30}, 0),
        ({"timeAfter": -(10**30), "timeBefore": 10**30}, 10),
        # A bound with a fraction of a second means the next second.
        ({"timeAfter": "1970-01-01T00:00:04.5Z"}, 5),
        ({"timeBefore": "1970-01-01T00:00:04.5Z"}, 5),
    ],
)
def test_sessions_that_the_filters_match(
    execute: Execute, filters: dict[str, Any], sessions: int
) -> None:
    """Of ten sessions, five are by a user, five by a service user, three from a playbook."""
    assert execute(QUERY, filtered(**filters)) == counted(sessions)


@pytest.mark.parametrize(
    ("argument", "bounds"),
    [
        ("filters.timeBefore", {"timeAfter": 10, "timeBefore": 9}),
        ("filters.timeBefore", {"timeAfter": -(10**30), "timeBefore": -(10**30) - 1}),
        ("filters.timeBefore", {"timeAfter": "2025-01-01T00:00:00Z", "timeBefore": 0}),
        (
            "filters.timeBefore",
            {"timeAfter": "2025-01-01T00:00:00Z", "timeBefore": "2025-01-01T00:30:00+01:00"},
        ),
    ],
)
def test_reversed_bounds_are_refused(
    execute: Execute, argument: str, bounds: dict[str, Any]
) -> None:
    """The message and the extensions of the error name the bound by its path."""
    body = execute(QUERY, filtered(**bounds))
    error = refusal(body)

    assert body["data"] == {"sessionMetrics": None}
    assert error["extensions"]["argument"] == argument
    assert error["message"].startswith(f"`{argument}` must not be earlier than the start")
    assert error["path"] == ["sessionMetrics"]


MILLISECONDS = 1_763_600_000_000
NOT_MILLISECONDS = (
    "`filters.timeAfter` must not be after the year 9999:"
    " Unix seconds are expected, not milliseconds."
)


@pytest.mark.parametrize(
    "after", [MILLISECONDS, 253_402_300_800, MILLISECONDS * 10**3, MILLISECONDS * 10**6, 10**4000]
)
@pytest.mark.parametrize("before", [10, MILLISECONDS + 1])
def test_a_start_in_milliseconds_is_refused(execute: Execute, after: int, before: int) -> None:
    """As it is in smaller units, and by its own argument even if the end is earlier."""
    bounds = {"timeAfter": after, "timeBefore": before}
    literal = f"{{timeAfter: {after}, timeBefore: {before}}}"
    document = f'{{ sessionMetrics(orgId: "org-1", filters: {literal}) {{ __typename }} }}'
    for body in (execute(QUERY, filtered(**bounds)), execute(document)):
        assert body["data"] == {"sessionMetrics": None}
        assert refusal(body)["message"] == NOT_MILLISECONDS
        assert refusal(body)["extensions"]["argument"] == "filters.timeAfter"
        assert refusal(body)["path"] == ["sessionMetrics"]


def test_milliseconds_are_refused_in_every_way(
    both_ways: BothWays, enterprise_both_ways: BothWays
) -> None:
    """On the fast path and on graphql-core, for the enterprise, under an alias, for series."""
    filters = f"filters: {{timeAfter: {MILLISECONDS}, timeBefore: {MILLISECONDS + 1}}}"
    selection = """{
      sessionsCreatedCount timeSeries(interval: DAY) { sessionsCreatedCount }
      previousPeriod { sessionsCreatedCount }
    }"""
    organization = both_ways.execute(
        f'{{ now: sessionMetrics(orgId: "org-1", {filters}) {selection} __typename }}'
    )
    enterprise = enterprise_both_ways.execute(
        f"{{ now: enterpriseSessionMetrics({filters}) {selection} __typename }}"
    )
    for responses in (organization, enterprise):
        responses.check_equal()
        body = responses.fast_path.body
        assert body["data"] == {"now": None, "__typename": "Query"}
        assert refusal(body)["message"] == NOT_MILLISECONDS
        assert refusal(body)["path"] == ["now"]


@pytest.mark.parametrize("spelled", [1_763_600_000_000.0, "1763600000000", "1763600000", 1e300])
@pytest.mark.parametrize("name", ["timeAfter", "timeBefore"])
def test_numbers_other_than_integers_are_refused(
    execute: Execute, name: str, spelled: object
) -> None:
    """Floats and texts; the error names the formats."""
    body = execute(QUERY, filtered(**{name: spelled}))

    assert "data" not in body
    message = refusal(body)["message"]
    assert f".{name}" in message
    assert "expected ISO 8601 with an offset" in message
    assert "or integer Unix seconds" in message


@pytest.mark.parametrize("name", ["userIds", "serviceUserIds", "playbookIds"])
def test_more_than_a_thousand_ids_are_refused(execute: Execute, name: str) -> None:
    """The error names the filter, the limit and the count; duplicates count, too."""
    for ids in ([f"user-{number}" for number in range(1001)], ["user-1"] * 1001):
        error = refusal(execute(QUERY, filtered(**{name: ids})))

        assert error["extensions"]["argument"] == f"filters.{name}"
        assert error["message"] == f"`filters.{name}` must have at most 1000 ids, not 1001."


def test_a_thousand_ids_of_each_kind_are_accepted(execute: Execute) -> None:
    """The limit holds for each list, with ids as long as real ones."""
    users = [f"google-oauth2|{number:021}" for number in range(999)]
    services = [f"service-user-{number:016x}" for number in range(999)]
    filters = {"userIds": [*users, "user-1"], "serviceUserIds": [*services, "service-1"]}
    playbooks = [*(f"p{number}" for number in range(999)), "playbook-1"]

    assert execute(QUERY, filtered(**filters)) == counted(10)
    assert execute(QUERY, filtered(**filters, playbookIds=playbooks)) == counted(3)


@pytest.mark.parametrize("unstorable", UNSTORABLE)
@pytest.mark.parametrize("name", ["userIds", "serviceUserIds", "playbookIds"])
def test_an_id_that_no_database_can_store_is_refused(
    execute: Execute, name: str, unstorable: str
) -> None:
    """The error names the filter."""
    body = execute(QUERY, filtered(**{name: ["user-1", unstorable]}))

    assert body["data"] == {"sessionMetrics": None}
    assert refusal(body)["extensions"]["argument"] == f"filters.{name}"
    assert refusal(body)["message"] == f"`filters.{name}` {ID_REASON}"


@pytest.mark.parametrize("unstorable", UNSTORABLE)
@pytest.mark.parametrize("enterprise", [False, True])
def test_an_organization_that_no_database_can_store_is_refused(
    shared: Gateway, execute: Execute, unstorable: str, *, enterprise: bool
) -> None:
    """For callers of both levels, before their permissions are checked."""
    variables = {"org": unstorable, "filters": ALL_SESSIONS}
    if enterprise:
        request = {"query": QUERY, "variables": variables}
        body = post_body(shared, shared.token(), request).json()
    else:
        body = execute(QUERY, variables)

    assert refusal(body)["extensions"]["argument"] == "orgId"
    assert refusal(body)["message"] == f"`orgId` {ID_REASON}"


def test_an_escaped_nul_in_the_document_is_refused(execute: Execute) -> None:
    """GraphQL unescapes it."""
    query = QUERY.replace("$filters)", '{timeAfter: 0, timeBefore: 1, userIds: "\\u0000"})')
    query = query.replace(", $filters: SessionMetricsFilters!", "")

    error = refusal(execute(query, {"org": "org-1"}))

    assert error["extensions"]["argument"] == "filters.userIds"


@pytest.mark.parametrize("given", [7, "7"], ids=["integer", "text"])
def test_an_id_may_be_given_as_an_integer(gateway: Gateway, given: object) -> None:
    """GraphQL's `ID` accepts both, and both are the text `7`."""
    gateway.load(
        [
            {"org_id": "7", "session_id": "a", "created_at": 0, "user_id": "7"},
            {"org_id": "7", "session_id": "b", "created_at": 0, "service_user_id": "7"},
            {"org_id": "7", "session_id": "c", "created_at": 0, "playbook_id": "7"},
        ]
    )
    token = gateway.token("7")
    for name in ("userIds", "serviceUserIds", "playbookIds"):
        literal = f"{{timeAfter: 0, timeBefore: 1, {name}: {json.dumps(given)}}}"
        variables = {"org": given, "filters": {"timeAfter": 0, "timeBefore": 1, name: given}}

        document = f"{{ sessionMetrics(orgId: {json.dumps(given)}, filters: {literal})"
        document += " { sessionsCreatedCount } }"
        assert gateway.graphql(document, token).json() == counted(1)
        assert gateway.graphql(QUERY, token, variables).json() == counted(1)


@pytest.mark.parametrize("given", [10**30, -1])
def test_any_integer_is_an_id(execute: Execute, given: int) -> None:
    """Of any size: it is only text."""
    assert execute(QUERY, filtered(playbookIds=given, userIds=[given])) == counted(0)


@pytest.mark.parametrize(
    ("filters", "named"),
    [
        # Missing.
        ({"timeAfter": 0}, ["'timeBefore'", "required"]),
        ({"timeBefore": 0}, ["'timeAfter'", "required"]),
        ({"timeAfter": 0, "timeBefore": None}, [".timeBefore", "DateTime!"]),
        (None, ["SessionMetricsFilters!"]),
        # Unknown, with a suggestion for a similar name.
        (ALL_SESSIONS | {"teamIds": []}, ["'teamIds'"]),
        (ALL_SESSIONS | {"user_ids": []}, ["'user_ids'", "Did you mean 'userIds'"]),
        # Of the wrong type.
        ("org-1", ["SessionMetricsFilters", "'org-1'"]),
        ([ALL_SESSIONS], ["SessionMetricsFilters"]),
        (ALL_SESSIONS | {"userIds": [None]}, [".userIds[0]", "ID!"]),
        (ALL_SESSIONS | {"userIds": ["a", True]}, [".userIds[1]", "ID"]),
        (ALL_SESSIONS | {"userIds": ["a", 1.5]}, [".userIds[1]", "ID", "1.5"]),
        (ALL_SESSIONS | {"userIds": [["a"]]}, [".userIds[0]", "ID"]),
        (ALL_SESSIONS | {"userIds": {"id": "a"}}, [".userIds", "ID"]),
        (ALL_SESSIONS | {"serviceUserIds": False}, [".serviceUserIds", "ID"]),
        (ALL_SESSIONS | {"playbookId": "a"}, ["'playbookId'", "Did you mean 'playbookIds'"]),
        (ALL_SESSIONS | {"playbookIds": ["a", None]}, [".playbookIds[1]", "ID!"]),
        (ALL_SESSIONS | {"playbookIds": True}, [".playbookIds", "ID"]),
        (ALL_SESSIONS | {"origins": ["slack"]}, [".origins[0]", "'SLACK'"]),
        (ALL_SESSIONS | {"origins": ["SCHEDULED"]}, [".origins[0]", "SessionOrigin"]),
        (ALL_SESSIONS | {"origins": [None]}, [".origins[0]", "SessionOrigin!"]),
        (ALL_SESSIONS | {"sizes": [1]}, [".sizes[0]", "SessionSize"]),
        (ALL_SESSIONS | {"sizes": ["XXL"]}, [".sizes[0]", "SessionSize"]),
        (ALL_SESSIONS | {"hasMergedPr": "true"}, [".hasMergedPr", "Boolean"]),
        (ALL_SESSIONS | {"hasMergedPr": 1}, [".hasMergedPr", "Boolean"]),
    ],
)
def test_filters_of_another_type_are_refused(
    execute: Execute, filters: object, named: list[str]
) -> None:
    """Nothing is executed; the error names the variable, the field in it, and its type."""
    body = execute(QUERY, {"org": "org-1", "filters": filters})

    assert "data" not in body
    for word in ["'$filters'", *named]:
        assert word in refusal(body)["message"]
    assert refusal(body)["locations"]


@pytest.mark.parametrize(
    ("org", "named"),
    [(None, "ID!"), (True, "ID"), (1.5, "1.5"), ([], "ID"), (["org-1"], "org-1"), ({}, "ID")],
)
def test_an_organization_of_another_type_is_refused(
    execute: Execute, org: object, named: str
) -> None:
    """The error names the variable and its type."""
    body = execute(QUERY, {"org": org, "filters": ALL_SESSIONS})

    assert "data" not in body
    assert "'$org'" in refusal(body)["message"]
    assert named in refusal(body)["message"]


def test_missing_variables_are_all_named(execute: Execute) -> None:
    """Each has an error of its own; undeclared variables are ignored."""
    body = execute(QUERY, {"organization": "org-1", "other": "\0"})

    assert [error["extensions"] for error in body["errors"]] == [
        {"code": "BAD_USER_INPUT"},
        {"code": "BAD_USER_INPUT"},
    ]
    assert "'$org'" in body["errors"][0]["message"]
    assert "'$filters'" in body["errors"][1]["message"]


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
        ('orgId: "a", filters: {timeAfter: 0, timeBefore: 1, origins: ["SLACK"]}', ["SLACK"]),
        ('orgId: "a", filters: {timeAfter: 0, timeBefore: 1, sizes: XXL}', ["'XXL'"]),
        ('orgId: "a", filters: {timeAfter: 0, timeBefore: 1, hasMergedPr: "a"}', ["Boolean"]),
        ('orgId: "a", filters: $filters', ["'$filters'"]),
    ],
)
def test_arguments_of_another_type_are_refused(
    execute: Execute, arguments: str, named: list[str]
) -> None:
    """Nothing is executed; each error names its argument and has a location in the document."""
    parentheses = f"({arguments})" if arguments else ""
    body = execute(f"{{ sessionMetrics{parentheses} {{ sessionsCreatedCount }} }}")

    assert "data" not in body
    assert {error["extensions"]["code"] for error in body["errors"]} == {"BAD_USER_INPUT"}
    assert all(error["locations"] for error in body["errors"])
    messages = " ".join(error["message"] for error in body["errors"])
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
def test_a_variable_as_the_value_of_a_filter(
    execute: Execute, declared: str, variables: dict[str, Any], sessions: int
) -> None:
    """Null, absent, and a default mean the same as for the filter itself."""
    query = f"""
        query ({declared}) {{
          sessionMetrics(
            orgId: "org-1", filters: {{ timeAfter: 0, timeBefore: 10, userIds: $ids }}
          ) {{ sessionsCreatedCount }}
        }}
    """
    assert execute(query, variables) == counted(sessions)


def test_null_in_place_of_a_default_is_refused_by_a_non_null_filter(execute: Execute) -> None:
    """GraphQL finds this only when it executes the field, so the response also has data."""
    query = """
        query ($at: DateTime = 0) {
          mine: sessionMetrics(orgId: "org-1", filters: { timeAfter: $at, timeBefore: 10 }) {
            sessionsCreatedCount
          }
        }
    """
    assert execute(query)["data"] == {"mine": {"sessionsCreatedCount": 10}}

    body = execute(query, {"at": None})

    assert body["data"] == {"mine": None}
    assert "'$at'" in refusal(body)["message"]
    assert refusal(body)["path"] == ["mine"]
