"""What is logged of a request, for people and for machines; and slow questions."""

import json
import logging
import re
from typing import Any

import pytest

from metrics_graphql.observability import LogFormat, formatter
from tests.conftest import Gateway, on_every_engine, only_sqlite

SESSION = {"org_id": "org-1", "session_id": "s", "created_at": 15, "user_id": "user-1"}
PERIOD = {"time_after": 10, "time_before": 20}
NAMED = 'query Counts { sessionMetrics(orgId: "org-1", filters: {timeAfter: 10, timeBefore: 20}) { sessionsCreatedCount } }'  # noqa: E501 - one text
NEW_ID = re.compile("[0-9a-f]{16}")


@pytest.fixture(autouse=True)
def _logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "metrics_graphql")


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return what was logged of requests as JSON."""
    return [
        json.loads(line)
        for record in caplog.records
        if record.name == "metrics_graphql.requests"
        for line in record.getMessage().splitlines()
    ]


def test_each_request_has_a_line(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    """It says who was asked what, how it ended, and what it took."""
    gateway.load([SESSION])
    token = gateway.token("org-1")
    with gateway.configured(log_format="json") as other:
        answers = [
            other.rest("org-1", token, **PERIOD),
            other.rest("org-1", token, **PERIOD),
            other.graphql(NAMED, token),
            other.rest("org-1", token, **PERIOD, user_ids="u", service_user_ids="s"),
            other.request("GET", "/livez", None),
            other.request("GET", "/", None),
            other.request("GET", "/graphql", None, headers={"accept": "text/html"}),
            other.request("GET", "/no where?x=y", None),
        ]
    found = lines(caplog)
    told = [(line["door"], line["status"], line["rows"], line["org"]) for line in found]

    assert told == [
        ("rest", 200, "rollups", "org-1"),
        ("rest", 200, "cache", "org-1"),
        ("graphql", 200, "rollups", "org-1"),
        ("rest", 200, "raw", "org-1"),
        ("health", 200, "none", None),
        ("page", 200, "none", None),
        ("page", 200, "none", None),
        ("none", 404, "none", None),
    ]
    assert [line["operation"] for line in found[:3]] == [None, None, "Counts"]
    assert (found[0]["method"], found[0]["path"]) == ("GET", answers[0].request.url.path)
    assert found[-1]["path"] == "/no%20where"
    assert found[0]["statements"] > found[1]["statements"] > found[4]["statements"] == 0
    assert found[0]["ms"] >= found[0]["sql_ms"] > 0
    assert found[0]["timestamp"].endswith("Z")
    ids = [line["request_id"] for line in found]
    assert ids == [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == len(answers)


@only_sqlite
def test_the_same_line_for_people(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    """A word for each value; who asks can't add another."""
    with gateway.configured() as other:
        other.request("GET", "/x status=200%0A", None, headers={"x-request-id": "abc"})
    (line,) = [record.getMessage() for record in caplog.records if "abc" in record.getMessage()]

    assert " GET /x%20status%3D200%0A status=404 door=none org=- operation=- rows=none ms=" in line
    assert line.endswith(" request_id=abc")


@only_sqlite
@pytest.mark.parametrize(
    ("given", "is_taken"),
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
def test_a_request_keeps_the_id_that_it_came_with(
    gateway: Gateway,
    given: str,
    is_taken: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    """If it is short, plain, and could be no token; else it gets one."""
    answer = gateway.request("GET", "/livez", None, headers={"x-request-id": given.encode()})

    assert (answer.headers["x-request-id"] == given) is is_taken
    assert is_taken or NEW_ID.fullmatch(answer.headers["x-request-id"])


@only_sqlite
def test_an_organization_that_may_not_be_read_is_not_logged_as_one(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """It could be anything that was sent to us."""
    token = gateway.token("org-1")
    with gateway.configured(log_format="json") as other:
        assert other.rest("org-2", token, **PERIOD).status_code == 403
        other.graphql(NAMED.replace("org-1", "org-2"), token)

    assert [line["org"] for line in lines(caplog)] == [None, None]


@on_every_engine
def test_a_slow_question_is_logged_with_its_plan(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """SQL without values, and how the engine goes about the slowest statement."""
    gateway.load([SESSION])
    token = gateway.token("org-1")
    with gateway.configured(slow_seconds=1e-9) as other:
        answer = other.rest("org-1", token, **PERIOD, user_ids="user-1", service_user_ids="robot-1")
    (slow,) = [record for record in caplog.records if record.getMessage() == "Slow question"]
    told = json.loads(formatter("json").format(slow))
    text = json.dumps([told["statements"], told["plan"]])

    assert answer.status_code == 200
    assert (told["org"], told["door"]) == ("org-1", "rest")
    assert told["request_id"] == answer.headers["x-request-id"]
    assert any("sessions" in each["sql"] for each in told["statements"])
    assert re.search("SEARCH|Index|ReadFrom|Scan", " ".join(told["plan"])), told["plan"]
    for value in ("org-1", "user-1", "robot-1"):
        assert value not in text


@only_sqlite
def test_a_question_that_is_not_slow_is_not_logged_as_one(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor is any, where 0 says so; and of many at once, one is."""
    token = gateway.token("org-1")
    for seconds, told in ((60, 0), (0, 0), (1e-9, 1)):
        caplog.clear()
        with gateway.configured(slow_seconds=seconds) as other:
            for _ in range(3):
                other.rest("org-1", token, **PERIOD)
        assert caplog.text.count("Slow question") == told


@only_sqlite
def test_a_plan_that_can_not_be_had_is_not_missed(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statements are told all the same."""

    async def broken(*_: object) -> list[str]:
        raise RuntimeError("broken")

    monkeypatch.setattr(type(gateway.database), "explain", broken)
    with gateway.configured(slow_seconds=1e-9) as other:
        other.rest("org-1", gateway.token("org-1"), **PERIOD)

    assert "A slow question could not be explained" in caplog.text
    assert "Slow question" in caplog.text


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_shows_no_values(log_format: LogFormat) -> None:
    """They could be anything that was sent to us; what is said of an error is said."""
    secret = "of-nobody's-business"
    record = None
    try:
        int(f"not {len(secret)}")
    except ValueError as error:
        exc_info = (type(error), error, error.__traceback__)
        record = logging.LogRecord("metrics_graphql", 40, "f", 1, "Oh %s", ("no",), exc_info)
    assert record is not None
    line = formatter(log_format).format(record)

    assert secret not in line
    assert "Oh no" in line
    assert "not 20" in line
    assert log_format == "console" or json.loads(line)["level"] == "error"
