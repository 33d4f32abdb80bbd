"""Unexpected errors: masked at every API, and logged once under an id."""

import re
from typing import Any

import pytest

from tests.conftest import Gateway, only_sqlite

METRICS = "/v3/organizations/org-1/metrics/sessions?time_after=1&time_before=2"
FIELD = 'sessionMetrics(orgId: "org-1", filters: {timeAfter: 1, timeBefore: 2}) { __typename }'
COMPILED = f"{{ {FIELD} }}"
NOT_COMPILED = f"{{ __schema {{ __typename }} {FIELD} }}"
"""Runs on graphql-core, because the fast path does not support introspection."""


@only_sqlite
@pytest.mark.parametrize(
    ("broken", "path", "status"),
    [
        ("core.service.MetricsService.fetch_metrics", METRICS, 500),
        ("core.service.MetricsService.authenticate", METRICS, 500),
        ("core.service.MetricsService.authenticate", "/v3/self", 500),
        ("core.service.MetricsService.fetch_metrics", f"/graphql?query={COMPILED}", 200),
        ("core.service.MetricsService.fetch_metrics", f"/graphql?query={NOT_COMPILED}", 200),
        ("graphql_api.root_fields.RootField.render", f"/graphql?query={COMPILED}", 200),
        ("graphql_api.root_fields.RootField.render", f"/graphql?query={NOT_COMPILED}", 200),
        ("core.service.MetricsService.authenticate", f"/graphql?query={COMPILED}", 500),
        ("storage.repository.Storage.ping", "/readyz", 500),
    ],
)
def test_an_unexpected_error_is_logged_once(  # noqa: PLR0913, PLR0917 - a table
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    broken: str,
    path: str,
    status: int,
) -> None:
    """With its traceback, under the id in the response, which has nothing else of it."""

    def fail(*_: object) -> Any:  # noqa: ANN401 - of any method
        raise RuntimeError("SELECT secret FROM somewhere")

    token = gateway.token("org-1")
    monkeypatch.setattr(f"metrics_graphql.{broken}", fail)
    response = gateway.request("GET", path, token)

    assert response.status_code == status
    assert "SELECT" not in response.text
    (error_id,) = re.findall(r"under the id ([0-9a-f]{16})\.", response.text)
    records = [record for record in caplog.records if record.exc_info or error_id in str(record)]
    assert [record.getMessage() for record in records] == [f"Unexpected error {error_id}"]
    assert "SELECT secret FROM somewhere" in caplog.text
    assert caplog.text.count("Traceback") == 1


@only_sqlite
def test_each_field_that_fails_has_an_id_of_its_own(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Two fields, two records."""

    def fail(*_: object) -> Any:  # noqa: ANN401 - of any method
        raise RuntimeError

    token = gateway.token("org-1")
    monkeypatch.setattr("metrics_graphql.graphql_api.root_fields.RootField.render", fail)
    response = gateway.graphql(f"{{ a: {FIELD} b: {FIELD} }}", token)

    ids = re.findall(r"under the id ([0-9a-f]{16})\.", response.text)
    assert len(set(ids)) == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"Unexpected error {error_id}" for error_id in ids
    ]


@only_sqlite
def test_an_expected_error_is_not_logged(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """It concerns its caller alone."""
    token = gateway.token("org-2")
    for path in (METRICS, f"/graphql?query={COMPILED}", f"/graphql?query={NOT_COMPILED}"):
        gateway.request("GET", path, token)
        gateway.request("GET", path, None)

    assert caplog.text == ""
