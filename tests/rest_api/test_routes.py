"""The routes of the v3 API, compared with responses that FastAPI was recorded to give."""

from copy import deepcopy
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from starlette.types import Message

from metrics_graphql.core.service import MetricsService
from tests.conftest import Gateway
from tests.rest_api.recorded import CASES

PERIOD = {"time_after": 10, "time_before": 20}
OWN = "/v3/organizations/metrics/sessions"


def authorization_of(case: dict[str, Any], token: str) -> dict[str, str]:
    """Return the recorded header, with a valid token in place of the recorded one."""
    recorded = case["auth"]
    return {} if recorded is None else {"authorization": recorded.replace("cog_x", token)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_responses_equal_the_recorded_ones(gateway: Gateway, case: dict[str, Any]) -> None:
    """In status, headers and body, with four exceptions.

    Reversed bounds and names with brackets are refused here, a trailing slash is not redirected,
    and errors shorten long values.
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
    if "[]" in case["query"]:
        assert response.status_code == 422
        assert response.json()["detail"][0]["loc"][1].endswith("[]")
        return
    if case["path"].endswith("/"):
        assert (case["status"], response.status_code) == (307, 404)
        return
    assert response.status_code == case["status"]
    assert {name: response.headers.get(name) for name in case["headers"]} == case["headers"]
    if "body" in case and case["method"] != "HEAD" and case["body"] is not None:
        expected = deepcopy(case["body"])
        for entry in expected["detail"] if response.status_code == 422 else ():
            if entry["input"] is not None and len(entry["input"]) > 100:
                entry["input"] = entry["input"][:100] + "…"
        assert response.json() == expected


def test_a_response_without_sessions_has_every_property(gateway: Gateway) -> None:
    """Zeros everywhere, and an average of 0.0."""
    body = gateway.rest("org-1", gateway.token("org-1"), **PERIOD).json()

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


@pytest.mark.parametrize("organization", ["org-2", "org-unknown", "org-%00", "%20"])
def test_another_organization_is_forbidden(gateway: Gateway, organization: str) -> None:
    """With the same status and body whether it exists or not."""
    gateway.load([{"org_id": "org-2", "session_id": "a", "created_at": 10}])
    response = gateway.rest(organization, gateway.token("org-1"), **PERIOD)

    if organization == "org-%00":
        assert response.status_code == 422
        assert response.json()["detail"][0]["loc"] == ["path", "org_id"]
    else:
        assert response.status_code == 403
        assert response.json() == {"detail": "You may not read the metrics of this organization."}


def test_parameters_are_checked_before_permissions(gateway: Gateway) -> None:
    """Invalid ones get 422 for any organization in the path, so that nothing is revealed."""
    response = gateway.rest("org-2", gateway.token("org-1"), time_after="x", time_before=2)

    assert response.status_code == 422


def test_an_unexpected_error_is_masked_by_an_id(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The response has the id; the log has the id and the error."""

    async def fail(*_: object) -> None:
        raise RuntimeError("SELECT secret FROM somewhere")

    monkeypatch.setattr(MetricsService, "fetch_metrics", fail)
    response = gateway.rest("org-1", gateway.token("org-1"), **PERIOD)

    assert response.status_code == 500
    assert "SELECT" not in response.text
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    error_id = record.getMessage().removeprefix("Unexpected error ")
    assert error_id in response.json()["detail"]
    assert record.exc_info is not None


def test_an_unavailable_database_gets_503(gateway: Gateway) -> None:
    """The reason is in the log, not in the response."""
    token = gateway.token("org-1")

    async def break_database() -> None:
        async with gateway.database.transaction() as connection:
            await connection.exec_driver_sql("ALTER TABLE sessions RENAME TO elsewhere")

    gateway.run(break_database())
    response = gateway.rest("org-1", token, **PERIOD)

    assert response.status_code == 503
    assert response.json() == {"detail": "The database is not available. Try again later."}


@pytest.mark.parametrize("org_id", ["org-1", None])
@pytest.mark.parametrize("permission", ["ViewAccountMetrics", "ReadAccountMeta"])
def test_self_is_the_caller(gateway: Gateway, org_id: str | None, permission: str) -> None:
    """With its organization, null at enterprise level; no permission is needed."""
    token = gateway.token(org_id, permission)
    response = gateway.request("GET", "/v3/self", token)
    viewer = gateway.graphql("{ viewer { id name } }", token).json()["data"]["viewer"]

    assert response.status_code == 200
    assert response.json() == {
        "principal_type": "service_user",
        "service_user_id": viewer["id"],
        "service_user_name": viewer["name"],
        "org_id": org_id,
    }
    assert response.headers["cache-control"] == "no-store"


def test_self_counts_against_the_rate_limit(gateway: Gateway) -> None:
    """Like any request."""
    token = gateway.token("org-1")
    with gateway.configured(rate_limit="1/hour") as limited:
        statuses = [limited.request("GET", "/v3/self", token).status_code for _ in range(2)]

    assert statuses == [200, 429]


def test_the_organization_may_be_left_out_of_the_path(gateway: Gateway) -> None:
    """It is the caller's; the response is that of the path with the organization."""
    for number, org_id in enumerate(["org-1", "org-2"], start=1):
        gateway.load(
            {"org_id": org_id, "session_id": str(session), "created_at": 10}
            for session in range(number)
        )
    for number, org_id in enumerate(["org-1", "org-2"], start=1):
        token = gateway.token(org_id)
        own = gateway.request("GET", OWN, token, params=PERIOD)
        assert own.json()["sessions_created_count"] == number
        assert own.content == gateway.rest(org_id, token, **PERIOD).content


def test_the_own_organization_needs_the_same_permission_and_parameters(gateway: Gateway) -> None:
    """403 without the permission, 422 for invalid parameters."""
    refused = gateway.request("GET", OWN, gateway.token("org-1", "ReadAccountMeta"), params=PERIOD)
    invalid = gateway.request("GET", OWN, gateway.token("org-1"), params={"time_after": "x"})

    assert refused.status_code == 403
    assert refused.json() == {"detail": "You may not read the metrics of this organization."}
    assert [entry["loc"] for entry in invalid.json()["detail"]] == [
        ["query", "time_before"],
        ["query", "time_after"],
    ]


def test_a_caller_at_enterprise_level_has_to_name_an_organization(gateway: Gateway) -> None:
    """The error is that of a missing path parameter."""
    gateway.load([{"org_id": "org-1", "session_id": "a", "created_at": 10}])
    response = gateway.request("GET", OWN, gateway.token(), params=PERIOD)

    assert response.status_code == 422
    assert response.json() == {
        "detail": [
            {
                "type": "missing",
                "loc": ["path", "org_id"],
                "msg": "Field required",
                "input": None,
            }
        ]
    }


@pytest.mark.parametrize("path", ["/v3/self", OWN, "/v3/enterprise/metrics/sessions"])
def test_only_get_is_allowed(gateway: Gateway, path: str) -> None:
    """Not even HEAD, as in the recorded responses."""
    for method in ("POST", "HEAD"):
        response = gateway.request(method, path, gateway.token())
        assert response.status_code == 405
        assert response.headers["allow"] == "GET"


UNUSUAL_IDS = [
    *("team/one", "/", "//", "/team/", "a/b/c", "team?one", "team#one", "100%", "%2F", "a%252Fb"),
    *("a b", "a+b", "ünï/çødé", "\U0001f600", "a&b=c;d", "a:b@c", "a\\b", "..x", "self"),
    *("metrics", "metrics/sessions", "a/metrics/sessions", "/v3/organizations/b/metrics/sessions"),
]


@pytest.mark.parametrize("org_id", UNUSUAL_IDS)
def test_any_id_can_be_requested_percent_encoded(loaded: Gateway, org_id: str) -> None:
    """It is decoded once, as the id of one organization, also for the enterprise."""
    loaded.load([{"org_id": org_id, "session_id": "s", "created_at": 10}])
    segment = quote(org_id, safe="")
    response = loaded.rest(segment, loaded.token(org_id), **PERIOD)
    enterprise = loaded.enterprise(loaded.token(), **PERIOD, org_ids=org_id)

    for each in (response, enterprise):
        assert each.status_code == 200, each.text
        assert each.json()["sessions_created_count"] == 1
    other = loaded.rest(segment, loaded.token(f"{org_id}/other"), **PERIOD)
    assert other.status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/v3/organizations/team/one/metrics/sessions",
        "/v3/organizations//metrics/sessions",
        "/v3/organizations/team%2Fone%2Fmetrics%2Fsessions",
        "/v3/organizations/team%2Fone/metrics%2Fsessions",
        "/v3/organizations%2Fteam%2Fone/metrics/sessions",
        "/v3/organizations/team%2Fone/metrics/sessions/",
        "/v3/organizations/team%2Fone/metrics/sessions%2F",
        "/v3/organizations%2Fmetrics/sessions",
    ],
)
def test_a_slash_that_is_not_encoded_separates_segments(loaded: Gateway, path: str) -> None:
    """And one that is encoded does not (RFC 3986)."""
    response = loaded.request("GET", path, loaded.token("team/one"), params=PERIOD)

    assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})


def test_dots_are_an_id_for_clients_that_do_not_remove_them(loaded: Gateway) -> None:
    """Many do, even encoded ones; GraphQL and `org_ids` have no such segments."""
    for org_id, segment in ((".", "%2E"), ("..", "%2E%2E")):
        loaded.load([{"org_id": org_id, "session_id": "s", "created_at": 10}])
        response = loaded.rest(segment, loaded.token(org_id), **PERIOD)

        assert response.json()["sessions_created_count"] == 1


def test_a_server_may_pass_the_decoded_path_only(loaded: Gateway) -> None:
    """ASGI's `raw_path` is optional."""
    token = loaded.token("100%25")
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    async def request() -> None:
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": "/v3/organizations/100%25/metrics/sessions",
            "query_string": b"time_after=10&time_before=20",
            "headers": [(b"authorization", f"Bearer {token}".encode())],
        }
        await loaded.app(scope, receive, send)

    loaded.run(request())

    assert statuses[0] == 200


MILLISECONDS = 1_763_600_000_000


@pytest.mark.parametrize("enterprise", [False, True])
@pytest.mark.parametrize(
    "after", [str(MILLISECONDS), f"{MILLISECONDS}.0", "253402300800", "9" * 31]
)
@pytest.mark.parametrize("before", ["10", str(MILLISECONDS + 1)])
def test_a_start_in_milliseconds_is_refused(
    loaded: Gateway, after: str, before: str, *, enterprise: bool
) -> None:
    """By its own location, even if the end is earlier."""
    request = loaded.enterprise if enterprise else partial(loaded.rest, "org-1")
    token = loaded.token(None if enterprise else "org-1")
    response = request(token, time_after=after, time_before=before)

    assert response.status_code == 422
    assert response.json() == {
        "detail": [
            {
                "type": "value_error",
                "loc": ["query", "time_after"],
                "msg": "Value must not be after the year 9999: Unix seconds are expected, not"
                " milliseconds",
                "input": after,
            }
        ]
    }


def test_an_end_in_milliseconds_means_no_end(loaded: Gateway) -> None:
    """As every end after the year 9999 does."""
    loaded.load([{"org_id": "org-late", "session_id": "s", "created_at": 2_000_000_000}])
    token = loaded.token("org-late")
    for before in (MILLISECONDS, MILLISECONDS * 10**6, 10**30):
        body = loaded.rest("org-late", token, time_after=0, time_before=before).json()
        assert body["sessions_created_count"] == 1
