"""Errors: which ones the client may read, which are masked, and what is logged."""

import logging
import re

import pytest

from metrics_graphql.core.errors import Unavailable
from metrics_graphql.core.service import MetricsService
from metrics_graphql.storage import organizations, totals
from tests.conftest import Gateway
from tests.graphql_api.both_ways import BothWays
from tests.graphql_api.client import COUNT, JSON_TYPE, RESPONSE_TYPE, error_of, post
from tests.graphql_api.conftest import Execute
from tests.graphql_api.selections import METRICS

SECRET = "SELECT password FROM secrets"


async def fail(*_: object) -> None:
    """Raise what no code expects."""
    raise RuntimeError(SECRET)


def logged_id(caplog: pytest.LogCaptureFixture) -> str:
    """Return the id of the one error in the log, which must have its traceback."""
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == SECRET
    return record.getMessage().removeprefix("Unexpected error ")


@pytest.mark.parametrize("layer", [MetricsService, totals])
def test_an_unexpected_error_of_a_field_is_masked(
    shared: Gateway,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    layer: object,
) -> None:
    """The field is null, and its error has the id under which it is logged."""
    monkeypatch.setattr(layer, "fetch_metrics", fail)
    query = COUNT.replace("sessionMetrics", "__typename mine: sessionMetrics")
    response = shared.graphql(query, token, {"org": "org-1"})

    assert response.status_code == 200
    assert response.json()["data"] == {"__typename": "Query", "mine": None}
    error = error_of(response)
    assert error["extensions"] == {"code": "INTERNAL"}
    assert error["path"] == ["mine"]
    assert logged_id(caplog) in error["message"]
    assert "SELECT" not in response.text
    assert "RuntimeError" not in response.text


def test_two_unexpected_errors_have_two_ids(
    shared: Gateway, token: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is logged under its own."""
    monkeypatch.setattr(MetricsService, "fetch_metrics", fail)
    field = 'sessionMetrics(orgId: "org-1", filters: { timeAfter: 0, timeBefore: 1 })'
    query = f"{{ a: {field} {{ __typename }} b: {field} {{ __typename }} }}"
    errors = post(shared, token, query).json()["errors"]

    logged = [record.getMessage().split()[-1] for record in caplog.records if record.exc_info]
    assert len(set(logged)) == 2
    for error in errors:
        assert any(error_id in error["message"] for error_id in logged)


@pytest.mark.parametrize("accept", [JSON_TYPE, RESPONSE_TYPE])
def test_an_unexpected_error_before_execution_is_masked(
    shared: Gateway,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    accept: str,
) -> None:
    """With the status 500; here it is raised while the caller is authenticated."""
    monkeypatch.setattr(MetricsService, "authenticate", fail)
    response = post(shared, token, "{ __typename }", accept)

    assert response.status_code == 500
    assert response.headers["content-type"] == accept
    assert set(response.json()) == {"errors"}
    assert error_of(response)["extensions"] == {"code": "INTERNAL"}
    assert logged_id(caplog) in error_of(response)["message"]
    assert "SELECT" not in response.text


@pytest.mark.parametrize("accept", [JSON_TYPE, RESPONSE_TYPE])
def test_an_unexpected_error_while_validating_has_the_status_500(
    shared: Gateway, token: str, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    """And neither 200 nor 400 with the code `INTERNAL`."""

    def fail_at_once(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("metrics_graphql.graphql_api.document_store.validate", fail_at_once)
    response = post(shared, token, f"{{ __typename }} # {accept}", accept)

    assert response.json()["errors"][0]["extensions"] == {"code": "INTERNAL"}
    assert response.status_code == 500


def test_errors_of_clients_are_not_logged(
    execute: Execute, caplog: pytest.LogCaptureFixture
) -> None:
    """An invalid document, a refused argument and a forbidden organization."""
    execute("{ nonsense }")
    execute(COUNT, {"org": "somebody-else"})
    execute(COUNT, {"org": "\0"})
    execute(COUNT, {"org": 1.5})

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert "nonsense" not in caplog.text


def test_a_long_message_is_shortened_in_the_middle(execute: Execute) -> None:
    """It repeats a value of the request, and ends with the reason."""
    query = """query ($interval: TimeInterval!) {
      sessionMetrics(orgId: "org-1", filters: { timeAfter: 0, timeBefore: 10 }) {
        timeSeries(interval: $interval) { __typename }
      }
    }"""
    (error,) = execute(query, {"interval": "many words " * 1_000})["errors"]

    assert len(error["message"]) < 250
    assert error["message"].startswith("Variable '$interval'")
    assert error["message"].endswith("'TimeInterval' enum.")
    assert "…" in error["message"]


def hide(gateway: Gateway, table: str) -> None:
    """Rename a table, so that every statement that reads it fails."""

    async def rename() -> None:
        async with gateway.database.transaction() as connection:
            await connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO hidden_{table}")

    gateway.run(rename())


def test_a_field_that_the_database_cannot_answer_is_null(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """The cause is in the log, and not in the response."""
    token = gateway.token("org-1")
    hide(gateway, "sessions")
    caplog.clear()
    query = COUNT.replace("sessionMetrics", "__typename mine: sessionMetrics")
    response = gateway.graphql(query, token, {"org": "org-1"})

    assert response.status_code == 200
    assert response.json()["data"] == {"__typename": "Query", "mine": None}
    error = error_of(response)
    assert error["message"] == "The database is not available. Try again later."
    assert error["extensions"] == {"code": "UNAVAILABLE"}
    assert error["path"] == ["mine"]
    for word in ("SELECT", "sessions ", "sqlite", "no such table"):
        assert word not in response.text
    assert re.search("no such table|does not exist", caplog.text)


def test_every_field_is_null_if_data_versions_are_unavailable(
    both_ways: BothWays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read before everything else, in both ways of execution."""

    async def unavailable(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(organizations, "fetch_data_versions", unavailable)
    responses = both_ways.execute(
        f"{{ viewer {{ name }} a: {METRICS} {{ __typename }} b: {METRICS} {{ __typename }} }}"
    )

    assert responses.is_compiled
    responses.check_equal()
    body = responses.fast_path.body
    assert body["data"] == {"viewer": {"name": "test"}, "a": None, "b": None}
    assert [each["extensions"] for each in body["errors"]] == [{"code": "UNAVAILABLE"}] * 2


@pytest.mark.parametrize("accept", [JSON_TYPE, RESPONSE_TYPE])
def test_a_caller_that_the_database_cannot_authenticate_gets_503(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, accept: str
) -> None:
    """And not 401: the token may be valid."""
    token = gateway.token("org-1")
    hide(gateway, "tokens")
    caplog.clear()
    response = post(gateway, token, "{ __typename }", accept)

    assert response.status_code == 503
    assert response.headers["content-type"] == accept
    assert "www-authenticate" not in response.headers
    assert response.json() == {
        "errors": [
            {
                "message": "The database is not available. Try again later.",
                "extensions": {"code": "UNAVAILABLE"},
            }
        ]
    }
    assert re.search("no such table|does not exist", caplog.text)


def test_a_mistyped_token_is_refused_without_the_database(gateway: Gateway) -> None:
    """By its checksum."""
    token = gateway.token("org-1")
    hide(gateway, "tokens")

    assert post(gateway, token.swapcase(), "{ __typename }").status_code == 401
