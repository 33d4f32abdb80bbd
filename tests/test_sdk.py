"""The official Python SDK, unmodified, against a real server."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import devin_sdk
import pytest
from devin_sdk import DevinSDK
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracle, strategies
from tests.conftest import Gateway, new_organization, only_sqlite
from tests.serving import Server, served

GUIDE = Path(__file__).parents[1] / "docs" / "rest.md"
PERIOD: dict[str, Any] = {"time_after": 0, "time_before": 100}

pytestmark = only_sqlite


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list of the seconds for which the SDK would have waited; it does not wait."""
    seconds: list[float] = []
    clock = SimpleNamespace(time=time.time, sleep=seconds.append)
    monkeypatch.setattr("devin_sdk._base_client.time", clock)
    return seconds


def count(sdk: DevinSDK, org_id: str, **filters: Any) -> int:  # noqa: ANN401 - any filter
    """Return the number of sessions that the SDK gets."""
    metrics = sdk.organizations.metrics.get_session_metrics(org_id, **PERIOD, **filters)
    return metrics.sessions_created_count


@given(data=st.data())
@settings(max_examples=30)
def test_every_field_equals_the_oracle(
    loaded: Gateway, server: Server, data: st.DataObject
) -> None:
    """For random sessions, periods and filters: with one id, many, none, and an empty list."""
    org_id = next(new_organization)
    rows = strategies.session_rows(org_id, st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    stored = data.draw(st.lists(rows, max_size=30, unique_by=lambda row: row["session_id"]))
    loaded.load(stored)
    with DevinSDK(api_key=loaded.token(org_id), base_url=server.url) as sdk:
        for _ in range(4):
            period: dict[str, Any] = data.draw(strategies.periods())
            filters = strategies.rest_filters(data.draw(strategies.filters()))
            metrics = sdk.organizations.metrics.get_session_metrics(
                org_id, **period, **strategies.sdk_filters(filters)
            )

            pull_requests = sdk.organizations.metrics.get_pr_metrics(
                org_id, **period, **strategies.sdk_filters(filters)
            )

            assert metrics.to_dict() == oracle.rest(stored, org_id, **period, **filters)
            assert pull_requests.to_dict() == oracle.rest_pull_requests(
                stored, org_id, **period, **filters
            )


def test_lists_of_ids_filter_sessions(loaded: Gateway, server: Server) -> None:
    """No list restricts nothing, an empty one matches nothing, and either of two ids may match."""
    org = next(new_organization)
    loaded.load(
        {"org_id": org, "session_id": user, "created_at": 10, "user_id": user}
        for user in ("email|a", "email|b", "email|c")
    )
    with DevinSDK(api_key=loaded.token(org), base_url=server.url) as sdk:
        assert count(sdk, org) == count(sdk, org, user_ids=None) == 3
        assert count(sdk, org, user_ids=["email|a"]) == 1
        assert count(sdk, org, user_ids=["email|a", "email|c"]) == 2
        assert count(sdk, org, user_ids=[]) == 0
        assert count(sdk, org, user_ids=[], service_user_ids=["email|a"]) == 0


def test_the_example_of_the_guide_runs(loaded: Gateway, server: Server) -> None:
    """In a process of its own, with the URL and the token in the variables that the guide names."""
    (example,) = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    session = {"org_id": "org-example", "created_at": 1_735_689_600, "acus": 1_500_000}
    loaded.load(
        {**session, "session_id": user, "user_id": user} for user in ("user-1", "user-2", "user-3")
    )
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        env={
            **os.environ,
            "DEVIN_SDK_BASE_URL": server.url,
            "DEVIN_SDK_API_KEY": loaded.token("org-example"),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert (finished.stdout, finished.stderr) == ("2 1.5\n", "")


def test_errors_are_raised_as_the_classes_of_the_sdk(loaded: Gateway, server: Server) -> None:
    """They have the body of the response."""
    org = next(new_organization)
    token = loaded.token(org)

    def refused(org_id: str = org, api_key: str = token, **filters: Any) -> tuple[Any, Any]:  # noqa: ANN401 - an error's class and body
        with (
            DevinSDK(api_key=api_key, base_url=server.url, max_retries=0) as sdk,
            pytest.raises(devin_sdk.APIStatusError) as caught,
        ):
            count(sdk, org_id, **filters)
        return type(caught.value), caught.value.body

    kind, body = refused(user_ids=[str(number) for number in range(1_001)])
    assert kind is devin_sdk.UnprocessableEntityError
    assert body["detail"][0]["loc"] == ["query", "user_ids"]
    assert refused(api_key="cog_x") == (
        devin_sdk.AuthenticationError,
        {"detail": "The token is not valid"},
    )
    assert refused("org-other") == (
        devin_sdk.PermissionDeniedError,
        {"detail": "You may not read the metrics of this organization."},
    )
    with (
        DevinSDK(api_key=token, base_url=server.url) as sdk,
        pytest.raises(devin_sdk.NotFoundError),
    ):
        sdk.organizations.metrics.get_search_metrics(org, time_after=0, time_before=100)


def test_the_sdk_retries_when_the_database_is_unavailable(
    gateway: Gateway, tmp_path: Path, waits: list[float]
) -> None:
    """Twice, after the second in `Retry-After`; then it raises the error of the response."""
    token = gateway.token("org-1")

    async def break_database() -> None:
        async with gateway.database.transaction() as connection:
            await connection.exec_driver_sql("ALTER TABLE sessions RENAME TO elsewhere")

    gateway.run(break_database())
    with (
        served(gateway.database_url, tmp_path / "log") as server,
        DevinSDK(api_key=token, base_url=server.url) as sdk,
        pytest.raises(devin_sdk.InternalServerError) as caught,
    ):
        count(sdk, "org-1")

    assert caught.value.status_code == 503
    assert caught.value.body == {"detail": "The database is not available. Try again later."}
    assert waits == [1.0, 1.0]


def test_the_sdk_waits_when_it_is_rate_limited(
    gateway: Gateway, tmp_path: Path, waits: list[float]
) -> None:
    """For the whole seconds in `Retry-After`, twice; then it gives up."""
    token = gateway.token("org-1")
    with (
        served(gateway.database_url, tmp_path / "log", rate_limit="1/minute") as server,
        DevinSDK(api_key=token, base_url=server.url) as sdk,
    ):
        assert count(sdk, "org-1") == 0
        with pytest.raises(devin_sdk.RateLimitError) as caught:
            count(sdk, "org-1")

    last = float(caught.value.response.headers["retry-after"])
    first, second = waits
    assert 60 >= first >= second >= last > 0
    assert first.is_integer()


def test_a_short_rate_limit_is_retried_transparently(gateway: Gateway, tmp_path: Path) -> None:
    """With the defaults of the SDK, a program does not notice a limit of one a second."""
    token = gateway.token("org-1")
    with (
        served(gateway.database_url, tmp_path / "log", rate_limit="1/second") as server,
        DevinSDK(api_key=token, base_url=server.url) as sdk,
    ):
        assert [count(sdk, "org-1") for _ in range(3)] == [0, 0, 0]
