"""The edges of the GraphQL door: requests that are almost right, and faults at odd moments."""

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from metrics_graphql.domain.metrics import SessionMetrics
from metrics_graphql.graphql_api.scalars import parse_instant
from metrics_graphql.service import MetricsService
from metrics_graphql.store.accounts import ServiceUser
from metrics_graphql.store.questions import Asked
from tests.conftest import Gateway

RESPONSE_JSON = "application/graphql-response+json"
NAME = {"data": {"__typename": "Query"}}


def post(
    gateway: Gateway, token: str, body: dict[str, Any] | str, accept: str = "application/json"
) -> httpx.Response:
    """Send a body as ASCII."""
    content = body if isinstance(body, str) else json.dumps(body)
    headers = {"content-type": "application/json", "accept": accept}
    return gateway.request("POST", "/graphql", token, content=content, headers=headers)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"query": "{ __typename }", "operationName": "B"}, "B"),
        ({"query": "query A { __typename }", "operationName": "B"}, "B"),
        ({"query": "query A { __typename }", "operationName": "a"}, "a"),
        ({"query": "query A { a: __typename } query B { b: __typename }"}, "operation"),
        ({"query": "query A { __typename }", "operationName": "\0"}, "peration"),
        ({"query": "fragment F on Query { __typename }"}, "'F'"),
        ({"query": "type Session { id: ID }"}, "'Session'"),
        ({"query": "mutation { load }"}, "utation"),
        ({"query": "mutation { __typename }"}, "utation"),
        ({"query": "subscription { sessions }"}, "ubscription"),
        ({"query": "query A { __typename } mutation B { a }", "operationName": "B"}, "utation"),
    ],
)
def test_a_request_without_an_operation_to_run_is_refused(
    shared: Gateway, token: str, body: dict[str, Any], named: str
) -> None:
    """Unknown, ambiguous, missing, or not a query: the refusal says which."""
    for accept, status in (("application/json", {200, 400}), (RESPONSE_JSON, {400})):
        response = post(shared, token, body, accept)

        assert response.status_code in status
        (error,) = response.json()["errors"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT"}
        assert named in error["message"]
        assert set(response.json()) == {"errors"}


@pytest.mark.parametrize("query", ["mutation { load }", "subscription { sessions }"])
def test_a_get_asks_only_queries(shared: Gateway, token: str, query: str) -> None:
    """Anything else is refused, by 400 or 405."""
    response = shared.request("GET", "/graphql", token, params={"query": query})

    assert response.status_code in {200, 400, 405}
    assert response.json()["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("application/json, application/graphql-response+json;q=0.5", "application/json"),
        ("application/graphql-response+json;q=0, application/json", "application/json"),
        ("APPLICATION/GRAPHQL-RESPONSE+JSON", RESPONSE_JSON),
        ("application/graphql-response+json-seq", "application/json"),
    ],
)
def test_the_media_type_that_is_preferred_is_answered(
    shared: Gateway, token: str, accept: str, answered: str
) -> None:
    """Quality and case as RFC 9110 has them."""
    response = post(shared, token, {"query": "{ __typename }"}, accept)

    assert response.headers["content-type"] == answered


def test_a_sum_that_graphql_can_not_show_is_our_fault(
    shared: Gateway, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Int is 32 bits; more sessions than that are not the caller's bad input."""

    async def count(
        _service: MetricsService, _caller: ServiceUser, asked: Sequence[Asked]
    ) -> list[SessionMetrics]:
        return [
            SessionMetrics({measure.name: 2**31 for measure in each.measures}) for each in asked
        ]

    monkeypatch.setattr(MetricsService, "session_metrics", count)
    question = 'sessionMetrics(orgId: "org-1", filters: { timeAfter: 0, timeBefore: 1 })'
    body = post(shared, token, {"query": f"{{ {question} {{ sessionsCreatedCount }} }}"}).json()

    assert body["errors"][0]["extensions"] == {"code": "INTERNAL"}


@pytest.mark.parametrize("accept", ["application/json", RESPONSE_JSON])
def test_a_failure_of_ours_before_execution_is_a_500(
    shared: Gateway, token: str, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    """Not a 200 or a 400 with the code INTERNAL inside."""

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("metrics_graphql.graphql_api.documents.validate", fail)
    response = post(shared, token, {"query": f"{{ __typename }} # unseen, {accept}"}, accept)

    assert response.json()["errors"][0]["extensions"] == {"code": "INTERNAL"}
    assert response.status_code == 500


def test_a_client_that_goes_away_is_not_an_error_of_ours(
    shared: Gateway, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is logged as unexpected."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [
            (b"authorization", f"Bearer {token}".encode()),
            (b"content-type", b"application/json"),
        ],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_message: object) -> None:
        pass

    async def ask() -> None:
        await shared.app(scope, receive, send)

    shared.run(ask())

    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_the_page_and_the_answer_are_told_apart_by_caches(shared: Gateway) -> None:
    """One address has two representations."""
    response = shared.request("GET", "/graphql", None, headers={"accept": "text/html"})

    assert "accept" in response.headers.get("vary", "").lower()


@pytest.mark.parametrize(
    "body",
    [
        '{"x": "' + "]" * 45_000 + '", "query": "{ __typename }", "variables": ' + "[" * 45_000,
        '{"x": "' + "]" * 45_000 + '", "variables": ' + "[" * 20_000 + "]" * 20_000 + "}",
    ],
    ids=["open", "closed"],
)
def test_brackets_in_strings_do_not_hide_how_deep_json_is(
    shared: Gateway, token: str, body: str
) -> None:
    """Closing brackets inside a string close nothing."""
    response = post(shared, token, body)

    assert response.status_code == 400
    assert "nested" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("text", ["[" * 65, "{" * 65])
def test_brackets_in_strings_are_not_nesting(shared: Gateway, token: str, text: str) -> None:
    """They are text."""
    body = {"query": "{ __typename }", "variables": {"text": text}}

    assert post(shared, token, body).json() == NAME


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8; profile=x",
        "application/json; profile=x",
        "application/json; charset=utf-8;",
    ],
)
def test_parameters_that_mean_nothing_here_are_not_looked_at(
    shared: Gateway, token: str, content_type: str
) -> None:
    """As RFC 9110 has it."""
    response = shared.request(
        "POST",
        "/graphql",
        token,
        content='{"query": "{ __typename }"}',
        headers={"content-type": content_type},
    )

    assert response.json() == NAME


def test_empty_parameters_of_a_get_are_absent(shared: Gateway, token: str) -> None:
    """A form sends all its fields; `operationName=` is absent already."""
    parameters = {"query": "{ __typename }", "variables": "", "extensions": ""}

    assert shared.request("GET", "/graphql", token, params=parameters).json() == NAME


def test_a_refused_charset_is_named(shared: Gateway, token: str) -> None:
    """The type is application/json already: the charset is what is wrong."""
    response = shared.request(
        "POST",
        "/graphql",
        token,
        content='{"query": "{ __typename }"}',
        headers={"content-type": "application/json; charset=utf-16"},
    )

    assert response.status_code == 415
    assert "UTF-8" in response.json()["errors"][0]["message"]


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
    """Of however many digits, in however far a year."""
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
def test_what_only_python_takes_for_iso_8601_is_refused(text: str) -> None:
    """Its reader passes over characters that it should not."""
    with pytest.raises(Exception, match="expected ISO 8601"):
        parse_instant(text)


@pytest.mark.parametrize("literal", ["0.5", '"yesterday"', "[1]"])
def test_a_bad_literal_is_located(shared: Gateway, token: str, literal: str) -> None:
    """A refusal points at the value in the document, as every other does."""
    query = f"""{{
      sessionMetrics(orgId: "org-1", filters: {{ timeAfter: {literal}, timeBefore: 9 }}) {{
        __typename
      }}
    }}"""
    (error,) = post(shared, token, {"query": query}).json()["errors"]

    assert error["locations"][0]["line"] == 2


def test_a_long_integer_literal_is_an_instant(shared: Gateway, token: str) -> None:
    """Its value is known to be beyond all years; the refusal of today says `nan`."""
    query = f"""{{
      sessionMetrics(orgId: "org-1", filters: {{ timeAfter: 0, timeBefore: {"9" * 4301} }}) {{
        sessionsCreatedCount
      }}
    }}"""
    body = post(shared, token, {"query": query}).json()

    assert body == {"data": {"sessionMetrics": {"sessionsCreatedCount": 10}}}


def test_an_unfinished_string_of_escapes_is_refused_at_once(shared: Gateway, token: str) -> None:
    """Looking for its end takes one pass: a second one for each quote would take minutes."""
    response = post(shared, token, '"' + '\\"' * 49_000)

    assert response.status_code == 400


@pytest.mark.parametrize("text", ["2025-01-01+00:00", "2025-01-01-05:30", "2025-01-01Z"])
def test_a_date_with_an_offset_is_no_instant(shared: Gateway, token: str, text: str) -> None:
    """It is refused in our words, not in Python's."""
    question = f'sessionMetrics(orgId: "org-1", filters: {{ timeAfter: "{text}", timeBefore: 1 }})'
    body = post(shared, token, {"query": f"{{ {question} {{ __typename }} }}"}).json()

    assert body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}
    assert "expected ISO 8601" in body["errors"][0]["message"]
