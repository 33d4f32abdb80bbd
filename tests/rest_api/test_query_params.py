"""Query parameters: which values they mean, and which are refused."""

from typing import Any
from urllib.parse import unquote

import pytest
from starlette.datastructures import QueryParams

from metrics_graphql.rest_api.query_params import Parameters
from tests.conftest import Gateway, only_sqlite
from tests.rest_api.recorded import CASES

pytestmark = only_sqlite

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


LISTS = ["user_ids", "service_user_ids"]
SCALARS = ["time_before", "time_after", "playbook_id"]
PATHS = {
    "/v3/organizations/org-1/metrics/sessions": ("org-1", [*LISTS, *SCALARS]),
    "/v3/organizations/metrics/sessions": ("org-1", [*LISTS, *SCALARS]),
    "/v3/enterprise/metrics/sessions": (None, [*LISTS, *SCALARS, "org_ids"]),
}
"""The endpoints, the organization of a token, and the parameters."""


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("brackets", ["[]", "[0]", "[a]", "[][]", "[", "%5B%5D", "%5b0%5d"])
def test_a_name_with_brackets_is_refused(loaded: Gateway, path: str, brackets: str) -> None:
    """The error has the spelling and what to use; ignored, the filter would not restrict."""
    org_id, names = PATHS[path]
    token = loaded.token(org_id)
    for name in names:
        query = f"time_after=10&time_before=20&{name}{brackets}=a&{name}{brackets}=b"
        response = loaded.request("GET", f"{path}?{query}", token)
        spelling = name + unquote(brackets)
        right = f"`{name}=a&{name}=b` or `{name}=a,b`" if name.endswith("s") else f"`{name}`"

        assert response.status_code == 422
        assert response.json()["detail"] == [
            {
                "type": "parameter_name",
                "loc": ["query", spelling],
                "msg": f"Parameter `{spelling}` is not supported: use {right}",
                "input": "b",
            }
        ]


def test_each_parameter_with_brackets_is_named_once(loaded: Gateway) -> None:
    """However many values it has."""
    query = "&".join(f"user_ids[{number}]=a" for number in range(200)) + "&time_after[]=x"
    path = f"/v3/organizations/org-1/metrics/sessions?{query}"
    detail = loaded.request("GET", path, loaded.token("org-1")).json()["detail"]

    assert [entry["loc"][1] for entry in detail] == ["user_ids[0]", "time_after[]"]


@pytest.mark.parametrize(
    "unknown",
    ["zzz[]=1", "zzz=1", "[]=1", "user_id=a", "user_ids.0=a", "userIds=a", "xuser_ids[]=a",
     "org_ids[]=a", "org_ids=a"],
)  # fmt: skip
def test_other_parameters_are_ignored(loaded: Gateway, unknown: str) -> None:
    """As the v3 API does; `org_ids` is a parameter of the enterprise only."""
    path = "/v3/organizations/org-1/metrics/sessions?time_after=10&time_before=20"

    assert loaded.request("GET", f"{path}&{unknown}", loaded.token("org-1")).status_code == 200
