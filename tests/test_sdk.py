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
from tests.conftest import Gateway, new_organization
from tests.serving import Server, served

GUIDE = Path(__file__).parents[1] / "docs" / "migrate-from-v3.md"
PERIOD: dict[str, Any] = {"time_after": 0, "time_before": 100}

whatever_the_engine = pytest.mark.engines("sqlite")
"""For tests of what happens before a database is asked."""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Lend a list to which each pause that the SDK makes adds its seconds; nobody waits."""
    seconds: list[float] = []
    clock = SimpleNamespace(time=time.time, sleep=seconds.append)
    monkeypatch.setattr("devin_sdk._base_client.time", clock)
    return seconds


def count(sdk: DevinSDK, org_id: str, **filters: Any) -> int:  # noqa: ANN401 - any filter
    """Return how many sessions the SDK says there are."""
    metrics = sdk.organizations.metrics.get_session_metrics(org_id, **PERIOD, **filters)
    return metrics.sessions_created_count


@given(data=st.data())
@settings(max_examples=30)
def test_every_field_is_what_the_oracle_says(
    loaded: Gateway, server: Server, data: st.DataObject
) -> None:
    """For random sessions, periods and filters: with one id, many, none, and an empty list."""
    org_id = next(new_organization)
    rows = strategies.session_rows(org_id, st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    stored = data.draw(st.lists(rows, max_size=30, unique_by=lambda row: row["session_id"]))
    loaded.load(stored)
    with DevinSDK(api_key=loaded.token(org_id), base_url=server.url) as sdk:
        for _ in range(4):
            asked = {**data.draw(strategies.periods()), **data.draw(strategies.filters())}
            answer = sdk.organizations.metrics.get_session_metrics(org_id, **asked)

            assert answer.to_dict() == oracle.rest(stored, org_id, **asked)


def test_filters_mean_what_they_say(loaded: Gateway, server: Server) -> None:
    """No list restricts nothing, an empty one matches nothing, two ids match either."""
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
    """In a program of its own, which is told the address and the token as the guide says."""
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


def test_errors_are_of_the_classes_that_the_sdk_has_for_them(
    loaded: Gateway, server: Server
) -> None:
    """And their body is the one that the server gave."""
    org = next(new_organization)
    token = loaded.token(org)

    def refused(org_id: str = org, api_key: str = token, **filters: Any) -> tuple[Any, Any]:  # noqa: ANN401 - an error's class and body
        with (
            DevinSDK(api_key=api_key, base_url=server.url, max_retries=0) as sdk,
            pytest.raises(devin_sdk.APIStatusError) as caught,
        ):
            count(sdk, org_id, **filters)
        return type(caught.value), caught.value.body

    unread, body = refused(user_ids=[str(number) for number in range(1_001)])
    assert unread is devin_sdk.UnprocessableEntityError
    assert body["detail"][0]["loc"] == ["query", "user_ids"]
    assert refused(api_key="cog_x") == (
        devin_sdk.AuthenticationError,
        {"detail": "The token is not valid"},
    )
    assert refused("org-of-others") == (
        devin_sdk.PermissionDeniedError,
        {"detail": "You may not read the metrics of this organization."},
    )
    with (
        DevinSDK(api_key=token, base_url=server.url) as sdk,
        pytest.raises(devin_sdk.NotFoundError),
    ):
        sdk.organizations.metrics.get_search_metrics(org, time_after=0, time_before=100)


def test_a_database_that_can_not_answer_is_asked_again(
    gateway: Gateway, tmp_path: Path, waits: list[float]
) -> None:
    """After the second that the server asks for, twice; then the error says what it was."""
    token = gateway.token("org-1")

    async def break_database() -> None:
        async with gateway.database.writing() as connection:
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


@whatever_the_engine
def test_who_asks_too_often_is_told_when_to_come_back(
    gateway: Gateway, tmp_path: Path, waits: list[float]
) -> None:
    """The SDK waits for as many whole seconds as `Retry-After` says, twice, and gives up."""
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


@whatever_the_engine
def test_who_comes_back_then_is_answered(gateway: Gateway, tmp_path: Path) -> None:
    """A program with the SDK's defaults does not notice a rate of one a second."""
    token = gateway.token("org-1")
    with (
        served(gateway.database_url, tmp_path / "log", rate_limit="1/second") as server,
        DevinSDK(api_key=token, base_url=server.url) as sdk,
    ):
        assert [count(sdk, "org-1") for _ in range(3)] == [0, 0, 0]
