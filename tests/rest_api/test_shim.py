"""The REST door, against what FastAPI was recorded to answer for the published document."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import QueryParams

from metrics_graphql.rest_api.parameters import Parameters
from metrics_graphql.service import MetricsService
from tests.conftest import Gateway

RECORDED = json.loads((Path(__file__).parents[1] / "spec/rest-validation-cases.json").read_text())


def spelled_out(case: dict[str, Any]) -> dict[str, Any]:
    """Return a case with the long number that the recording of its query cuts short."""
    if not case["name"].startswith("digits_"):
        return case
    number = "9" * int(case["name"].removeprefix("digits_"))
    parsed = {**case["parsed"], "time_before": int(number)} if "parsed" in case else None
    query = f"time_before={number}&time_after=10"
    return {**case, "query": query} | ({"parsed": parsed} if parsed else {})


CASES = [spelled_out(case) for case in RECORDED["cases"]]

QUESTION = {"time_after": 10, "time_before": 20}


def authorization_of(case: dict[str, Any], token: str) -> dict[str, str]:
    """Return the recorded header, with a token that works in the place of the recorded one."""
    recorded = case["auth"]
    return {} if recorded is None else {"authorization": recorded.replace("cog_x", token)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_answers_what_fastapi_was_recorded_to_answer(
    gateway: Gateway, case: dict[str, Any]
) -> None:
    """Status, headers and body equal the recorded ones, with two exceptions.

    Reversed bounds are refused here, and a long input is cut where an error repeats it.
    """
    parsed = case.get("parsed")
    token = gateway.token("org-1")
    response = gateway.request(
        case["method"],
        f"{case['path']}?{case['query']}",
        None,
        headers=authorization_of(case, token),
    )

    if parsed and parsed["time_before"] < parsed["time_after"]:
        assert response.status_code == 422
        assert [entry["loc"] for entry in response.json()["detail"]] == [["query", "time_before"]]
        return
    assert response.status_code == case["status"]
    assert {name: response.headers.get(name) for name in case["headers"]} == case["headers"]
    if "body" in case and case["method"] != "HEAD" and case["body"] is not None:
        expected = deepcopy(case["body"])
        for entry in expected["detail"] if response.status_code == 422 else ():
            if entry["input"] is not None and len(entry["input"]) > 100:
                entry["input"] = entry["input"][:100] + "…"
        assert response.json() == expected


@pytest.mark.parametrize(
    "case", [case for case in CASES if "parsed" in case], ids=lambda case: case["name"]
)
def test_reads_the_values_that_fastapi_was_recorded_to_read(case: dict[str, Any]) -> None:
    """Accepted values mean what they meant there; only `user_ids=` names no id instead of `""`."""
    query = QueryParams(case["query"])
    values: dict[str, Any] = dict(query)
    values |= {
        name: query.getlist(name) for name in ("user_ids", "service_user_ids") if name in query
    }

    read = Parameters.model_validate(values).model_dump()

    recorded = {name: case["parsed"][name] for name in read}
    if recorded["user_ids"] == [""]:
        recorded["user_ids"] = []
    assert read == recorded


def test_answers_every_key_of_the_document_for_no_sessions(gateway: Gateway) -> None:
    """An organization without sessions has zeros everywhere, and an average of 0.0."""
    body = gateway.rest("org-1", gateway.token("org-1"), **QUESTION).json()

    sizes = dict.fromkeys(["xs", "s", "m", "l", "xl"], 0)
    origins = ["api", "automation", "desktop", "jira", "linear", "slack", "teams", "webapp"]
    assert body == {
        "sessions_created_count": 0,
        "sessions_created_by_size": sizes,
        "sessions_created_by_origin": dict.fromkeys(origins, 0),
        "sessions_created_with_playbook_count": 0,
        "sessions_created_with_search_count": 0,
        "sessions_with_merged_prs_count": 0,
        "sessions_with_merged_prs_by_size": sizes,
        "avg_acus_per_session": 0.0,
    }


def test_ids_may_be_repeated_joined_by_commas_or_both(gateway: Gateway) -> None:
    """`user_ids=a,b&user_ids=c` names three users."""
    gateway.load(
        {"org_id": "org-1", "session_id": user, "created_at": 10, "user_id": user}
        for user in "abcd"
    )
    token = gateway.token("org-1")

    def count(users: Any) -> int:  # noqa: ANN401 - one or several values
        body = gateway.rest("org-1", token, **QUESTION, user_ids=users).json()
        return int(body["sessions_created_count"])

    assert count("a,b") == 2
    assert count(["a", "b"]) == 2
    assert count(["a,b", "c"]) == 3
    assert count("") == 0


@pytest.mark.parametrize(
    ("parameters", "place", "kind"),
    [
        ({"user_ids": ",".join(map(str, range(1001)))}, ["query", "user_ids"], "too_long"),
        ({"service_user_ids": ["x"] * 1001}, ["query", "service_user_ids"], "too_long"),
        ({"user_ids": "a,\0"}, ["query", "user_ids", 1], "id_characters"),
        ({"playbook_id": "\0"}, ["query", "playbook_id"], "id_characters"),
        ({"time_before": 9}, ["query", "time_before"], "value_error"),
    ],
)
def test_a_bad_value_is_named(
    gateway: Gateway, parameters: dict[str, Any], place: list[Any], kind: str
) -> None:
    """What this gateway refuses beyond the document has the shape of the document's errors."""
    response = gateway.rest("org-1", gateway.token("org-1"), **(QUESTION | parameters))

    assert response.status_code == 422
    (entry,) = response.json()["detail"]
    assert (entry["loc"], entry["type"]) == (place, kind)


def test_a_thousand_ids_of_each_kind_are_fine(gateway: Gateway) -> None:
    """The limit itself is allowed."""
    ids = ",".join(f"user-{number}" for number in range(1000))
    response = gateway.rest(
        "org-1", gateway.token("org-1"), **QUESTION, user_ids=ids, service_user_ids=ids
    )

    assert response.status_code == 200


@pytest.mark.parametrize("organization", ["org-2", "org-unknown", "org-%00", "%20"])
def test_an_organization_that_may_not_be_read_is_forbidden(
    gateway: Gateway, organization: str
) -> None:
    """Somebody else's and an unknown one have the same status and the same body."""
    gateway.load([{"org_id": "org-2", "session_id": "a", "created_at": 10}])
    response = gateway.rest(organization, gateway.token("org-1"), **QUESTION)

    if organization == "org-%00":
        assert response.status_code == 422
        assert response.json()["detail"][0]["loc"] == ["path", "org_id"]
    else:
        assert response.status_code == 403
        assert response.json() == {"detail": "You may not read the metrics of this organization."}


def test_a_question_that_can_not_be_read_is_refused_before_the_right_to_ask_it(
    gateway: Gateway,
) -> None:
    """Bad parameters are a 422 whoever's organization the path names, so that nothing leaks."""
    response = gateway.rest("org-2", gateway.token("org-1"), time_after="x", time_before=2)

    assert response.status_code == 422


def test_an_unexpected_error_is_masked_with_an_id_that_the_log_carries(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller sees an id; the log has the id and the error."""

    async def fail(*_: object) -> None:
        raise RuntimeError("SELECT secret FROM somewhere")

    monkeypatch.setattr(MetricsService, "session_metrics", fail)
    response = gateway.rest("org-1", gateway.token("org-1"), **QUESTION)

    assert response.status_code == 500
    assert "SELECT" not in response.text
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    error_id = record.getMessage().removeprefix("Unexpected error ")
    assert error_id in response.json()["detail"]
    assert record.exc_info is not None


def test_a_database_that_can_not_answer_is_a_503(gateway: Gateway) -> None:
    """Its reason is in the log, not in the answer."""
    token = gateway.token("org-1")

    async def break_database() -> None:
        async with gateway.database.writing() as connection:
            await connection.exec_driver_sql("ALTER TABLE sessions RENAME TO elsewhere")

    gateway.run(break_database())
    response = gateway.rest("org-1", token, **QUESTION)

    assert response.status_code == 503
    assert response.json() == {"detail": "The database is not available. Try again later."}
