"""The access log: the fields of a line, in both formats, and request ids."""

import json
import logging
import re
from typing import Any

import pytest

from metrics_graphql.core.tokens import generate_token
from tests.conftest import Gateway, only_sqlite

SESSION = {"org_id": "org-1", "session_id": "s", "created_at": 15, "user_id": "user-1"}
PERIOD = {"time_after": 10, "time_before": 20}
NAMED = 'query Counts { sessionMetrics(orgId: "org-1", filters: {timeAfter: 10, timeBefore: 20}) { sessionsCreatedCount } }'  # noqa: E501 - one text
NEW_ID = re.compile("[0-9a-f]{16}")


@pytest.fixture(autouse=True)
def _log_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "metrics_graphql")


def json_lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the lines of the access log in JSON."""
    return [
        json.loads(line)
        for record in caplog.records
        if record.name == "metrics_graphql.requests"
        for line in record.getMessage().splitlines()
    ]


def test_each_request_has_a_line(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    """With its endpoint, organization, operation, outcome, cost and id."""
    gateway.load([SESSION])
    token = gateway.token("org-1")
    with gateway.configured(log_format="json") as other:
        responses = [
            other.rest("org-1", token, **PERIOD),
            other.rest("org-1", token, **PERIOD),
            other.graphql(NAMED, token),
            other.rest("org-1", token, **PERIOD, user_ids="u", service_user_ids="s"),
            other.request("GET", "/livez", None),
            other.request("GET", "/", None),
            other.request("GET", "/graphql", None, headers={"accept": "text/html"}),
            other.request("GET", "/no where?x=y", None),
        ]
    lines = json_lines(caplog)
    found = [(line["endpoint"], line["status"], line["data_source"], line["org"]) for line in lines]

    assert found == [
        ("rest", 200, "rollups", "org-1"),
        ("rest", 200, "cache", "org-1"),
        ("graphql", 200, "rollups", "org-1"),
        ("rest", 200, "raw", "org-1"),
        ("health", 200, "none", None),
        ("page", 200, "none", None),
        ("page", 200, "none", None),
        ("none", 404, "none", None),
    ]
    assert [line["operation"] for line in lines[:3]] == [None, None, "Counts"]
    assert (lines[0]["method"], lines[0]["path"]) == ("GET", responses[0].request.url.path)
    assert lines[-1]["path"] == "/no%20where"
    statements = [line["sql_statements"] for line in lines]
    assert statements[0] > statements[1] > statements[4] == 0
    assert lines[0]["duration_ms"] >= lines[0]["sql_ms"] > 0
    assert lines[0]["timestamp"].endswith("Z")
    ids = [line["request_id"] for line in lines]
    assert ids == [response.headers["x-request-id"] for response in responses]
    assert len(set(ids)) == len(responses)


@only_sqlite
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_line_names_the_caller(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, log_format: str
) -> None:
    """Of a request, a replayed one and a refused one; not without a valid token."""
    token, unknown = gateway.token("org-1"), generate_token()
    with gateway.configured(log_format=log_format, rate_limit="3/minute") as other:
        caller = other.request("GET", "/v3/self", token).json()["service_user_id"]
        statuses = [other.rest("org-1", token, **PERIOD).status_code for _ in range(3)]
        statuses.append(other.rest("org-1", unknown, **PERIOD).status_code)
    lines = [line for record in caplog.records for line in record.getMessage().splitlines()]
    requests = [line for line in lines if "request_id" in line][-5:]

    assert statuses == [200, 200, 429, 401]
    expected = f'"caller": "{caller}"' if log_format == "json" else f" caller={caller} "
    assert [expected in line for line in requests] == [True, True, True, True, False]


@only_sqlite
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_probes_are_logged_at_debug(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, path: str, log_format: str
) -> None:
    """So that the level `info` has the requests of clients only."""
    with gateway.configured(log_format=log_format, prometheus=True) as other:
        other.request("GET", path, None)
        other.request("GET", "/v3/self", None)
    probe, request = [each for each in caplog.records if each.name == "metrics_graphql.requests"]

    assert (probe.levelno, request.levelno) == (logging.DEBUG, logging.INFO)
    level = '"level": "debug"' if log_format == "json" else " [debug    ] GET "
    assert level in probe.getMessage()
    caplog.clear()
    caplog.set_level(logging.INFO, "metrics_graphql")
    with gateway.configured(log_format=log_format, prometheus=True) as other:
        other.request("GET", path, None)
    assert [each for each in caplog.records if each.name == "metrics_graphql.requests"] == []


@only_sqlite
def test_the_console_format_has_one_word_for_each_value(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """A client cannot add a field or a line by its path."""
    with gateway.configured() as other:
        other.request("GET", "/x status=200%0A", None, headers={"x-request-id": "abc"})
    (line,) = [record.getMessage() for record in caplog.records if "abc" in record.getMessage()]

    assert (
        " GET /x%20status%3D200%0A status=404 endpoint=none org=- operation=- data_source=none"
        " duration_ms="
    ) in line
    assert line.endswith(" request_id=abc")


@only_sqlite
@pytest.mark.parametrize(
    ("given", "is_used"),
    [
        ("0b8f7d8e-6a54-4a8c-9d54-3e6b8a0b7b1f", True),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", True),
        ("a.b_c-d", True),
        ("x" * 36, True),
        ("-" * 65, False),
        ("", False),
        ("a b", False),
        ('a"b', False),
        ("é", False),
        ("cog_0", False),
        ("x" * 38, False),
    ],
)
def test_a_request_id_of_the_client_is_used_if_it_is_safe(
    gateway: Gateway,
    given: str,
    is_used: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    """It must be short and plain and contain no token; else the request gets a new one."""
    response = gateway.request("GET", "/livez", None, headers={"x-request-id": given.encode()})

    assert (response.headers["x-request-id"] == given) is is_used
    assert is_used or NEW_ID.fullmatch(response.headers["x-request-id"])


@only_sqlite
def test_a_forbidden_organization_is_not_logged(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """It could be any text of the client."""
    token = gateway.token("org-1")
    with gateway.configured(log_format="json") as other:
        assert other.rest("org-2", token, **PERIOD).status_code == 403
        other.graphql(NAMED.replace("org-1", "org-2"), token)

    assert [line["org"] for line in json_lines(caplog)] == [None, None]
