"""Query parameters: which values they mean, and which are refused."""

from typing import Any

import pytest
from starlette.datastructures import QueryParams

from metrics_graphql.rest_api.query_params import Parameters
from tests.conftest import Gateway
from tests.rest_api.recorded import CASES

PERIOD = {"time_after": 10, "time_before": 20}


@pytest.mark.parametrize(
    "case", [case for case in CASES if "parsed" in case], ids=lambda case: case["name"]
)
def test_values_are_parsed_as_fastapi_was_recorded_to_parse_them(case: dict[str, Any]) -> None:
    """With one exception: `user_ids=` is an empty list instead of a list with an empty id."""
    query = QueryParams(case["query"])
    values: dict[str, Any] = dict(query)
    values |= {
        name: query.getlist(name) for name in ("user_ids", "service_user_ids") if name in query
    }

    parsed = Parameters.model_validate(values).model_dump()

    recorded = {name: case["parsed"][name] for name in parsed}
    if recorded["user_ids"] == [""]:
        recorded["user_ids"] = []
    assert parsed == recorded


def test_ids_may_be_repeated_joined_by_commas_or_both(gateway: Gateway) -> None:
    """`user_ids=a,b&user_ids=c` are three ids."""
    gateway.load(
        {"org_id": "org-1", "session_id": user, "created_at": 10, "user_id": user}
        for user in "abcd"
    )
    token = gateway.token("org-1")

    def count(users: Any) -> int:  # noqa: ANN401 - one or several values
        body = gateway.rest("org-1", token, **PERIOD, user_ids=users).json()
        return int(body["sessions_created_count"])

    assert count("a,b") == 2
    assert count(["a", "b"]) == 2
    assert count(["a,b", "c"]) == 3
    assert count("") == 0


@pytest.mark.parametrize(
    ("parameters", "location", "kind"),
    [
        ({"user_ids": ",".join(map(str, range(1001)))}, ["query", "user_ids"], "too_long"),
        ({"service_user_ids": ["x"] * 1001}, ["query", "service_user_ids"], "too_long"),
        ({"user_ids": "a,\0"}, ["query", "user_ids", 1], "id_characters"),
        ({"playbook_id": "\0"}, ["query", "playbook_id"], "id_characters"),
        ({"time_before": 9}, ["query", "time_before"], "value_error"),
    ],
)
def test_a_refused_value_is_named(
    gateway: Gateway, parameters: dict[str, Any], location: list[Any], kind: str
) -> None:
    """Values that only this server refuses have errors in the shape of the published document."""
    response = gateway.rest("org-1", gateway.token("org-1"), **(PERIOD | parameters))

    assert response.status_code == 422
    (entry,) = response.json()["detail"]
    assert (entry["loc"], entry["type"]) == (location, kind)


def test_a_thousand_ids_of_each_kind_are_allowed(gateway: Gateway) -> None:
    """1,000 is the limit."""
    ids = ",".join(f"user-{number}" for number in range(1000))
    response = gateway.rest(
        "org-1", gateway.token("org-1"), **PERIOD, user_ids=ids, service_user_ids=ids
    )

    assert response.status_code == 200
